/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/victim_runner.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BURST_NS = 200000 }; /* of a victim that rests in between */

/*
 * The timed loop, once for all victims. Between the two stamps there is one indirect call and the
 * victim's work; the recorder runs after the second stamp, so its cost shows as a gap between
 * samples, never in a sample. Returns false when the victim can't go on.
 */
static bool closed_loop(struct ct_victim_runner *runner, uint64_t end_tick)
{
	const struct ct_clock *clock = runner->env.clock;
	bool (*const operate)(void *) = runner->ops->operate;
	void *const state = runner->victim_state;
	uint64_t now;

	do {
		uint64_t begin = ct_ticks(clock);
		bool good = operate(state);

		now = ct_ticks_end(clock);
		if (!good)
			return false;
		ct_record(&runner->recorder, now, now - begin);
	} while (now < end_tick && !atomic_load_explicit(&runner->stop, memory_order_relaxed));
	return true;
}

/* The victim times itself, from an instant that it intended. */
static bool self_timed_loop(struct ct_victim_runner *runner, uint64_t end_tick)
{
	const struct ct_clock *clock = runner->env.clock;
	uint64_t now, ticks;

	do {
		if (!runner->ops->operate_timed(runner->victim_state, &ticks))
			return false;
		now = ct_ticks_end(clock);
		ct_record(&runner->recorder, now, ticks);
	} while (now < end_tick && !atomic_load_explicit(&runner->stop, memory_order_relaxed));
	return true;
}

static double next_gap(struct ct_victim_runner *runner, double mean_ticks)
{
	if (runner->common->arrival == CT_ARRIVAL_POISSON)
		return mean_ticks * ct_rng_exponential(&runner->arrivals);
	return mean_ticks;
}

/*
 * Open loop: operations are due on a schedule that does not wait for the previous one, and latency
 * counts from the due time, so a stall is charged to every operation it delayed (no coordinated
 * omission). The wait spins: sleeping would measure the timer instead.
 */
static bool open_loop(struct ct_victim_runner *runner, uint64_t end_tick)
{
	const struct ct_clock *clock = runner->env.clock;
	const double mean_ticks = clock->ticks_per_s / runner->common->rate_hz;
	double due = (double)ct_ticks(clock);
	uint64_t now;

	do {
		uint64_t begin;
		bool good;

		due += next_gap(runner, mean_ticks);
		begin = (uint64_t)due;
		do
			now = ct_ticks(clock);
		while (now < begin && now < end_tick &&
		       !atomic_load_explicit(&runner->stop, memory_order_relaxed));
		if (now < begin)
			break;
		good = runner->ops->operate(runner->victim_state);
		now = ct_ticks_end(clock);
		if (!good)
			return false;
		ct_record(&runner->recorder, now, now - begin);
	} while (now < end_tick && !atomic_load_explicit(&runner->stop, memory_order_relaxed));
	return true;
}

static double thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void sleep_ns(double ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1e9), .tv_nsec = (long)fmod(ns, 1e9)};

	nanosleep(&ts, NULL);
}

/* One operation, and the time it took. */
static bool operate(struct ct_victim_runner *runner, uint64_t *end, uint64_t *ticks)
{
	const struct ct_victim_ops *ops = runner->ops;
	const uint64_t begin = ct_ticks(runner->env.clock);
	const bool good = ops->operate_timed ? ops->operate_timed(runner->victim_state, ticks)
					     : ops->operate(runner->victim_state);

	*end = ct_ticks_end(runner->env.clock);
	if (!ops->operate_timed)
		*ticks = *end - begin;
	return good;
}

static bool burst(struct ct_victim_runner *runner, uint64_t until_tick)
{
	uint64_t now, ticks;

	do {
		if (!operate(runner, &now, &ticks))
			return false;
		ct_record(&runner->recorder, now, ticks);
	} while (now < until_tick);
	return true;
}

/*
 * A victim that measures now and then: bursts of samples, and rests that keep its share of the CPU
 * at `duty`. CPU time is what counts: a victim that sleeps as part of its work, or is held up by a
 * neighbour, uses none and need not rest for it. The first operation after a rest finds cold caches
 * and a sleeping core, whatever the neighbours do; it is not recorded. What is owed at the end of a
 * phase is paid in the next one.
 */
