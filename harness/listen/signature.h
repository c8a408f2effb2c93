/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is it? A stored campaign says how each aggressor shifts each victim's epochs, and what the
 * kernel counts of everybody; a disturbance is a vector of such shifts. The neighbour is likened to
 * the aggressor whose vector, at a strength of its own, lies nearest. What it stresses is that
 * aggressor's. The shift of a block is the median over the epochs of its treatments less that of
 * its baselines, of the very numbers that are heard: the p99 of an epoch with few samples is not
 * the p99 of a phase with many.
 */
#ifndef COTENANT_LISTEN_SIGNATURE_H
#define COTENANT_LISTEN_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/listen/host.h"
#include "harness/store/results.h"

/* The channels of a victim: log p50 and log p99 of an epoch. CT_HOST_CHANNELS of the kernel's
 * follow those of all victims. */
enum { CT_LISTEN_P50, CT_LISTEN_P99, CT_LISTEN_CHANNELS };

struct ct_signature { /* one aggressor at one intensity */
	char *aggressor, *kind;
	double intensity;
	double *shift;  /* natural logarithm of the factor, one a channel; NaN: not measured */
	double *spread; /* its standard deviation between blocks; 0 where there is one only */
	double *count;  /* blocks behind each */
};

struct ct_signatures {
	struct ct_signature *items;
	size_t n;
	size_t channels; /* victims times CT_LISTEN_CHANNELS, and CT_HOST_CHANNELS */
	size_t matched;  /* victims that the matrix knows */
};

/*
 * From the cells of a result; victims[n] are the names that listen, matched by name, else by kind.
 * Usage error when the matrix knows none of them.
 */
bool ct_signatures_load(struct ct_signatures *signatures, struct ct_results *matrix,
			const char *const *victims, const char *const *kinds, size_t n,
			struct ct_error *err);
/* The same from the file at `path`, which anybody may have made: read in a process of its own, so
 * that a damaged one is a usage error and nothing else. */
bool ct_signatures_read(struct ct_signatures *signatures, const char *path,
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
