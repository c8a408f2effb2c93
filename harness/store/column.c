/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/column.h"

#include <stdlib.h>
#include <string.h>

#include "harness/store/results.h"

const char *const ct_role_names[] = {"baseline", "treatment", "recovery", "modulated", NULL};
const char *const ct_load_names[] = {"none", "held", "contended", "absent", NULL};
const char *const ct_status_names[] = {"ok", "failed", "not_loaded", NULL};

_Static_assert(CT_ROLE_MODULATED == 3 && CT_LOAD_ABSENT == 3 && CT_BLOCK_NOT_LOADED == 2,
	       "the values of the enumerations are part of the file format");

#define FIELD(row, member) offsetof(struct row, member)
#define N(array)           (sizeof(array) / sizeof(array)[0])

static const struct ct_column workload_columns[] = {
	{"name", CT_COLUMN_TEXT, FIELD(ct_workload_info, name), CT_ABSENT_NO, "",
	 "name in the job file", NULL},
	{"kind", CT_COLUMN_TEXT, FIELD(ct_workload_info, kind), CT_ABSENT_NO, "",
	 "workload that runs", NULL},
	{"tenant", CT_COLUMN_TEXT, FIELD(ct_workload_info, tenant), CT_ABSENT_ZERO, "",
	 "tenant it runs in", NULL},
	{"unit", CT_COLUMN_TEXT, FIELD(ct_workload_info, unit), CT_ABSENT_ZERO, "",
	 "unit of a latency (victims) or of work done (aggressors)", NULL},
	{"summary", CT_COLUMN_TEXT, FIELD(ct_workload_info, summary), CT_ABSENT_ZERO, "",
	 "what it is, in one line", NULL},
	{"bytes_per_operation", CT_COLUMN_F64, FIELD(ct_workload_info, bytes_per_operation),
	 CT_ABSENT_ZERO, "B", "bytes moved by one operation, 0 where none", NULL},
	{"params", CT_COLUMN_TEXT, FIELD(ct_workload_info, params), CT_ABSENT_ZERO, "",
	 "parameters in force, a JSON object", NULL},
};

static const struct ct_column cell_columns[] = {
	{"config", CT_COLUMN_TEXT, FIELD(ct_cell_info, config), CT_ABSENT_NO, "",
	 "isolation configuration", NULL},
	{"victim", CT_COLUMN_U32, FIELD(ct_cell_info, victim), CT_ABSENT_NO, "1", "row of /victims",
	 NULL},
	{"aggressor", CT_COLUMN_U32, FIELD(ct_cell_info, aggressor), CT_ABSENT_NO, "1",
	 "row of /aggressors", NULL},
	{"intensity", CT_COLUMN_F64, FIELD(ct_cell_info, intensity), CT_ABSENT_NO, "percent",
	 "offered load, of the aggressor's solo maximum", NULL},
};

static const struct ct_column block_columns[] = {
	{"cell", CT_COLUMN_U32, FIELD(ct_block_info, cell), CT_ABSENT_NO, "1", "row of /cells",
	 NULL},
	{"block", CT_COLUMN_U32, FIELD(ct_block_info, block), CT_ABSENT_NO, "1",
	 "replicate number, from 0", NULL},
	{"visit", CT_COLUMN_U32, FIELD(ct_block_info, visit), CT_ABSENT_ZERO, "1",
	 "position in the realised order", NULL},
	{"status", CT_COLUMN_CHOICE, FIELD(ct_block_info, status), CT_ABSENT_ZERO, "1",
	 "whether the block counts", ct_status_names},
	{"message", CT_COLUMN_TEXT, FIELD(ct_block_info, message), CT_ABSENT_ZERO, "",
	 "why it does not count", NULL},
	{"solo_rate", CT_COLUMN_F64, FIELD(ct_block_info, solo_rate), CT_ABSENT_NAN, "s-1",
	 "calibrated solo maximum of the aggressor, its units per second", NULL},
	{"seed", CT_COLUMN_U64, FIELD(ct_block_info, seed), CT_ABSENT_ZERO, "1",
	 "seed of the workers of this block", NULL},
	{"started_unix_ns", CT_COLUMN_I64, FIELD(ct_block_info, started_unix_ns), CT_ABSENT_ZERO,
	 "ns since 1970-01-01T00:00:00Z", "wall clock when the block began", NULL},
	{"phase_first", CT_COLUMN_U32, FIELD(ct_block_info, first_phase), CT_ABSENT_NO, "1",
	 "first row of /phases", NULL},
	{"phase_rows", CT_COLUMN_U32, FIELD(ct_block_info, n_phases), CT_ABSENT_NO, "1",
	 "rows of /phases", NULL},
};

