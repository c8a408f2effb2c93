/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/noise_runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "harness/probe/cgroup.h"
#include "harness/tenant/covariates.h"

enum {
	WINDOW_NS = 20000000,       /* of the calibration */
	LONGEST_SLEEP_NS = 5000000, /* a paced thread looks for a change this often */
	SHORTEST_SLEEP_NS = 20000,  /* below this a sleep costs more than it waits */
	FORGIVEN_NS = 20000000,     /* a debt older than this is not caught up with */
	/* Under a CPU quota a thread is stopped for up to a period, and owes what it missed. */
	FORGIVEN_UNDER_QUOTA_NS = 200000000
};

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void fail(struct ct_noise_runner *runner, const struct ct_error *err)
{
	pthread_mutex_lock(&runner->lock);
	if (!runner->failed)
		runner->error = *err;
	runner->failed = true;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
}

static bool burst(struct ct_noise_thread *thread)
{
	struct ct_noise_runner *runner = thread->runner;
	struct ct_error err = {0};
	uint64_t units = 0;
	bool good = runner->ops->burst(thread->state, &units, &err);

	atomic_fetch_add_explicit(&thread->units, units, memory_order_relaxed);
	if (!good)
		fail(runner, &err);
	return good;
}

static bool unchanged(const struct ct_noise_runner *runner, unsigned generation)
{
	return atomic_load_explicit(&runner->generation, memory_order_relaxed) == generation;
}

static bool run_flat_out(struct ct_noise_thread *thread, unsigned generation)
{
	while (unchanged(thread->runner, generation)) {
		if (!burst(thread))
			return false;
	}
	return true;
}

/*
 * A token bucket per thread: a burst is started when at least one unit is due, and after it the
 * thread sleeps until it is no longer ahead. What a stall left undone is made up for at most
 * runner->forgiven_ns: afterwards the load must be the asked one again, not a catch-up at full
 * speed. While a square wave is off nothing is made up for.
 */
static bool run_paced(struct ct_noise_thread *thread, unsigned generation)
{
	struct ct_noise_runner *runner = thread->runner;
	const double share = 1.0 / runner->n_threads;
	const double per_ns = runner->units_per_s * share / 1e9;
	const uint64_t base = atomic_load(&thread->units);
	double forgiven = 0;
	struct ct_pacer pacer;

	ct_pacer_init(&pacer, runner->common, runner->units_per_s * share, runner->load_seed);
	while (unchanged(runner, generation)) {
		uint64_t now = ct_monotonic_ns();
		double done =
			(double)(atomic_load_explicit(&thread->units, memory_order_relaxed) - base);
		double ahead =
			done - (ct_pacer_due(&pacer, now - runner->load_start_ns) - forgiven);
		double sleep_ns = ahead / per_ns;
		uint64_t off_ns = ct_pacer_off_ns(&pacer, now - runner->load_start_ns);

		/* Off means off: what the on time left undone would blur the edge. */
		if (off_ns > 0) {
			forgiven += fmax(0, -ahead);
			sleep_ns = fmax((double)off_ns, SHORTEST_SLEEP_NS);
		}
		if (sleep_ns < SHORTEST_SLEEP_NS) {
			if (-sleep_ns > runner->forgiven_ns)
				forgiven += -ahead - runner->forgiven_ns * per_ns;
			if (!burst(thread))
				return false;
			continue;
		}
		if (sleep_ns > LONGEST_SLEEP_NS)
			sleep_ns = LONGEST_SLEEP_NS;
		sleep_until(now + (uint64_t)sleep_ns);
		atomic_fetch_add_explicit(&thread->idle_ns, ct_monotonic_ns() - now,
					  memory_order_relaxed);
	}
	return true;
}

static enum ct_noise_mode next_mode(struct ct_noise_runner *runner, unsigned *generation)
{
	enum ct_noise_mode mode;

