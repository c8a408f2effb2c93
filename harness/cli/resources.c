/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/cli/resources.h"

#include <stddef.h>

#include "bench/bench.h"
#include "noise/noise.h"

uint32_t ct_cli_victim_resources(const char *kind)
{
	const struct ct_victim_ops *ops = ct_victim_find(kind);

	return ops ? ops->stresses : 0;
}

uint32_t ct_cli_aggressor_resources(const char *kind)
{
	const struct ct_aggressor_ops *ops = ct_aggressor_find(kind);

	return ops ? ops->stresses : 0;
}