static const struct ct_column phase_columns[] = {
	{"cell", CT_COLUMN_U32, FIELD(ct_phase_info, cell), CT_ABSENT_NO, "1", "row of /cells",
	 NULL},
	{"block", CT_COLUMN_U32, FIELD(ct_phase_info, block), CT_ABSENT_NO, "1",
	 "replicate number, from 0", NULL},
	{"order", CT_COLUMN_U32, FIELD(ct_phase_info, order), CT_ABSENT_NO, "1",
	 "position within the block, from 0", NULL},
	{"role", CT_COLUMN_CHOICE, FIELD(ct_phase_info, role), CT_ABSENT_NO, "1",
	 "part the phase plays in its block", ct_role_names},
	{"load", CT_COLUMN_CHOICE, FIELD(ct_phase_info, load), CT_ABSENT_ZERO, "1",
	 "verdict on the aggressor's dose", ct_load_names},
	{"start_ns", CT_COLUMN_U64, FIELD(ct_phase_info, start_ns), CT_ABSENT_ZERO, "ns",
	 "begin of the measured part, CLOCK_MONOTONIC", NULL},
	{"end_ns", CT_COLUMN_U64, FIELD(ct_phase_info, end_ns), CT_ABSENT_ZERO, "ns",
	 "end of the measured part, CLOCK_MONOTONIC", NULL},
	{"asked_rate", CT_COLUMN_F64, FIELD(ct_phase_info, asked_rate), CT_ABSENT_NAN, "s-1",
	 "rate asked of the aggressor, its units per second", NULL},
	{"achieved_rate", CT_COLUMN_F64, FIELD(ct_phase_info, achieved_rate), CT_ABSENT_NAN, "s-1",
	 "rate the aggressor achieved, its units per second", NULL},
	{"count", CT_COLUMN_U64, FIELD(ct_phase_info, count), CT_ABSENT_NO, "1",
	 "samples of the counted epochs", NULL},
	{"overflow", CT_COLUMN_U64, FIELD(ct_phase_info, overflow), CT_ABSENT_ZERO, "1",
	 "samples beyond the last bucket, counted in it", NULL},
	{"raw_dropped", CT_COLUMN_U64, FIELD(ct_phase_info, raw_dropped), CT_ABSENT_ZERO, "1",
	 "raw samples that found no room", NULL},
	{"min_ns", CT_COLUMN_F64, FIELD(ct_phase_info, min_ns), CT_ABSENT_NAN, "ns",
	 "smallest latency, exact", NULL},
	{"mean_ns", CT_COLUMN_F64, FIELD(ct_phase_info, mean_ns), CT_ABSENT_NAN, "ns",
	 "mean latency, exact", NULL},
	{"max_ns", CT_COLUMN_F64, FIELD(ct_phase_info, max_ns), CT_ABSENT_NAN, "ns",
	 "largest latency, exact", NULL},
	{"hist_first", CT_COLUMN_U64, FIELD(ct_phase_info, hist_first), CT_ABSENT_ZERO, "1",
	 "first row of /histogram", NULL},
	{"hist_rows", CT_COLUMN_U64, FIELD(ct_phase_info, hist_rows), CT_ABSENT_ZERO, "1",
	 "rows of /histogram", NULL},
	{"epoch_first", CT_COLUMN_U64, FIELD(ct_phase_info, epoch_first), CT_ABSENT_ZERO, "1",
	 "first row of /epochs", NULL},
	{"epoch_rows", CT_COLUMN_U64, FIELD(ct_phase_info, epoch_rows), CT_ABSENT_ZERO, "1",
	 "rows of /epochs", NULL},
	{"noise_first", CT_COLUMN_U64, FIELD(ct_phase_info, noise_first), CT_ABSENT_ZERO, "1",
	 "first row of /noise", NULL},
	{"noise_rows", CT_COLUMN_U64, FIELD(ct_phase_info, noise_rows), CT_ABSENT_ZERO, "1",
	 "rows of /noise", NULL},
	{"slow_first", CT_COLUMN_U64, FIELD(ct_phase_info, slow_first), CT_ABSENT_ZERO, "1",
	 "first row of /slowest", NULL},
	{"slow_rows", CT_COLUMN_U64, FIELD(ct_phase_info, slow_rows), CT_ABSENT_ZERO, "1",
	 "rows of /slowest", NULL},
	{"reading_first", CT_COLUMN_U64, FIELD(ct_phase_info, reading_first), CT_ABSENT_ZERO, "1",
	 "first row of /readings", NULL},
	{"reading_rows", CT_COLUMN_U64, FIELD(ct_phase_info, reading_rows), CT_ABSENT_ZERO, "1",
	 "rows of /readings", NULL},
	{"raw_first", CT_COLUMN_U64, FIELD(ct_phase_info, raw_first), CT_ABSENT_ZERO, "1",
	 "first row of /raw", NULL},
	{"raw_rows", CT_COLUMN_U64, FIELD(ct_phase_info, raw_rows), CT_ABSENT_ZERO, "1",
	 "rows of /raw", NULL},
};

