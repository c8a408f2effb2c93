/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job file or a spec as it stands: sections and keys with their lines, in order, before anything
 * is known about what they mean. --set words are applied here, as if they had been written in the
 * file.
 */
#ifndef COTENANT_CORE_DOCUMENT_H
#define COTENANT_CORE_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"

struct ct_entry {
	char *key, *value;
	unsigned line;        /* 0: from --set */
	const char *set_word; /* the --set word it comes from; NULL: from the file */
	bool used;            /* the reader has taken it; what is left over is unknown */
};

struct ct_section {
	char *type, *name; /* "victim", "dram"; name is "" where there is none */
	unsigned line;
	struct ct_entry *entries;
	size_t n_entries;
};

struct ct_document {
	const char *path; /* for messages; not owned */
	struct ct_section *sections;
	size_t n_sections;
};

/* Refuses what is no INI or no UTF-8, lines over 197 characters, the same section or key twice. */
bool ct_document_parse(struct ct_document *document, const char *path, const char *text,
		       struct ct_error *err);
/* "TYPE.NAME.KEY=V", "suite.KEY=V", or "NAME.KEY=V" where only one section has that name. */
bool ct_document_set(struct ct_document *document, const char *word, struct ct_error *err);
void ct_document_free(struct ct_document *document);

/*
 * The text of such a file; the caller frees. NULL with a usage error for what can't be read, is
 * over 1 MiB or is not text; `what` names it in the message ("job file").
 */
char *ct_document_text(const char *path, const char *what, struct ct_error *err);

/* "WHAT 'WORD' is unknown (did you mean 'x'?); there are: x, y". Returns false. */
bool ct_unknown_name(const char *what, const char *word, const char *const *names, size_t n,
		     struct ct_error *err);
/* "a, b, c", as much as `out` holds. Returns `out`. */
const char *ct_list_names(const char *const *names, size_t n, char *out, size_t size);
/* The first key that nobody has taken is refused; `names` are those that exist. */
bool ct_section_refuse_leftovers(const struct ct_document *document,
				 const struct ct_section *section, const char *const *names,
				 size_t n, struct ct_error *err);

struct ct_section *ct_document_find(const struct ct_document *document, const char *type,
				    const char *name);
/* The entry of a key, marked as used, or NULL. */
struct ct_entry *ct_section_take(struct ct_section *section, const char *key);

/* Puts where an entry or a section stands before the message: "quick.ini:7: " or "--set a.b=c: ".
 */
bool ct_error_at_entry(const struct ct_document *document, const struct ct_entry *entry,
		       struct ct_error *err);
bool ct_error_at_section(const struct ct_document *document, const struct ct_section *section,
			 struct ct_error *err);

#endif
