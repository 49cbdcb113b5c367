/* Types that can be chosen by name, such as layers and augmentations, for people and for programs. */
#ifndef CVY_CMD_KINDS_H
#define CVY_CMD_KINDS_H

#include "base/json.h"
#include "base/options.h"

/* Prints a type: name, help, and a line for each option. */
void cvy_kind_print(const cvy_kind *kind);
/* Prints a type as a paragraph and a table in Markdown. */
void cvy_kind_print_markdown(const cvy_kind *kind);
/* Prints a type as {"name": ..., "help": ..., "options": [...]}. */
void cvy_kind_print_json(cvy_json *json, const cvy_kind *kind);
/* Prints the array of options by itself, as `key`. */
void cvy_options_print_json(cvy_json *json, const char *key, const cvy_option *option);

#endif
