/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of job files and specs share: the file's text, and refusing what is unknown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/document.h"
#include "harness/core/units.h"

enum { MAX_FILE = 1 << 20 };

/* "(did you mean 'x'?) " or "". */
static const char *suggestion(const char *word, const char *const *names, size_t n, char *out,
			      size_t size)
{
	const char *near = ct_nearest(word, names, n);

	out[0] = '\0';
	if (near)
		snprintf(out, size, " (did you mean '%s'?)", near);
	return out;
}

const char *ct_list_names(const char *const *names, size_t n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++) {
		int length = snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);

		used += length > 0 ? (size_t)length : 0;
	}
	return out;
}

bool ct_unknown_name(const char *what, const char *word, const char *const *names, size_t n,
		     struct ct_error *err)
{
	char near[96], all[512];

	return ct_usage(err, "%s '%s' is unknown%s; there are: %s", what, word,
			suggestion(word, names, n, near, sizeof near),
			ct_list_names(names, n, all, sizeof all));
}

bool ct_section_refuse_leftovers(const struct ct_document *document,
				 const struct ct_section *section, const char *const *names,
				 size_t n, struct ct_error *err)
{
	for (size_t i = 0; i < section->n_entries; i++) {
		char what[160];

		if (section->entries[i].used)
			continue;
		snprintf(what, sizeof what, "[%s%s%s] key", section->type,
			 section->name[0] ? " " : "", section->name);
		ct_unknown_name(what, section->entries[i].key, names, n, err);
		return ct_error_at_entry(document, &section->entries[i], err);
	}
	return true;
}

char *ct_document_text(const char *path, const char *what, struct ct_error *err)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t length;

	if (!file) {
		ct_broken_errno(err, "%s %s", what, path);
		err->kind = CT_ERR_USAGE;
		return NULL;
	}
	text = malloc(MAX_FILE + 1);
	length = text ? fread(text, 1, MAX_FILE + 1, file) : 0;
	if (!text || ferror(file)) {
		ct_broken_errno(err, "%s %s", what, path);
		err->kind = CT_ERR_USAGE;
	} else if (length > MAX_FILE || memchr(text, '\0', length)) {
		ct_usage(err, "%s is no %s: it is over 1 MiB or not text", path, what);
	} else {
		text[length] = '\0';
		fclose(file);
		return text;
	}
	free(text);
	fclose(file);
	return NULL;
}
