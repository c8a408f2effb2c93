/* SPDX-License-Identifier: Apache-2.0 */
/*
 * a = b + scalar * c over arrays far larger than the caches, in plain C, one thread: the peer of
 * `cotenant noise membw` that does what STREAM's triad does (McCalpin 1995) and counts as it does,
 * 24 bytes an element. Prints JSON with bytes per second over the time asked.
 *
 *   stream_triad [seconds [MiB of each array]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness/core/clock.h"

static void triad(double *restrict a, const double *restrict b, const double *restrict c,
		  double scalar, size_t n)
{
	for (size_t i = 0; i < n; i++)
		a[i] = b[i] + scalar * c[i];
}

static double *array(size_t n, double value)
{
	double *values = malloc(n * sizeof *values);

	for (size_t i = 0; values && i < n; i++)
		values[i] = value;
	return values;
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	const size_t n =
		(argc > 2 ? strtoul(argv[2], NULL, 10) : 128) * (1u << 20) / sizeof(double);
	double *a = array(n, 0), *b = array(n, 1), *c = array(n, 2);
	uint64_t begin, now, passes = 0;

	if (!a || !b || !c || seconds <= 0) {
		fprintf(stderr, "stream_triad: no memory, or no time given\n");
		return EXIT_FAILURE;
	}
	begin = ct_raw_ns();
	do {
		triad(a, b, c, 3, n);
		passes++;
		now = ct_raw_ns();
	} while ((double)(now - begin) < seconds * 1e9);
	if (a[n / 2] != 7) {
		fprintf(stderr, "stream_triad: wrong result\n");
		return EXIT_FAILURE;
	}
	printf("{\"bytes_per_s\": %.0f}\n",
	       (double)passes * (double)n * 24 * 1e9 / (double)(now - begin));
	free(a);
	free(b);
	free(c);
	return EXIT_SUCCESS;
}
