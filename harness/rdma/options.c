/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/options.h"

#include <stdlib.h>
#include <string.h>

const char *const ct_rdma_mtu_names[] = {"port", "256", "512", "1024", "2048", "4096", NULL};

unsigned ct_rdma_mtu(const struct ct_rdma_options *options)
{
	return options->mtu > 0 ? 128u << (unsigned)options->mtu : 0;
}

static bool parse_gid_index(const char *text, int *index, struct ct_error *err)
{
	char *end;
	long number;

	*index = CT_RDMA_GID_AUTO;
	if (strcmp(text, "auto") == 0)
		return true;
	number = strtol(text, &end, 10);
	/* An address vector holds it in a byte. */
	if (!*text || *end || number < 0 || number > 255)
		return ct_usage(err, "gid_index = %s: 'auto', or a number from 0 to 255", text);
	*index = (int)number;
	return true;
}

bool ct_rdma_open(struct ct_rdma_device *device, const char *nic,
		  const struct ct_rdma_options *options, struct ct_error *err)
{
	int gid_index;

	memset(device, 0, sizeof *device);
	return parse_gid_index(options->gid_index, &gid_index, err) &&
	       ct_rdma_device_open(device, nic, (unsigned)options->port, gid_index, err);
}
