/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timer wakeup, as cyclictest: sleep until an absolute time, and see how much later the thread
 * runs. On the way lie the timer interrupt (in a guest often an exit), the wake-up from idle, the
 * scheduler's decision and the switch. Latency counts from the intended time.
 */
#include "bench/victims.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct wakeup_options {
	uint64_t period_ns;
	uint64_t priority;
	uint64_t slack_ns;
	bool shallow_idle;
};

struct wakeup_state {
	const struct ct_clock *clock;
	uint64_t period_ns;
	uint64_t next_ns; /* CLOCK_MONOTONIC: when the next wakeup is due */
	int idle_fd;      /* /dev/cpu_dma_latency while it is held, else -1 */
	int policy;       /* what the thread had before setup */
	struct sched_param param;
	int slack_ns;
	int error; /* errno of a sleep that failed */
};

static bool set_policy(struct wakeup_state *wakeup, uint64_t priority, struct ct_error *err)
{
	const struct sched_param fifo = {.sched_priority = (int)priority};

	wakeup->policy = sched_getscheduler(0);
	if (wakeup->policy < 0 || sched_getparam(0, &wakeup->param) != 0)
		return ct_broken_errno(err, "wakeup: reading the scheduling policy");
	if (priority == 0 || sched_setscheduler(0, SCHED_FIFO, &fifo) == 0)
		return true;
	if (errno == EPERM)
		return ct_broken(err,
				 "wakeup: priority = %d: real-time scheduling is not permitted "
				 "here; give CAP_SYS_NICE or raise the limit (ulimit -r), or leave "
				 "priority at 0",
				 fifo.sched_priority);
	return ct_broken_errno(err, "wakeup: priority = %d: SCHED_FIFO", fifo.sched_priority);
}

/* Zero in this file keeps every CPU out of deep idle states for as long as it is open. */
static bool hold_shallow_idle(struct wakeup_state *wakeup, struct ct_error *err)
{
	static const char path[] = "/dev/cpu_dma_latency";
	const int32_t microseconds = 0;

	wakeup->idle_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (wakeup->idle_fd >= 0 &&
	    write(wakeup->idle_fd, &microseconds, sizeof microseconds) == sizeof microseconds)
		return true;
	ct_broken_errno(err, "wakeup: shallow_idle needs to write %s (root, as a rule)", path);
	if (wakeup->idle_fd >= 0)
		close(wakeup->idle_fd);
	wakeup->idle_fd = -1;
	return false;
}

/* Undoes what setup did to the thread and the machine. */
static void restore(struct wakeup_state *wakeup)
{
	sched_setscheduler(0, wakeup->policy, &wakeup->param);
	prctl(PR_SET_TIMERSLACK, (unsigned long)wakeup->slack_ns);
	if (wakeup->idle_fd >= 0)
		close(wakeup->idle_fd);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct wakeup_options *asked = options;
	struct wakeup_state *wakeup = calloc(1, sizeof *wakeup);

	if (!wakeup)
		return ct_broken_errno(err, "wakeup: no memory for its state");
	wakeup->clock = env->clock;
	wakeup->period_ns = asked->period_ns;
	wakeup->next_ns = ct_monotonic_ns();
	wakeup->idle_fd = -1;
	/* Under SCHED_FIFO the slack is 0 whatever is set, so it has to be read before. */
	wakeup->slack_ns = prctl(PR_GET_TIMERSLACK);
	if (!set_policy(wakeup, asked->priority, err)) {
		free(wakeup);
		return false;
	}
	if (asked->shallow_idle && !hold_shallow_idle(wakeup, err)) {
		restore(wakeup);
		free(wakeup);
		return false;
	}
	prctl(PR_SET_TIMERSLACK, (unsigned long)asked->slack_ns);
	*state = wakeup;
	return true;
}

/*
 * The grid of due times stays where it is; times that have passed while the thread was late, or
 * between two phases, are skipped, as cyclictest does. They can't be slept for any more.
 */
static uint64_t next_due(struct wakeup_state *wakeup)
{
	const uint64_t now = ct_monotonic_ns();
	uint64_t missed = 0;

	if (now > wakeup->next_ns)
		missed = (now - wakeup->next_ns) / wakeup->period_ns;
	wakeup->next_ns += (missed + 1) * wakeup->period_ns;
	return wakeup->next_ns;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct wakeup_state *wakeup = state;
	const uint64_t due = next_due(wakeup);
	const struct timespec until = {.tv_sec = (time_t)(due / 1000000000u),
				       .tv_nsec = (long)(due % 1000000000u)};
	uint64_t now;
	int rc;

	do
		rc = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	while (rc == EINTR);
	now = ct_monotonic_ns();
	wakeup->error = rc;
	*ticks = now > due ? ct_ns_to_ticks(wakeup->clock, now - due) : 0;
	return rc == 0;
}

static void failure(void *state, struct ct_error *err)
{
	const struct wakeup_state *wakeup = state;

	errno = wakeup->error;
	ct_broken_errno(err, "wakeup: sleeping until an absolute time");
}

static void teardown(void *state)
{
	struct wakeup_state *wakeup = state;

	restore(wakeup);
	free(wakeup);
}

static const struct ct_param params[] = {
	{.name = "period",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct wakeup_options, period_ns),
	 .fallback = "1ms",
	 .min = "10us",
	 .max = "1s",
	 .help = "time between two wakeups, as cyclictest -i"},
	{.name = "priority",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct wakeup_options, priority),
	 .fallback = "0",
	 .min = "0",
	 .max = "99",
	 .help = "SCHED_FIFO priority, as cyclictest -p; 0 is an ordinary thread"},
	{.name = "slack",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct wakeup_options, slack_ns),
	 .fallback = "50us",
	 .min = "1ns",
	 .max = "1s",
	 .help = "how late the kernel may fire an ordinary thread's timer on purpose; 50us is "
		 "its default, real-time threads have none"},
	{.name = "shallow_idle",
	 .type = CT_PARAM_BOOL,
	 .offset = offsetof(struct wakeup_options, shallow_idle),
	 .fallback = "no",
	 .help = "hold /dev/cpu_dma_latency at 0 while measuring, as cyclictest does"},
	{0},
};

const struct ct_victim_ops ct_bench_wakeup = {
	.name = "wakeup",
	.summary = "how late a sleeping thread runs after its timer was due",
	.unit = "ns",
	.sample = "one timer wakeup: time of running minus time intended",
	.stresses = CT_RES_SCHEDULER | CT_RES_INTERRUPT | CT_RES_KERNEL | CT_RES_HYPERVISOR |
		    CT_RES_POWER,
	.params = params,
	.options_size = sizeof(struct wakeup_options),
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = failure,
	.teardown = teardown,
};
