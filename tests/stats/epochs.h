/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise as it is: logarithms of the medians of real epochs, tests/fixtures/epochs/NAME.txt. A line
 * is a phase of one victim with nobody modulated beside it: numbers in 1e-5 about the phase's
 * median, epochs of 20 ms that follow each other. Campaigns are simulated by drawing windows from
 * them.
 */
#ifndef COTENANT_TESTS_EPOCHS_H
#define COTENANT_TESTS_EPOCHS_H

#include <stdio.h>

#include "tests/stats/simulate.h"

#define EPOCH_S 0.02

enum { MAX_PHASES = 16, MAX_EPOCHS = 1200 };

struct real_epochs {
	double log[MAX_PHASES][MAX_EPOCHS];
	size_t length[MAX_PHASES], n;
};

static inline void read_epochs(const char *name, struct real_epochs *real)
{
	char path[256], *line = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof path, "tests/fixtures/epochs/%s.txt", name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s can't be read", path);
	real->n = 0;
	while (getline(&line, &room, file) > 0 && real->n < MAX_PHASES) {
		char *at = line, *end;
		size_t i = 0;

		if (line[0] == '#')
			continue;
		for (double x = strtod(at, &end); end != at && i < MAX_EPOCHS;
		     x = strtod(at, &end)) {
			real->log[real->n][i++] = x * 1e-5;
			at = end;
		}
		real->length[real->n++] = i;
	}
	free(line);
	fclose(file);
	assert_true(real->n > 1);
}

/* `n` epochs that follow each other, from anywhere. */
static inline const double *draw_window(const struct real_epochs *real, size_t n,
					struct ct_rng *rng)
{
	for (;;) {
		size_t phase = (size_t)ct_rng_below(rng, real->n);

		if (real->length[phase] >= n)
			return real->log[phase] + ct_rng_below(rng, real->length[phase] - n + 1);
	}
}

#endif
