/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small campaign with known truth, for the tests of the store and of what reads it: one victim,
 * two aggressors, three cells. A sample of a baseline is one of 1000 values spread evenly over
 * 100..200 ns; a treatment is that times the cell's slowdown.
 */
#ifndef COTENANT_TESTS_SAMPLE_CAMPAIGN_H
#define COTENANT_TESTS_SAMPLE_CAMPAIGN_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/core/hist.h"
#include "harness/store/store.h"

enum { SAMPLE_CELLS = 3 };
static const double sample_slowdown[SAMPLE_CELLS] = {1.5, 3.0, 1.0};

static inline json_t *sample_header(int replicates, json_int_t seed)
{
	json_error_t where;
	json_t *header = json_pack_ex(
		&where, 0,
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:{s:s, s:{s:s}}, "
		"s:s, s:{s:{s:s, s:f, s:f}, s:{s:i, s:f, s:f}, s:{s:i, s:f, s:f, s:b}}, s:{}, "
		"s:[i]}",
		"schema", "cotenant.results/1", "suite", "sample", "title", "A sample", "created",
		"2026-01-02T03:04:05Z", "version", "0.1.0", "build_id", "abc", "command_line",
		"cotenant run sample.ini", "job", "path", "sample.ini", "text",
		"[suite]\nname = sample\n", "overrides", "", "plan",
		json_pack("{s:I, s:i, s:I, s:I, s:I, s:I, s:[{s:s, s:s}], s:[]}", "seed", seed,
			  "replicates", replicates, "warmup_ns", (json_int_t)1000, "measure_ns",
			  (json_int_t)1000000, "recovery_ns", (json_int_t)1000000, "epoch_ns",
			  (json_int_t)500000, "configs", "name", "local", "expect", "", "tenants"),
		"provenance", "hypervisor", "none", "kernel", "release", "6.1.0", "hwloc_xml",
		"<topology/>", "calibration", "clock", "source", "tsc", "resolution_ns", 1.0,
		"cost_ns", 12.5, "null", "count", 1000, "p50_ns", 20.0, "p99_ns", 21.5, "planted",
		"delay_ns", 50000, "recovered_ns", 50010.0, "error", 0.0002, "good", 1, "placement",
		"later", 7);
	json_t *plan = json_object_get(header, "plan");

	if (!header || !plan)
		abort();
	json_object_set_new(plan, "victims",
			    json_pack("[{s:s, s:s, s:s, s:s, s:s, s:f, s:{s:s}}]", "name", "dram",
				      "kind", "mem_latency", "tenant", "victim", "unit", "ns",
				      "summary", "pointer chase", "bytes_per_operation", 0.0,
				      "params", "working_set", "64M"));
	json_object_set_new(plan, "aggressors",
			    json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "name",
				      "stream", "kind", "membw", "tenant", "neighbour", "unit", "B",
				      "name", "idle", "kind", "null", "tenant", "neighbour", "unit",
				      "op"));
	json_object_set_new(
		plan, "cells",
		json_pack("[{s:s, s:i, s:i, s:f}, {s:s, s:i, s:i, s:f}, {s:s, s:i, s:i, s:f}]",
			  "config", "local", "victim", 0, "aggressor", 0, "intensity", 50.0,
			  "config", "local", "victim", 0, "aggressor", 0, "intensity", 100.0,
			  "config", "local", "victim", 0, "aggressor", 1, "intensity", 100.0));
	return header;
}

/* Two epochs that hold half of `count` samples each. */
static inline void sample_epochs(struct ct_phase_record *phase)
{
	phase->n_epochs = 2;
	phase->epochs = calloc(2, sizeof *phase->epochs);
	for (size_t i = 0; i < 2; i++)
		phase->epochs[i] = (struct ct_epoch_row){
			.start_ns = phase->start_ns + i * 500000,
			.end_ns = phase->start_ns + (i + 1) * 500000,
			.count = i ? phase->count - phase->count / 2 : phase->count / 2,
			.min_ns = phase->min_ns,
			.mean_ns = phase->mean_ns,
			.p50_ns = phase->mean_ns,
			.p99_ns = phase->max_ns,
			.max_ns = phase->max_ns,
			.steal_ns = NAN,
			.involuntary_switches = (double)i,
			.frequency_hz = 3e9,
			.aggressor_rate = phase->achieved_rate,
			.aggressor_share = 0.97,
			.counted = 1};
}

/* A counter in each epoch, and one that could be read in the second alone. */
static inline void sample_counters(struct ct_phase_record *phase)
{
	static const struct ct_counter_info infos[] = {
		{(char *)"victim", (char *)"device_p50", (char *)"ns",
		 (char *)"seen by the device"},
		{(char *)"nic", (char *)"tx_dropped", (char *)"1", (char *)"packets dropped"}};

	phase->counters = calloc(2, sizeof *phase->counters);
	phase->n_counters = 2;
	phase->n_readings = 3;
	phase->readings = calloc(3, sizeof *phase->readings);
	for (size_t i = 0; i < 2; i++) {
		if (!ct_counter_copy(&phase->counters[i], &infos[i], NULL))
			abort();
	}
	phase->readings[0] = (struct ct_reading){0, 0, 90.5 + phase->order};
	phase->readings[1] = (struct ct_reading){1, 0, 91.5};
	phase->readings[2] = (struct ct_reading){1, 1, 3};
}

