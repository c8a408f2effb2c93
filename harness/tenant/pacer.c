/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/pacer.h"

#include <math.h>

void ct_pacer_init(struct ct_pacer *pacer, const struct ct_aggressor_common *common,
		   double units_per_s, uint64_t seed)
{
	double period = common->frequency_hz > 0 ? 1e9 / common->frequency_hz : 1e9;

	*pacer = (struct ct_pacer){
		.pattern = (enum ct_pattern)common->pattern,
		.units_per_ns = units_per_s / 1e9,
		.period_ns = period,
		.on_ns = period * common->duty / 100.0,
	};
	ct_rng_seed(&pacer->rng, seed);
}

/* On and off intervals are exponential with means on_ns and period - on_ns: an M/M burst source. */
static double poisson_on_time(struct ct_pacer *pacer, double t)
{
	double off_ns = pacer->period_ns - pacer->on_ns;

	if (off_ns <= 0)
		return t;
	while (t >= pacer->interval_end) {
		if (pacer->on)
			pacer->on_before += pacer->interval_end - pacer->interval_start;
		pacer->on = !pacer->on;
		pacer->interval_start = pacer->interval_end;
		pacer->interval_end +=
			ct_rng_exponential(&pacer->rng) * (pacer->on ? pacer->on_ns : off_ns);
	}
	return pacer->on_before + (pacer->on ? t - pacer->interval_start : 0.0);
}

/* Time at full level up to t: what the rate has to be multiplied with. */
static double full_level_time(struct ct_pacer *pacer, double t)
{
	double periods = floor(t / pacer->period_ns);
	double rest = t - periods * pacer->period_ns;

	switch (pacer->pattern) {
	case CT_PATTERN_CONSTANT:
		return t;
	case CT_PATTERN_SQUARE:
		return periods * pacer->on_ns + fmin(rest, pacer->on_ns);
	case CT_PATTERN_RAMP: /* from nothing to full level over one period, then again */
		return periods * pacer->period_ns / 2 + rest * rest / (2 * pacer->period_ns);
	case CT_PATTERN_POISSON:
		return poisson_on_time(pacer, t);
	}
	return t;
}

double ct_pacer_due(struct ct_pacer *pacer, uint64_t t_ns)
{
	return full_level_time(pacer, (double)t_ns) * pacer->units_per_ns;
}

uint64_t ct_pacer_off_ns(const struct ct_pacer *pacer, uint64_t t_ns)
{
	double rest = fmod((double)t_ns, pacer->period_ns);

	if (pacer->pattern != CT_PATTERN_SQUARE || rest < pacer->on_ns)
		return 0;
	return (uint64_t)ceil(pacer->period_ns - rest);
}
