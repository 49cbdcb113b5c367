/* Caffe's Datum is the value of a record in Caffe's LMDB and LevelDB. */
#ifndef CVY_DATASETS_DATUM_H
#define CVY_DATASETS_DATUM_H

#include "datasets/database.h"

/* Is cvy_database_kind's `look`. */
cvy_err cvy_datum_look(cvy_value *out, cvy_database *db, const uint8_t *value, size_t bytes) CVY_MUST_CHECK;

/* These are the options of the readers of Datums. */
extern const cvy_option cvy_datum_options[];

#endif
