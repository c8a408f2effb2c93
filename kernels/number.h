/* SPDX-License-Identifier: Apache-2.0 */
/* The short floating-point formats of tensor cores, on the CPU; rounded to nearest, ties to even.
 */
#ifndef COTENANT_KERNELS_NUMBER_H
#define COTENANT_KERNELS_NUMBER_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t ct_float_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static inline float ct_bits_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

static inline float ct_from_bf16(uint16_t bits)
{
	return ct_bits_float((uint32_t)bits << 16);
}

static inline uint16_t ct_to_bf16(float x)
{
	uint32_t bits = ct_float_bits(x);

	if (isnan(x))
		return 0x7fff;
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* What tensor cores see of a float: they leave its lowest 13 bits out. */
static inline float ct_to_tf32(float x)
{
	return ct_bits_float(ct_float_bits(x) & 0xffffe000u);
}

static inline float ct_from_fp16(uint16_t bits)
{
	const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
	const float sign = bits & 0x8000 ? -1.0f : 1.0f;

	if (exponent == 31)
		return fraction ? NAN : sign * INFINITY;
	if (exponent == 0)
		return sign * ldexpf((float)fraction, -24);
	return sign * ldexpf((float)(1024 + fraction), (int)exponent - 25);
}

static inline uint16_t ct_to_fp16(float x)
{
	const uint16_t sign = (uint16_t)(ct_float_bits(x) >> 16 & 0x8000);
	const float size = fabsf(x);
	int exponent;

	if (isnan(x))
		return 0x7fff;
	if (size >= 65520.0f) /* half way from the largest to the next */
		return sign | 0x7c00;
	if (size < 6.103515625e-05f) /* below the normal ones: steps of 2^-24 */
		return (uint16_t)(sign | (uint16_t)lrintf(ldexpf(size, 24)));
	/* size = f * 2^exponent, f in [0.5, 1): 11 bits of it. A carry goes into the exponent. */
	const long significand = lrintf(ldexpf(frexpf(size, &exponent), 11));

	return (uint16_t)(sign | (uint16_t)(((exponent + 14) << 10) + (int)significand - 1024));
}

#endif
