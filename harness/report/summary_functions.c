/* SPDX-License-Identifier: Apache-2.0 */
/* The network functions of tenants, and how those of victims and aggressors lie to each other. */
#include <string.h>

#include <jansson.h>

#include "harness/net/function.h"
#include "harness/report/summary.h"

enum { FUNCTION_TEXT = 160 };

/* In the order of enum ct_function_relation. */
static const char *const meanings[] = {
	"different functions of one PF",
	"different ports of one card",
	"one and the same function",
	"different cards",
	"how they lie to each other can't be told from where they are",
};

static const char *meaning_of(const json_t *relation)
{
	const char *name = json_string_value(relation);

	for (size_t i = 0; name && ct_function_relation_names[i]; i++) {
		if (strcmp(name, ct_function_relation_names[i]) == 0)
			return meanings[i];
	}
	return "unknown";
}

static const char *function_text(const json_t *tenant, char out[FUNCTION_TEXT])
{
	struct ct_function function;

	if (!ct_function_read(json_object_get(tenant, "function"), &function))
		return "an unknown function";
	return ct_function_text(&function, out, FUNCTION_TEXT);
}

static void print_pairs(const struct ct_summary *summary, const char *config_name, json_t *config)
{
	const char *name, *victim;
	json_t *tenant, *relation;

	json_object_foreach(config, name, tenant)
	{
		json_t *beside = json_object_get(json_object_get(tenant, "function"), "beside");

		json_object_foreach(beside, victim, relation)
		{
			char own[FUNCTION_TEXT], other[FUNCTION_TEXT];

			fprintf(summary->out, "  functions  %s: %s on %s, %s on %s: %s\n",
				config_name, victim,
				function_text(json_object_get(config, victim), other), name,
				function_text(tenant, own), meaning_of(relation));
		}
	}
}

void ct_summary_functions(const struct ct_summary *summary)
{
	json_t *placement = json_loads(summary->tables->placement, 0, NULL), *config;
	const char *name;

	json_object_foreach(placement, name, config)
	{
		print_pairs(summary, name, config);
	}
	json_decref(placement);
}
