/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a subcommand writes beside its text: whole under their name, or not at all. */
#ifndef COTENANT_CLI_OUTPUT_H
#define COTENANT_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"

/* Writes to `out`; false with err when its material can't be made. Errors of `out` are seen after.
 */
typedef bool ct_output_fn(void *context, FILE *out, struct ct_error *err);

/*
 * `path` "-" is standard output. An existing file is replaced, but never a result: a path that ends
 * in .h5 is refused, because it is a slip of the command line.
 */
bool ct_output_write(const char *path, ct_output_fn *write, void *context, struct ct_error *err);
/* One JSON value with a newline; takes over the reference, which may be NULL (out of memory). */
bool ct_output_json(const char *path, json_t *value, struct ct_error *err);

/*
 * `--json` takes a file, and may stand alone: as the last word, before another option, or before a
 * result (*.h5) it means standard output. Makes that explicit by turning such a word into
 * "--json=-"; argv is changed in place.
 */
void ct_output_explicit_json(int argc, char **argv);

#endif
