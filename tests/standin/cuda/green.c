/* SPDX-License-Identifier: Apache-2.0 */
/* Green contexts: a device's multiprocessors, divided into groups. */
#include <stdlib.h>

#include "tests/standin/cuda/functions.h"

enum { SM = 1 };

struct desc {
	unsigned sms;
};
struct green {
	unsigned sms;
	struct context *context;
};

static unsigned alignment(void)
{
	return machine.cc >= 90 ? 8 : machine.cc >= 80 ? 4 : 2;
}

static struct resource make(unsigned division, unsigned sms)
{
	struct resource resource = {.type = SM, .division = division};

	resource.sm.sm_count = sms;
	/* The real one has these since CUDA 13. */
	resource.sm.min_partition = machine.cuda >= 13000 ? alignment() : 0xa5a5a5a5;
	resource.sm.alignment = machine.cuda >= 13000 ? alignment() : 0xa5a5a5a5;
	return resource;
}

int si_device_resource(int device, struct resource *resource, int type)
{
	int status = enter("cuDeviceGetDevResource");

	(void)device;
	*resource = make(0, (unsigned)machine.sms);
	return status ? status : type == SM ? SUCCESS : INVALID_RESOURCE_TYPE;
}

int si_split(struct resource *groups, unsigned *n, const struct resource *whole,
	     struct resource *rest, unsigned flags, unsigned min_count)
{
	static unsigned divisions;
	int status = enter("cuDevSmResourceSplitByCount");
	unsigned size = (min_count + alignment() - 1) / alignment() * alignment(), most;

	if (status || flags || whole->type != SM || size == 0)
		return status ? status : INVALID_VALUE;
	if (whole->division)
		return INVALID_RESOURCE_CONFIGURATION;
	most = whole->sm.sm_count / size;
	if (!groups) {
		*n = most;
		return SUCCESS;
	}
	divisions++;
	*n = *n < most ? *n : most;
	for (unsigned i = 0; i < *n; i++)
		groups[i] = make(divisions, size);
	if (rest)
		*rest = make(divisions, whole->sm.sm_count - *n * size);
	return SUCCESS;
}

int si_resource_desc(struct desc **desc, struct resource *resources, unsigned n)
{
	static struct desc made; /* the driver never frees one either */
	int status = enter("cuDevResourceGenerateDesc");

	if (status || n == 0)
		return status ? status : INVALID_VALUE;
	made.sms = 0;
	for (unsigned i = 0; i < n; i++) {
		if (resources[i].type != SM || resources[i].division != resources[0].division)
			return INVALID_RESOURCE_CONFIGURATION;
		made.sms += resources[i].sm.sm_count;
	}
	*desc = &made;
	return SUCCESS;
}

int si_green_create(struct green **green, struct desc *desc, int device, unsigned flags)
{
	int status = enter("cuGreenCtxCreate");

	if (status || flags != 1 || !desc)
		return status ? status : INVALID_VALUE;
	*green = calloc(1, sizeof **green);
	if (!*green)
		return OUT_OF_MEMORY;
	(*green)->sms = desc->sms;
	(*green)->context = si_new_context(device, desc->sms);
	return SUCCESS;
}

int si_green_destroy(struct green *green)
{
	int status = enter("cuGreenCtxDestroy");

	si_context_set(NULL);
	free(green->context);
	free(green);
	return status;
}

int si_green_context(struct context **context, struct green *green)
{
	*context = green->context;
	return enter("cuCtxFromGreenCtx");
}

int si_green_resource(struct green *green, struct resource *resource, int type)
{
	int status = enter("cuGreenCtxGetDevResource");

	*resource = make(1, green->sms);
	return status ? status : type == SM ? SUCCESS : INVALID_RESOURCE_TYPE;
}

int si_green_stream(struct stream **stream, struct green *green, unsigned flags, int priority)
{
	int status = enter("cuGreenCtxStreamCreate");

	if (status || flags != 1)
		return status ? status : INVALID_VALUE;
	*stream = stream_make(priority, green->sms);
	return *stream ? SUCCESS : OUT_OF_MEMORY;
}
