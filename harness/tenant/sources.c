/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/sources.h"

#include <math.h>
#include <string.h>

/* The registry: one line a kind of device. */
static const struct ct_counter_source *const sources[] = {&ct_source_nic, &ct_source_gpu,
							  &ct_source_host, NULL};

_Static_assert(sizeof sources / sizeof sources[0] <=
		       sizeof((struct ct_sampler *)0)->devices /
				       sizeof((struct ct_sampler *)0)->devices[0] +
			       1,
	       "room for every kind of device");

static size_t count(const struct ct_counter *counters)
{
	size_t n = 0;

	while (counters && counters[n].name)
		n++;
	return n;
}

void ct_sampler_open(struct ct_sampler *sampler, const struct ct_worker *worker,
		     const json_t *device, const struct ct_counter *own)
{
	*sampler = (struct ct_sampler){.own = own, .n_own = count(own)};
	sampler->n = sampler->n_own;
	for (size_t i = 0; sources[i]; i++) {
		const struct ct_counter *counters;
		void *state;
		size_t n;

		if (!sources[i]->open(worker, device, &state, &counters))
			continue;
		n = count(counters);
		if (sampler->n + n > CT_COUNTERS_MAX) {
			sources[i]->close(state);
			continue;
		}
		sampler->devices[sampler->n_devices].source = sources[i];
		sampler->devices[sampler->n_devices].counters = counters;
		sampler->devices[sampler->n_devices].state = state;
		sampler->devices[sampler->n_devices++].n = n;
		sampler->n += n;
	}
}

void ct_sampler_close(struct ct_sampler *sampler)
{
	while (sampler->n_devices > 0) {
		sampler->n_devices--;
		sampler->devices[sampler->n_devices].source->close(
			sampler->devices[sampler->n_devices].state);
	}
}

static void describe(json_t *list, const char *source, const struct ct_counter *counters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("[s, s, s, s]", source, counters[i].name,
						      counters[i].unit, counters[i].what));
}

json_t *ct_sampler_describe(const struct ct_sampler *sampler)
{
	json_t *list = json_array();

	describe(list, "victim", sampler->own, sampler->n_own);
	for (size_t d = 0; d < sampler->n_devices; d++)
		describe(list, sampler->devices[d].source->name, sampler->devices[d].counters,
			 sampler->devices[d].n);
	return list;
}

void ct_sampler_begin(struct ct_sampler *sampler)
{
	for (size_t d = 0; d < sampler->n_devices; d++) {
		const struct ct_counter_source *source = sampler->devices[d].source;

		if (source->begin)
			source->begin(sampler->devices[d].state);
		source->read(sampler->devices[d].state, sampler->devices[d].before);
	}
}

void ct_sampler_read(struct ct_sampler *sampler, const double *own, double *values)
{
	if (sampler->n_own > 0)
		memcpy(values, own, sampler->n_own * sizeof *values);
	values += sampler->n_own;
	for (size_t d = 0; d < sampler->n_devices; d++) {
		const struct ct_counter *counters = sampler->devices[d].counters;
		double now[CT_COUNTERS_MAX];

		sampler->devices[d].source->read(sampler->devices[d].state, now);
		for (size_t i = 0; i < sampler->devices[d].n; i++) {
			*values++ = counters[i].kind == CT_COUNTER_TOTAL
					    ? now[i] - sampler->devices[d].before[i]
					    : now[i];
			if (isfinite(now[i]))
				sampler->devices[d].before[i] = now[i];
		}
	}
}
