/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/tenant_gpu.h"

enum { WINDOW = 4096, STEP = 7, MODULUS = 251 };

bool ct_rdma_gpu_open(struct ct_rdma_gpu *self, int place, const char *gpu, const char *nic,
		      struct ct_error *err)
{
	*self = (struct ct_rdma_gpu){.used = false};
	if (place == CT_RDMA_ON_HOST)
		return true;
	if (!ct_rdma_needs_gpu(gpu, err) ||
	    !ct_gpu_open(&self->gpu, gpu, nic, CT_CU_WAIT_SPIN, err))
		return false;
	self->used = true;
	return true;
}

void ct_rdma_gpu_close(struct ct_rdma_gpu *self)
{
	if (self->used)
		ct_gpu_close(&self->gpu);
	self->used = false;
}

bool ct_rdma_gpu_use(const struct ct_rdma_gpu *self, struct ct_error *err)
{
	return !self->used || ct_gpu_use(&self->gpu, err);
}

const struct ct_gpu *ct_rdma_gpu_of(const struct ct_rdma_gpu *self)
{
	return self->used ? &self->gpu : NULL;
}

json_t *ct_rdma_gpu_json(const struct ct_rdma_gpu *self, const struct ct_rdma_end *end)
{
	json_t *json = self->used ? ct_gpu_json(&self->gpu) : NULL;

	if (json)
		json_object_set_new(json, "rdma_memory",
				    json_string(ct_rdma_memory_names[end->way]));
	return json;
}

static unsigned char pattern(unsigned begin, uint64_t i)
{
	return (unsigned char)((begin + STEP * i) % MODULUS);
}

static size_t window(uint64_t at, uint64_t bytes)
{
	return bytes - at < WINDOW ? (size_t)(bytes - at) : WINDOW;
}

bool ct_rdma_pattern_put(const struct ct_rdma_end *end, uint64_t offset, uint64_t bytes,
			 unsigned begin, struct ct_error *err)
{
	unsigned char data[WINDOW];

	for (uint64_t at = 0; at < bytes; at += WINDOW) {
		const size_t length = window(at, bytes);

		for (size_t i = 0; i < length; i++)
			data[i] = pattern(begin, at + i);
		if (!ct_gpu_memory_put(&end->gpu_memory, offset + at, data, length, err))
			return false;
	}
	return true;
}

bool ct_rdma_pattern_check(const struct ct_rdma_end *end, uint64_t offset, uint64_t bytes,
			   unsigned begin, struct ct_error *err)
{
	unsigned char data[WINDOW];

	if (!ct_gpu_memory_flush(&end->gpu_memory, err))
		return false;
	for (uint64_t at = 0; at < bytes; at += WINDOW) {
		const size_t length = window(at, bytes);

		if (!ct_gpu_memory_get(&end->gpu_memory, data, offset + at, length, err))
			return false;
		for (size_t i = 0; i < length; i++) {
			if (data[i] != pattern(begin, at + i))
				return ct_broken(err,
						 "byte %llu in the GPU's memory is %u, not the %u "
						 "that the other end has sent",
						 (unsigned long long)(at + i), data[i],
						 pattern(begin, at + i));
		}
	}
	return true;
}
