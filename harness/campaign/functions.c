/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/functions.h"

#include <string.h>

#include "harness/net/function.h"

enum { FUNCTION_TEXT = 160 };

/* Under two kernels the same PCI address is not the same device. */
static enum ct_function_relation relation_of(const struct ct_placement *a,
					     const struct ct_placement *b)
{
	struct ct_function first, second;

	if (strcmp(a->boot_id, b->boot_id) != 0 || !ct_function_read(a->function, &first) ||
	    !ct_function_read(b->function, &second))
		return CT_RELATION_UNKNOWN;
	return ct_function_relation(&first, &second);
}

bool ct_functions_relate(const struct ct_job *job, struct ct_placement *placements,
			 struct ct_error *err)
{
	for (size_t a = 0; a < job->n_aggressors; a++) {
		struct ct_placement *aggressor = &placements[job->aggressors[a].tenant];
		json_t *beside = json_object();

		for (size_t v = 0; aggressor->function && v < job->n_victims; v++) {
			const unsigned tenant = job->victims[v].tenant;
			const struct ct_placement *victim = &placements[tenant];

			if (victim->function)
				json_object_set_new(
					beside, job->tenants[tenant].name,
					json_string(ct_function_relation_names[relation_of(
						victim, aggressor)]));
		}
		if (json_object_size(beside) > 0 &&
		    json_object_set(aggressor->function, "beside", beside) != 0) {
			json_decref(beside);
			return ct_broken(err, "memory for the functions of tenants");
		}
		json_decref(beside);
	}
	return true;
}

static const char *text_of(const struct ct_placement *placement, char out[FUNCTION_TEXT])
{
	struct ct_function function;

	ct_function_read(placement->function, &function);
	return ct_function_text(&function, out, FUNCTION_TEXT);
}

static bool check_victim(const struct ct_tenant *tenant, const struct ct_placement *placement,
			 struct ct_error *err)
{
	struct ct_function function;
	char text[FUNCTION_TEXT];

	if (!ct_function_read(placement->function, &function) || function.kind == CT_FUNCTION_VF)
		return true;
	return ct_usage(err,
			"expect = sriov: tenant '%s': nic = %s is %s: name a virtual function, "
			"such as vf:eth0/0",
			tenant->name, tenant->nic, ct_function_text(&function, text, sizeof text));
}

/* Software and a guest's functions can't be told apart or together; they pass. */
static bool check_pair(const struct ct_tenant *victim, const struct ct_placement *victim_at,
		       const struct ct_tenant *aggressor, const struct ct_placement *aggressor_at,
		       struct ct_error *err)
{
	static const char *const why[] = {
		[CT_RELATION_ONE_CARD] = "they are on different ports of one card",
		[CT_RELATION_SAME] = "they are one and the same function",
		[CT_RELATION_APART] = "they are on different cards",
	};
	char first[FUNCTION_TEXT], second[FUNCTION_TEXT];
	enum ct_function_relation relation;

	if (!victim_at->function || !aggressor_at->function)
		return true;
	relation = relation_of(victim_at, aggressor_at);
	if (relation == CT_RELATION_ONE_PF || relation == CT_RELATION_UNKNOWN)
		return true;
	return ct_usage(err,
			"expect = sriov: tenant '%s' is on %s, tenant '%s' on %s: %s; name two "
			"functions of one physical function, such as vf:eth0/0 and vf:eth0/1",
			victim->name, text_of(victim_at, first), aggressor->name,
			text_of(aggressor_at, second), why[relation]);
}

bool ct_functions_expect_sriov(const struct ct_job *job, size_t config,
			       const struct ct_placement *placements, struct ct_error *err)
{
	const struct ct_tenant *tenants = job->configs[config].tenants;

	for (size_t v = 0; v < job->n_victims; v++) {
		const unsigned victim = job->victims[v].tenant;

		if (!check_victim(&tenants[victim], &placements[victim], err))
			return false;
		for (size_t a = 0; a < job->n_aggressors; a++) {
			const unsigned aggressor = job->aggressors[a].tenant;

			if (!check_pair(&tenants[victim], &placements[victim], &tenants[aggressor],
					&placements[aggressor], err))
				return false;
		}
	}
	return true;
}