static const struct ct_column histogram_columns[] = {
	{"bucket", CT_COLUMN_U32, FIELD(ct_bucket, index), CT_ABSENT_NO, "1",
	 "row of /buckets, ascending within a phase", NULL},
	{"count", CT_COLUMN_U64, FIELD(ct_bucket, count), CT_ABSENT_NO, "1",
	 "samples in the bucket, at least 1", NULL},
};

static const struct ct_column epoch_columns[] = {
	{"start_ns", CT_COLUMN_U64, FIELD(ct_epoch_row, start_ns), CT_ABSENT_NO, "ns",
	 "begin of the epoch, CLOCK_MONOTONIC", NULL},
	{"end_ns", CT_COLUMN_U64, FIELD(ct_epoch_row, end_ns), CT_ABSENT_NO, "ns",
	 "end of the epoch, CLOCK_MONOTONIC", NULL},
	{"count", CT_COLUMN_U64, FIELD(ct_epoch_row, count), CT_ABSENT_NO, "1",
	 "samples of the epoch", NULL},
	{"overflow", CT_COLUMN_U64, FIELD(ct_epoch_row, overflow), CT_ABSENT_ZERO, "1",
	 "samples beyond the last bucket", NULL},
	{"min_ns", CT_COLUMN_F64, FIELD(ct_epoch_row, min_ns), CT_ABSENT_NAN, "ns",
	 "smallest latency", NULL},
	{"mean_ns", CT_COLUMN_F64, FIELD(ct_epoch_row, mean_ns), CT_ABSENT_NAN, "ns",
	 "mean latency", NULL},
	{"p50_ns", CT_COLUMN_F64, FIELD(ct_epoch_row, p50_ns), CT_ABSENT_NAN, "ns",
	 "median latency", NULL},
	{"p99_ns", CT_COLUMN_F64, FIELD(ct_epoch_row, p99_ns), CT_ABSENT_NAN, "ns",
	 "99th percentile of latency", NULL},
	{"max_ns", CT_COLUMN_F64, FIELD(ct_epoch_row, max_ns), CT_ABSENT_NAN, "ns",
	 "largest latency", NULL},
	{"steal_ns", CT_COLUMN_F64, FIELD(ct_epoch_row, steal_ns), CT_ABSENT_NAN, "ns",
	 "time the hypervisor ran somebody else on the victim's CPUs", NULL},
	{"involuntary_switches", CT_COLUMN_F64, FIELD(ct_epoch_row, involuntary_switches),
	 CT_ABSENT_NAN, "1", "involuntary context switches of the measuring thread", NULL},
	{"voluntary_switches", CT_COLUMN_F64, FIELD(ct_epoch_row, voluntary_switches),
	 CT_ABSENT_NAN, "1", "voluntary context switches of the measuring thread", NULL},
	{"minor_faults", CT_COLUMN_F64, FIELD(ct_epoch_row, minor_faults), CT_ABSENT_NAN, "1",
	 "minor page faults of the victim", NULL},
	{"major_faults", CT_COLUMN_F64, FIELD(ct_epoch_row, major_faults), CT_ABSENT_NAN, "1",
	 "major page faults of the victim", NULL},
	{"interrupts", CT_COLUMN_F64, FIELD(ct_epoch_row, interrupts), CT_ABSENT_NAN, "1",
	 "interrupts on the victim's CPUs", NULL},
	{"frequency_hz", CT_COLUMN_F64, FIELD(ct_epoch_row, frequency_hz), CT_ABSENT_NAN, "Hz",
	 "clock of the victim's first CPU", NULL},
	{"aggressor_rate", CT_COLUMN_F64, FIELD(ct_epoch_row, aggressor_rate), CT_ABSENT_NAN, "s-1",
	 "rate the aggressor achieved meanwhile, its units per second", NULL},
	{"aggressor_share", CT_COLUMN_F64, FIELD(ct_epoch_row, aggressor_share), CT_ABSENT_NAN, "1",
	 "achieved over asked rate of the aggressor, over the same time", NULL},
	{"counted", CT_COLUMN_U32, FIELD(ct_epoch_row, counted), CT_ABSENT_NO, "1",
	 "1: enters the phase's histogram, 0: does not", NULL},
};

