/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void ct_rng_seed(struct ct_rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		rng->s[i] = splitmix(&seed);
}

void ct_rng_stream(struct ct_rng *rng, uint64_t seed, uint64_t stream)
{
	uint64_t mixed = seed;

	ct_rng_seed(rng, splitmix(&mixed) ^ (stream * UINT64_C(0xd1342543de82ef95)));
}

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t ct_rng_next(struct ct_rng *rng)
{
	uint64_t result = rotate(rng->s[1] * 5, 7) * 9;
	uint64_t t = rng->s[1] << 17;

	rng->s[2] ^= rng->s[0];
	rng->s[3] ^= rng->s[1];
	rng->s[1] ^= rng->s[2];
	rng->s[0] ^= rng->s[3];
	rng->s[2] ^= t;
	rng->s[3] = rotate(rng->s[3], 45);
	return result;
}

uint64_t ct_rng_below(struct ct_rng *rng, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n;
	uint64_t x;

	do
		x = ct_rng_next(rng);
	while (x >= limit);
	return x % n;
}

double ct_rng_uniform(struct ct_rng *rng)
{
	/* 52 bits, not 53: adding a half to 53 of them would round the largest up to 1. */
	return ((double)(ct_rng_next(rng) >> 12) + 0.5) * 0x1p-52;
}

double ct_rng_exponential(struct ct_rng *rng)
{
	return -log(ct_rng_uniform(rng));
}

void ct_rng_shuffle_u32(struct ct_rng *rng, uint32_t *values, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)ct_rng_below(rng, i);
		uint32_t swap = values[i - 1];

		values[i - 1] = values[j];
		values[j] = swap;
	}
}
