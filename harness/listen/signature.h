/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is it? A stored coupling matrix says how each aggressor shifts the quantiles of each victim;
 * a disturbance is a vector of such shifts. The neighbour is likened to the aggressor whose vector,
 * at a strength of its own, lies nearest. What it stresses is that aggressor's.
 */
#ifndef COTENANT_LISTEN_SIGNATURE_H
#define COTENANT_LISTEN_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/store/results.h"

/* The channels of a victim: log p50 and log p99 of an epoch. */
enum { CT_LISTEN_P50, CT_LISTEN_P99, CT_LISTEN_CHANNELS };

struct ct_signature { /* one aggressor at one intensity */
	char aggressor[64], kind[64];
	double intensity;
	double *shift; /* natural logarithm of the slowdown, one a channel; NaN: not measured */
};

struct ct_signatures {
	struct ct_signature *items;
	size_t n;
	size_t channels; /* victims times CT_LISTEN_CHANNELS */
	size_t matched;  /* victims that the matrix knows */
};

/*
 * From the cells of a result; victims[n] are the names that listen, matched by name, else by kind.
 * Usage error when the matrix knows none of them.
 */
bool ct_signatures_load(struct ct_signatures *signatures, struct ct_results *matrix,
			const char *const *victims, const char *const *kinds, size_t n,
			struct ct_error *err);
void ct_signatures_free(struct ct_signatures *signatures);

struct ct_likeness {
	const struct ct_signature *nearest; /* NULL: like nothing that the matrix holds */
	double strength; /* of the nearest: 1 is the neighbour of the matrix at that intensity */
	double odds;     /* share of the likelihood that the nearest aggressor has, 0..1 */
};

/* shift[channels] and its standard errors; NaN for a channel without. */
struct ct_likeness ct_signature_match(const struct ct_signatures *signatures, const double *shift,
				      const double *error);

#endif