static const struct ct_column noise_columns[] = {
	{"start_ns", CT_COLUMN_U64, FIELD(ct_noise_row, start_ns), CT_ABSENT_NO, "ns",
	 "begin of the aggressor's epoch, CLOCK_MONOTONIC", NULL},
	{"end_ns", CT_COLUMN_U64, FIELD(ct_noise_row, end_ns), CT_ABSENT_NO, "ns",
	 "end of the aggressor's epoch, CLOCK_MONOTONIC", NULL},
	{"units", CT_COLUMN_F64, FIELD(ct_noise_row, units), CT_ABSENT_NO, "1",
	 "work done, in the aggressor's unit", NULL},
	{"asked_units", CT_COLUMN_F64, FIELD(ct_noise_row, asked_units), CT_ABSENT_NAN, "1",
	 "work asked for, in the aggressor's unit", NULL},
	{"busy", CT_COLUMN_F64, FIELD(ct_noise_row, busy), CT_ABSENT_NAN, "1",
	 "share of the epoch in which no thread was paced to sleep", NULL},
	{"on_cpu", CT_COLUMN_F64, FIELD(ct_noise_row, on_cpu), CT_ABSENT_NAN, "1",
	 "CPU time over wall time times threads", NULL},
	{"runnable", CT_COLUMN_F64, FIELD(ct_noise_row, runnable), CT_ABSENT_NAN, "1",
	 "as on_cpu, with the time spent waiting for a CPU", NULL},
	{"aggressor", CT_COLUMN_U32, FIELD(ct_noise_row, aggressor), CT_ABSENT_ZERO, "1",
	 "row of /aggressors, where the cell's is a mix of several", NULL},
};

static const struct ct_column slowest_columns[] = {
	{"time_ns", CT_COLUMN_U64, FIELD(ct_slow_sample, time_ns), CT_ABSENT_NO, "ns",
	 "end of the sample, CLOCK_MONOTONIC", NULL},
	{"latency_ns", CT_COLUMN_F64, FIELD(ct_slow_sample, latency_ns), CT_ABSENT_NO, "ns",
	 "latency, descending within a phase", NULL},
};

static const struct ct_column counter_columns[] = {
	{"source", CT_COLUMN_TEXT, FIELD(ct_counter_info, source), CT_ABSENT_ZERO, "",
	 "what counts: victim, a device of its tenant (nic, gpu), or host (the whole machine)",
	 NULL},
	{"name", CT_COLUMN_TEXT, FIELD(ct_counter_info, name), CT_ABSENT_NO, "",
	 "name of the counter", NULL},
	{"units", CT_COLUMN_TEXT, FIELD(ct_counter_info, units), CT_ABSENT_ZERO, "",
	 "unit of its readings", NULL},
	{"what", CT_COLUMN_TEXT, FIELD(ct_counter_info, what), CT_ABSENT_ZERO, "",
	 "what it counts, in one line", NULL},
};

static const struct ct_column reading_columns[] = {
	{"epoch", CT_COLUMN_U32, FIELD(ct_reading, epoch), CT_ABSENT_NO, "1",
	 "epoch of the phase, from 0", NULL},
	{"counter", CT_COLUMN_U32, FIELD(ct_reading, counter), CT_ABSENT_NO, "1",
	 "row of /counters", NULL},
	{"value", CT_COLUMN_F64, FIELD(ct_reading, value), CT_ABSENT_NO, "1",
	 "the counter over the epoch, in the unit that /counters states", NULL},
};

static const struct ct_column raw_columns[] = {
	{"time_ns", CT_COLUMN_U64, FIELD(ct_raw_sample, time_ns), CT_ABSENT_ZERO, "ns",
	 "end of the sample, CLOCK_MONOTONIC", NULL},
	{"latency_ps", CT_COLUMN_U64, FIELD(ct_raw_sample, ps), CT_ABSENT_NO, "ps", "latency",
	 NULL},
};

static const struct ct_column log_columns[] = {
	{"unix_ns", CT_COLUMN_I64, FIELD(ct_log_row, unix_ns), CT_ABSENT_ZERO,
	 "ns since 1970-01-01T00:00:00Z", "wall clock of the line", NULL},
	{"level", CT_COLUMN_TEXT, FIELD(ct_log_row, level), CT_ABSENT_ZERO, "",
	 "info, warning or error", NULL},
	{"text", CT_COLUMN_TEXT, FIELD(ct_log_row, text), CT_ABSENT_NO, "", "the line", NULL},
};

