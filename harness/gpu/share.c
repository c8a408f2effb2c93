/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Green contexts (CUDA driver API, "Green Contexts") and MPS.
 *
 * The multiprocessors of a device are divided once, into all the groups there are, and a tenant
 * gets a run of these groups. Two divisions of a whole device overlap; every tenant therefore makes
 * the same one, of smallest groups, which the driver answers with the same groups each time, and
 * takes its own range. A green context parts multiprocessors only: not the L2 cache, not the
 * memory, not PCIe, and without MPS not the time of two processes either.
 */
#include "harness/gpu/share.h"

#include <stdlib.h>

static bool has_green_contexts(const struct ct_cuda *cuda)
{
	return cuda->DeviceGetDevResource && cuda->DevSmResourceSplitByCount &&
	       cuda->DevResourceGenerateDesc && cuda->GreenCtxCreate && cuda->GreenCtxDestroy &&
	       cuda->CtxFromGreenCtx && cuda->GreenCtxGetDevResource && cuda->GreenCtxStreamCreate;
}

/* Drivers before CUDA 13 don't tell; the guide does (4 on 8.x, 8 from 9.0 on, 2 before). */
static unsigned group_size(const struct ct_gpu *gpu, const struct ct_cu_sm_resource *whole)
{
	unsigned known = gpu->capability >= 90 ? 8 : gpu->capability >= 80 ? 4 : 2;
	unsigned said =
		whole->min_partition > whole->alignment ? whole->min_partition : whole->alignment;

	/* Before 13.0 these bytes were not part of the answer: anything may stand there. */
	return gpu->cuda->version >= 13000 && said > 0 && said <= gpu->all_sms ? said : known;
}

static bool check_range(const struct ct_gpu *gpu, const struct ct_gpu_where *where, unsigned group,
			unsigned n_groups, struct ct_error *err)
{
	unsigned covered = group * n_groups;

	if (where->first_sm % group == 0 && (where->last_sm + 1) % group == 0 &&
	    where->last_sm < covered)
		return true;
	return ct_usage(err,
			"gpu = .../sms:%u-%u: multiprocessors of this GPU come in groups of %u, "
			"sms:0-%u to sms:0-%u (%u of %u are in no group)",
			where->first_sm, where->last_sm, group, group - 1, covered - 1,
			gpu->all_sms - covered, gpu->all_sms);
}

/* The groups of the one division; the caller frees them. */
static struct ct_cu_resource *divide(const struct ct_gpu *gpu, const struct ct_cu_resource *whole,
				     unsigned group, unsigned *n_groups, struct ct_error *err)
{
	struct ct_cu_resource *groups, rest;

	if (!CT_CUDA(gpu->cuda, DevSmResourceSplitByCount, err, NULL, n_groups, whole, NULL, 0,
		     group))
		return NULL;
	groups = calloc(*n_groups + 1, sizeof *groups);
	if (!groups) {
		ct_broken_errno(err, "memory for the GPU's groups of multiprocessors");
		return NULL;
	}
	if (CT_CUDA(gpu->cuda, DevSmResourceSplitByCount, err, groups, n_groups, whole, &rest, 0,
		    group))
		return groups;
	free(groups);
	return NULL;
}

static bool make_green(struct ct_gpu *gpu, struct ct_cu_resource *groups, unsigned n,
		       struct ct_error *err)
{
	struct ct_cu_resource_desc *desc;

	return CT_CUDA(gpu->cuda, DevResourceGenerateDesc, err, &desc, groups, n) &&
	       CT_CUDA(gpu->cuda, GreenCtxCreate, err, &gpu->green, desc, gpu->device,
		       CT_CU_GREEN_DEFAULT_STREAM) &&
	       CT_CUDA(gpu->cuda, CtxFromGreenCtx, err, &gpu->context, gpu->green) &&
	       CT_CUDA(gpu->cuda, CtxSetCurrent, err, gpu->context);
}

static bool read_back(struct ct_gpu *gpu, const struct ct_gpu_where *where, struct ct_error *err)
{
	unsigned asked = where->last_sm - where->first_sm + 1;
	struct ct_cu_resource given = {.type = 0};

	if (!CT_CUDA(gpu->cuda, GreenCtxGetDevResource, err, gpu->green, &given, CT_CU_RESOURCE_SM))
		return false;
	gpu->sms = given.sm.sm_count;
	gpu->first_sm = where->first_sm;
	return gpu->sms == asked ||
	       ct_broken(err,
			 "gpu = .../sms:%u-%u: asked for %u multiprocessors, the green context has "
			 "%u",
			 where->first_sm, where->last_sm, asked, gpu->sms);
}

static bool go_green(struct ct_gpu *gpu, const struct ct_gpu_where *where, struct ct_error *err)
{
	struct ct_cu_resource whole = {.type = 0}, *groups;
	unsigned group, n_groups = 0;
	bool good;

	if (!has_green_contexts(gpu->cuda))
		return ct_broken(err,
				 "gpu = .../sms:%u-%u: green contexts came with CUDA 12.5; this "
				 "driver is of CUDA %d.%d",
				 where->first_sm, where->last_sm, gpu->cuda->version / 1000,
				 gpu->cuda->version % 1000 / 10);
	if (!CT_CUDA(gpu->cuda, DeviceGetDevResource, err, gpu->device, &whole, CT_CU_RESOURCE_SM))
		return false;
	group = group_size(gpu, &whole.sm);
	groups = divide(gpu, &whole, group, &n_groups, err);
	if (!groups)
		return false;
	gpu->sm_group = n_groups > 0 ? groups[0].sm.sm_count : group;
	good = check_range(gpu, where, gpu->sm_group, n_groups, err) &&
	       make_green(gpu, groups + where->first_sm / gpu->sm_group,
			  (where->last_sm - where->first_sm + 1) / gpu->sm_group, err) &&
	       read_back(gpu, where, err);
	free(groups);
	return good;
}

/*
 * An MPS client whose share is cut sees it as the multiprocessors that its context may use, or, by
 * the settings of the server, already in the device's count of them: which share of the hardware
 * that is can't be checked from inside, so the number is stored, and only the server is insisted
 * on.
 */
static bool read_mps(struct ct_gpu *gpu, const struct ct_gpu_where *where, struct ct_error *err)
{
	struct ct_cu_affinity affinity = {.type = CT_CU_AFFINITY_SM_COUNT};
	int said = 0;

	/* Not an attribute before CUDA 11.8 or so: no answer is "no". */
	gpu->mps_percent = where->mps_percent;
	gpu->mps = gpu->cuda->DeviceGetAttribute(&said, CT_CU_MPS_ENABLED, gpu->device) ==
			   CT_CU_SUCCESS &&
		   said != 0;
	if (where->mps_percent > 0 && !gpu->mps)
		return ct_broken(
			err,
			"gpu = .../mps:%g%%: no MPS server stands between this process and "
			"the GPU; start nvidia-cuda-mps-control -d as this user, with the "
			"same CUDA_MPS_PIPE_DIRECTORY",
			where->mps_percent);
	if (!gpu->mps || !gpu->cuda->CtxGetExecAffinity)
		return true;
	if (gpu->cuda->CtxGetExecAffinity(&affinity, CT_CU_AFFINITY_SM_COUNT) == CT_CU_SUCCESS &&
	    affinity.sm_count > 0)
		gpu->sms = affinity.sm_count;
	return true;
}

bool ct_gpu_share(struct ct_gpu *gpu, const struct ct_gpu_where *where, struct ct_error *err)
{
	return read_mps(gpu, where, err) && (!where->has_sms || go_green(gpu, where, err));
}
