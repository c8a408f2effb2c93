/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ping-pong between two threads on two CPUs. `futex` is what every lock, queue and condition
 * variable falls back to: wake the other side through the kernel, sleep until it answers; on the
 * way lie an inter-processor interrupt, the idle CPU's wake-up and two scheduler decisions. `spin`
 * hands one cache line to the other core and back, without the kernel: the interconnect alone.
 */
#include "bench/victims.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode { MODE_FUTEX, MODE_SPIN };
static const char *const mode_names[] = {"futex", "spin", NULL};

enum turn { TURN_VICTIM, TURN_PARTNER };

struct ipc_options {
	int mode;
};

/*
 * `turn` says who has the ball and is the futex both sleep on: one line for it alone, since any
 * neighbour on that line would travel with it.
 */
struct ipc_state {
	_Alignas(64) atomic_uint turn;
	_Alignas(64) atomic_bool quit; /* the partner is to end */
	atomic_bool gone;              /* the partner has ended */
	enum mode mode;
	const atomic_bool *stop;
	const struct ct_place *place;
	pthread_t partner;
	/* Under lock until the partner has bound itself. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool started, bound;
	struct ct_error error;
};

static inline void relax(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause" ::: "memory");
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

static void wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Sleeps while the word holds `value`; may wake early, so callers look again. */
static void sleep_on(atomic_uint *word, unsigned value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* Gives the ball away. */
static void pass(struct ipc_state *ipc, enum turn to)
{
	atomic_store_explicit(&ipc->turn, to, memory_order_release);
	if (ipc->mode == MODE_FUTEX)
		wake(&ipc->turn);
}

/* Waits for the ball; false when `end` is set first. */
static bool await(struct ipc_state *ipc, enum turn mine, const atomic_bool *end)
{
	unsigned turn;

	while ((turn = atomic_load_explicit(&ipc->turn, memory_order_acquire)) != mine) {
		if (atomic_load_explicit(end, memory_order_relaxed))
			return false;
		if (ipc->mode == MODE_FUTEX)
			sleep_on(&ipc->turn, turn);
		else
			relax();
	}
	return true;
}

static bool bind_partner(struct ipc_state *ipc)
{
	bool bound;

	pthread_mutex_lock(&ipc->lock);
	ipc->bound = ct_bind_thread(ipc->place, 1, &ipc->error);
	ipc->started = true;
	bound = ipc->bound;
	pthread_cond_signal(&ipc->changed);
	pthread_mutex_unlock(&ipc->lock);
	return bound;
}

/* Answers every ball. Its last act hands the ball back, so that nobody waits for it for ever. */
static void *partner(void *argument)
{
	struct ipc_state *ipc = argument;

	if (!bind_partner(ipc))
		return NULL;
	while (!atomic_load_explicit(ipc->stop, memory_order_relaxed) &&
	       await(ipc, TURN_PARTNER, &ipc->quit))
		pass(ipc, TURN_VICTIM);
	atomic_store(&ipc->gone, true);
	atomic_store(&ipc->turn, TURN_VICTIM);
	wake(&ipc->turn);
	return NULL;
}

static void wait_until_bound(struct ipc_state *ipc)
{
	pthread_mutex_lock(&ipc->lock);
	while (!ipc->started)
		pthread_cond_wait(&ipc->changed, &ipc->lock);
	pthread_mutex_unlock(&ipc->lock);
}

static void destroy(struct ipc_state *ipc)
{
	pthread_cond_destroy(&ipc->changed);
	pthread_mutex_destroy(&ipc->lock);
	free(ipc);
}

static bool start_partner(struct ipc_state *ipc, struct ct_error *err)
{
	int rc = pthread_create(&ipc->partner, NULL, partner, ipc);

	if (rc != 0)
		return ct_broken(err, "ipc: starting the partner thread: %s", strerror(rc));
	wait_until_bound(ipc);
	if (ipc->bound)
		return true;
	pthread_join(ipc->partner, NULL);
	*err = ipc->error;
	return ct_error_in(err, "ipc: the partner thread");
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct ipc_options *asked = options;
	struct ipc_state *ipc;

	if (asked->mode == MODE_SPIN && ct_place_cpu_count(env->place) < 2)
		return ct_usage(err, "mode = spin needs two CPUs, and this tenant has one: give it "
				     "another in cpus, or use mode = futex");
	ipc = aligned_alloc(_Alignof(struct ipc_state), sizeof *ipc);
	if (!ipc)
		return ct_broken_errno(err, "ipc: no memory for its state");
	*ipc = (struct ipc_state){
		.mode = (enum mode)asked->mode, .stop = env->stop, .place = env->place};
	pthread_mutex_init(&ipc->lock, NULL);
	pthread_cond_init(&ipc->changed, NULL);
	if (!start_partner(ipc, err)) {
		destroy(ipc);
		return false;
	}
	*state = ipc;
	return true;
}

static bool operate(void *state)
{
	struct ipc_state *ipc = state;

	pass(ipc, TURN_PARTNER);
	return await(ipc, TURN_VICTIM, &ipc->gone) &&
	       !atomic_load_explicit(&ipc->gone, memory_order_relaxed);
}

static void failure(void *state, struct ct_error *err)
{
	(void)state;
	ct_broken(err, "ipc: the partner thread has ended: the harness stopped the victim");
}

/* The ball wakes a partner that sleeps; it sees `quit` only while it has not got it. */
static void teardown(void *state)
{
	struct ipc_state *ipc = state;

	atomic_store(&ipc->quit, true);
	while (!atomic_load(&ipc->gone))
		wake(&ipc->turn);
	pthread_join(ipc->partner, NULL);
	destroy(ipc);
}

static const struct ct_param params[] = {
	{.name = "mode",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ipc_options, mode),
	 .fallback = "futex",
	 .choices = mode_names,
	 .help = "futex: sleep and wake through the kernel; spin: hand over a cache line"},
	{0},
};

const struct ct_victim_ops ct_bench_ipc = {
	.name = "ipc",
	.summary = "ping-pong between two threads on two CPUs, by futex or by cache line",
	.unit = "ns",
	.sample = "one round trip: to the partner and back",
	.stresses = CT_RES_SCHEDULER | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_INTERCONNECT |
		    CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct ipc_options),
	.setup = setup,
	.operate = operate,
	.failure = failure,
	.teardown = teardown,
	.wanted_cpus = 2,
};
