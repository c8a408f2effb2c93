/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each kernel computes, on the CPU: the other side of the numerical checks, and what the
 * tests' stand-in for the driver runs when a kernel is launched. Addresses in the arguments are
 * pointers here.
 */
#ifndef COTENANT_KERNELS_REFERENCE_H
#define COTENANT_KERNELS_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct ct_reference {
	const char *name; /* of the kernel, without ct_ */
	size_t argument_size;
	/* `argument`: the kernel's struct. Time is that of the CPU. */
	void (*run)(struct ct_shape shape, const void *argument);
};

/* By NAME or by symbol (ct_NAME); NULL when there is no such kernel. */
const struct ct_reference *ct_reference_find(const char *name);

#endif
