/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/mig.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 96, LIST = 512 };

/*
 * The driver's own word for the profile is the last of the device's name ("NVIDIA H100 MIG
 * 1g.10gb"); older drivers leave it out. Then it follows from the slices, and from the memory as
 * eighths of the GPU's: a profile is named for its share of the GPU, not for what is left of it.
 */
void ct_mig_profile(const char *name, const struct ct_nvml_attributes *has,
		    unsigned long long gpu_bytes, char *out, size_t size)
{
	const char *said = strstr(name, " MIG ");
	double gib = (double)has->memory_mib / 1024;
	char compute[16] = "";

	if (said && said[5]) {
		snprintf(out, size, "%s", said + 5);
		return;
	}
	if (gpu_bytes > 0) {
		double gpu_gib = (double)((gpu_bytes + (1u << 30) - 1) >> 30);
		double eighths = gib / ((double)gpu_bytes / (1u << 30)) * 8;
		double whole = (double)(long)eighths;

		gib = (whole + (eighths > whole)) / 8 * gpu_gib;
	}
	if (has->compute_slices > 0 && has->compute_slices < has->gpu_slices)
		snprintf(compute, sizeof compute, "%uc.", has->compute_slices);
	snprintf(out, size, "%s%ug.%ldgb", compute, has->gpu_slices, (long)(gib + 0.5));
}

/* A search through all GPUs. */
struct search {
	struct ct_nvml *nvml;
	const char *profile;
	unsigned left; /* devices of the profile to pass over */
	char *uuid;
	bool found;
	char seen[LIST]; /* profiles there are, for the message */
};

static void note(struct search *search, const char *profile)
{
	size_t used = strlen(search->seen);

	if (!strstr(search->seen, profile))
		snprintf(search->seen + used, sizeof search->seen - used, "%s%s", used ? ", " : "",
			 profile);
}

static void look_at(struct search *search, struct ct_nvml_device *mig, unsigned long long gpu_bytes)
{
	char name[TEXT], profile[TEXT];
	struct ct_nvml_attributes has;

	ct_nvml_attributes(search->nvml, mig, &has);
	if (ct_nvml_text(search->nvml, mig, "nvmlDeviceGetName", name, sizeof name) != CT_NVML_OK)
		name[0] = '\0';
	ct_mig_profile(name, &has, gpu_bytes, profile, sizeof profile);
	note(search, profile);
	if (search->found || strcmp(profile, search->profile) != 0 || search->left-- > 0)
		return;
	search->found = ct_nvml_text(search->nvml, mig, "nvmlDeviceGetUUID", search->uuid,
				     CT_MIG_UUID) == CT_NVML_OK;
}

static void look_through(struct search *search, unsigned gpu_index)
{
	struct ct_nvml_device *gpu, *mig;
	struct ct_nvml_memory memory;
	unsigned most;

	if (ct_nvml_device(search->nvml, gpu_index, &gpu) != CT_NVML_OK ||
	    ct_nvml_number(search->nvml, gpu, "nvmlDeviceGetMaxMigDeviceCount", &most) !=
		    CT_NVML_OK)
		return;
	if (ct_nvml_memory(search->nvml, gpu, &memory) != CT_NVML_OK)
		memory.total = 0;
	for (unsigned i = 0; i < most && !search->found; i++) {
		if (ct_nvml_mig_device(search->nvml, gpu, i, &mig) == CT_NVML_OK)
			look_at(search, mig, memory.total);
	}
}

bool ct_mig_find(const char *profile, unsigned index, char uuid[CT_MIG_UUID], struct ct_error *err)
{
	const char *library = ct_nvml_library();
	struct search search = {.profile = profile, .left = index, .uuid = uuid};
	char why[256] = "COTENANT_NVML is set to nothing";
	unsigned count = 0;

	search.nvml = library ? ct_nvml_open(library, why, sizeof why) : NULL;
	if (!search.nvml)
		return ct_broken(err, "mig:%s: MIG devices can't be listed: %s", profile, why);
	ct_nvml_count(search.nvml, &count);
	for (unsigned i = 0; i < count && !search.found; i++)
		look_through(&search, i);
	ct_nvml_close(search.nvml);
	if (search.found)
		return true;
	return ct_broken(err, "mig:%s%s: there is no such MIG device; profiles here: %s", profile,
			 index ? " by that index" : "", search.seen[0] ? search.seen : "none");
}
