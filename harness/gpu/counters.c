/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/counters.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "harness/core/clock.h"
#include "harness/gpu/nvml_find.h"

/* ---- what is asked each time ---- */

/* nvmlClocksEventReasons: bits of which each has a counter. */
enum {
	REASON_POWER_CAP = 0x4,
	REASON_HARDWARE = 0x8,
	REASON_SW_THERMAL = 0x20,
	REASON_HW_THERMAL = 0x40,
	REASON_BRAKE = 0x80
};

enum { PARTS = 5 };

/* One call, and the counters that its answer fills. */
struct question {
	int (*ask)(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
		   const struct question *question, double *values);
	const char *symbol;
	int argument;
	double scale; /* of the library's unit */
	struct ct_counter counters[PARTS + 1];
};

static int ask_number(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
		      const struct question *question, double *values)
{
	unsigned value;
	int status = ct_nvml_number(nvml, gpu, question->symbol, &value);

	*values = value * question->scale;
	return status;
}

static int ask_wide(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
		    const struct question *question, double *values)
{
	unsigned long long value;
	int status = ct_nvml_wide(nvml, gpu, question->symbol, &value);

	*values = (double)value * question->scale;
	return status;
}

static int ask_clock(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
		     const struct question *question, double *values)
{
	unsigned mhz;
	int status = ct_nvml_clock(nvml, gpu, "nvmlDeviceGetClockInfo",
				   (enum ct_nvml_clock)question->argument, &mhz);

	*values = mhz * question->scale;
	return status;
}

static int ask_temperature(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
			   const struct question *question, double *values)
{
	unsigned celsius;
	int status = ct_nvml_temperature(nvml, gpu, &celsius);

	*values = celsius * question->scale;
	return status;
}

/* The call was renamed; the bits were not. */
static int ask_reasons(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
		       const struct question *question, double *values)
{
	unsigned long long reasons;
	int status = ct_nvml_wide(nvml, gpu, question->symbol, &reasons);

	if (status == CT_NVML_NO_FUNCTION)
		status = ct_nvml_wide(nvml, gpu, "nvmlDeviceGetCurrentClocksThrottleReasons",
				      &reasons);
	values[0] = (double)reasons;
	values[1] = (reasons & REASON_POWER_CAP) != 0;
	values[2] = (reasons & (REASON_SW_THERMAL | REASON_HW_THERMAL)) != 0;
	values[3] = (reasons & REASON_HARDWARE) != 0;
	values[4] = (reasons & REASON_BRAKE) != 0;
	return status;
}

static int ask_held_back(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
			 const struct question *question, double *values)
{
	unsigned long long ns;
	int status = ct_nvml_held_back(nvml, gpu, (enum ct_nvml_policy)question->argument, &ns);

	*values = (double)ns * question->scale;
	return status;
}

static int ask_errors(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
		      const struct question *question, double *values)
{
	unsigned long long errors;
	int status = ct_nvml_ecc_errors(nvml, gpu, (enum ct_nvml_ecc)question->argument, &errors);

	*values = (double)errors * question->scale;
	return status;
}

static int ask_utilization(struct ct_nvml *nvml, struct ct_nvml_device *gpu,
			   const struct question *question, double *values)
{
	unsigned percent[2];
	int status = ct_nvml_utilization(nvml, gpu, percent);

	values[0] = percent[0] * question->scale;
	values[1] = percent[1] * question->scale;
	return status;
}

#define LEVEL(name_, unit_, what_)                    \
	{                                             \
		name_, unit_, what_, CT_COUNTER_LEVEL \
	}
#define TOTAL(name_, unit_, what_)                    \
	{                                             \
		name_, unit_, what_, CT_COUNTER_TOTAL \
	}

