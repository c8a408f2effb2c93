/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors that end each victim's file; only the registry and the tests need them by name.
 */
#ifndef COTENANT_BENCH_VICTIMS_H
#define COTENANT_BENCH_VICTIMS_H

#include "bench/bench.h"

extern const struct ct_victim_ops ct_bench_null;
extern const struct ct_victim_ops ct_bench_mem_latency;
extern const struct ct_victim_ops ct_bench_mem_bandwidth;
extern const struct ct_victim_ops ct_bench_gemm_cpu;
extern const struct ct_victim_ops ct_bench_spin;
extern const struct ct_victim_ops ct_bench_wakeup;
extern const struct ct_victim_ops ct_bench_vmexit;
extern const struct ct_victim_ops ct_bench_syscall;
extern const struct ct_victim_ops ct_bench_pagefault;
extern const struct ct_victim_ops ct_bench_ipc;
extern const struct ct_victim_ops ct_bench_tcp_rr;
extern const struct ct_victim_ops ct_bench_rdma_write_lat;
extern const struct ct_victim_ops ct_bench_rdma_send_lat;
extern const struct ct_victim_ops ct_bench_rdma_read_lat;
extern const struct ct_victim_ops ct_bench_rdma_atomic_lat;
extern const struct ct_victim_ops ct_bench_rdma_write_bw;
extern const struct ct_victim_ops ct_bench_rdma_reg_lat;
extern const struct ct_victim_ops ct_bench_rdma_conn_lat;
extern const struct ct_victim_ops ct_bench_udp_rr;
extern const struct ct_victim_ops ct_bench_tcp_stream;
extern const struct ct_victim_ops ct_bench_connect;
extern const struct ct_victim_ops ct_bench_gpu_launch;
extern const struct ct_victim_ops ct_bench_gpu_copy;
extern const struct ct_victim_ops ct_bench_gpu_alloc;
extern const struct ct_victim_ops ct_bench_gpu_spin;
extern const struct ct_victim_ops ct_bench_gpu_chase;
extern const struct ct_victim_ops ct_bench_gpu_gemm;
extern const struct ct_victim_ops ct_bench_gpu_decode;
extern const struct ct_victim_ops ct_bench_gpu_p2p;
extern const struct ct_victim_ops ct_bench_nccl_allreduce;
extern const struct ct_victim_ops ct_bench_ring_allreduce;
extern const struct ct_victim_ops ct_bench_alltoall;

#endif
