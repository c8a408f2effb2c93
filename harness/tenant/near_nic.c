/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/near_nic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/net/function.h"

#define WORD "near:nic"

/* The next `near:nic` that is not the beginning of a longer name, such as near:nic0. */
static const char *find_word(const char *text)
{
	for (const char *at = strstr(text, WORD); at; at = strstr(at + 1, WORD)) {
		const char after = at[strlen(WORD)];

		if (after == '\0' || after == '/' || after == ',' || after == ' ')
			return at;
	}
	return NULL;
}

/* The PCI function: it has a name in every network namespace. */
static bool name_of(const char *nic, const struct ct_probe_source *source,
		    char name[CT_FUNCTION_NAME], struct ct_error *err)
{
	struct ct_function function;

	if (!nic)
		return ct_usage(err, WORD ": the tenant names no nic: give it one with 'nic ='");
	if (!ct_function_resolve(nic, source, &function, err))
		return ct_error_in(err, WORD);
	snprintf(name, CT_FUNCTION_NAME, "%s", function.pci[0] ? function.pci : function.netdev);
	return true;
}

bool ct_near_nic(const char *location, const char *nic, const struct ct_probe_source *source,
		 char **out, struct ct_error *err)
{
	char name[CT_FUNCTION_NAME];
	const char *at;

	*out = location ? strdup(location) : NULL;
	while (*out && (at = find_word(*out)) != NULL) {
		char *longer = NULL;

		if (!name_of(nic, source, name, err) ||
		    asprintf(&longer, "%.*snear:%s%s", (int)(at - *out), *out, name,
			     at + strlen(WORD)) < 0)
			longer = NULL;
		free(*out);
		*out = longer;
		if (!longer)
			return false;
	}
	return !location || *out || ct_broken_errno(err, "memory for a location");
}