static const struct question questions[] = {
	{ask_clock,
	 NULL,
	 CT_NVML_CLOCK_SM,
	 1e6,
	 {LEVEL("sm_clock", "Hz", "clock of the multiprocessors")}},
	{ask_clock, NULL, CT_NVML_CLOCK_MEMORY, 1e6, {LEVEL("memory_clock", "Hz", "memory clock")}},
	{ask_number,
	 "nvmlDeviceGetPowerUsage",
	 0,
	 1e-3,
	 {LEVEL("power", "W", "power of the whole board, as the driver averages it")}},
	{ask_wide,
	 "nvmlDeviceGetTotalEnergyConsumption",
	 0,
	 1e-3,
	 {TOTAL("energy", "J", "energy that the whole GPU used")}},
	{ask_temperature, NULL, 0, 1, {LEVEL("temperature", "degC", "temperature of the die")}},
	{ask_reasons,
	 "nvmlDeviceGetCurrentClocksEventReasons",
	 0,
	 1,
	 {LEVEL("clock_reasons", "1", "why clocks are what they are: NVML's bits, added up"),
	  LEVEL("throttled_power", "1", "1 while the power limit kept clocks low"),
	  LEVEL("throttled_thermal", "1", "1 while heat kept clocks low"),
	  LEVEL("throttled_hardware", "1", "1 while the hardware slowed itself down"),
	  LEVEL("throttled_brake", "1", "1 while the power supply asked for less")}},
	{ask_held_back,
	 NULL,
	 CT_NVML_POLICY_POWER,
	 1,
	 {TOTAL("held_by_power", "ns", "time that the power limit kept clocks low")}},
	{ask_held_back,
	 NULL,
	 CT_NVML_POLICY_THERMAL,
	 1,
	 {TOTAL("held_by_heat", "ns", "time that heat kept clocks low")}},
	{ask_errors,
	 NULL,
	 CT_NVML_ECC_CORRECTED,
	 1,
	 {TOTAL("ecc_corrected", "1", "memory errors that were corrected")}},
	{ask_errors,
	 NULL,
	 CT_NVML_ECC_UNCORRECTED,
	 1,
	 {TOTAL("ecc_uncorrected", "1", "memory errors that could not be corrected")}},
	{ask_number,
	 "nvmlDeviceGetPcieReplayCounter",
	 0,
	 1,
	 {TOTAL("pcie_replays", "1", "packets that were sent again over the PCIe link")}},
	{ask_utilization,
	 NULL,
	 0,
	 0.01,
	 {LEVEL("busy", "1", "share of the driver's last period in which a kernel ran"),
	  LEVEL("memory_busy", "1", "share of that period in which memory was in use")}},
};
enum { N_QUESTIONS = sizeof questions / sizeof questions[0] };

/* ---- GPM: averages between two samples ---- */

#define GPM_COUNTERS(prefix, whose)                                                           \
	{                                                                                     \
		LEVEL(prefix "active", "1", "share of the time that " whose " did anything"), \
			LEVEL(prefix "sm_active", "1",                                        \
			      "share of the multiprocessors of " whose " that were busy"),    \
			LEVEL(prefix "sm_occupancy", "1",                                     \
			      "share of the warps of " whose " that were resident"),          \
			LEVEL(prefix "tensor_active", "1",                                    \
			      "share of the time that tensor cores of " whose " worked"),     \
			LEVEL(prefix "dram_active", "1",                                      \
			      "share of the memory bandwidth of " whose " in use"),           \
			LEVEL(prefix "pcie_tx", "B/s", "PCIe traffic from " whose),           \
			LEVEL(prefix "pcie_rx", "B/s", "PCIe traffic to " whose),             \
			LEVEL(prefix "nvlink_tx", "B/s", "NVLink traffic from " whose),       \
			LEVEL(prefix "nvlink_rx", "B/s", "NVLink traffic to " whose),         \
			LEVEL(prefix "switches", "1",                                         \
			      "requests to change the context of " whose ", as GPM says"),    \
			LEVEL(prefix "switching", "1",                                        \
			      "share of the time that " whose " changed contexts"),           \
			LEVEL(prefix "switch_cycles", "1",                                    \
			      "clock cycles that one change of context of " whose " took"),   \
	}

