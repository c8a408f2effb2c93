/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/cli/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/units.h"

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* The readings of one counter, sorted, into `values`; returns how many. */
static size_t gather(const struct ct_phase_record *phase, uint32_t counter, double *values)
{
	size_t n = 0;

	for (size_t i = 0; i < phase->n_readings; i++) {
		if (phase->readings[i].counter == counter)
			values[n++] = phase->readings[i].value;
	}
	qsort(values, n, sizeof *values, ascending);
	return n;
}

json_t *ct_counters_json(const struct ct_phase_record *phase)
{
	json_t *list = json_array();
	double *values = malloc((phase->n_readings + 1) * sizeof *values);

	for (uint32_t i = 0; list && values && i < phase->n_counters; i++) {
		const struct ct_counter_info *counter = &phase->counters[i];
		const size_t n = gather(phase, i, values);

		if (n == 0)
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:I}", "source",
						counter->source, "name", counter->name, "unit",
						counter->units, "what", counter->what, "median",
						values[(n - 1) / 2], "max", values[n - 1], "epochs",
						(json_int_t)n));
	}
	free(values);
	return list;
}

static const char *value_text(double value, const char *unit, char *text)
{
	if (strcmp(unit, "ns") == 0)
		return ct_format_ns(value, text);
	snprintf(text, CT_UNIT_TEXT, "%.6g%s%s", value, strcmp(unit, "1") == 0 ? "" : " ",
		 strcmp(unit, "1") == 0 ? "" : unit);
	return text;
}

void ct_counters_print(const json_t *counters)
{
	const json_t *counter;
	size_t i;

	if (json_array_size(counters) > 0)
		printf("per epoch, median and largest:\n");
	json_array_foreach((json_t *)(uintptr_t)counters, i, counter)
	{
		const char *source, *name, *unit, *what;
		char median_text[CT_UNIT_TEXT], max_text[CT_UNIT_TEXT], full[80];
		double median, max;

		if (json_unpack((json_t *)(uintptr_t)counter, "{s:s, s:s, s:s, s:s, s:f, s:f}",
				"source", &source, "name", &name, "unit", &unit, "what", &what,
				"median", &median, "max", &max) != 0)
			continue;
		snprintf(full, sizeof full, "%s %s", source, name);
		printf("  %-28s %12s %12s  %s\n", full, value_text(median, unit, median_text),
		       value_text(max, unit, max_text), what);
	}
}
