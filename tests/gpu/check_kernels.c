/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_kernels [GPU]: every kernel on a real GPU against its reference on the CPU, which sums in
 * double precision. One line a case; the exit status is 1 when one is off, 4 when there is no GPU.
 * Kernels that only compute capability 9.0 has are left out elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/device.h"
#include "harness/gpu/kernel.h"
#include "tests/kernels/cases.h"

enum { MOST_BLOCKS = 16 };

struct gpu_side {
	struct ct_gpu gpu;
	ct_cu_address blocks[MOST_BLOCKS];
	int n_blocks;
	struct ct_error err;
};

static bool gpu_alloc(void *self, size_t bytes, uint64_t *address)
{
	struct gpu_side *side = self;

	if (side->n_blocks == MOST_BLOCKS || !ct_gpu_alloc(&side->gpu, bytes, address, &side->err))
		return false;
	side->blocks[side->n_blocks++] = *address;
	return true;
}

static bool gpu_put(void *self, uint64_t to, const void *from, size_t bytes)
{
	struct gpu_side *side = self;

	return CT_CUDA(side->gpu.cuda, MemcpyHtoD, &side->err, to, from, bytes);
}

static bool gpu_get(void *self, void *to, uint64_t from, size_t bytes)
{
	struct gpu_side *side = self;

	return ct_gpu_finish(&side->gpu, &side->err) &&
	       CT_CUDA(side->gpu.cuda, MemcpyDtoH, &side->err, to, from, bytes);
}

static bool gpu_launch(void *self, const char *name, struct ct_shape shape, const void *argument)
{
	struct gpu_side *side = self;
	struct ct_gpu_kernel kernel;

	return ct_gpu_kernel(&side->gpu, name, shape, &kernel, &side->err) &&
	       ct_gpu_launch(&side->gpu, &kernel, argument, &side->err) &&
	       ct_gpu_finish(&side->gpu, &side->err);
}

static void gpu_free_all(void *self)
{
	struct gpu_side *side = self;

	while (side->n_blocks > 0)
		ct_gpu_free(&side->gpu, side->blocks[--side->n_blocks]);
}

static bool is_there(const struct ct_gpu *gpu, const char *name)
{
	return gpu->capability == 90 || strncmp(name, "wgmma", 5) != 0;
}

int main(int argc, char **argv)
{
	const struct check_side reference = check_reference(1);
	struct gpu_side side = {.n_blocks = 0};
	struct check_side tested = {gpu_alloc,    gpu_put, gpu_get, gpu_launch,
				    gpu_free_all, &side,   1};
	int passed = 0, failed = 0;

	if (!ct_gpu_open(&side.gpu, argc > 1 ? argv[1] : NULL, NULL, CT_CU_WAIT_SPIN, &side.err)) {
		fprintf(stderr, "check_kernels: %s\n", side.err.text);
		return CT_ERR_ENVIRONMENT;
	}
	printf("kernels on %s, compute capability %u.%u\n", side.gpu.name, side.gpu.capability / 10,
	       side.gpu.capability % 10);
	for (const struct check_case *one = check_cases; one->name; one++) {
		if (!is_there(&side.gpu, one->name))
			continue;
		const double off = check_run(one, &reference, &tested);
		const bool good = off >= 0 && off <= 1;

		printf("%-16s %s", one->name, good ? "good" : "WRONG");
		if (off < 0)
			printf(": %s\n", side.err.text);
		else
			printf(", off by at most %.3g of what is allowed\n", off);
		passed += good;
		failed += !good;
	}
	ct_gpu_close(&side.gpu);
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? CT_ERR_NEGATIVE : CT_OK;
}
