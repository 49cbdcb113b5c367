/* What `convoy networks` and `convoy recipes` share: files that are found by name. */
#ifndef CVY_CMD_LISTING_H
#define CVY_CMD_LISTING_H

#include "cmd/command.h"

/* These are the options of both commands, as cvy_listing_table reads them. */
typedef struct cvy_listing_options {
  bool json;
} cvy_listing_options;
extern const cvy_option cvy_listing_table[];

/* Lists the files of a `folder` ("networks", "recipes"), a line each; or prints those that `arguments` name,
 * which it refuses to do as JSON. */
cvy_err cvy_listing_show(const char *folder, const cvy_arguments *arguments,
                         const cvy_listing_options *options) CVY_MUST_CHECK;

#endif