static bool resting_loop(struct ct_victim_runner *runner, uint64_t end_tick)
{
	const struct ct_clock *clock = runner->env.clock;
	const double end_ns = (double)ct_ticks_to_ns(clock, end_tick);
	uint64_t begin = ct_ticks(clock), end, ticks;
	bool rested = true;

	runner->rest.epoch_ns = (double)runner->request.epoch_ns;
	do {
		const double cpu = thread_cpu_ns();
		double now_ns, rest_ns;

		if (rested && !operate(runner, &end, &ticks))
			return false;
		if (!burst(runner, begin + ct_ns_to_ticks(clock, BURST_NS)))
			return false;
		now_ns = (double)ct_ticks_to_ns(clock, ct_ticks(clock));
		rest_ns = ct_rest_after(&runner->rest, (double)ct_ticks_to_ns(clock, begin), now_ns,
					thread_cpu_ns() - cpu);
		rested = rest_ns > 0;
		if (rested)
			sleep_ns(fmin(rest_ns, fmax(end_ns - now_ns, 0)));
		begin = ct_ticks(clock);
	} while (begin < end_tick && !atomic_load_explicit(&runner->stop, memory_order_relaxed));
	return true;
}

static bool run_loop(struct ct_victim_runner *runner, uint64_t end_tick)
{
	if (runner->common->duty < 100)
		return resting_loop(runner, end_tick);
	if (runner->ops->operate_timed)
		return self_timed_loop(runner, end_tick);
	if (runner->common->rate_hz > 0)
		return open_loop(runner, end_tick);
	return closed_loop(runner, end_tick);
}

/* From the last check on, so that no jump falls between two phases. */
static bool check_clock(struct ct_victim_runner *runner, struct ct_error *err)
{
	if (!ct_clock_agrees(runner->env.clock, &runner->agreed, err))
		return false;
	runner->agreed = ct_clock_anchor(runner->env.clock);
	return true;
}

static bool run_phase(struct ct_victim_runner *runner, struct ct_error *err)
{
	const struct ct_clock *clock = runner->env.clock;
	const struct ct_phase_request *request = &runner->request;
	uint64_t begin, end;
	bool good;

	runner->anchor = ct_clock_anchor(clock);
	begin = ct_ticks(clock);
	runner->measure_begin_tick = begin + ct_ns_to_ticks(clock, request->warmup_ns);
	end = runner->measure_begin_tick + ct_ns_to_ticks(clock, request->measure_ns);
	ct_recorder_begin(&runner->recorder, clock, begin, request->epoch_ns,
			  runner->env.operations_per_sample);
	/* The warm-up is the first epoch: it warms the recorder as well, and is dropped. */
	if (request->warmup_ns > 0)
		runner->recorder.epoch_end = runner->measure_begin_tick;
	if (runner->ops->phase_begin)
		runner->ops->phase_begin(runner->victim_state);
	good = run_loop(runner, end);
	ct_recorder_end(&runner->recorder, ct_ticks(clock));
	if (good)
		return check_clock(runner, err) && ct_bind_check(runner->env.place, 0, err);
	if (runner->ops->failure)
		runner->ops->failure(runner->victim_state, err);
	else
		ct_broken(err, "the victim can't go on");
	return false;
}

static void set_state(struct ct_victim_runner *runner, enum ct_runner_state state)
{
	pthread_mutex_lock(&runner->lock);
	runner->state = state;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
}

/*
 * The state that was asked for: a step, running; failed when the thread is to end. A victim that
 * has failed is kept until then: its other ends would notice that it goes, and could be heard
 * before its own words.
 */
static enum ct_runner_state wait_for_request(struct ct_victim_runner *runner)
{
	enum ct_runner_state asked;

	pthread_mutex_lock(&runner->lock);
	while (!runner->quit &&
	       (runner->state == CT_RUNNER_IDLE || runner->state == CT_RUNNER_FAILED))
		pthread_cond_wait(&runner->changed, &runner->lock);
	asked = runner->quit ? CT_RUNNER_FAILED : runner->state;
	pthread_mutex_unlock(&runner->lock);
	return asked;
}

static void read_counters(void *context, double counters[CT_COUNTERS_MAX])
{
	const struct ct_victim_runner *runner = context;

	runner->ops->read_counters(runner->victim_state, counters);
}

static bool set_up(struct ct_victim_runner *runner)
{
	return ct_bind_thread(runner->env.place, 0, &runner->error) &&
	       runner->ops->setup(&runner->env, runner->options, &runner->victim_state,
				  &runner->error);
}

