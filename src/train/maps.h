/* The maps of names that are at hand: launch/names, and the folder `names` of further places. */
#ifndef CVY_TRAIN_MAPS_H
#define CVY_TRAIN_MAPS_H

#include "model/match.h"

/* Finds the maps of names that come with Convoy, and those of further places. */
cvy_err cvy_name_maps(const cvy_name_map **out, int64_t *count, cvy_pool *pool) CVY_MUST_CHECK;

#endif
