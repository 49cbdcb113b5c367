/* The names that layers get here where another program's are refused or clash: each has one of its own. */
#ifndef CVY_FORMATS_LAYER_NAMES_H
#define CVY_FORMATS_LAYER_NAMES_H

#include "base/base.h"

typedef struct cvy_layer_name {
  const char *wanted, *name; /* "relu", "relu_3" */
  int64_t number;            /* 3; 1: it is the wanted one */
} cvy_layer_name;

/* All zero: none. */
typedef struct cvy_layer_names {
  cvy_layer_name *items;
  int64_t count;
} cvy_layer_names;

/* Tells whether a layer has this name; "input" is the image. */
bool cvy_layer_name_is_taken(const cvy_layer_names *names, const char *name);
/* Takes the name, or the first of NAME_2, NAME_3, ... that is free. It copies nothing but into the pool. */
const char *cvy_layer_name_take(cvy_layer_names *names, cvy_pool *pool, const char *wanted);

#endif
