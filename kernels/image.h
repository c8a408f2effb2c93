/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled kernels in this binary: a fatbin, as cuModuleLoadData takes it. */
#ifndef COTENANT_KERNELS_IMAGE_H
#define COTENANT_KERNELS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"

/* Whether there are any, without reading them; else why not. */
bool ct_kernels_present(char *why, size_t size);
/*
 * The image: of the file that the environment variable COTENANT_KERNELS names (fatbin, cubin or
 * PTX), else the embedded one. It is handed out until ct_kernels_release.
 */
bool ct_kernels_open(const void **image, struct ct_error *err);
void ct_kernels_release(const void *image);

#endif
