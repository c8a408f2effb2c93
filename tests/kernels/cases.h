/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small problem for every kernel, run on two sides: the CPU reference, and what is to be
 * checked (the kernels' source on an emulated GPU, or a real one). A case returns what it computed
 * as doubles; the two sides have to agree within the rounding of the kernel's own format.
 */
#ifndef COTENANT_TESTS_KERNELS_CASES_H
#define COTENANT_TESTS_KERNELS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where kernels run. Each returns false on a failure, which the side has told about. */
struct check_side {
	bool (*alloc)(void *self, size_t bytes, uint64_t *address);
	bool (*put)(void *self, uint64_t to, const void *from, size_t bytes);
	bool (*get)(void *self, void *to, uint64_t from, size_t bytes); /* after all launches */
	bool (*launch)(void *self, const char *kernel, struct ct_shape shape, const void *argument);
	void (*free_all)(void *self);
	void *self;
	unsigned sms;
};

enum { CHECK_MOST = 1 << 17 };

struct check_case {
	const char *name; /* of the kernel, or with a word behind it */
	/* Fills `out` with at most CHECK_MOST values. */
	bool (*run)(const struct check_side *side, double *out, size_t *n);
	double relative, absolute; /* allowed difference: absolute + relative * |reference| */
};

extern const struct check_case check_cases[]; /* ends with {0} */

/* The largest difference in units of what is allowed (at most 1: good); negative: a side failed. */
double check_run(const struct check_case *one, const struct check_side *reference,
		 const struct check_side *tested);
/* The CPU reference as a side. */
struct check_side check_reference(unsigned sms);

#ifdef __cplusplus
}
#endif

#endif
