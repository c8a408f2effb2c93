/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/record.h"

#include <stdlib.h>
#include <string.h>

bool ct_counter_copy(struct ct_counter_info *to, const struct ct_counter_info *from,
		     struct ct_error *err)
{
	*to = (struct ct_counter_info){.source = strdup(from->source),
				       .name = strdup(from->name),
				       .units = strdup(from->units),
				       .what = strdup(from->what)};
	if (to->source && to->name && to->units && to->what)
		return true;
	free(to->source);
	free(to->name);
	free(to->units);
	free(to->what);
	return ct_broken_errno(err, "memory for a counter");
}

void ct_counters_free(struct ct_counter_info *counters, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(counters[i].source);
		free(counters[i].name);
		free(counters[i].units);
		free(counters[i].what);
	}
	free(counters);
}

void ct_block_record_free(struct ct_block_record *record)
{
	for (size_t i = 0; i < CT_PHASES_PER_BLOCK; i++) {
		free(record->phases[i].buckets);
		free(record->phases[i].epochs);
		free(record->phases[i].noise);
		free(record->phases[i].slowest);
		free(record->phases[i].readings);
		ct_counters_free(record->phases[i].counters, record->phases[i].n_counters);
	}
	*record = (struct ct_block_record){0};
}
