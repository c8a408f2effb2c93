/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manual pages and shell completion, made from what `--help` prints and from the registries: there
 * is one source for all of them.
 *
 *   cotenant help --man [COMMAND]          a page in roff; without COMMAND cotenant(1)
 *   cotenant help --completion bash|zsh
 */
#ifndef COTENANT_CLI_MANUAL_H
#define COTENANT_CLI_MANUAL_H

#include <stddef.h>
#include <stdio.h>

#include "harness/cli/cli.h"

struct ct_command_list {
	const struct ct_command *const *items;
	size_t n;
};

/* `help`: what `cotenant --help` prints. */
void ct_manual_overview(FILE *out, const struct ct_command_list *commands, const char *help);
void ct_manual_page(FILE *out, const struct ct_command *command);
/* False with a usage error for a shell that is not known. */
bool ct_completion(FILE *out, const struct ct_command_list *commands, const char *shell,
		   struct ct_error *err);

#endif
