/* The classes of a set: in which order its labels' texts are numbered, and how whole numbers are named.
 *
 * Labels that are all whole numbers, however they are written (10, +10, 010, "10.0", 1e1), are ordered by
 * value, and their classes are named by shortest decimals. Where others are among them, each label names its
 * class itself, in UTF-8 (base/utf8.h says how a label that is not becomes it). The whole numbers come first
 * then, by value, and the others follow by their bytes. So the same labels give the same classes from any
 * source. */
#ifndef CVY_BASE_CLASSES_H
#define CVY_BASE_CLASSES_H

#include "base/base.h"

/* Reads a text that is a whole number of 64 bits, and tells whether it is one. It may have blanks around it,
 * those of Unicode too, a sign, leading zeros, zeros behind a point, or an exponent if it is below 2^53. */
bool cvy_whole_number(int64_t *out, const char *text);

/* These are the classes of a set of labels. */
typedef struct cvy_classes {
  const char **names; /* [count], in the order of the classes */
  int64_t count;
  bool are_numbers;
  const char *encoding; /* of labels that are not UTF-8; NULL: not known */
} cvy_classes;

/* Finds the classes of `count` labels, which may be in any order and repeat. The result is in `pool`. A name
 * that is no number is the label's own text as cvy_utf8_name writes it. */
cvy_classes cvy_classes_of(cvy_pool *pool, const char *const *labels, int64_t count);
/* Does the same where labels that are not UTF-8 are in `encoding`, which must outlive the classes. NULL means
 * that it is not known. */
cvy_classes cvy_classes_in(cvy_pool *pool, const char *const *labels, int64_t count, const char *encoding);
/* Returns the class of a label; -1 if it has none. */
int64_t cvy_classes_find(const cvy_classes *classes, const char *label);

/* Finds a label that is hardly a class: where half of the labels or more are numbers, one that is not
 * whole, one with a decimal comma, and one that stands for a missing value, as "nan", "NA" and "None" do.
 * Returns what is wrong with label *which, for a message behind it; NULL if there is no such label. */
const char *cvy_classes_doubt(int64_t *which, const char *const *labels, int64_t count);

/* Finds classes of one set among those of another: out[k] is where names[k] stands in `among`, or -1. Names
 * are compared as cvy_same_class does. */
void cvy_classes_match(int64_t *out, const char *const *names, int64_t count, const char *const *among,
                       int64_t among_count);
/* Tells whether two names are those of one class: the same text, or the same whole number. */
bool cvy_same_class(const char *name, const char *other);

#endif
