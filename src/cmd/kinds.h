/* Types that can be chosen by name, such as layers and augmentations, for people and for programs. */
#ifndef CVY_CMD_KINDS_H
#define CVY_CMD_KINDS_H

#include "base/json.h"
#include "base/options.h"
#include "cmd/command.h"

/* This is a registry as a command shows it. */
typedef struct cvy_registry {
  const char *what;           /* "layer"; with an s it is the key in JSON */
  const char *heading;        /* what is said above the whole list */
  const cvy_option *common;   /* options that every type has besides its own; NULL: none */
  const char *common_heading; /* what is said above them in Markdown */
  int64_t (*count)(void);
  const cvy_kind *(*at)(int64_t index);
} cvy_registry;

/* These are the options of such a command, as cvy_registry_table reads them. */
typedef struct cvy_registry_options {
  bool markdown, json;
} cvy_registry_options;
extern const cvy_option cvy_registry_table[];

/* Shows the type that `arguments` name, or all of them if they name none. */
cvy_err cvy_registry_show(const cvy_registry *registry, const cvy_arguments *arguments,
                          const cvy_registry_options *options) CVY_MUST_CHECK;

#endif
