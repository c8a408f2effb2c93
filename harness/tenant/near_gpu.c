/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/near_gpu.h"

#include <stdio.h>

#include "harness/gpu/where.h"

/* Both count by PCI address: CUDA because we tell it to, hwloc because it does. */
static bool name_of(const char *gpu, char name[CT_NEAR_GPU_TEXT])
{
	struct ct_error err = {0};
	struct ct_gpu_where where;

	if (!ct_gpu_where_parse(&where, gpu, &err))
		return false; /* told when the GPU is opened */
	if (where.by == CT_GPU_BY_INDEX)
		snprintf(name, CT_NEAR_GPU_TEXT, "gpu%u", where.index);
	else
		snprintf(name, CT_NEAR_GPU_TEXT, "%.90s", where.name);
	return where.by == CT_GPU_BY_INDEX || where.by == CT_GPU_BY_PCI ||
	       where.by == CT_GPU_BY_NEAR;
}

static bool resolves(const struct ct_topology *topology, const char *location)
{
	struct ct_error err = {0};
	struct ct_place place;
	bool good;

	if (!ct_place_init(&place, &err))
		return false;
	good = ct_place_resolve(topology, location, NULL, NULL, 0, &place, &err);
	ct_place_free(&place);
	return good;
}

bool ct_near_gpu(const struct ct_topology *topology, const char *gpu, const char *within,
		 char out[CT_NEAR_GPU_TEXT])
{
	char name[CT_NEAR_GPU_TEXT];

	if (!name_of(gpu, name))
		return false;
	snprintf(out, CT_NEAR_GPU_TEXT, "near:%.90s%s%.40s", name, within ? "/" : "",
		 within ? within : "");
	return resolves(topology, out);
}
