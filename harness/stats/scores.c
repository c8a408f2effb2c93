/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/scores.h"

#include <math.h>
#include <stdlib.h>

#include "harness/stats/distributions.h"

struct placed {
	double value;
	size_t place;
};

static int by_value(const void *left, const void *right)
{
	double a = ((const struct placed *)left)->value, b = ((const struct placed *)right)->value;

	return (a > b) - (a < b);
}

bool ct_normal_scores(const double *x, size_t n, double *scores)
{
	struct placed *order = malloc(n * sizeof *order);
	double squares = 0;

	if (!order)
		return false;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct placed){x[i], i};
	qsort(order, n, sizeof *order, by_value);
	for (size_t i = 0, end; i < n; i = end) {
		double midrank;

		for (end = i + 1; end < n && order[end].value == order[i].value;)
			end++;
		midrank = (double)(i + 1 + end) / 2;
		for (size_t k = i; k < end; k++)
			scores[order[k].place] = ct_normal_quantile(midrank / (double)(n + 1));
	}
	free(order);
	for (size_t i = 0; i < n; i++)
		squares += scores[i] * scores[i];
	for (size_t i = 0; i < n && squares > 0; i++)
		scores[i] /= sqrt(squares / (double)n);
	return squares > 0;
}
