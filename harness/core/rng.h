/* SPDX-License-Identifier: Apache-2.0 */
/* SplitMix64 and xoshiro256** (Blackman & Vigna 2018): small, seeded, the same on every machine. */
#ifndef COTENANT_CORE_RNG_H
#define COTENANT_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct ct_rng {
	uint64_t s[4];
};

void ct_rng_seed(struct ct_rng *rng, uint64_t seed);
/* An independent stream: same seed and stream number, same values, whatever other streams drew. */
void ct_rng_stream(struct ct_rng *rng, uint64_t seed, uint64_t stream);
uint64_t ct_rng_next(struct ct_rng *rng);
uint64_t ct_rng_below(struct ct_rng *rng, uint64_t n); /* 0..n-1 without bias; n > 0 */
double ct_rng_uniform(struct ct_rng *rng);             /* (0, 1): never 0, never 1 */
double ct_rng_exponential(struct ct_rng *rng);         /* mean 1 */
void ct_rng_shuffle_u32(struct ct_rng *rng, uint32_t *values, size_t n); /* Fisher-Yates */

#endif
