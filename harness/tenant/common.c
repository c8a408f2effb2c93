/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/common.h"

#include <stddef.h>

static const char *const arrivals[] = {"constant", "poisson", NULL};
static const char *const patterns[] = {"constant", "square", "poisson", "ramp", NULL};

const struct ct_param ct_victim_common_params[] = {
	{.name = "rate",
	 .type = CT_PARAM_FREQUENCY,
	 .offset = offsetof(struct ct_victim_common, rate_hz),
	 .fallback = "0",
	 .min = "0",
	 .max = "100MHz",
	 .help = "operations a second, open loop: latency counts from the intended start; 0 is "
		 "closed loop"},
	{.name = "arrival",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_victim_common, arrival),
	 .fallback = "constant",
	 .choices = arrivals,
	 .help = "spacing of the intended starts, with 'rate'"},
	{.name = "raw",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_victim_common, raw),
	 .fallback = "0",
	 .min = "0",
	 .max = "1000000",
	 .help = "raw samples to keep of every epoch; what does not fit is counted"},
	{.name = "duty",
	 .type = CT_PARAM_PERCENT,
	 .offset = offsetof(struct ct_victim_common, duty),
	 .fallback = "100%",
	 .min = "0.01%",
	 .max = "100%",
	 .help = "share of the time that it measures, in bursts of 200 us or one sample: below "
		 "100 % it rests in between, as 'listen' does"},
	{.name = "host_counters",
	 .type = CT_PARAM_BOOL,
	 .offset = offsetof(struct ct_victim_common, host_counters),
	 .fallback = "no",
	 .help = "keep what the kernel counts of the whole machine with each epoch: forks, faults, "
		 "interrupts"},
	{0}};

const struct ct_param ct_aggressor_common_params[] = {
	{.name = "threads",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_aggressor_common, threads),
	 .fallback = "0",
	 .min = "0",
	 .max = "4096",
	 .help = "threads, each bound to one CPU of the tenant; 0 is one for each CPU"},
	{.name = "intensity",
	 .type = CT_PARAM_PERCENT,
	 .offset = offsetof(struct ct_aggressor_common, intensity),
	 .fallback = "100%",
	 .min = "0.1%",
	 .max = "100%",
	 .help = "offered load, of what the aggressor does alone on this tenant"},
	{.name = "pattern",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_aggressor_common, pattern),
	 .fallback = "constant",
	 .choices = patterns,
	 .help = "how the load varies over time"},
	{.name = "frequency",
	 .type = CT_PARAM_FREQUENCY,
	 .offset = offsetof(struct ct_aggressor_common, frequency_hz),
	 .fallback = "1Hz",
	 .min = "0.001Hz",
	 .max = "10kHz",
	 .help = "periods a second of square and ramp, mean bursts a second of poisson"},
	{.name = "duty",
	 .type = CT_PARAM_PERCENT,
	 .offset = offsetof(struct ct_aggressor_common, duty),
	 .fallback = "50%",
	 .min = "1%",
	 .max = "100%",
	 .help = "share of the time that square and poisson are on"},
	{0}};
