/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a child, lets it write to some memory and end, and waits for it: process table, scheduler,
 * copying of page tables, copy-on-write faults. Each thread has one child at a time, and a child
 * dies with the thread that made it.
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	uint64_t touch;
};

struct fork_noise {
	const struct ct_aggressor_env *env;
	size_t touch;
	size_t page;
	pid_t parent;
};

struct fork_thread {
	const struct fork_noise *shared;
	struct ct_memory memory; /* what the child writes to; empty for touch = 0 */
};

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct fork_noise *shared = calloc(1, sizeof *shared);

	if (!shared)
		return ct_broken_errno(err, "fork: memory for its state");
	shared->env = env;
	shared->touch = options->touch;
	shared->page = (size_t)sysconf(_SC_PAGESIZE);
	shared->parent = getpid();
	*state = shared;
	return true;
}

/* The child's copies come on top of the parent's pages, so the reserve is asked for both; half of
 * the mapping is there for that alone. */
static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct fork_noise *shared = state;
	struct fork_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "fork: memory for thread %u", thread);
	self->shared = shared;
	if (shared->touch > 0 && !ct_memory_map(&self->memory, shared->env->place,
						2 * shared->touch, CT_PAGES_BASE, err)) {
		free(self);
		return ct_error_in(err, "fork: memory that the child of thread %u touches", thread);
	}
	*thread_state = self;
	return true;
}

/* Only calls that are safe after fork() in a process with threads. The parent may have ended before
 * its death was asked to be signalled. */
static void child(const struct fork_thread *self)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self->shared->parent)
		_exit(1);
	for (size_t at = 0; at < self->shared->touch; at += self->shared->page)
		*((volatile char *)self->memory.base + at) = 1;
	_exit(0);
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	const struct fork_thread *self = thread_state;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return ct_broken_errno(err, "fork: making a child process");
	if (pid == 0)
		child(self);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return ct_broken_errno(err, "fork: waiting for child %d", (int)pid);
	}
	if (status != 0)
		return ct_broken(err, "fork: child %d ended with status 0x%x", (int)pid,
				 (unsigned)status);
	(*units)++;
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct fork_thread *self = thread_state;

	if (self->memory.base)
		ct_memory_unmap(&self->memory);
	free(self);
}

static const struct ct_param params[] = {
	{.name = "touch",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct options, touch),
	 .fallback = "64K",
	 .min = "0",
	 .max = "16G",
	 .help = "bytes that the child writes, one copy-on-write fault a page, before it ends"},
	{0}};

const struct ct_aggressor_ops ct_noise_fork = {
	.name = "fork",
	.summary = "makes child processes that end at once, one at a time per thread",
	.unit = "op",
	.stresses = CT_RES_SCHEDULER | CT_RES_KERNEL | CT_RES_TLB | CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = free,
	.blocks = true,
};
