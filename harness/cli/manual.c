/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/cli/manual.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "harness/core/version.h"

/* A line of text as roff: '-' is a minus sign there, and a leading dot or quote a request. */
static void put_text(FILE *out, const char *text, size_t n)
{
	if (n > 0 && (text[0] == '.' || text[0] == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else
			putc(text[i], out);
	}
	putc('\n', out);
}

static void put_title(FILE *out, const char *name)
{
	fputs(".TH ", out);
	for (const char *c = name; *c; c++)
		putc(toupper((unsigned char)*c), out);
	fprintf(out, " 1 \"\" \"cotenant %s\" \"cotenant manual\"\n.SH NAME\n", ct_version);
}

static void put_heading(FILE *out, const char *text, size_t n)
{
	fputs(".SH ", out);
	for (size_t i = 0; i < n; i++)
		putc(toupper((unsigned char)text[i]), out);
	putc('\n', out);
}

/* "Options:" alone at the left edge. */
static bool is_heading(const char *line, size_t n)
{
	return n > 1 && isupper((unsigned char)line[0]) && line[n - 1] == ':' &&
	       memchr(line, '.', n) == NULL && n < 30;
}

static bool begins(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

/* The text of a --help keeps its layout; its headings become sections. */
static void put_body(FILE *out, const char *text)
{
	static const char exit_status[] = "Exit status: ";

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (begins(text, exit_status)) {
			fputs(".fi\n.SH EXIT STATUS\n.nf\n", out);
			put_text(out, text + sizeof exit_status - 1, n - (sizeof exit_status - 1));
		} else if (is_heading(text, n)) {
			fputs(".fi\n", out);
			put_heading(out, text, n - 1);
			fputs(".nf\n", out);
		} else if (n == 0) {
			fputs(".sp\n", out);
		} else {
			put_text(out, text, n);
		}
		text += n + (text[n] == '\n');
	}
}

void ct_manual_page(FILE *out, const struct ct_command *command)
{
	static const char usage[] = "Usage: ";
	const char *body = strstr(command->usage, "\n\n"), *at = command->usage;
	char name[64];

	snprintf(name, sizeof name, "cotenant-%s", command->name);
	put_title(out, name);
	fprintf(out, "cotenant\\-%s \\- %s\n.SH SYNOPSIS\n.nf\n", command->name, command->summary);
	while (*at && at < body) {
		size_t n = strcspn(at, "\n");
		size_t skip = begins(at, usage) || begins(at, "       ") ? sizeof usage - 1 : 0;

		put_text(out, at + skip, n - skip);
		at += n + 1;
	}
	fputs(".fi\n.SH DESCRIPTION\n.nf\n", out);
	put_body(out, body ? body + 2 : "");
	fputs(".fi\n.SH SEE ALSO\n.BR cotenant (1)\n", out);
}

void ct_manual_overview(FILE *out, const struct ct_command_list *commands, const char *help)
{
	const char *body = strstr(help, "\n\n");
	const char *before = "";

	put_title(out, "cotenant");
	fputs("cotenant \\- measure what noisy neighbours do to a workload\n"
	      ".SH SYNOPSIS\n.B cotenant\n.I COMMAND\n.RI [ ARGUMENT \" ...]\"\n"
	      ".SH DESCRIPTION\n.nf\n",
	      out);
	put_body(out, body ? body + 2 : "");
	fputs(".fi\n.SH FILES\n"
	      ".TP\n.I OUT.h5.journal\nblocks of a campaign that has not ended; "
	      "\\-\\-resume goes on from it\n"
	      ".TP\n.I /run/cotenant\nwhat scripts have changed, for "
	      ".BR cotenant\\-restore (1)\n"
	      ".SH SEE ALSO\n",
	      out);
	for (size_t i = 0; i < commands->n; i++) {
		if (commands->items[i]->hidden)
			continue;
		fprintf(out, "%s.BR cotenant\\-%s (1)", before, commands->items[i]->name);
		before = ",\n";
	}
	putc('\n', out);
}
