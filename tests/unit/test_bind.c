/* SPDX-License-Identifier: Apache-2.0 */
/* Binding threads on this machine: what was asked is what the kernel shows afterwards. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/place/place.h"

static struct ct_topology *topology;
static struct ct_place machine;

static int load_machine(void **state)
{
	struct ct_error err = {0};

	(void)state;
	return ct_topology_load(&topology, false, &err) && ct_place_init(&machine, &err) &&
			       ct_place_resolve(topology, "machine", NULL, NULL, 0, &machine, &err)
		       ? 0
		       : -1;
}

static int free_machine(void **state)
{
	(void)state;
	ct_place_free(&machine);
	ct_topology_free(topology);
	return 0;
}

static void assert_bound_to(int cpu)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	assert_int_equal(CPU_COUNT(&set), 1);
	assert_true(CPU_ISSET(cpu, &set));
	assert_int_equal(sched_getcpu(), cpu);
}

static void a_thread_runs_where_it_is_bound(void **state)
{
	(void)state;
	struct ct_error err = {0};

	for (unsigned i = 0; i < ct_place_cpu_count(&machine); i++) {
		if (!ct_bind_thread(&machine, i, &err))
			fail_msg("%s", err.text);
		assert_bound_to(ct_place_cpu(&machine, i));
	}
}

static void threads_beyond_the_last_cpu_wrap_around(void **state)
{
	(void)state;
	struct ct_error err = {0};

	assert_true(ct_bind_thread(&machine, ct_place_cpu_count(&machine), &err));
	assert_bound_to(ct_place_cpu(&machine, 0));
}

static void a_thread_can_have_all_cpus_again(void **state)
{
	(void)state;
	struct ct_error err = {0};
	cpu_set_t set;

	assert_true(ct_bind_thread(&machine, 0, &err));
	if (!ct_bind_thread_all(&machine, &err))
		fail_msg("%s", err.text);
	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	assert_int_equal(CPU_COUNT(&set), ct_place_cpu_count(&machine));
}

static void *bind_to_the_last(void *result)
{
	struct ct_error err = {0};
	unsigned last = ct_place_cpu_count(&machine) - 1;

	*(bool *)result = ct_bind_thread(&machine, last, &err) &&
			  sched_getcpu() == ct_place_cpu(&machine, last);
	return NULL;
}

static void only_the_calling_thread_is_bound(void **state)
{
	(void)state;
	struct ct_error err = {0};
	pthread_t thread;
	bool good = false;

	assert_true(ct_bind_thread(&machine, 0, &err));
	assert_int_equal(pthread_create(&thread, NULL, bind_to_the_last, &good), 0);
	pthread_join(thread, NULL);
	assert_true(good);
	assert_bound_to(ct_place_cpu(&machine, 0));
}

static void a_cpu_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct ct_place place;
	struct ct_error err = {0};

	assert_true(ct_place_init(&place, &err));
	assert_true(ct_place_parse_cpus(&place, "65000", &err));
	assert_false(ct_bind_thread(&place, 0, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "binding to CPU 65000"));
	ct_place_free(&place);
}

static void half_a_binding_is_no_binding(void **state)
{
	(void)state;
	struct ct_place place;
	struct ct_error err = {0};

	/* The kernel takes such a mask and silently drops what it doesn't have. */
	assert_true(ct_place_init(&place, &err));
	hwloc_bitmap_copy(place.cpus, machine.cpus);
	hwloc_bitmap_set(place.cpus, 1000);
	assert_false(ct_bind_thread_all(&place, &err));
	assert_non_null(strstr(err.text, "kept only a part of it"));
	ct_place_free(&place);
}

static void a_place_without_cpus_is_refused(void **state)
{
	(void)state;
	struct ct_place place;
	struct ct_error err = {0};

	assert_true(ct_place_init(&place, &err));
	assert_false(ct_bind_thread(&place, 0, &err));
	assert_false(ct_bind_thread_all(&place, &err));
	assert_non_null(strstr(err.text, "the place has no CPU"));
	ct_place_free(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_runs_where_it_is_bound),
		cmocka_unit_test(threads_beyond_the_last_cpu_wrap_around),
		cmocka_unit_test(a_thread_can_have_all_cpus_again),
		cmocka_unit_test(only_the_calling_thread_is_bound),
		cmocka_unit_test(a_cpu_that_is_not_there_is_named),
		cmocka_unit_test(half_a_binding_is_no_binding),
		cmocka_unit_test(a_place_without_cpus_is_refused),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