	pthread_mutex_lock(&runner->lock);
	runner->n_idle++;
	pthread_cond_broadcast(&runner->changed);
	while (runner->mode == CT_NOISE_IDLE || (runner->failed && runner->mode != CT_NOISE_QUIT))
		pthread_cond_wait(&runner->changed, &runner->lock);
	mode = runner->mode;
	*generation = atomic_load(&runner->generation);
	runner->n_idle--;
	pthread_mutex_unlock(&runner->lock);
	return mode;
}

static bool thread_set_up(struct ct_noise_thread *thread, struct ct_error *err)
{
	struct ct_noise_runner *runner = thread->runner;

	/* The default slack of 50 us would round every pause of the pacer up. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (!ct_bind_thread(runner->env.place, thread->index, err))
		return false;
	if (runner->ops->thread_setup)
		return runner->ops->thread_setup(runner->shared, thread->index, &thread->state,
						 err);
	thread->state = runner->shared;
	return true;
}

static void *noise_thread(void *argument)
{
	struct ct_noise_thread *thread = argument;
	struct ct_noise_runner *runner = thread->runner;
	struct ct_error err = {0};
	enum ct_noise_mode mode;
	unsigned generation;
	bool ready;

	thread->id = gettid();
	ready = thread_set_up(thread, &err);
	if (!ready)
		fail(runner, &err);
	pthread_mutex_lock(&runner->lock);
	runner->n_ready++;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
	while ((mode = next_mode(runner, &generation)) != CT_NOISE_QUIT) {
		if (mode == CT_NOISE_FULL)
			run_flat_out(thread, generation);
		else
			run_paced(thread, generation);
		if (!ct_bind_check(runner->env.place, thread->index, &err))
			fail(runner, &err);
	}
	if (ready && runner->ops->thread_teardown)
		runner->ops->thread_teardown(thread->state);
	return NULL;
}

static void set_mode(struct ct_noise_runner *runner, enum ct_noise_mode mode)
{
	pthread_mutex_lock(&runner->lock);
	runner->mode = mode;
	atomic_fetch_add(&runner->generation, 1);
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
}

static void join_all(struct ct_noise_runner *runner, unsigned started)
{
	set_mode(runner, CT_NOISE_QUIT);
	for (unsigned i = 0; i < started; i++)
		pthread_join(runner->threads[i].handle, NULL);
	if (runner->ops->teardown)
		runner->ops->teardown(runner->shared);
	free(runner->threads);
	runner->threads = NULL;
}

static bool start_threads(struct ct_noise_runner *runner, struct ct_error *err)
{
	unsigned started = 0;

	for (; started < runner->n_threads; started++) {
		struct ct_noise_thread *thread = &runner->threads[started];

		thread->runner = runner;
		thread->index = started;
		if (pthread_create(&thread->handle, NULL, noise_thread, thread) != 0) {
			ct_broken_errno(err, "starting thread %u of the aggressor", started);
			break;
		}
	}
	pthread_mutex_lock(&runner->lock);
	while (runner->n_ready < started)
		pthread_cond_wait(&runner->changed, &runner->lock);
	if (runner->failed)
		*err = runner->error;
	pthread_mutex_unlock(&runner->lock);
	if (started == runner->n_threads && !runner->failed)
		return true;
	join_all(runner, started);
	return false;
}

static bool count_threads(struct ct_noise_runner *runner, struct ct_error *err)
{
	const unsigned limit = runner->ops->max_threads;

	runner->n_threads = runner->common->threads ? (unsigned)runner->common->threads
						    : ct_place_cpu_count(runner->env.place);
	if (limit == 0 || runner->n_threads <= limit)
		return true;
	if (runner->common->threads)
		return ct_usage(err, "threads = %u: '%s' runs with at most %u", runner->n_threads,
				runner->ops->name, limit);
	runner->n_threads = limit;
	return true;
}

bool ct_noise_runner_start(struct ct_noise_runner *runner, const struct ct_aggressor_ops *ops,
			   const void *options, const struct ct_aggressor_common *common,
			   const struct ct_aggressor_env *env, struct ct_error *err)
{
	memset(runner, 0, sizeof *runner);
	runner->ops = ops;
	runner->options = options;
	runner->common = common;
	runner->env = *env;
	runner->env.stop = &runner->stop;
	runner->forgiven_ns =
		ct_cgroup_cpu_limit(&ct_probe_live).limited ? FORGIVEN_UNDER_QUOTA_NS : FORGIVEN_NS;
	if (!count_threads(runner, err))
		return false;
	runner->env.threads = runner->n_threads;
	pthread_mutex_init(&runner->lock, NULL);
	pthread_cond_init(&runner->changed, NULL);
	runner->threads = aligned_alloc(64, runner->n_threads * sizeof *runner->threads);
	if (!runner->threads)
		return ct_broken_errno(err, "memory for %u threads", runner->n_threads);
	memset(runner->threads, 0, runner->n_threads * sizeof *runner->threads);
	if (ops->setup && !ops->setup(&runner->env, options, &runner->shared, err)) {
		free(runner->threads);
		return false;
	}
	return start_threads(runner, err);
}

static void wait_all_idle(struct ct_noise_runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	while (runner->n_idle < runner->n_threads)
		pthread_cond_wait(&runner->changed, &runner->lock);
	pthread_mutex_unlock(&runner->lock);
}

static double total_units(const struct ct_noise_runner *runner)
{
	double units = 0;

	for (unsigned i = 0; i < runner->n_threads; i++)
		units += (double)atomic_load_explicit(&runner->threads[i].units,
						      memory_order_relaxed);
	return units;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Whether a control group's quota stopped this process since its counter stood at `before_ns`. */
static bool was_throttled(double before_ns, double elapsed_ns)
{
	static const double negligible = 0.01;
	double now_ns = ct_throttled_ns();

	return now_ns - before_ns > negligible * elapsed_ns; /* false when not known (NaN) */
}

/* Over so many periods of a quota (100 ms each) that where they begin makes little difference. */
static double total_rate(const struct ct_noise_runner *runner, double units, uint64_t begin)
{
	const uint64_t long_enough_ns = UINT64_C(1500000000);

	sleep_until(begin + long_enough_ns);
	return (total_units(runner) - units) * 1e9 / (double)(ct_monotonic_ns() - begin);
}

bool ct_noise_runner_calibrate(struct ct_noise_runner *runner, double seconds, double *rate,
			       struct ct_error *err)
{
	enum { MAX_WINDOWS = 512 };
	double rates[MAX_WINDOWS] = {0.0}, before, first_units, throttled;
	int n = (int)(seconds * 1e9 / WINDOW_NS);
	uint64_t begin, first_begin;

	if (n > MAX_WINDOWS)
		n = MAX_WINDOWS;
	if (n < 3)
		n = 3;
	set_mode(runner, CT_NOISE_FULL);
	sleep_until(ct_monotonic_ns() + (uint64_t)(seconds * 1e8));
	begin = ct_monotonic_ns();
	before = total_units(runner);
	first_begin = begin;
	first_units = before;
	throttled = ct_throttled_ns();
	for (int i = 0; i < n; i++) {
		uint64_t now;
		double units;

		sleep_until(begin + WINDOW_NS);
		now = ct_monotonic_ns();
		units = total_units(runner);
		rates[i] = (units - before) * 1e9 / (double)(now - begin);
		begin = now;
		before = units;
	}
	qsort(rates, (size_t)n, sizeof rates[0], compare_double);
	*rate = rates[n / 2];
	/*
	 * Operations longer than a window leave most windows empty, and a quota makes most of them
	 * either full or empty: then only the total tells.
	 */
	if (*rate <= 0 || was_throttled(throttled, (double)(begin - first_begin)))
		*rate = total_rate(runner, first_units, first_begin);
	ct_noise_runner_unload(runner);
	if (ct_noise_runner_failed(runner, err))
		return false;
	return *rate > 0 || ct_broken(err, "'%s' did no work in %.1f s of calibration",
				      runner->ops->name, seconds);
}

/*
 * CPU time from the thread's own clock, which is exact; schedstat's is only brought up to date at
 * ticks and switches, and rows are no longer than a few ticks.
 */
static double thread_cpu_ns(pthread_t thread)
{
	struct timespec used;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return 0;
	return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static void read_totals(struct ct_noise_runner *runner, struct ct_noise_totals *totals)
{
	*totals = (struct ct_noise_totals){.time_ns = ct_monotonic_ns()};
	totals->units = total_units(runner);
	for (unsigned i = 0; i < runner->n_threads; i++) {
		const struct ct_noise_thread *thread = &runner->threads[i];
		double waiting;

		totals->idle_ns +=
			(double)atomic_load_explicit(&thread->idle_ns, memory_order_relaxed);
		totals->on_cpu_ns += thread_cpu_ns(thread->handle);
		if (ct_thread_waiting_ns(thread->id, &waiting))
			totals->waiting_ns += waiting;
	}
	totals->throttled_ns = ct_throttled_ns();
	totals->due = isinf(runner->units_per_s)
			      ? totals->units
			      : ct_pacer_due(&runner->accounting,
					     totals->time_ns - runner->load_start_ns);
}

void ct_noise_runner_load(struct ct_noise_runner *runner, double units_per_s, uint64_t seed)
{
	runner->units_per_s = units_per_s;
	runner->load_seed = seed;
	runner->load_start_ns = ct_monotonic_ns();
	ct_pacer_init(&runner->accounting, runner->common, units_per_s, seed);
	read_totals(runner, &runner->last);
	set_mode(runner, isinf(units_per_s) ? CT_NOISE_FULL : CT_NOISE_PACED);
}

static double clamp_share(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

void ct_noise_runner_sample(struct ct_noise_runner *runner, struct ct_noise_row *row)
{
	const struct ct_noise_totals *last = &runner->last;
	struct ct_noise_totals now;
	double capacity;

	read_totals(runner, &now);
	capacity = (double)(now.time_ns - last->time_ns) * runner->n_threads;
	*row = (struct ct_noise_row){
		.start_ns = last->time_ns,
		.end_ns = now.time_ns,
		.units = now.units - last->units,
		.asked_units = now.due - last->due,
	};
	if (capacity > 0) {
		/* Throttled by a quota is not runnable, though the run queue counts it as waiting.
		 */
		double throttled = (now.throttled_ns - last->throttled_ns) * runner->n_threads;
		double on_cpu = now.on_cpu_ns - last->on_cpu_ns;
		double waiting = now.waiting_ns - last->waiting_ns;

		row->busy = clamp_share(1 - (now.idle_ns - last->idle_ns) / capacity);
		row->on_cpu = clamp_share(on_cpu / capacity);
		row->runnable = clamp_share((on_cpu + fmax(0, waiting - throttled)) / capacity);
	}
	runner->last = now;
}

void ct_noise_runner_unload(struct ct_noise_runner *runner)
{
	set_mode(runner, CT_NOISE_IDLE);
	wait_all_idle(runner);
}

bool ct_noise_runner_failed(struct ct_noise_runner *runner, struct ct_error *err)
{
	bool failed;

	pthread_mutex_lock(&runner->lock);
	failed = runner->failed;
	if (failed)
		*err = runner->error;
	pthread_mutex_unlock(&runner->lock);
	return failed;
}

void ct_noise_runner_stop(struct ct_noise_runner *runner)
{
	atomic_store(&runner->stop, true);
	join_all(runner, runner->n_threads);
}
