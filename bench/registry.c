/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all victims: one declaration and one line each. */
#include "bench/victims.h"

#include <string.h>

const struct ct_victim_ops *const ct_victims[] = {
	/* clang-format off */
	&ct_bench_null,
	&ct_bench_mem_latency,
	&ct_bench_mem_bandwidth,
	&ct_bench_gemm_cpu,
	&ct_bench_spin,
	&ct_bench_wakeup,
	&ct_bench_vmexit,
	&ct_bench_syscall,
	&ct_bench_pagefault,
	&ct_bench_ipc,
	&ct_bench_tcp_rr,
	&ct_bench_rdma_write_lat,
	&ct_bench_rdma_send_lat,
	&ct_bench_rdma_read_lat,
	&ct_bench_rdma_atomic_lat,
	&ct_bench_rdma_write_bw,
	&ct_bench_rdma_reg_lat,
	&ct_bench_rdma_conn_lat,
	&ct_bench_udp_rr,
	&ct_bench_tcp_stream,
	&ct_bench_connect,
	&ct_bench_gpu_launch,
	&ct_bench_gpu_copy,
	&ct_bench_gpu_alloc,
	&ct_bench_gpu_spin,
	&ct_bench_gpu_chase,
	&ct_bench_gpu_gemm,
	&ct_bench_gpu_decode,
	&ct_bench_gpu_p2p,
	&ct_bench_nccl_allreduce,
	&ct_bench_ring_allreduce,
	&ct_bench_alltoall,
	NULL,
	/* clang-format on */
};

const struct ct_victim_ops *ct_victim_find(const char *name)
{
	for (size_t i = 0; ct_victims[i]; i++) {
		if (strcmp(ct_victims[i]->name, name) == 0)
			return ct_victims[i];
	}
	return NULL;
}
