/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completion: commands, their options as --help names them, victims and aggressors. */
#include <ctype.h>
#include <string.h>

#include "bench/bench.h"
#include "harness/cli/manual.h"
#include "noise/noise.h"

enum { MAX_OPTIONS = 64, OPTION_TEXT = 40 };

struct options {
	char items[MAX_OPTIONS][OPTION_TEXT];
	size_t n;
};

static bool has(const struct options *options, const char *option)
{
	for (size_t i = 0; i < options->n; i++) {
		if (strcmp(options->items[i], option) == 0)
			return true;
	}
	return false;
}

static size_t option_length(const char *text)
{
	size_t n = 2;

	while (islower((unsigned char)text[n]) || (text[n] == '-' && text[n + 1] != '-'))
		n++;
	return n;
}

/* Every --word of the help. */
static void find_options(const char *usage, struct options *options)
{
	options->n = 0;
	for (const char *at = usage; (at = strstr(at, "--")) != NULL;) {
		char option[OPTION_TEXT];
		size_t n = option_length(at);

		if (n > 2 && n < OPTION_TEXT && (at == usage || !isalnum((unsigned char)at[-1]))) {
			snprintf(option, sizeof option, "%.*s", (int)n, at);
			if (options->n < MAX_OPTIONS && !has(options, option))
				strcpy(options->items[options->n++], option);
		}
		at += n;
	}
}

static void put_options(FILE *out, const struct ct_command *command)
{
	struct options options;

	find_options(command->usage, &options);
	for (size_t i = 0; i < options.n; i++)
		fprintf(out, "%s ", options.items[i]);
	fputs(has(&options, "--help") ? "--version" : "--help --version", out);
}

static void put_workloads(FILE *out, const char *command)
{
	if (strcmp(command, "bench") == 0) {
		for (size_t i = 0; ct_victims[i]; i++)
			fprintf(out, " %s", ct_victims[i]->name);
	} else if (strcmp(command, "noise") == 0) {
		for (size_t i = 0; ct_aggressors[i]; i++)
			fprintf(out, " %s", ct_aggressors[i]->name);
	} else if (strcmp(command, "list") == 0) {
		fputs(" victims aggressors", out);
	}
}

static void put_commands(FILE *out, const struct ct_command_list *commands)
{
	for (size_t i = 0; i < commands->n; i++) {
		if (!commands->items[i]->hidden)
			fprintf(out, "%s ", commands->items[i]->name);
	}
	fputs("help", out);
}

static void put_bash(FILE *out, const struct ct_command_list *commands)
{
	fputs("# bash completion of cotenant: made by 'cotenant help --completion bash'\n"
	      "_cotenant() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} words=\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "\t\twords='",
	      out);
	put_commands(out, commands);
	fputs(" --help --version'\n"
	      "\telse\n"
	      "\t\tcase ${COMP_WORDS[1]} in\n",
	      out);
	for (size_t i = 0; i < commands->n; i++) {
		const struct ct_command *command = commands->items[i];

		if (command->hidden)
			continue;
		fprintf(out, "\t\t%s) words='", command->name);
		put_options(out, command);
		put_workloads(out, command->name);
		fputs("' ;;\n", out);
	}
	fputs("\t\thelp) words='", out);
	put_commands(out, commands);
	fputs("' ;;\n"
	      "\t\tesac\n"
	      "\tfi\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "}\n"
	      "complete -o default -F _cotenant cotenant\n",
	      out);
}

/* Summaries may hold what zsh's list format means something by. */
static void put_zsh_summary(FILE *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\'')
			fputs("'\\''", out);
		else if (*c == ':')
			fputs("\\:", out);
		else
			putc(*c, out);
	}
}

static void put_zsh(FILE *out, const struct ct_command_list *commands)
{
	fputs("#compdef cotenant\n"
	      "# zsh completion of cotenant: made by 'cotenant help --completion zsh'\n"
	      "local -a commands words_of\n"
	      "commands=(\n",
	      out);
	for (size_t i = 0; i < commands->n; i++) {
		if (commands->items[i]->hidden)
			continue;
		fprintf(out, "\t'%s:", commands->items[i]->name);
		put_zsh_summary(out, commands->items[i]->summary);
		fputs("'\n", out);
	}
	fputs(")\n"
	      "if ((CURRENT == 2)); then\n"
	      "\t_describe command commands\n"
	      "\treturn\n"
	      "fi\n"
	      "case $words[2] in\n",
	      out);
	for (size_t i = 0; i < commands->n; i++) {
		if (commands->items[i]->hidden)
			continue;
		fprintf(out, "%s) words_of=(", commands->items[i]->name);
		put_options(out, commands->items[i]);
		put_workloads(out, commands->items[i]->name);
		fputs(") ;;\n", out);
	}
	fputs("esac\n"
	      "compadd -- $words_of\n"
	      "_files\n",
	      out);
}

bool ct_completion(FILE *out, const struct ct_command_list *commands, const char *shell,
		   struct ct_error *err)
{
	if (strcmp(shell, "bash") == 0)
		put_bash(out, commands);
	else if (strcmp(shell, "zsh") == 0)
		put_zsh(out, commands);
	else
		return ct_usage(err, "help: --completion %s: there is one for bash and one for zsh",
				shell);
	return true;
}
