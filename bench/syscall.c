/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls, one a sample. getppid does almost nothing, so it is the way into the kernel and
 * back with all mitigations in force; read passes the file layer for one byte of /dev/zero;
 * sched_yield asks the scheduler, which locks the CPU's run queue.
 */
#include "bench/victims.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call { CALL_GETPPID, CALL_READ, CALL_SCHED_YIELD };
static const char *const call_names[] = {"getppid", "read", "sched_yield", NULL};

struct syscall_options {
	int call;
};

struct syscall_state {
	enum call call;
	int fd;
	int error;
};

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct syscall_options *asked = options;
	struct syscall_state *calls = calloc(1, sizeof *calls);

	(void)env;
	if (!calls)
		return ct_broken_errno(err, "syscall: no memory for its state");
	calls->call = (enum call)asked->call;
	calls->fd = -1;
	if (calls->call == CALL_READ) {
		calls->fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		if (calls->fd < 0) {
			ct_broken_errno(err, "syscall: opening /dev/zero");
			free(calls);
			return false;
		}
	}
	*state = calls;
	return true;
}

/* syscall(2) itself: a C library may answer from memory what it has asked before. */
static bool operate(void *state)
{
	struct syscall_state *calls = state;
	char byte;
	long rc = 0;

	switch (calls->call) {
	case CALL_GETPPID:
		rc = syscall(SYS_getppid);
		break;
	case CALL_READ:
		rc = syscall(SYS_read, calls->fd, &byte, (size_t)1);
		break;
	case CALL_SCHED_YIELD:
		rc = syscall(SYS_sched_yield);
		break;
	}
	if (rc >= 0)
		return true;
	calls->error = errno;
	return false;
}

static void failure(void *state, struct ct_error *err)
{
	const struct syscall_state *calls = state;

	errno = calls->error;
	ct_broken_errno(err, "syscall: %s", call_names[calls->call]);
}

static void teardown(void *state)
{
	struct syscall_state *calls = state;

	if (calls->fd >= 0)
		close(calls->fd);
	free(calls);
}

static const struct ct_param params[] = {
	{.name = "call",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct syscall_options, call),
	 .fallback = "getppid",
	 .choices = call_names,
	 .help = "getppid: entry and exit alone; read: one byte of /dev/zero; sched_yield: the "
		 "run queue"},
	{0},
};

const struct ct_victim_ops ct_bench_syscall = {
	.name = "syscall",
	.summary = "one system call: the way into the kernel and back",
	.unit = "ns",
	.sample = "one system call",
	.stresses = CT_RES_CORE | CT_RES_KERNEL | CT_RES_SCHEDULER,
	.params = params,
	.options_size = sizeof(struct syscall_options),
	.setup = setup,
	.operate = operate,
	.failure = failure,
	.teardown = teardown,
};
