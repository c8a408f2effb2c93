/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of the tenant's GPU. Its management library may take milliseconds over an answer,
 * and much longer when the GPU has died: a thread of its own asks, on the CPUs that the worker
 * stepped aside to, and the control thread waits for it no longer than WAIT_MS. What is not there
 * by then is absent from that epoch; totals go on counting and are in a later one.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/core/clock.h"
#include "harness/gpu/counters.h"
#include "harness/tenant/sources.h"

/* SHARE: of its time, one part in so many may be spent with asking, if that takes long. */
enum { OPEN_MS = 3000, WAIT_MS = 50, CLOSE_MS = 1000, QUICK_NS = 1000000, SHARE = 10 };

enum order { ORDER_NONE, ORDER_BEGIN, ORDER_READ, ORDER_STOP };

struct reader {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum order order; /* what the thread does or has to do; NONE: it waits */
	char *gpu, *nic;
	struct ct_gpu_counters *counters; /* NULL: there are none */
	size_t n;                         /* of the GPU's own; one more is ours */
	struct ct_counter table[CT_COUNTERS_MAX + 1];
	double values[CT_COUNTERS_MAX];
	uint64_t due_ns;
	bool aside;
};

static const struct ct_counter aside_counter = {
	"read_aside", "1",
	"1: these were read on a CPU that neither victim nor aggressor uses, 0: none was left",
	CT_COUNTER_LEVEL};

/* ---- the thread ---- */

static void open_counters(struct reader *reader)
{
	const struct ct_counter *table;

	reader->counters = ct_gpu_counters_open(reader->gpu, reader->nic);
	if (!reader->counters)
		return;
	table = ct_gpu_counters_table(reader->counters);
	while (table[reader->n].name && reader->n < CT_COUNTERS_MAX - 1) {
		reader->table[reader->n] = table[reader->n];
		reader->n++;
	}
	reader->table[reader->n] = aside_counter;
}

static void obey(struct reader *reader, enum order order)
{
	const uint64_t begin_ns = ct_monotonic_ns();
	uint64_t took_ns;

	if (order == ORDER_BEGIN)
		ct_gpu_counters_begin(reader->counters);
	else
		ct_gpu_counters_read(reader->counters, reader->values);
	took_ns = ct_monotonic_ns() - begin_ns;
	reader->due_ns = order == ORDER_READ && took_ns > QUICK_NS ? begin_ns + SHARE * took_ns : 0;
}

/* Opening is its first order. Everything but `order` is its own while it has one. */
static void *run(void *context)
{
	struct reader *reader = context;

	open_counters(reader);
	pthread_mutex_lock(&reader->lock);
	reader->order = ORDER_NONE;
	pthread_cond_signal(&reader->changed);
	while (reader->order != ORDER_STOP) {
		const enum order order = reader->order;

		if (order == ORDER_NONE) {
			pthread_cond_wait(&reader->changed, &reader->lock);
			continue;
		}
		pthread_mutex_unlock(&reader->lock);
		obey(reader, order);
		pthread_mutex_lock(&reader->lock);
		reader->order = ORDER_NONE;
		pthread_cond_signal(&reader->changed);
	}
	pthread_mutex_unlock(&reader->lock);
	if (reader->counters)
		ct_gpu_counters_close(reader->counters);
	return NULL;
}

/* ---- the control thread ---- */

/* Whether it has done what it was told, within so long. The lock is held. */
static bool is_idle(struct reader *reader, unsigned within_ms)
{
	const uint64_t until_ns = ct_monotonic_ns() + within_ms * UINT64_C(1000000);
	const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
				       .tv_nsec = (long)(until_ns % 1000000000)};
	int status = 0;

	while (reader->order != ORDER_NONE && status != ETIMEDOUT)
		status = pthread_cond_timedwait(&reader->changed, &reader->lock, &until);
	return reader->order == ORDER_NONE;
}

/* One that is still busy with its last order gets no other. */
static bool tell(struct reader *reader, enum order order)
{
	if (reader->order != ORDER_NONE)
		return false;
	reader->order = order;
	pthread_cond_signal(&reader->changed);
	return true;
}

static void free_reader(struct reader *reader)
{
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->lock);
	free(reader->gpu);
	free(reader->nic);
	free(reader);
}

/* A thread that the library does not let go is left behind with all it has: the process ends soon.
 */
static void close_gpu(void *state)
{
	struct reader *reader = state;
	bool ends;

	pthread_mutex_lock(&reader->lock);
	ends = is_idle(reader, CLOSE_MS) && tell(reader, ORDER_STOP);
	pthread_mutex_unlock(&reader->lock);
	if (!ends) {
		pthread_detach(reader->thread);
		return;
	}
	pthread_join(reader->thread, NULL);
	free_reader(reader);
}

static bool start(struct reader *reader)
{
	sigset_t all, before;
	bool good;

	/* Signals are the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	good = pthread_create(&reader->thread, NULL, run, reader) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return good;
}

static struct reader *make_reader(const char *gpu, const char *nic)
{
	struct reader *reader = calloc(1, sizeof *reader);
	pthread_condattr_t monotonic;

	if (!reader)
		return NULL;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&reader->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&reader->lock, NULL);
	reader->order = ORDER_BEGIN;
	reader->gpu = gpu ? strdup(gpu) : NULL;
	reader->nic = nic ? strdup(nic) : NULL;
	if ((!gpu || reader->gpu) && (!nic || reader->nic) && start(reader))
		return reader;
	free_reader(reader);
	return NULL;
}

/* The one that the victim opened, by the name that is right in every order of devices; else what
 * the tenant names. */
static const char *name_of(const struct ct_worker *worker, const json_t *device)
{
	const char *uuid = json_string_value(json_object_get(device, "uuid"));

	return uuid ? uuid : worker->gpu;
}

static bool open_gpu(const struct ct_worker *worker, const json_t *device, void **state,
		     const struct ct_counter **table)
{
	const char *name = name_of(worker, device);
	struct reader *reader = name ? make_reader(name, worker->nic) : NULL;
	bool good;

	if (!reader)
		return false;
	pthread_mutex_lock(&reader->lock);
	good = is_idle(reader, OPEN_MS) && reader->counters;
	pthread_mutex_unlock(&reader->lock);
	if (!good) {
		close_gpu(reader);
		return false;
	}
	reader->aside = worker->aside;
	*table = reader->table;
	*state = reader;
	return true;
}

static void begin_gpu(void *state)
{
	struct reader *reader = state;

	pthread_mutex_lock(&reader->lock);
	if (is_idle(reader, WAIT_MS) && tell(reader, ORDER_BEGIN))
		is_idle(reader, WAIT_MS);
	pthread_mutex_unlock(&reader->lock);
}

static void read_gpu(void *state, double *values)
{
	struct reader *reader = state;
	bool good;

	for (size_t i = 0; i <= reader->n; i++)
		values[i] = NAN;
	pthread_mutex_lock(&reader->lock);
	good = reader->order == ORDER_NONE && ct_monotonic_ns() >= reader->due_ns &&
	       tell(reader, ORDER_READ) && is_idle(reader, WAIT_MS);
	if (good) {
		memcpy(values, reader->values, reader->n * sizeof *values);
		values[reader->n] = reader->aside;
	}
	pthread_mutex_unlock(&reader->lock);
}

const struct ct_counter_source ct_source_gpu = {
	.name = "gpu",
	.open = open_gpu,
	.begin = begin_gpu,
	.read = read_gpu,
	.close = close_gpu,
};
