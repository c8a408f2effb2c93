/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of `expect =` about NVIDIA GPUs. NVML's statements count where it has answered, those
 * of /proc/driver/nvidia elsewhere. On a node of several GPUs a word holds when it does for one.
 */
#ifndef COTENANT_PROBE_EXPECT_GPU_H
#define COTENANT_PROBE_EXPECT_GPU_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/core/error.h"

bool ct_expect_mig(const json_t *probe, struct ct_error *err);
bool ct_expect_vgpu(const json_t *probe, struct ct_error *err);
bool ct_expect_mps(const json_t *probe, struct ct_error *err);
bool ct_expect_green(const json_t *probe, struct ct_error *err);
bool ct_expect_timeslice(const json_t *probe, struct ct_error *err);

/* Whether this machine's GPU is a slice that a host gave it. */
bool ct_is_vgpu_guest(const json_t *probe);

#endif
