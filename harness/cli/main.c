/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant: finds the subcommand, runs it, prints its error once and exits with its status. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/manual.h"
#include "harness/core/units.h"
#include "harness/core/version.h"

static const struct ct_command *const commands[] = {
	&ct_command_probe,   &ct_command_list,    &ct_command_bench,   &ct_command_noise,
	&ct_command_plan,    &ct_command_run,     &ct_command_listen,  &ct_command_show,
	&ct_command_analyze, &ct_command_predict, &ct_command_compare, &ct_command_qualify,
	&ct_command_report,  &ct_command_export,  &ct_command_merge,   &ct_command_validate,
	&ct_command_restore, &ct_command_worker,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
	fputs("Usage: cotenant COMMAND [ARGUMENT ...]\n"
	      "\n"
	      "Measures what a neighbour does to you: pins victim workloads and aggressors to "
	      "chosen\n"
	      "hardware, stores latency distributions in HDF5 and says who disturbs whom, by how "
	      "much.\n"
	      "\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!commands[i]->hidden)
			fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
	}
	fputs("\n"
	      "'cotenant COMMAND --help' explains one of them. --version prints version and build "
	      "id.\n"
	      "Exit status: 0 good, 1 a negative verdict, 2 usage or bad input, 3 inconclusive,\n"
	      "4 a workload or the environment failed, 130 interrupted (what was measured is "
	      "saved).\n",
	      out);
}

static void print_version(void)
{
	char id[CT_BUILD_ID_TEXT];

	printf("cotenant %s (build %s)\n", ct_version, ct_build_id(id));
}

static const struct ct_command *find_command(const char *name, struct ct_error *err)
{
	const char *names[N_COMMANDS];
	const char *near;

	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		names[i] = commands[i]->name;
	}
	near = ct_nearest(name, names, N_COMMANDS);
	ct_usage(err, "unknown command '%s'%s%s%s: see 'cotenant --help'", name,
		 near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return NULL;
}

/* --help and --version work wherever they stand, up to a "--". */
static bool has_flag(int argc, char **argv, const char *flag)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], flag) == 0)
			return true;
	}
	return false;
}

static bool print_manual(const struct ct_command_list *list, const char *name, struct ct_error *err)
{
	const struct ct_command *command;
	char *text = NULL;
	size_t length = 0;
	FILE *memory;

	if (name) {
		command = find_command(name, err);
		if (command)
			ct_manual_page(stdout, command);
		return command != NULL;
	}
	memory = open_memstream(&text, &length);
	if (!memory)
		return ct_broken_errno(err, "memory for a manual page");
	print_help(memory);
	fclose(memory);
	ct_manual_overview(stdout, list, text);
	free(text);
	return true;
}

/* help COMMAND, help --man [COMMAND], help --completion SHELL */
static bool help(int argc, char **argv, struct ct_error *err)
{
	const struct ct_command_list list = {commands, N_COMMANDS};
	const struct ct_command *command;

	if (strcmp(argv[2], "--man") == 0)
		return print_manual(&list, argc > 3 ? argv[3] : NULL, err);
	if (strcmp(argv[2], "--completion") == 0)
		return ct_completion(stdout, &list, argc > 3 ? argv[3] : "", err);
	command = find_command(argv[2], err);
	if (command)
		fputs(command->usage, stdout);
	return command != NULL;
}

static bool dispatch(int argc, char **argv, struct ct_error *err)
{
	const struct ct_command *command;

	if (argc < 2) {
		print_help(stderr);
		return ct_usage(err, "no command given");
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc == 2)) {
		print_help(stdout);
		return ct_cli_flush(err);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		print_version();
		return ct_cli_flush(err);
	}
	if (strcmp(argv[1], "help") == 0)
		return help(argc, argv, err) && ct_cli_flush(err);
	command = find_command(argv[1], err);
	if (!command)
		return false;
	if (has_flag(argc - 1, argv + 1, "--help")) {
		fputs(command->usage, stdout);
		return ct_cli_flush(err);
	}
	if (has_flag(argc - 1, argv + 1, "--version")) {
		print_version();
		return ct_cli_flush(err);
	}
	return command->run(argc - 1, argv + 1, err) && ct_cli_flush(err);
}

int main(int argc, char **argv)
{
	struct ct_error err = {0};

	/* A closed pipe is reported as a failed write, with a message, not as a silent death. */
	signal(SIGPIPE, SIG_IGN);
	if (dispatch(argc, argv, &err))
		return 0;
	fflush(stdout);
	if (err.text[0])
		fprintf(stderr, "cotenant: %s\n", err.text);
	return err.kind == CT_OK ? CT_ERR_ENVIRONMENT : (int)err.kind;
}