static inline void sample_phase(struct ct_phase_record *phase, uint32_t order, enum ct_role role,
				double factor, unsigned samples, uint64_t start_ns)
{
	struct ct_hist hist;
	double sum = 0;

	*phase = (struct ct_phase_record){.role = role, .order = order, .start_ns = start_ns};
	phase->end_ns = start_ns + 1000000;
	phase->count = samples;
	phase->load = role == CT_ROLE_TREATMENT ? CT_LOAD_HELD : CT_LOAD_NONE;
	phase->asked_rate = role == CT_ROLE_TREATMENT ? 5e9 : NAN;
	phase->achieved_rate = role == CT_ROLE_TREATMENT ? 4.9e9 : NAN;
	if (!ct_hist_init(&hist, NULL))
		abort();
	for (unsigned i = 0; i < samples; i++) {
		uint64_t ps = (uint64_t)llround(factor * (100000 + 100000.0 * i / samples));

		ct_hist_add(&hist, ps, 1);
		sum += (double)ps;
		if (i == 0)
			phase->min_ns = (double)ps / 1e3;
		phase->max_ns = (double)ps / 1e3;
	}
	phase->mean_ns = sum / samples / 1e3;
	phase->n_buckets = ct_hist_to_sparse(&hist, NULL, 0);
	phase->buckets = calloc(phase->n_buckets + 1, sizeof *phase->buckets);
	ct_hist_to_sparse(&hist, phase->buckets, phase->n_buckets);
	ct_hist_free(&hist);
	sample_epochs(phase);
	sample_counters(phase);
	if (role == CT_ROLE_TREATMENT) {
		phase->n_noise = 1;
		phase->noise = calloc(1, sizeof *phase->noise);
		phase->noise[0] = (struct ct_noise_row){.start_ns = start_ns,
							.end_ns = start_ns + 1000000,
							.units = 4.9e6,
							.asked_units = 5e6,
							.busy = 1,
							.on_cpu = 0.99,
							.runnable = 1};
	}
	phase->n_slowest = 2;
	phase->slowest = calloc(2, sizeof *phase->slowest);
	phase->slowest[0] = (struct ct_slow_sample){start_ns + 900000, phase->max_ns};
	phase->slowest[1] = (struct ct_slow_sample){start_ns + 800000, phase->max_ns - 1};
}

/*
 * A block as ABBAR (A baseline, B treatment, R recovery). Blocks drift by 1 % each, which pairing
 * has to cancel, and the slowdown scatters by `scatter` to either side, so that intervals have a
 * width.
 */
static inline void sample_block(struct ct_block_record *record, uint32_t cell, uint32_t block,
				double slowdown, double scatter, unsigned samples)
{
	static const enum ct_role order[CT_PHASES_PER_BLOCK] = {CT_ROLE_BASELINE, CT_ROLE_TREATMENT,
								CT_ROLE_TREATMENT, CT_ROLE_BASELINE,
								CT_ROLE_RECOVERY};
	const double drift = 1 + 0.01 * block;
	const double effect = slowdown * (block % 2 ? 1 + scatter : 1 / (1 + scatter));

	*record = (struct ct_block_record){.cell = cell,
					   .block = block,
					   .visit = block * SAMPLE_CELLS + cell,
					   .seed = 1000 + block,
					   .started_unix_ns = 1700000000000000000 + block,
					   .status = CT_BLOCK_OK,
					   .solo_rate = 1e10,
					   .n_phases = CT_PHASES_PER_BLOCK};
	for (uint32_t i = 0; i < CT_PHASES_PER_BLOCK; i++)
		sample_phase(&record->phases[i], i, order[i],
			     drift * (order[i] == CT_ROLE_TREATMENT ? effect : 1), samples,
			     1000000000ull * (record->visit + 1) + i * 2000000ull);
}

/* Writes `blocks` blocks of every cell to `path`. Takes the header. */
static inline bool sample_write_of(json_t *header, const char *path, uint32_t blocks,
				   unsigned samples, double scatter, bool complete,
				   struct ct_error *err)
{
	struct ct_store *store;
	bool ok = ct_store_create(&store, path, header, err);

	for (uint32_t block = 0; ok && block < blocks; block++) {
		for (uint32_t cell = 0; ok && cell < SAMPLE_CELLS; cell++) {
			struct ct_block_record record;

			sample_block(&record, cell, block, sample_slowdown[cell], scatter, samples);
			ok = ct_store_block(store, &record, err);
			ct_block_record_free(&record);
		}
	}
	json_decref(header);
	if (!ok && store)
		ct_store_abandon(store);
	return ok && ct_store_finish(store, complete, err);
}

static inline bool sample_write(const char *path, uint32_t blocks, unsigned samples, double scatter,
				bool complete, struct ct_error *err)
{
	return sample_write_of(sample_header((int)blocks, 42), path, blocks, samples, scatter,
			       complete, err);
}

/* A directory of its own for a test; `out` has room for 64. */
static inline const char *sample_directory(char *out)
{
	/* Memory where there is some: these tests sync often, and disks are slow at that. */
	strcpy(out, access("/dev/shm", W_OK) == 0 ? "/dev/shm/cotenant-test-XXXXXX"
						  : "/tmp/cotenant-test-XXXXXX");
	if (!mkdtemp(out))
		abort();
	return out;
}

static inline void sample_remove(const char *directory)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	if (system(command) != 0)
		abort();
}

#endif