static void *measuring_thread(void *argument)
{
	struct ct_victim_runner *runner = argument;
	enum ct_runner_state asked;

	runner->thread_id = gettid();
	if (!set_up(runner)) {
		set_state(runner, CT_RUNNER_FAILED);
		return NULL;
	}
	if (runner->env.operations_per_sample == 0)
		runner->env.operations_per_sample = 1;
	runner->agreed = ct_clock_anchor(runner->env.clock);
	set_state(runner, CT_RUNNER_IDLE);
	while ((asked = wait_for_request(runner)) != CT_RUNNER_FAILED) {
		struct ct_error err = {0};
		bool good = asked == CT_RUNNER_STEPPING ? runner->step(runner->victim_state, &err)
							: run_phase(runner, &err);

		if (!good)
			runner->error = err;
		set_state(runner, good ? CT_RUNNER_IDLE : CT_RUNNER_FAILED);
	}
	runner->ops->teardown(runner->victim_state);
	return NULL;
}

bool ct_victim_runner_start(struct ct_victim_runner *runner, const struct ct_victim_ops *ops,
			    const void *options, const struct ct_victim_common *common,
			    const struct ct_victim_env *env, struct ct_error *err)
{
	bool ready;

	memset(runner, 0, sizeof *runner);
	if (common->rate_hz > 0 && ops->operate_timed)
		return ct_usage(err,
				"rate: '%s' times itself and sets its own pace; leave 'rate' out",
				ops->name);
	if (common->rate_hz > 0 && common->duty < 100)
		return ct_usage(err, "duty: a victim with a 'rate' sets its own pace; leave one of "
				     "them out");
	if (!ct_recorder_init(&runner->recorder, common->raw, err))
		return false;
	if (ops->counters) {
		runner->recorder.at_close = read_counters;
		runner->recorder.close_context = runner;
	}
	runner->ops = ops;
	runner->options = options;
	runner->common = common;
	runner->env = *env;
	runner->env.stop = &runner->teardown;
	ct_rng_stream(&runner->arrivals, env->seed, 1);
	ct_rest_init(&runner->rest, common->duty);
	pthread_mutex_init(&runner->lock, NULL);
	pthread_cond_init(&runner->changed, NULL);
	if (pthread_create(&runner->thread, NULL, measuring_thread, runner) != 0) {
		ct_recorder_free(&runner->recorder);
		return ct_broken_errno(err, "starting the measuring thread");
	}
	pthread_mutex_lock(&runner->lock);
	while (runner->state == CT_RUNNER_STARTING)
		pthread_cond_wait(&runner->changed, &runner->lock);
	ready = runner->state == CT_RUNNER_IDLE;
	pthread_mutex_unlock(&runner->lock);
	if (ready)
		return true;
	pthread_join(runner->thread, NULL);
	ct_recorder_free(&runner->recorder);
	json_decref(runner->env.device);
	*err = runner->error;
	return false;
}

void ct_victim_runner_step(struct ct_victim_runner *runner,
			   bool (*step)(void *victim_state, struct ct_error *err))
{
	if (!step)
		return;
	pthread_mutex_lock(&runner->lock);
	runner->step = step;
	runner->state = CT_RUNNER_STEPPING;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
}

void ct_victim_runner_begin(struct ct_victim_runner *runner, const struct ct_phase_request *request)
{
	atomic_store(&runner->stop, false);
	pthread_mutex_lock(&runner->lock);
	runner->request = *request;
	runner->state = CT_RUNNER_RUNNING;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
}

bool ct_victim_runner_finished(struct ct_victim_runner *runner)
{
	bool finished;

	pthread_mutex_lock(&runner->lock);
	finished = runner->state != CT_RUNNER_RUNNING && runner->state != CT_RUNNER_STEPPING;
	pthread_mutex_unlock(&runner->lock);
	return finished;
}

bool ct_victim_runner_result(struct ct_victim_runner *runner, struct ct_error *err)
{
	bool good;

	pthread_mutex_lock(&runner->lock);
	good = runner->state == CT_RUNNER_IDLE;
	if (!good)
		*err = runner->error;
	pthread_mutex_unlock(&runner->lock);
	return good;
}

void ct_victim_runner_stop(struct ct_victim_runner *runner)
{
	atomic_store(&runner->stop, true);
	atomic_store(&runner->teardown, true);
	pthread_mutex_lock(&runner->lock);
	runner->quit = true;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
	pthread_join(runner->thread, NULL);
	ct_recorder_free(&runner->recorder);
	json_decref(runner->env.device);
}
