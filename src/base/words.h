/* Words that people type: which of the known words was meant.
 *
 * A word is compared without regard to case, '_', '-', '.' and blanks. base/habits.def lists words that other
 * programs have taught people (Caffe, Keras, PyTorch, darknet, MXNet), with what they mean here. */
#ifndef CVY_BASE_WORDS_H
#define CVY_BASE_WORDS_H

#include "base/base.h"

/* This is a word of other programs. It means something only where `key` is among the known words. */
typedef struct cvy_habit {
  const char *word; /* in small letters and digits alone */
  const char *key;  /* "key", or "other/key" where another word must be known too */
  /* Where its value belongs, below `key`: "[constant].rate". The brackets stand for the name that was chosen
   * there, or for the name in them if none was. NULL: at `key` itself. */
  const char *path;
  const char *say; /* a sentence that is said instead; NULL: none */
} cvy_habit;

/* Returns the word of `words` that is nearest to `word` by edits, if it is near enough to be what was meant,
 * or the only one that begins with it; else NULL. */
const char *cvy_nearest_word(const char *word, const char *const *words, int64_t count);
/* Returns the habit that a word is of among these known words; NULL if it is none. */
const cvy_habit *cvy_habit_of(const char *word, const char *const *words, int64_t count);
/* Returns the key of a habit, without the other word that may stand before it. */
const char *cvy_habit_key(const cvy_habit *habit);
/* These walk all habits, for tests. */
int64_t cvy_habit_count(void);
const cvy_habit *cvy_habit_at(int64_t index);

/* Returns what to say of an unknown word: "; did you mean 'conv'?", "; a sentence", or nothing. It is in a
 * buffer of this thread. */
const char *cvy_meant(const char *word, const char *const *words, int64_t count);

/* Returns the split that a word names: train (or training), val (or valid, validation), test (or testing), in
 * large or small letters; NULL if it names none. */
const char *cvy_split_called(const char *word);

/* Tells whether two words are the same but for case, '_', '-', '.' and blanks. */
bool cvy_same_word(const char *a, const char *b);

#endif
