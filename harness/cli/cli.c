/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ct_cli_bad_option(int argc, char **argv, int option, struct ct_error *err)
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

	if (option == ':')
		return ct_usage(err, "%s: %s needs a value: see 'cotenant %s --help'", argv[0],
				word, argv[0]);
	return ct_usage(err, "%s: unknown option '%s': see 'cotenant %s --help'", argv[0], word,
			argv[0]);
}

bool ct_cli_flush(struct ct_error *err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	return ct_broken_errno(err, "writing to standard output");
}

char *ct_cli_command_line(int argc, char **argv)
{
	size_t size = sizeof "cotenant";
	char *line;

	for (int i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	line = malloc(size);
	if (!line)
		return NULL;
	strcpy(line, "cotenant");
	for (int i = 0; i < argc; i++) {
		strcat(line, " ");
		strcat(line, argv[i]);
	}
	return line;
}
