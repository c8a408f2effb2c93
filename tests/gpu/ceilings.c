/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceilings GPU MIB [FIGURE ...]: what the driver's own calls reach on this GPU, in a plain loop, as
 * one JSON object: the other side of the ratios in BENCHMARKS.md. Copies of MIB MiB on the device
 * (dtod, both ways counted) and of a sixteenth of it between host and device (h2d, d2h, both) run
 * for half a second each: `mean` and `best` (batch) in bytes a second. launch: the `median` ns of
 * an empty kernel's launch and the wait for it. Default: all of them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Bytes a second in half a second of batches: of all of them, and of the best one. NULL: failed. */
static json_t *rate(struct bench *bench, submit *one, double bytes, struct ct_error *err)
{
	const uint64_t start = ct_monotonic_ns();
	uint64_t now = start;
	double moved = 0, best = 0;

	while (now < start + half_second_ns) {
		const uint64_t begin = now;

		for (int i = 0; i < BATCH; i++) {
			if (!one(bench, err))
				return NULL;
		}
		if (!ct_gpu_finish(&bench->gpu, err) ||
		    !CT_CUDA(bench->gpu.cuda, StreamSynchronize, err, bench->second))
			return NULL;
		now = ct_monotonic_ns();
		moved += BATCH * bytes;
		best = fmax(best, BATCH * bytes * 1e9 / (double)(now - begin));
	}
	return json_pack("{s:f, s:f}", "mean", moved * 1e9 / (double)(now - start), "best", best);
}

static json_t *measure_dtod(struct bench *bench, struct ct_error *err)
{
	return rate(bench, submit_device, 2.0 * (double)bench->device_bytes, err);
}

static json_t *measure_h2d(struct bench *bench, struct ct_error *err)
{
	return rate(bench, submit_to_device, (double)bench->host_bytes, err);
}

static json_t *measure_d2h(struct bench *bench, struct ct_error *err)
{
	return rate(bench, submit_to_host, (double)bench->host_bytes, err);
}

static json_t *measure_both(struct bench *bench, struct ct_error *err)
{
	return rate(bench, submit_both, 2.0 * (double)bench->host_bytes, err);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What gpu_launch times. */
static json_t *measure_launch(struct bench *bench, struct ct_error *err)
{
	json_t *result = NULL;
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
		result = json_pack("{s:f}", "median", ns[LAUNCHES / 2]);
	}
	free(ns);
	return result;
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

static const struct figure {
	const char *name;
	json_t *(*measure)(struct bench *bench, struct ct_error *err);
} figures[] = {{"dtod", measure_dtod},
	       {"h2d", measure_h2d},
	       {"d2h", measure_d2h},
	       {"both", measure_both},
	       {"launch", measure_launch}};

enum { FIGURES = sizeof figures / sizeof figures[0] };

static const struct figure *find_figure(const char *name)
{
	for (int i = 0; i < FIGURES; i++) {
		if (!strcmp(figures[i].name, name))
			return &figures[i];
	}
	return NULL;
}

static bool is_asked(const struct figure *figure, char **names, int n)
{
	for (int i = 0; i < n; i++) {
		if (!strcmp(figure->name, names[i]))
			return true;
	}
	return n == 0;
}

static bool run(struct bench *bench, char **names, int n, struct ct_error *err)
{
	json_t *json = json_object();
	bool good = prepare(bench, err);

	json_object_set_new(json, "gpu", ct_gpu_json(&bench->gpu));
	for (int i = 0; good && i < FIGURES; i++) {
		if (!is_asked(&figures[i], names, n))
			continue;
		good = json_object_set_new(json, figures[i].name, figures[i].measure(bench, err)) ==
		       0;
	}
	if (good) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(json);
	return good;
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
	for (int i = 3; i < argc; i++) {
		if (!find_figure(argv[i])) {
			fprintf(stderr, "ceilings: '%s': dtod, h2d, d2h, both or launch\n",
				argv[i]);
			return CT_ERR_USAGE;
		}
	}
	good = ct_gpu_open(&bench.gpu, argc > 1 ? argv[1] : NULL, NULL, CT_CU_WAIT_SPIN, &err);
	if (good) {
		good = run(&bench, &argv[argc > 3 ? 3 : argc], argc > 3 ? argc - 3 : 0, &err);
		finish(&bench);
	}
	if (!good)
		fprintf(stderr, "ceilings: %s\n", err.text);
	return good ? CT_OK : CT_ERR_ENVIRONMENT;
}
