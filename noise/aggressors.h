/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors that end each aggressor's file; only the registry needs them by name. */
#ifndef COTENANT_NOISE_AGGRESSORS_H
#define COTENANT_NOISE_AGGRESSORS_H

#include "noise/noise.h"

extern const struct ct_aggressor_ops ct_noise_null;
extern const struct ct_aggressor_ops ct_noise_membw;
extern const struct ct_aggressor_ops ct_noise_llc;
extern const struct ct_aggressor_ops ct_noise_tlb;
extern const struct ct_aggressor_ops ct_noise_cpu;
extern const struct ct_aggressor_ops ct_noise_mmap_churn;
extern const struct ct_aggressor_ops ct_noise_ipi;
extern const struct ct_aggressor_ops ct_noise_lock;
extern const struct ct_aggressor_ops ct_noise_fork;
extern const struct ct_aggressor_ops ct_noise_disk;
extern const struct ct_aggressor_ops ct_noise_tcp_flood;
extern const struct ct_aggressor_ops ct_noise_gpu_hbm;
extern const struct ct_aggressor_ops ct_noise_gpu_l2;
extern const struct ct_aggressor_ops ct_noise_gpu_sm;
extern const struct ct_aggressor_ops ct_noise_gpu_pcie;
extern const struct ct_aggressor_ops ct_noise_gpu_launch_flood;
extern const struct ct_aggressor_ops ct_noise_gpu_alloc_churn;
extern const struct ct_aggressor_ops ct_noise_gpu_power;
extern const struct ct_aggressor_ops ct_noise_gpu_atomics;
extern const struct ct_aggressor_ops ct_noise_vf_flood;
extern const struct ct_aggressor_ops ct_noise_vf_control;
extern const struct ct_aggressor_ops ct_noise_vf_interrupts;
extern const struct ct_aggressor_ops ct_noise_rdma_flood;
extern const struct ct_aggressor_ops ct_noise_rdma_cache;
extern const struct ct_aggressor_ops ct_noise_rdma_incast;
extern const struct ct_aggressor_ops ct_noise_rdma_exception;
extern const struct ct_aggressor_ops ct_noise_rdma_control;

#endif
