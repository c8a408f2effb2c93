/* SPDX-License-Identifier: Apache-2.0 */
/* Benjamini-Hochberg adjusted p values. */
#include "harness/stats/fdr.h"

#include <math.h>
#include <stdlib.h>

struct ranked {
	double p;
	size_t place;
};

static int by_p(const void *left, const void *right)
{
	double a = ((const struct ranked *)left)->p, b = ((const struct ranked *)right)->p;

	return (a > b) - (a < b);
}

bool ct_benjamini_hochberg(const double *p, size_t n, double *adjusted)
{
	struct ranked *order;
	size_t tests = 0;
	double smallest = 1;

	for (size_t i = 0; i < n; i++)
		if (!isnan(p[i]) && !(p[i] >= 0 && p[i] <= 1))
			return false;
	order = calloc(n ? n : 1, sizeof *order);
	if (!order)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (isnan(p[i]))
			adjusted[i] = NAN;
		else
			order[tests++] = (struct ranked){p[i], i};
	}
	qsort(order, tests, sizeof *order, by_p);
	for (size_t rank = tests; rank > 0; rank--) {
		smallest = fmin(smallest, order[rank - 1].p * (double)tests / (double)rank);
		adjusted[order[rank - 1].place] = smallest;
	}
	free(order);
	return true;
}
