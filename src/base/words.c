/* Which of the known words was meant: by habit, by its letters, by its beginning. */
#include "base/words.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

enum { MAX_WORD = 32, LEAST_BEGINNING = 3, MEANT_BYTES = 600 };

static const cvy_habit habits[] = {
#define CVY_HABIT(word, key)          {word, key, NULL, NULL},
#define CVY_HABIT_AT(word, key, path) {word, key, path, NULL},
#define CVY_HABIT_SAY(word, key, say) {word, key, NULL, say},
#include "base/habits.def"
#undef CVY_HABIT
#undef CVY_HABIT_AT
#undef CVY_HABIT_SAY
};

/* Writes a word in small letters, without '_', '-', '.' and blanks. Returns its length, or -1 if it is too
 * long. */
static int plain_letters(char out[MAX_WORD + 1], const char *word) {
  int length = 0;
  for (; *word; word++) {
    if (strchr("_-. ", *word)) continue;
    if (length == MAX_WORD) return -1;
    out[length++] = (char)(*word >= 'A' && *word <= 'Z' ? *word + 'a' - 'A' : *word);
  }
  out[length] = '\0';
  return length;
}

bool cvy_same_word(const char *a, const char *b) {
  char x[MAX_WORD + 1], y[MAX_WORD + 1];
  return plain_letters(x, a) >= 0 && plain_letters(y, b) >= 0 && strcmp(x, y) == 0;
}

const char *cvy_split_called(const char *word) {
  static const char *const names[][2] = {{"train", "train"}, {"training", "train"}, {"val", "val"},
                                         {"valid", "val"},   {"validation", "val"}, {"test", "test"},
                                         {"testing", "test"}};
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    if (strcasecmp(word, names[i][0]) == 0) return names[i][1];
  return NULL;
}

static int least(int a, int b) {
  return a < b ? a : b;
}

/* Counts the edits that lead from one word to the other (Damerau 1964). An edit adds, drops or changes a
 * letter, or exchanges two neighbours. */
static int edit_distance(const char *a, int n, const char *b, int m) {
  int rows[MAX_WORD + 1][MAX_WORD + 1];
  for (int j = 0; j <= m; j++) rows[0][j] = j;
  for (int i = 1; i <= n; i++) {
    rows[i][0] = i;
    for (int j = 1; j <= m; j++) {
      const int change = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      rows[i][j] = least(change, 1 + least(rows[i - 1][j], rows[i][j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[n][m];
}

/* Returns the only word that begins with these letters; NULL if none or several do. */
static const char *only_beginning(const char *letters, int length, const char *const *words, int64_t count) {
  const char *found = NULL;
  for (int64_t i = 0; length >= LEAST_BEGINNING && i < count; i++) {
    char known[MAX_WORD + 1];
    if (plain_letters(known, words[i]) < 0 || strncmp(known, letters, (size_t)length) != 0) continue;
    if (found) return NULL;
    found = words[i];
  }
  return found;
}

const char *cvy_nearest_word(const char *word, const char *const *words, int64_t count) {
  char letters[MAX_WORD + 1], known[MAX_WORD + 1];
  const int length = plain_letters(letters, word);
  const char *nearest = NULL;
  if (length < 0) return NULL;
  int most = length > 1 ? 1 + length / 4 : 0;
  for (int64_t i = 0; i < count; i++) {
    const int known_length = plain_letters(known, words[i]);
    if (known_length < 0) continue;
    const int distance = edit_distance(letters, length, known, known_length);
    /* At least two letters must be right, unless all are. */
    if (distance > most || (distance > 0 && distance >= least(length, known_length) - 1)) continue;
    most = distance - 1;
    nearest = words[i];
  }
  return nearest ? nearest : only_beginning(letters, length, words, count);
}

/* Lists the words that begin with `word`, as "'resnet18', 'resnet34', ...", and returns how many there are. A
 * number of two digits at its end does not count, for another number is another thing, not a slip. */
static int64_t list_beginnings(cvy_text *out, const char *word, const char *const *words, int64_t count) {
  enum { MOST = 6 };
  char letters[MAX_WORD + 1], known[MAX_WORD + 1];
  int length = plain_letters(letters, word), digits = 0;
  while (digits < length && strchr("0123456789", letters[length - 1 - digits])) digits++;
  if (digits > 1) length -= digits;
  int64_t found = 0;
  for (int64_t i = 0; length >= LEAST_BEGINNING && i < count; i++) {
    if (plain_letters(known, words[i]) < 0 || strncmp(known, letters, (size_t)length) != 0) continue;
    if (found < MOST) cvy_text_add(out, "%s'%s'", found ? ", " : "", words[i]);
    if (found++ == MOST) cvy_text_add(out, ", ...");
  }
  return found;
}

static bool is_known(const char *key, size_t length, const char *const *words, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (strncmp(words[i], key, length) == 0 && words[i][length] == '\0') return true;
  return false;
}

const char *cvy_habit_key(const cvy_habit *habit) {
  const char *slash = strchr(habit->key, '/');
  return slash ? slash + 1 : habit->key;
}

/* Tells whether the key of a habit is known, and the other word before it if there is one. */
static bool is_in_force(const cvy_habit *habit, const char *const *words, int64_t count) {
  const char *slash = strchr(habit->key, '/'), *key = cvy_habit_key(habit);
  return is_known(key, strlen(key), words, count) &&
         (!slash || is_known(habit->key, (size_t)(slash - habit->key), words, count));
}

const cvy_habit *cvy_habit_of(const char *word, const char *const *words, int64_t count) {
  char letters[MAX_WORD + 1];
  if (plain_letters(letters, word) < 0) return NULL;
  for (int64_t i = 0; i < count; i++)
    if (cvy_same_word(word, words[i])) return NULL; /* another way to write a known one */
  for (int64_t i = 0; i < CVY_COUNT(habits); i++)
    if (strcmp(habits[i].word, letters) == 0 && is_in_force(&habits[i], words, count)) return &habits[i];
  return NULL;
}

int64_t cvy_habit_count(void) {
  return CVY_COUNT(habits);
}

const cvy_habit *cvy_habit_at(int64_t index) {
  return &habits[index];
}

const char *cvy_meant(const char *word, const char *const *words, int64_t count) {
  static _Thread_local char text[MEANT_BYTES];
  char list[MEANT_BYTES / 2];
  cvy_text beginnings = cvy_text_in(list, sizeof list);
  const cvy_habit *habit = cvy_habit_of(word, words, count);
  const char *nearest = habit ? cvy_habit_key(habit) : cvy_nearest_word(word, words, count);
  text[0] = '\0';
  if (habit && habit->say)
    snprintf(text, sizeof text, "; %s", habit->say);
  else if (!habit && !(nearest && cvy_same_word(nearest, word)) &&
           list_beginnings(&beginnings, word, words, count) > 1)
    snprintf(text, sizeof text, "; did you mean one of %s?", list);
  else if (nearest)
    snprintf(text, sizeof text, "; did you mean '%s'?", nearest);
  return text;
}
