/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locked read-modify-write instructions.
 *
 * contended: all threads add to one word, whose cache line then travels from core to core. split:
 * each thread adds to a word of its own that straddles two cache lines. No cache can hold both
 * lines locked at once, so x86 falls back to a bus lock that holds up every memory access of the
 * whole machine for about a microsecond (Intel SDM vol. 3, "Bus locking"; AMD APM vol. 2, "Bus
 * lock"). Kernels that can detect it slow the culprit down or kill it; then it is refused here,
 * because a load that the kernel throttles is no load.
 */
#include "noise/aggressors.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum mode { MODE_AUTO, MODE_SPLIT, MODE_CONTENDED };

enum {
	LINE = 64,
	SPLIT_AT = LINE - 4,  /* of an 8-byte word: half in one line, half in the next */
	CONTENDED_OPS = 2048, /* 3 ns alone, 100 ns contended each */
	SPLIT_OPS = 64,       /* 0.3 to 2 us each */
	PROBE_OPS = 20
};

/* The kernel's throttle is 10 ms and more for each; the bus lock itself some microseconds. */
#define PROBE_LIMIT_NS (PROBE_OPS * UINT64_C(1000000))

struct options {
	int mode;
};

struct lock {
	_Alignas(2 * LINE) volatile uint64_t shared; /* alone in its line and the one beside it */
	_Alignas(2 * LINE) bool split;
};

struct lock_thread {
	_Alignas(LINE) unsigned char two_lines[2 * LINE];
	volatile uint64_t *shared; /* NULL: split */
};

#if defined(__x86_64__)
/* Written as an instruction: in C an atomic object that is not aligned is undefined. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the instruction writes to it */
static void split_add(unsigned char *two_lines)
{
	__asm__ volatile("lock addq $1, (%0)" ::"r"(two_lines + SPLIT_AT) : "memory", "cc");
}

static void probe_child(void)
{
	_Alignas(LINE) unsigned char two_lines[2 * LINE] = {0};
	uint64_t begin = ct_monotonic_ns();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, SIG_DFL);
	for (int i = 0; i < PROBE_OPS; i++)
		split_add(two_lines);
	_exit(ct_monotonic_ns() - begin > PROBE_LIMIT_NS);
}

static bool detects(const char *flag)
{
	char line[8192];
	bool found = false;
	FILE *stream = fopen("/proc/cpuinfo", "re");

	if (!stream)
		return false;
	while (!found && fgets(line, sizeof line, stream))
		found = strncmp(line, "flags", 5) == 0 && strstr(line, flag);
	fclose(stream);
	return found;
}

/* Tries it in a child, since what the kernel, or a host below it, does to split locks is written
 * nowhere that a guest can read. */
static bool split_allowed(char *why, size_t size)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		probe_child();
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		snprintf(why, size, "a child process to try a split lock in could not be made");
		return false;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFSIGNALED(status))
		snprintf(why, size,
			 "the kernel kills a process for a split lock (signal %d); boot with "
			 "split_lock_detect=off to allow it",
			 WTERMSIG(status));
	else
		snprintf(why, size, "%s slows a process down for split locks; %s",
			 detects("split_lock_detect") || detects("bus_lock_detect") ? "the kernel"
										    : "the host",
			 "set kernel.split_lock_mitigate=0 or boot with split_lock_detect=off "
			 "there");
	return false;
}
#else
static void split_add(unsigned char *two_lines)
{
	(void)two_lines;
}

static bool split_allowed(char *why, size_t size)
{
	snprintf(why, size, "only x86 has split locks; on this architecture the access traps");
	return false;
}
#endif

static bool can_contend(const struct ct_aggressor_env *env)
{
	return env->threads >= 2 && ct_place_cpu_count(env->place) >= 2;
}

static bool choose(const struct ct_aggressor_env *env, enum mode mode, bool *split,
		   struct ct_error *err)
{
	char why[256] = "";

	*split = mode != MODE_CONTENDED && split_allowed(why, sizeof why);
	if (*split)
		return true;
	if (mode == MODE_SPLIT)
		return ct_broken(err, "lock: mode = split: %s", why);
	if (can_contend(env))
		return true;
	return ct_usage(err,
			"lock: mode = contended needs two threads on two CPUs, there are %u on %u; "
			"give the tenant more CPUs%s%s",
			env->threads, ct_place_cpu_count(env->place),
			why[0] ? " (split locks: " : ", or use mode = split", why[0] ? why : "");
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct lock *lock;
	bool split;

	if (!choose(env, (enum mode)options->mode, &split, err))
		return false;
	lock = aligned_alloc(_Alignof(struct lock), sizeof *lock);
	if (!lock)
		return ct_broken_errno(err, "lock: memory for its state");
	memset(lock, 0, sizeof *lock);
	lock->split = split;
	*state = lock;
	return true;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	struct lock *lock = state;
	struct lock_thread *self = aligned_alloc(_Alignof(struct lock_thread), sizeof *self);

	if (!self)
		return ct_broken_errno(err, "lock: memory for thread %u", thread);
	memset(self, 0, sizeof *self);
	self->shared = lock->split ? NULL : &lock->shared;
	*thread_state = self;
	return true;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct lock_thread *self = thread_state;

	(void)err;
	if (self->shared) {
		for (int i = 0; i < CONTENDED_OPS; i++)
			__atomic_fetch_add(self->shared, 1, __ATOMIC_SEQ_CST);
		*units += CONTENDED_OPS;
	} else {
		for (int i = 0; i < SPLIT_OPS; i++)
			split_add(self->two_lines);
		*units += SPLIT_OPS;
	}
	return true;
}

static const char *const mode_names[] = {"auto", "split", "contended", NULL};

static const struct ct_param params[] = {
	{.name = "mode",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, mode),
	 .fallback = "auto",
	 .choices = mode_names,
	 .help = "split: across two lines, locks the bus; contended: one line that all threads "
		 "want; auto: split where it is allowed"},
	{0}};

const struct ct_aggressor_ops ct_noise_lock = {
	.name = "lock",
	.summary = "locked instructions: bus locks by split words, or one contended line",
	.unit = "op",
	.stresses = CT_RES_INTERCONNECT | CT_RES_LLC | CT_RES_MEMORY,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = free,
	.teardown = free,
};
