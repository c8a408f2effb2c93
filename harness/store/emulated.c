/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/emulated.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The evidence, NULL when this probe does not say that its machine is emulated. */
static const char *evidence_of(const json_t *probe)
{
	const json_t *hypervisor = json_object_get(probe, "hypervisor");
	const json_t *name = json_object_get(hypervisor, "name");
	const char *value = json_string_value(json_object_get(name, "value"));
	const char *evidence = json_string_value(json_object_get(name, "evidence"));

	if (!value || strcmp(value, "qemu-tcg") != 0)
		return NULL;
	return evidence ? evidence : "hypervisor qemu-tcg";
}

/* Names that no longer fit are counted by the three dots. */
static void add_name(char out[CT_EMULATED_TEXT], const char *config, const char *tenant)
{
	size_t used = strlen(out);

	if (used > CT_EMULATED_TEXT - 120) {
		if (strcmp(out + used - 3, "...") != 0)
			snprintf(out + used, CT_EMULATED_TEXT - used, ", ...");
		return;
	}
	snprintf(out + used, CT_EMULATED_TEXT - used, "%s%.24s.%.24s", used ? ", " : "", config,
		 tenant);
}

const char *ct_emulated(const json_t *provenance, const json_t *placement,
			char out[CT_EMULATED_TEXT])
{
	const char *evidence = evidence_of(provenance), *config, *tenant;
	json_t *tenants, *place;
	size_t used;

	out[0] = '\0';
	if (evidence) {
		snprintf(out, CT_EMULATED_TEXT, "this machine: %.200s", evidence);
		return out;
	}
	json_object_foreach((json_t *)(uintptr_t)placement, config, tenants)
	{
		json_object_foreach(tenants, tenant, place)
		{
			const char *seen = evidence_of(json_object_get(place, "probe"));

			if (!seen)
				continue;
			evidence = seen;
			add_name(out, config, tenant);
		}
	}
	used = strlen(out);
	if (evidence)
		snprintf(out + used, CT_EMULATED_TEXT - used, ": %.80s", evidence);
	return out;
}