static const struct ct_column bucket_columns[] = {
	{"low_ps", CT_COLUMN_U64, FIELD(ct_bucket_edge, low_ps), CT_ABSENT_NO, "ps",
	 "smallest latency of the bucket", NULL},
	{"mid_ps", CT_COLUMN_F64, FIELD(ct_bucket_edge, mid_ps), CT_ABSENT_NO, "ps",
	 "latency that stands for the bucket", NULL},
};

#define LAYOUT(table, row, list, key, rows, title)   \
	const struct ct_layout ct_layout_##table = { \
		.name = #table,                      \
		.long_name = title,                  \
		.row_size = sizeof(struct row),      \
		.columns = list,                     \
		.n_columns = N(list),                \
		.scale = key,                        \
		.chunk_rows = rows,                  \
	};                                           \
	_Static_assert(N(list) <= CT_MAX_COLUMNS, "too many columns")

LAYOUT(victims, ct_workload_info, workload_columns, NULL, 1024, "workloads that are measured");
LAYOUT(aggressors, ct_workload_info, workload_columns, NULL, 1024, "loads that interfere");
LAYOUT(cells, ct_cell_info, cell_columns, NULL, 4096,
       "combinations of config, victim, aggressor and intensity");
LAYOUT(blocks, ct_block_info, block_columns, NULL, 4096,
       "replicates: baseline and treatment side by side in time");
LAYOUT(phases, ct_phase_info, phase_columns, NULL, 4096, "parts of a block");
/* The blocks of a cell lie all over a file and are read one at a time: the smaller the chunks, the
 * less is inflated with each that is not wanted. */
LAYOUT(histogram, ct_bucket, histogram_columns, NULL, 4096,
       "latency distribution of every phase, non-empty buckets");
LAYOUT(epochs, ct_epoch_row, epoch_columns, "start_ns", 1024, "slices of a phase, of the victim");
LAYOUT(noise, ct_noise_row, noise_columns, "start_ns", 1024, "slices of a phase, of the aggressor");
LAYOUT(slowest, ct_slow_sample, slowest_columns, "time_ns", 1024, "slowest samples of every phase");
LAYOUT(counters, ct_counter_info, counter_columns, NULL, 1024,
       "counters that go with the epochs of a victim");
LAYOUT(readings, ct_reading, reading_columns, NULL, 1024, "counters, epoch by epoch");
LAYOUT(raw, ct_raw_sample, raw_columns, "time_ns", 65536, "raw samples");
LAYOUT(log, ct_log_row, log_columns, NULL, 1024, "the campaign's log");
LAYOUT(buckets, ct_bucket_edge, bucket_columns, NULL, 8192, "edges of the histogram buckets");

const struct ct_layout *const ct_layouts[] = {
	&ct_layout_victims,  &ct_layout_aggressors, &ct_layout_cells,
	&ct_layout_blocks,   &ct_layout_phases,     &ct_layout_histogram,
	&ct_layout_epochs,   &ct_layout_noise,      &ct_layout_slowest,
	&ct_layout_counters, &ct_layout_readings,   &ct_layout_raw,
	&ct_layout_log,      &ct_layout_buckets,    NULL};

size_t ct_column_find(const struct ct_layout *layout, const char *name)
{
	size_t i = 0;

	while (i < layout->n_columns && strcmp(layout->columns[i].name, name) != 0)
		i++;
	return i;
}

size_t ct_column_size(enum ct_column_type type)
{
	switch (type) {
	case CT_COLUMN_U32:
		return sizeof(uint32_t);
	case CT_COLUMN_CHOICE:
		return sizeof(int32_t);
	case CT_COLUMN_TEXT:
		return sizeof(char *);
	case CT_COLUMN_U64:
	case CT_COLUMN_I64:
	case CT_COLUMN_F64:
		break;
	}
	return sizeof(uint64_t);
}

bool ct_choice_valid(const struct ct_column *column, int32_t value)
{
	int32_t n = 0;

	while (column->names[n])
		n++;
	return value >= 0 && value < n;
}

void ct_rows_free_text(const struct ct_layout *layout, void *rows, size_t n)
{
	for (size_t c = 0; c < layout->n_columns; c++) {
		if (layout->columns[c].type != CT_COLUMN_TEXT)
			continue;
		for (size_t i = 0; i < n; i++) {
			char *row = (char *)rows + i * layout->row_size;

			free(*(char **)(row + layout->columns[c].offset));
		}
	}
}
