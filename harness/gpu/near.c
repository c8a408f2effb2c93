/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/near.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICE_NAME = 64 };

/* Where a device lies in the tree: a path of which every component is one bridge further down. */
static bool device_path(const char *sysfs, const char *device, char real[PATH_MAX])
{
	static const struct {
		const char *folder, *link;
	} places[] = {
		{"class/net", "/device"}, {"class/infiniband", "/device"}, {"bus/pci/devices", ""}};
	char path[PATH_MAX];

	if (strchr(device, '/') || device[0] == '.' || strlen(device) >= DEVICE_NAME)
		return false;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		int length = snprintf(path, sizeof path, "%s/%s/%s%s", sysfs, places[i].folder,
				      device, places[i].link);

		if (length < (int)sizeof path && realpath(path, real))
			return true;
	}
	return false;
}

/* How many components two paths begin with in common. */
static unsigned common_depth(const char *a, const char *b)
{
	unsigned depth = 0;
	size_t i = 0;

	for (; a[i] && a[i] == b[i]; i++)
		depth += a[i] == '/';
	return depth + (a[i] == b[i] || a[i] == '/' || b[i] == '/');
}

bool ct_gpu_nearest(const char *sysfs, const char *device, const char (*addresses)[CT_GPU_PCI],
		    size_t n, size_t *nearest, struct ct_error *err)
{
	char own[PATH_MAX], gpu[PATH_MAX];
	unsigned best = 0;
	bool any = false;

	if (!device_path(sysfs, device, own))
		return ct_usage(
			err,
			"near:%s: no network, RDMA or PCI device of that name hangs on a bus "
			"here ('cotenant probe' lists them)",
			device);
	for (size_t i = 0; i < n; i++) {
		unsigned depth;

		if (!device_path(sysfs, addresses[i], gpu))
			continue;
		depth = common_depth(own, gpu);
		if (!any || depth > best)
			*nearest = i;
		best = !any || depth > best ? depth : best;
		any = true;
	}
	return any || ct_broken(err, "near:%s: sysfs shows none of the driver's GPUs", device);
}
