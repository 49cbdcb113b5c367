/* What `convoy summary --probe` prints. */
#ifndef CVY_CMD_SIGNAL_H
#define CVY_CMD_SIGNAL_H

#include "cmd/command.h"

typedef struct cvy_signal_wishes {
  const char *data; /* a dataset; or "train", the recipe's own */
  int64_t batch;    /* 0: the usual */
  int64_t seed;     /* -1: the usual */
  int conv;         /* cvy_conv_choice; CVY_CONV_AUTO: the usual, or the recipe's */
  bool json;
} cvy_signal_wishes;

/* Looks at the first values of the network or recipe that the words name, prints a line a layer, and warns of
 * what vanishes or explodes. */
cvy_err cvy_signal_show(const cvy_arguments *arguments, const cvy_signal_wishes *wishes) CVY_MUST_CHECK;

#endif
