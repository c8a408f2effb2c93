/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever is in a job file and in a --set word, the job is refused with a one-line
 * message or it is one that can be planned; memory is neither lost nor overrun.
 *
 *   make CC=clang SANITIZE=address,undefined CFLAGS=-fsanitize=fuzzer-no-link BUILD=build/fuzz \
 *        build/fuzz/tests/fuzz/fuzz_job
 *
 * Input: the file, then (after a zero byte) a --set word. Corpus: tests/fuzz/corpus/job/.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/job.h"
#include "harness/campaign/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_message(const struct ct_error *err)
{
	require(err->kind == CT_ERR_USAGE);
	require(err->text[0] != '\0' && strchr(err->text, '\n') == NULL);
}

static void check_peers(const struct ct_peers *peers, const struct ct_job *job)
{
	require(peers->n <= CT_PEERS_MAX);
	for (unsigned i = 0; i < peers->n; i++)
		require(peers->tenants[i] < job->n_tenants);
}

static void check_job(const struct ct_job *job)
{
	require(job->n_tenants > 0 && job->n_victims > 0 && job->n_aggressors > 0);
	require(job->n_configs > 0 && job->replicates >= 2);
	require(job->epoch_ns > 0 && job->epoch_ns <= job->measure_ns);
	for (size_t i = 0; i < job->n_victims; i++) {
		require(job->victims[i].ops && job->victims[i].tenant < job->n_tenants);
		check_peers(&job->victims[i].peers, job);
	}
	for (size_t i = 0; i < job->n_aggressors; i++) {
		const struct ct_aggressor_entry *aggressor = &job->aggressors[i];

		require(aggressor->ops && aggressor->tenant < job->n_tenants);
		require(aggressor->n_intensities > 0);
		check_peers(&aggressor->peers, job);
		for (unsigned d = 0; d < aggressor->n_intensities; d++)
			require(aggressor->intensities[d] > 0 && aggressor->intensities[d] <= 100);
	}
}

static void check_plan(const struct ct_job *job)
{
	struct ct_error err = {0};
	struct ct_plan plan;

	if (!ct_plan_make(&plan, job, 1, 0, &err)) {
		check_message(&err);
		return;
	}
	require(plan.n_visits == plan.n_cells * job->replicates && plan.duration_ns > 0);
	ct_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	const char *sets[1];
	struct ct_error err = {0};
	struct ct_job job;
	size_t length;

	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	length = strlen(text);
	sets[0] = text + length + 1;
	if (ct_job_parse(&job, "fuzz.ini", text, sets, length < size ? 1 : 0, &err)) {
		check_job(&job);
		check_plan(&job);
		ct_job_free(&job);
	} else {
		check_message(&err);
	}
	free(text);
	return 0;
}
