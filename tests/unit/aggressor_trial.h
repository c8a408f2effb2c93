/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One aggressor in a small harness of its own, which runs it as the real one does: bound threads,
 * bursts, teardown.
 */
#ifndef COTENANT_TESTS_UNIT_AGGRESSOR_TRIAL_H
#define COTENANT_TESTS_UNIT_AGGRESSOR_TRIAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "noise/noise.h"

enum { MAX_THREADS = 2 };

struct setting {
	const char *key, *value;
};

struct trial {
	const struct ct_aggressor_ops *ops;
	struct ct_clock clock;
	struct ct_place place;
	struct ct_aggressor_env env;
	json_t *device;
	atomic_bool stop;
	void *options;
	void *state;
	unsigned bursts;

	struct trial_thread {
		struct trial *trial;
		unsigned index;
		pthread_t handle;
		uint64_t units;
		bool good;
		struct ct_error error;
	} threads[MAX_THREADS];
};

/* The first `n` CPUs that this process may use. */
static inline void use_cpus(struct ct_place *place, unsigned n)
{
	cpu_set_t allowed;
	char list[64] = "";

	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && n > 0; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d",
			 list[0] ? "," : "", cpu);
		n--;
	}
	assert_true(ct_place_parse_cpus(place, list, NULL));
}

static inline unsigned cpus_allowed(void)
{
	cpu_set_t allowed;

	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	return (unsigned)CPU_COUNT(&allowed);
}

static inline void trial_begin(struct trial *trial, const char *name, unsigned threads,
			       unsigned cpus)
{
	struct ct_error err = {0};

	memset(trial, 0, sizeof *trial);
	trial->ops = ct_aggressor_find(name);
	assert_non_null(trial->ops);
	if (!ct_clock_init(&trial->clock, 1, &err) || !ct_place_init(&trial->place, &err))
		fail_msg("%s", err.text);
	use_cpus(&trial->place, cpus);
	trial->options = calloc(1, trial->ops->options_size + 1);
	assert_non_null(trial->options);
	ct_params_init(trial->ops->params, trial->options);
	trial->bursts = 8;
	trial->env = (struct ct_aggressor_env){.clock = &trial->clock,
					       .place = &trial->place,
					       .threads = threads,
					       .device = &trial->device,
					       .seed = 42,
					       .stop = &trial->stop};
}

static inline void trial_set(struct trial *trial, const char *key, const char *value)
{
	const struct ct_param *param = ct_param_find(trial->ops->params, key);
	struct ct_error err = {0};

	assert_non_null(param);
	if (!ct_param_set(param, trial->options, value, &err))
		fail_msg("%s", err.text);
}

static inline void trial_end(struct trial *trial)
{
	json_decref(trial->device);
	ct_params_free(trial->ops->params, trial->options);
	free(trial->options);
	ct_place_free(&trial->place);
}

static inline bool trial_setup(struct trial *trial, struct ct_error *err)
{
	return !trial->ops->setup ||
	       trial->ops->setup(&trial->env, trial->options, &trial->state, err);
}

static inline void trial_teardown(struct trial *trial)
{
	if (trial->ops->teardown)
		trial->ops->teardown(trial->state);
}

static inline void *trial_thread(void *opaque)
{
	struct trial_thread *self = opaque;
	const struct ct_aggressor_ops *ops = self->trial->ops;
	void *state = self->trial->state;

	self->good = ct_bind_thread(&self->trial->place, self->index, &self->error) &&
		     (!ops->thread_setup ||
		      ops->thread_setup(self->trial->state, self->index, &state, &self->error));
	if (!self->good)
		return NULL;
	for (unsigned i = 0; self->good && i < self->trial->bursts; i++)
		self->good = ops->burst(state, &self->units, &self->error);
	if (ops->thread_teardown)
		ops->thread_teardown(state);
	return NULL;
}

/* Threads run beside each other; returns the units of all. */
static inline bool trial_run(struct trial *trial, uint64_t *units, struct ct_error *err)
{
	bool good = true;

	*units = 0;
	for (unsigned i = 0; i < trial->env.threads; i++) {
		trial->threads[i] = (struct trial_thread){.trial = trial, .index = i};
		assert_int_equal(pthread_create(&trial->threads[i].handle, NULL, trial_thread,
						&trial->threads[i]),
				 0);
	}
	for (unsigned i = 0; i < trial->env.threads; i++) {
		pthread_join(trial->threads[i].handle, NULL);
		*units += trial->threads[i].units;
		if (!trial->threads[i].good)
			*err = trial->threads[i].error;
		good = good && trial->threads[i].good;
	}
	return good;
}

/* A whole life. Each thread must have done something. */
static inline uint64_t live(struct trial *trial)
{
	struct ct_error err = {0};
	uint64_t units = 0;

	if (!trial_setup(trial, &err) || !trial_run(trial, &units, &err))
		fail_msg("%s: %s", trial->ops->name, err.text);
	for (unsigned i = 0; i < trial->env.threads; i++)
		assert_true(trial->threads[i].units > 0);
	trial_teardown(trial);
	return units;
}

static inline uint64_t live_with(const char *name, unsigned threads, const struct setting *settings)
{
	struct trial trial;
	uint64_t units;

	trial_begin(&trial, name, threads, threads);
	for (; settings && settings->key; settings++)
		trial_set(&trial, settings->key, settings->value);
	units = live(&trial);
	trial_end(&trial);
	return units;
}

/* Setup has to fail with a message that holds `text`. */
static inline void assert_refused(struct trial *trial, enum ct_error_kind kind, const char *text)
{
	struct ct_error err = {0};

	assert_false(trial_setup(trial, &err));
	if (!strstr(err.text, text))
		fail_msg("'%s' does not say '%s'", err.text, text);
	assert_int_equal(err.kind, kind);
}

#endif
