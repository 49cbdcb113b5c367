/* Texts: one that grows in a buffer of fixed size, lists in a text, and arrays sorted by a text. */
#ifndef CVY_BASE_TEXT_H
#define CVY_BASE_TEXT_H

#include "base/base.h"

/* A text that grows in the caller's buffer. It is always terminated, and what does not fit is cut off. */
typedef struct cvy_text {
  char *chars; /* the buffer, of `bytes` bytes, at least one */
  size_t bytes;
  size_t length;    /* length of the text so far */
  int64_t left_out; /* items that did not fit */
} cvy_text;

/* Begins an empty text in `buffer`. */
cvy_text cvy_text_in(char *buffer, size_t bytes);
/* Appends to the text. */
void cvy_text_add(cvy_text *text, const char *format, ...) CVY_PRINTF(2, 3);
/* Appends an item of a list, after the separator unless the text is empty. An item that does not fit whole is
 * left out, as are all that follow, and the text ends with their number: "a, b and 12 more". */
void cvy_text_item(cvy_text *text, const char *separator, const char *format, ...) CVY_PRINTF(3, 4);

/* Writes `count` words as "red, green, blue" into a buffer of at least one byte. */
void cvy_text_list(char *buffer, size_t bytes, const char *separator, const char *const *words,
                   int64_t count);
/* Writes sizes as "3x3x64" into such a buffer. */
void cvy_text_dims(char *buffer, size_t bytes, const int64_t *dims, int64_t dim_count);

/* Sorts `count` items of `bytes` bytes each, in byte order: texts, or structs whose first field is a text. */
void cvy_sort_by_text(void *items, int64_t count, size_t bytes);
/* Returns which of such sorted items has this text; -1 if none has. */
int64_t cvy_find_by_text(const void *items, int64_t count, size_t bytes, const char *text);
/* Drops what stands twice among sorted texts, and returns how many are left. */
int64_t cvy_drop_repeats(const char **texts, int64_t count);

/* Returns the article for an English word: "a" or "an". */
const char *cvy_article(const char *word);

#endif
