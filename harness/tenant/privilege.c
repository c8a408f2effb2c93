/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CAP_PERFMON
#define CAP_PERFMON 38 /* Linux 5.8 */
#endif

#define BIT(capability) (UINT64_C(1) << (capability))

/* Nobody runs as somebody else, loads modules, sets clocks, makes devices, traces or reboots. */
static const uint64_t kept =
	BIT(CAP_SYS_NICE) |    /* real-time classes, memory of other nodes */
	BIT(CAP_IPC_LOCK) |    /* locked and registered memory */
	BIT(CAP_NET_RAW) |     /* packet sockets, binding to a device */
	BIT(CAP_NET_ADMIN) |   /* a NIC function's settings, busy polling */
	BIT(CAP_SYS_ADMIN) |   /* counters of kernels before 5.8 */
	BIT(CAP_PERFMON) |     /* counters */
	BIT(CAP_SYS_RAWIO) |   /* a PCI function's registers */
	BIT(CAP_DAC_OVERRIDE); /* files of a device or of a user, run as root */

static void halves(struct __user_cap_data_struct *data, uint64_t mask)
{
	const uint32_t half[] = {(uint32_t)mask, (uint32_t)(mask >> 32)};

	for (int i = 0; i < 2; i++) {
		data[i].effective &= half[i];
		data[i].permitted &= half[i];
		data[i].inheritable &= half[i];
	}
}

/* Needs CAP_SETPCAP, so it comes first; without it there is nothing to be bounded. */
static void bound(void)
{
	for (int capability = 0; capability < 64; capability++) {
		if (!(kept & BIT(capability)) && prctl(PR_CAPBSET_DROP, capability) != 0 &&
		    errno == EINVAL)
			return; /* the kernel knows no more of them */
	}
}

bool ct_privileges_drop(struct ct_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	bound();
	if (syscall(SYS_capget, &header, data) != 0)
		return ct_broken_errno(err, "giving up privileges");
	halves(data, kept);
	/* Last: whoever sees this bit in /proc knows that the rest is gone. */
	return (syscall(SYS_capset, &header, data) == 0 &&
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) ||
	       ct_broken_errno(err, "giving up privileges");
}
