/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of a phase as `bench` prints them: their median and largest value over its epochs.
 */
#ifndef COTENANT_CLI_COUNTERS_H
#define COTENANT_CLI_COUNTERS_H

#include <jansson.h>

#include "harness/store/record.h"

/* An array of {source, name, unit, what, median, max, epochs}; counters without a reading are left
 * out. NULL: no memory. */
json_t *ct_counters_json(const struct ct_phase_record *phase);
/* One line each, from what ct_counters_json made; nothing for an empty array. */
void ct_counters_print(const json_t *counters);

#endif
