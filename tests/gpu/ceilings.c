/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceilings [GPU] [MIB]: what the driver's own calls reach on this GPU, in a plain loop, as one JSON
 * object: the other side of the ratios in BENCHMARKS.md. Copies of MIB MiB (default 1024 on the
 * device, a sixteenth of it between host and device) are timed for half a second each; the best
 * batch counts, since whatever else runs only slows.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/gpu/device.h"
#include "harness/gpu/kernel.h"

enum { BATCH = 8, LAUNCHES = 20000 };
static const uint64_t half_second_ns = 500000000;

struct bench {
	struct ct_gpu gpu;
	struct ct_cu_stream *second;
	ct_cu_address from, to;
	void *host[2];
	size_t device_bytes, host_bytes;
};

typedef bool submit(struct bench *bench, struct ct_error *err);

static bool submit_device(struct bench *bench, struct ct_error *err)
{
	return CT_CUDA(bench->gpu.cuda, MemcpyDtoDAsync, err, bench->to, bench->from,
		       bench->device_bytes, bench->gpu.stream);
}

static bool submit_to_device(struct bench *bench, struct ct_error *err)
{
	return CT_CUDA(bench->gpu.cuda, MemcpyHtoDAsync, err, bench->to, bench->host[0],
		       bench->host_bytes, bench->gpu.stream);
}

static bool submit_to_host(struct bench *bench, struct ct_error *err)
{
	return CT_CUDA(bench->gpu.cuda, MemcpyDtoHAsync, err, bench->host[1], bench->from,
		       bench->host_bytes, bench->second);
}

static bool submit_both(struct bench *bench, struct ct_error *err)
{
	return submit_to_device(bench, err) && submit_to_host(bench, err);
}

/* Bytes a second of the best batch. */
static bool rate(struct bench *bench, submit *one, double bytes, double *best, struct ct_error *err)
{
	const uint64_t end = ct_monotonic_ns() + half_second_ns;

	*best = 0;
	do {
		const uint64_t begin = ct_monotonic_ns();

		for (int i = 0; i < BATCH; i++) {
			if (!one(bench, err))
				return false;
		}
		if (!ct_gpu_finish(&bench->gpu, err) ||
		    !CT_CUDA(bench->gpu.cuda, StreamSynchronize, err, bench->second))
			return false;
		*best = fmax(*best, BATCH * bytes * 1e9 / (double)(ct_monotonic_ns() - begin));
	} while (ct_monotonic_ns() < end);
	return true;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median ns of an empty kernel's launch and the wait for it: what gpu_launch times. */
static bool launch(struct bench *bench, double *median, struct ct_error *err)
{
	const struct ct_arg_empty empty = {0};
	struct ct_gpu_kernel kernel;
	double *ns = calloc(LAUNCHES, sizeof *ns);
	bool good = ns && ct_gpu_kernel(&bench->gpu, "empty", ct_shape_one(), &kernel, err);

	for (int i = 0; good && i < LAUNCHES; i++) {
		const uint64_t begin = ct_monotonic_ns();

		good = ct_gpu_launch(&bench->gpu, &kernel, &empty, err) &&
		       ct_gpu_finish(&bench->gpu, err);
		ns[i] = (double)(ct_monotonic_ns() - begin);
	}
	if (good) {
		qsort(ns, LAUNCHES, sizeof *ns, compare);
		*median = ns[LAUNCHES / 2];
	}
	free(ns);
	return good;
}

static bool prepare(struct bench *bench, struct ct_error *err)
{
	struct ct_cuda *cuda = bench->gpu.cuda;
	ct_cu_address mapped;

	return CT_CUDA(cuda, StreamCreateWithPriority, err, &bench->second,
		       CT_CU_STREAM_NON_BLOCKING, 0) &&
	       ct_gpu_alloc(&bench->gpu, bench->device_bytes, &bench->from, err) &&
	       ct_gpu_alloc(&bench->gpu, bench->device_bytes, &bench->to, err) &&
	       ct_gpu_host_alloc(&bench->gpu, bench->host_bytes, &bench->host[0], &mapped, err) &&
	       ct_gpu_host_alloc(&bench->gpu, bench->host_bytes, &bench->host[1], &mapped, err);
}

static bool run(struct bench *bench, struct ct_error *err)
{
	const double host = (double)bench->host_bytes;
	double device, to_device, to_host, both, launched = 0;
	json_t *json;

	if (!prepare(bench, err) ||
	    !rate(bench, submit_device, 2.0 * (double)bench->device_bytes, &device, err) ||
	    !rate(bench, submit_to_device, host, &to_device, err) ||
	    !rate(bench, submit_to_host, host, &to_host, err) ||
	    !rate(bench, submit_both, 2 * host, &both, err) || !launch(bench, &launched, err))
		return false;
	json = json_pack("{s:o, s:f, s:f, s:f, s:f, s:f}", "gpu", ct_gpu_json(&bench->gpu), "dtod",
			 device, "h2d", to_device, "d2h", to_host, "both", both, "launch_ns",
			 launched);
	if (json)
		json_dumpf(json, stdout, JSON_INDENT(2));
	json_decref(json);
	putchar('\n');
	return true;
}

static void finish(struct bench *bench)
{
	if (bench->second)
		CT_CUDA_QUIET(bench->gpu.cuda, StreamDestroy, bench->second);
	ct_gpu_free(&bench->gpu, bench->from);
	ct_gpu_free(&bench->gpu, bench->to);
	ct_gpu_host_free(&bench->gpu, bench->host[0]);
	ct_gpu_host_free(&bench->gpu, bench->host[1]);
	ct_gpu_close(&bench->gpu);
}

int main(int argc, char **argv)
{
	const size_t mib = argc > 2 ? strtoul(argv[2], NULL, 10) : 1024;
	struct bench bench = {.device_bytes = mib << 20, .host_bytes = mib << 16};
	struct ct_error err = {0};
	bool good;

	if (mib == 0 || mib > 1 << 16) {
		fprintf(stderr, "ceilings: '%s': 1 to 65536 MiB\n", argv[2]);
		return CT_ERR_USAGE;
	}
	good = ct_gpu_open(&bench.gpu, argc > 1 ? argv[1] : NULL, NULL, CT_CU_WAIT_SPIN, &err);
	if (good) {
		good = run(&bench, &err);
		finish(&bench);
	}
	if (!good)
		fprintf(stderr, "ceilings: %s\n", err.text);
	return good ? CT_OK : CT_ERR_ENVIRONMENT;
}
