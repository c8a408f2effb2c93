/* SPDX-License-Identifier: Apache-2.0 */
/* What tenants had of their GPUs, and how two of them came to one. */
#include <jansson.h>

#include "harness/gpu/in_force.h"
#include "harness/report/summary.h"

static void print_gpus(const struct ct_summary *summary, const char *config_name, json_t *config)
{
	const char *name;
	json_t *tenant;

	json_object_foreach(config, name, tenant)
	{
		const json_t *gpu = json_object_get(tenant, "gpu");
		char text[CT_GPU_IN_FORCE_TEXT];

		if (gpu)
			fprintf(summary->out, "  GPU        %s: %s on %s\n", config_name, name,
				ct_gpu_in_force_text(gpu, text));
	}
}

/* Every pair once: those after this one in the object. */
static void print_shared(const struct ct_summary *summary, const char *config_name, json_t *config)
{
	for (void *one = json_object_iter(config); one; one = json_object_iter_next(config, one)) {
		const json_t *gpu = json_object_get(json_object_iter_value(one), "gpu");

		for (void *other = json_object_iter_next(config, one); other;
		     other = json_object_iter_next(config, other)) {
			const char *between = ct_gpu_in_force_between(
				gpu, json_object_get(json_object_iter_value(other), "gpu"));

			if (between)
				fprintf(summary->out, "  GPU        %s: %s and %s use it %s\n",
					config_name, json_object_iter_key(one),
					json_object_iter_key(other), between);
		}
	}
}

void ct_summary_gpus(const struct ct_summary *summary)
{
	json_t *placement = json_loads(summary->tables->placement, 0, NULL), *config;
	const char *name;

	json_object_foreach(placement, name, config)
	{
		print_gpus(summary, name, config);
		print_shared(summary, name, config);
	}
	json_decref(placement);
}
