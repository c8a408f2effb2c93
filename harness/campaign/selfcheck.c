/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/selfcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/phase.h"

static const uint64_t phase_ns = 300000000, warmup_ns = 50000000, epoch_ns = 50000000;
static const uint64_t planted_ns = 50000;

/* One phase of the null victim on a tenant. `record` is the caller's; *clock (may be NULL) too. */
static bool measure_null(struct ct_links *links, const struct ct_ground *ground, const char *delay,
			 struct ct_phase_record *record, json_t **clock, struct ct_error *err)
{
	const struct ct_job *job = ground->job;
	const struct ct_config_ground *at = &ground->configs[ct_job_first_config(ground->job)];
	const struct ct_phase_plan plan = {.role = CT_ROLE_BASELINE,
					   .warmup_ns = warmup_ns,
					   .measure_ns = phase_ns,
					   .epoch_ns = epoch_ns};
	struct ct_victim_entry entry = {
		.name = "null", .ops = ct_victim_find("null"), .tenant = job->victims[0].tenant};
	struct ct_crew_setup setup = {.avoid_cpus = at->victim_cpus,
				      .noise_cpus = at->noise_cpus,
				      .token = ground->token};
	struct ct_crew crew;
	bool good;

	entry.options = calloc(1, entry.ops->options_size + 1);
	if (!entry.options)
		return ct_broken_errno(err, "memory for the self-check");
	ct_params_init(entry.ops->params, entry.options);
	ct_params_init(ct_victim_common_params, &entry.common);
	good = ct_param_set(ct_param_find(entry.ops->params, "delay"), entry.options, delay, err);
	setup.victim = ct_actor_of_victim(&entry, job->configs[ct_job_first_config(job)].tenants,
					  at->placements);
	good = good && ct_crew_open(&crew, links, &setup, err);
	if (good) {
		good = ct_phase_run(&crew, &plan, record, err);
		if (clock)
			*clock = json_incref(json_object_get(crew.victim_ready, "clock"));
		ct_crew_close(&crew);
	}
	ct_params_free(entry.ops->params, entry.options);
	free(entry.options);
	return good;
}

static bool quantile_of(const struct ct_phase_record *record, double q, double *ns,
			struct ct_error *err)
{
	struct ct_hist hist;
	bool good;

	if (!ct_hist_init(&hist, err))
		return false;
	good = ct_hist_merge_sparse(&hist, record->buckets, record->n_buckets, err);
	*ns = ct_hist_quantile(&hist, q) / 1e3;
	ct_hist_free(&hist);
	return good;
}

static void free_phase(struct ct_phase_record *phase)
{
	struct ct_block_record block = {.n_phases = 1};

	block.phases[0] = *phase;
	ct_block_record_free(&block);
}

static bool check_null(struct ct_links *links, const struct ct_ground *ground, json_t *check,
		       struct ct_error *err)
{
	struct ct_phase_record phase = {0};
	json_t *clock = NULL;
	double p50, p99, p999;
	bool good = measure_null(links, ground, "0ns", &phase, &clock, err) &&
		    quantile_of(&phase, 0.5, &p50, err) && quantile_of(&phase, 0.99, &p99, err) &&
		    quantile_of(&phase, 0.999, &p999, err);

	if (good) {
		json_object_set(check, "clock", clock);
		json_object_set_new(check, "null",
				    json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "count",
					      (json_int_t)phase.count, "min_ns", phase.min_ns,
					      "p50_ns", p50, "p99_ns", p99, "p999_ns", p999,
					      "max_ns", phase.max_ns));
	}
	json_decref(clock);
	free_phase(&phase);
	return good;
}

static bool check_planted(struct ct_links *links, const struct ct_ground *ground, json_t *check,
			  struct ct_error *err)
{
	struct ct_phase_record phase = {0};
	double recovered;
	bool good = measure_null(links, ground, "50us", &phase, NULL, err) &&
		    quantile_of(&phase, 0.5, &recovered, err);

	if (good) {
		double error = recovered / (double)planted_ns - 1;

		json_object_set_new(check, "planted",
				    json_pack("{s:I, s:f, s:f, s:b}", "delay_ns",
					      (json_int_t)planted_ns, "recovered_ns", recovered,
					      "error", error, "good",
					      fabs(error) <= CT_PLANTED_TOLERANCE));
	}
	free_phase(&phase);
	return good;
}

json_t *ct_selfcheck(struct ct_links *links, const struct ct_ground *ground, struct ct_error *err)
{
	json_t *check = json_object();

	if (!check) {
		ct_broken(err, "memory for the self-check");
		return NULL;
	}
	if (check_null(links, ground, check, err) && check_planted(links, ground, check, err))
		return check;
	ct_error_in(err, "self-check");
	json_decref(check);
	return NULL;
}
