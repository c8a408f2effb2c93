/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands: one file each, one descriptor each; main.c only dispatches. */
#ifndef COTENANT_CLI_CLI_H
#define COTENANT_CLI_CLI_H

#include <stdbool.h>

#include "harness/core/error.h"

struct ct_command {
	const char *name;
	const char *summary; /* one line of `cotenant --help` */
	const char *usage;   /* whole text of `cotenant NAME --help`, first line "Usage: ..." */
	/*
	 * argv[0] is the subcommand's name. Results go to stdout, everything else to stderr. False:
	 * err says what, and its kind is the exit status. --help and --version are handled by main.
	 */
	bool (*run)(int argc, char **argv, struct ct_error *err);
	bool hidden; /* not in `cotenant --help` */
};

extern const struct ct_command ct_command_probe, ct_command_list, ct_command_bench,
	ct_command_noise, ct_command_plan, ct_command_run, ct_command_show, ct_command_export,
	ct_command_validate, ct_command_worker, ct_command_merge, ct_command_analyze,
	ct_command_compare, ct_command_qualify, ct_command_report, ct_command_restore,
	ct_command_listen, ct_command_predict;

/* getopt_long said '?' or ':' (opterr is 0): the message for it, pointing to --help. */
bool ct_cli_bad_option(int argc, char **argv, int option, struct ct_error *err);
/* "cotenant" and the words of a subcommand, for the result; the caller frees. NULL: no memory. */
char *ct_cli_command_line(int argc, char **argv);
/* True after everything on stdout really was written; a full disk or a closed pipe is an error. */
bool ct_cli_flush(struct ct_error *err);

#endif
