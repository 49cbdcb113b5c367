/* The names of classes and records as shards hold them: in UTF-8, and without the folders of the inputs. */
#ifndef CVY_PREPARE_NAMES_H
#define CVY_PREPARE_NAMES_H

#include "prepare/job.h"

/* Makes UTF-8 of the class names of a group that was just opened, and finds what is left off its records'
 * names. The first group's names that have to be escaped are told. It fails with CVY_E_USAGE if --encoding
 * names no encoding. */
cvy_err cvy_prepare_set_names(const cvy_prepare_job *j, cvy_prepare_group *g) CVY_MUST_CHECK;
/* Returns the name under which a record is kept. The caller frees it. */
char *cvy_prepare_record_name(const cvy_prepare_group *g, const char *name);
/* Returns the text of the reader's option --encoding; NULL if it has no such option. */
const char *cvy_prepare_encoding(const cvy_prepare_config *config);

#endif