enum { N_METRICS = 12 };
static const struct ct_counter gpu_metrics[N_METRICS] = GPM_COUNTERS("gpm_", "the GPU");
static const struct ct_counter mig_metrics[N_METRICS] = GPM_COUNTERS("mig_", "the MIG instance");

/* In the order of the counters; shares come in percent, traffic in MiB/s. */
static const struct {
	unsigned id; /* nvmlGpmMetricId_t */
	double scale;
} metrics[N_METRICS] = {
	{1, 0.01},     {2, 0.01},     {3, 0.01},     {5, 0.01}, {10, 0.01},  {20, 1048576},
	{21, 1048576}, {61, 1048576}, {60, 1048576}, {172, 1},  {174, 0.01}, {173, 1},
};
_Static_assert((int)N_METRICS <= (int)CT_NVML_METRICS_MAX, "one call answers all");

_Static_assert((int)N_QUESTIONS *PARTS + 2 * N_METRICS < (int)CT_COUNTERS_MAX, "room for all");

/* Of the GPU, or of an instance. */
struct interval {
	bool on;
	int instance;
	struct ct_nvml_sample *older, *newer;
	uint64_t taken_ns; /* the older one */
};

struct ct_gpu_counters {
	struct ct_nvml *nvml;
	struct ct_nvml_device *gpu;
	const struct question *asked[N_QUESTIONS]; /* those that this GPU answers */
	bool failed[N_QUESTIONS];
	size_t n_asked;
	struct interval intervals[2];
	size_t n_intervals;
	bool lost;
	struct ct_counter table[CT_COUNTERS_MAX + 1];
	size_t n;
};

static void add_counters(struct ct_gpu_counters *counters, const struct ct_counter *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		counters->table[counters->n++] = list[i];
}

static size_t parts(const struct question *question)
{
	size_t n = 0;

	while (n < PARTS && question->counters[n].name)
		n++;
	return n;
}

static bool is_good(struct ct_gpu_counters *counters, int status)
{
	counters->lost = counters->lost || status == CT_NVML_LOST;
	return status == CT_NVML_OK;
}

/* ---- intervals ---- */

static bool take_sample(struct ct_gpu_counters *counters, struct interval *interval,
			struct ct_nvml_sample *sample)
{
	return is_good(counters, ct_nvml_sample_get(counters->nvml, counters->gpu,
						    interval->instance, sample));
}

static void free_interval(struct ct_gpu_counters *counters, struct interval *interval)
{
	ct_nvml_sample_free(counters->nvml, interval->older);
	ct_nvml_sample_free(counters->nvml, interval->newer);
}

static void open_interval(struct ct_gpu_counters *counters, int instance,
			  const struct ct_counter *list)
{
	struct interval *interval = &counters->intervals[counters->n_intervals];

	*interval = (struct interval){.on = true, .instance = instance};
	counters->n_intervals++;
	interval->on = ct_nvml_sample_alloc(counters->nvml, &interval->older) == CT_NVML_OK &&
		       ct_nvml_sample_alloc(counters->nvml, &interval->newer) == CT_NVML_OK &&
		       take_sample(counters, interval, interval->older);
	interval->taken_ns = ct_monotonic_ns();
	if (interval->on) {
		add_counters(counters, list, N_METRICS);
		return;
	}
	free_interval(counters, interval);
	counters->n_intervals--;
}

static void begin_interval(struct ct_gpu_counters *counters, struct interval *interval)
{
	interval->on =
		interval->on && !counters->lost && take_sample(counters, interval, interval->older);
	interval->taken_ns = ct_monotonic_ns();
}

static void give_metrics(struct ct_gpu_counters *counters, struct interval *interval,
			 double *values)
{
	struct ct_nvml_metric answers[N_METRICS];

	for (size_t i = 0; i < N_METRICS; i++)
		answers[i] = (struct ct_nvml_metric){.id = metrics[i].id};
	interval->on = is_good(counters, ct_nvml_metrics(counters->nvml, interval->older,
							 interval->newer, answers, N_METRICS));
	for (size_t i = 0; interval->on && i < N_METRICS; i++)
		values[i] =
			answers[i].status == CT_NVML_OK ? answers[i].value * metrics[i].scale : NAN;
}

