/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's functions: the library, devices, contexts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/standin/cuda/functions.h"

/* ---- the library, devices ---- */

static int good_device(int device)
{
	return machine.initialised ? device >= 0 && device < machine.gpus ? SUCCESS : INVALID_DEVICE
				   : NOT_INITIALIZED;
}

int si_init(unsigned flags)
{
	int status;

	machine_read();
	status = enter("cuInit");
	if (status == SUCCESS && machine.gpus == 0)
		status = NO_DEVICE;
	machine.initialised = status == SUCCESS;
	return flags ? INVALID_VALUE : status;
}

int si_driver_version(int *version)
{
	if (!machine.initialised)
		machine_read();
	*version = machine.cuda;
	return SUCCESS;
}

int si_device_count(int *count)
{
	*count = machine.gpus;
	return enter("cuDeviceGetCount");
}

int si_device(int *device, int ordinal)
{
	int status = enter("cuDeviceGet");

	*device = ordinal;
	return status ? status : good_device(ordinal);
}

int si_device_name(char *name, int size, int device)
{
	int status = enter("cuDeviceGetName");

	snprintf(name, (size_t)size, "Stand-in GPU%s", machine.mig ? " MIG 1g.10gb" : "");
	return status ? status : good_device(device);
}

/* GPU i is 10101010-....-101010101010 + i; a MIG device is the one that is visible. */
int si_device_uuid(struct uuid *uuid, int device)
{
	const char *text = machine.visible + 4;
	int status = enter("cuDeviceGetUuid");
	unsigned n = 0, byte;

	memset(uuid->bytes, 0x10, sizeof uuid->bytes);
	uuid->bytes[15] = (unsigned char)(0x10 + device);
	for (; machine.mig && n < 16 && sscanf(text, "%2x", &byte) == 1; text += 2) {
		uuid->bytes[n++] = (unsigned char)byte;
		text += text[2] == '-';
	}
	return status ? status : good_device(device);
}

int si_device_attribute(int *value, int attribute, int device)
{
	int status = enter("cuDeviceGetAttribute");

	if (status || good_device(device))
		return status ? status : good_device(device);
	switch (attribute) {
	case 16:
		*value = machine.sms;
		break;
	case 36:
		*value = 2619000;
		break;
	case 37:
		*value = 5120;
		break;
	case 38:
		*value = 1 << 20;
		break;
	case 39:
		*value = 2048;
		break;
	case 40:
		*value = 3;
		break;
	case 75:
		*value = machine.cc / 10;
		break;
	case 76:
		*value = machine.cc % 10;
		break;
	case 97:
		*value = 227 << 10;
		break;
	case 117:
		*value = machine.rdma_flush;
		break;
	case 118:
		*value = machine.rdma_order;
		break;
	case 124:
		*value = machine.dma_buf;
		break;
	case 133:
		*value = machine.mps;
		break;
	default:
		return INVALID_VALUE;
	}
	return SUCCESS;
}

int si_device_memory(size_t *bytes, int device)
{
	int status = enter("cuDeviceTotalMem");

	*bytes = machine.memory_bytes;
	return status ? status : good_device(device);
}

int si_device_pci(char *address, int size, int device)
{
	int status = enter("cuDeviceGetPCIBusId");

	snprintf(address, (size_t)size, "00000000:%02X:00.0", 0x41 + device);
	return status ? status : good_device(device);
}

int si_can_access_peer(int *can, int device, int peer)
{
	int status = enter("cuDeviceCanAccessPeer");

	*can = machine.peers && device != peer;
	return status ? status : good_device(peer);
}

/* ---- contexts ---- */

struct context {
	int device;
	unsigned sms;
	unsigned retained; /* of a primary one */
};

static struct context primary[MAX_DEVICES];
static _Thread_local struct context *current;

unsigned si_context_sms(void)
{
	return current ? current->sms : (unsigned)machine.sms;
}

struct context *si_new_context(int device, unsigned sms)
{
	struct context *context = calloc(1, sizeof *context);

	if (context)
		*context = (struct context){device, sms, 0};
	return context;
}

int si_primary_retain(struct context **context, int device)
{
	int status = enter("cuDevicePrimaryCtxRetain");

	if (status || good_device(device))
		return status ? status : good_device(device);
	primary[device].device = device;
	primary[device].sms =
		(unsigned)(machine.mps && machine.mps_sms ? machine.mps_sms : machine.sms);
	primary[device].retained++;
	*context = &primary[device];
	return SUCCESS;
}

int si_primary_release(int device)
{
	int status = enter("cuDevicePrimaryCtxRelease");

	if (!status && primary[device].retained == 0)
		return INVALID_CONTEXT;
	if (!status)
		primary[device].retained--;
	return status;
}

int si_primary_flags(int device, unsigned flags)
{
	int status = enter("cuDevicePrimaryCtxSetFlags");

	if (flags & ~7u)
		return INVALID_VALUE;
	return status ? status : good_device(device);
}

int si_context_create(struct context **context, unsigned flags, int device)
{
	int status = enter("cuCtxCreate");

	(void)flags;
	if (status || good_device(device))
		return status ? status : good_device(device);
	*context = si_new_context(device, (unsigned)machine.sms);
	current = *context;
	return *context ? SUCCESS : OUT_OF_MEMORY;
}

int si_context_destroy(struct context *context)
{
	int status = enter("cuCtxDestroy");

	if (current == context)
		current = NULL;
	free(context);
	return status;
}

int si_context_set(struct context *context)
{
	int status = enter("cuCtxSetCurrent");

	current = context;
	return status;
}

int si_context_synchronize(void)
{
	return enter("cuCtxSynchronize");
}

int si_priority_range(int *least, int *greatest)
{
	*least = 0;
	*greatest = -5;
	return enter("cuCtxGetStreamPriorityRange");
}

int si_enable_peer(struct context *peer, unsigned flags)
{
	static struct context *enabled[MAX_DEVICES];
	int status = enter("cuCtxEnablePeerAccess");

	if (status)
		return status;
	if (!peer || flags || !machine.peers)
		return INVALID_VALUE;
	if (enabled[peer->device] == peer)
		return PEER_ALREADY;
	enabled[peer->device] = peer;
	return SUCCESS;
}

int si_exec_affinity(struct affinity *affinity, int type)
{
	int status = enter("cuCtxGetExecAffinity");

	if (!status && (!machine.mps || type != 0))
		return NOT_SUPPORTED;
	affinity->sm_count = si_context_sms();
	return status;
}

int ready(const char *call)
{
	int status = enter(call);

	return status ? status : current ? SUCCESS : INVALID_CONTEXT;
}

int current_device(void)
{
	return current->device;
}

int si_context_device(int *device)
{
	int status = ready("cuCtxGetDevice");

	*device = status ? -1 : current->device;
	return status;
}