/* Samples that lie too close together would tell of the same refresh of the GPU's counters: the
 * epoch then has none of these values, and those of the next one cover both. */
static void read_interval(struct ct_gpu_counters *counters, struct interval *interval,
			  double *values)
{
	const uint64_t now_ns = ct_monotonic_ns();
	struct ct_nvml_sample *older = interval->older;

	if (!interval->on || counters->lost ||
	    now_ns - interval->taken_ns < CT_NVML_GPM_MS * UINT64_C(1000000))
		return;
	interval->on = take_sample(counters, interval, interval->newer);
	if (!interval->on)
		return;
	give_metrics(counters, interval, values);
	interval->older = interval->newer;
	interval->newer = older;
	interval->taken_ns = now_ns;
}

/* ---- opening, reading ---- */

static void open_questions(struct ct_gpu_counters *counters)
{
	for (size_t i = 0; i < N_QUESTIONS && !counters->lost; i++) {
		double values[PARTS];

		if (!is_good(counters, questions[i].ask(counters->nvml, counters->gpu,
							&questions[i], values)))
			continue;
		counters->asked[counters->n_asked++] = &questions[i];
		add_counters(counters, questions[i].counters, parts(&questions[i]));
	}
}

static void open_intervals(struct ct_gpu_counters *counters, int instance)
{
	if (counters->lost ||
	    !is_good(counters, ct_nvml_gpm_support(counters->nvml, counters->gpu)))
		return;
	open_interval(counters, CT_NVML_WHOLE_GPU, gpu_metrics);
	if (instance != CT_NVML_WHOLE_GPU && !counters->lost)
		open_interval(counters, instance, mig_metrics);
}

struct ct_gpu_counters *ct_gpu_counters_open(const char *gpu, const char *nic)
{
	const char *library = ct_nvml_library();
	struct ct_gpu_counters *counters = library ? calloc(1, sizeof *counters) : NULL;
	struct ct_nvml_found found;
	char why[256];

	if (!counters)
		return NULL;
	counters->nvml = ct_nvml_open(library, why, sizeof why);
	if (counters->nvml && ct_nvml_find(counters->nvml, gpu, nic, &found)) {
		counters->gpu = found.gpu;
		open_questions(counters);
		open_intervals(counters, found.instance);
	}
	if (counters->n > 0)
		return counters;
	ct_gpu_counters_close(counters);
	return NULL;
}

const struct ct_counter *ct_gpu_counters_table(const struct ct_gpu_counters *counters)
{
	return counters->table;
}

void ct_gpu_counters_begin(struct ct_gpu_counters *counters)
{
	for (size_t i = 0; i < counters->n_intervals; i++)
		begin_interval(counters, &counters->intervals[i]);
}

static void read_question(struct ct_gpu_counters *counters, size_t i, double *values)
{
	const struct question *question = counters->asked[i];
	double answer[PARTS];

	if (counters->failed[i] || counters->lost)
		return;
	counters->failed[i] =
		!is_good(counters, question->ask(counters->nvml, counters->gpu, question, answer));
	for (size_t k = 0; !counters->failed[i] && k < parts(question); k++)
		values[k] = answer[k];
}

/* In the order in which opening made the table: an interval that did not open has no part in it. */
void ct_gpu_counters_read(struct ct_gpu_counters *counters, double *values)
{
	size_t at = 0;

	for (size_t i = 0; i < counters->n; i++)
		values[i] = NAN;
	for (size_t i = 0; i < counters->n_asked; i++) {
		read_question(counters, i, values + at);
		at += parts(counters->asked[i]);
	}
	for (size_t i = 0; i < counters->n_intervals; i++) {
		read_interval(counters, &counters->intervals[i], values + at);
		at += N_METRICS;
	}
}

void ct_gpu_counters_close(struct ct_gpu_counters *counters)
{
	for (size_t i = 0; i < counters->n_intervals; i++)
		free_interval(counters, &counters->intervals[i]);
	ct_nvml_close(counters->nvml);
	free(counters);
}
