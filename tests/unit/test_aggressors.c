/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggressors on memory, caches and cores: every one does the work it counts, refuses what it can't
 * do, and leaves nothing behind.
 */
#include <errno.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "noise/isa.h"
#include "noise/stream.h"
#include "tests/unit/aggressor_trial.h"

/* Registry */

static void names_are_unique_and_found(void **state)
{
	(void)state;
	for (size_t i = 0; ct_aggressors[i]; i++) {
		assert_ptr_equal(ct_aggressor_find(ct_aggressors[i]->name), ct_aggressors[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(ct_aggressors[i]->name, ct_aggressors[j]->name);
	}
	assert_null(ct_aggressor_find("nobody"));
}

static void every_aggressor_of_the_design_is_there(void **state)
{
	static const char *const names[] = {"null", "membw",      "llc",      "tlb",
					    "cpu",  "mmap_churn", "ipi",      "lock",
					    "fork", "disk",       "tcp_flood"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_non_null(ct_aggressor_find(names[i]));
}

static void descriptors_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; ct_aggressors[i]; i++) {
		const struct ct_aggressor_ops *ops = ct_aggressors[i];

		assert_non_null(ops->burst);
		assert_non_null(ops->params);
		assert_true(strlen(ops->unit) > 0);
		assert_true(strlen(ops->summary) > 0);
		assert_true(ops->summary[strlen(ops->summary) - 1] != '.');
		assert_true(ops->stresses < CT_RES_END);
		assert_int_equal(ops->stresses == 0, strcmp(ops->name, "null") == 0);
		assert_int_equal(!ops->thread_setup, !ops->thread_teardown);
	}
}

static void defaults_lie_within_their_own_limits(void **state)
{
	(void)state;
	for (size_t i = 0; ct_aggressors[i]; i++) {
		const struct ct_aggressor_ops *ops = ct_aggressors[i];
		void *options = calloc(1, ops->options_size + 1);

		ct_params_init(ops->params, options);
		for (const struct ct_param *param = ops->params; param->name; param++) {
			struct ct_error err = {0};
			char *value = ct_param_get(param, options);

			assert_non_null(param->help);
			if (!ct_param_set(param, options, value, &err))
				fail_msg("%s: %s", ops->name, err.text);
			free(value);
		}
		ct_params_free(ops->params, options);
		free(options);
	}
}

/* Work */

static void null_sleeps_a_millisecond_an_operation(void **state)
{
	uint64_t begin = ct_monotonic_ns();

	(void)state;
	assert_int_equal(live_with("null", 1, NULL), 8);
	assert_true(ct_monotonic_ns() - begin >= 8 * UINT64_C(1000000));
}

static void streams_move_what_they_count(void **state)
{
	static const char *const ops[] = {"read", "write", "copy", "triad"};

	(void)state;
	for (unsigned threads = 1; threads <= cpus_allowed() && threads <= 2; threads++) {
		for (size_t i = 0; i < 4; i++) {
			const struct setting settings[] = {
				{"op", ops[i]}, {"buffer", "4M"}, {NULL, NULL}};
			uint64_t bytes = live_with("membw", threads, settings);

			/* A burst is 1 MiB but for rounding to whole lines in every lane. */
			assert_in_range(bytes, UINT64_C(8000000) * threads,
					UINT64_C(8388608) * threads);
		}
	}
}

static void membw_stays_inside_its_buffer(void **state)
{
	const struct setting settings[] = {{"op", "triad"}, {"buffer", "4M"}, {NULL, NULL}};
	struct trial trial;

	/* Many times round; the address sanitizer can't see the mapping, its end can. */
	(void)state;
	trial_begin(&trial, "membw", 1, 1);
	for (const struct setting *s = settings; s->key; s++)
		trial_set(&trial, s->key, s->value);
	trial.bursts = 100;
	live(&trial);
	trial_end(&trial);
}

static const size_t stream_stride = 4096 + 64, stream_bytes = 512;

/* Arrays a, b, c of CT_STREAM_LANES lanes: a = 9, b = 1, c = 2 everywhere. */
static double *make_arrays(size_t *n)
{
	size_t bytes = (size_t)3 * CT_STREAM_LANES * stream_stride;
	double *arrays = aligned_alloc(64, bytes);

	assert_non_null(arrays);
	*n = bytes / sizeof *arrays;
	for (size_t i = 0; i < *n; i++)
		arrays[i] = i < *n / 3 ? 9 : i < *n / 3 * 2 ? 1 : 2;
	return arrays;
}

static void check_kernel(enum ct_stream_op op, enum ct_isa isa, bool nontemporal)
{
	ct_stream_kernel *kernel = ct_stream_find(op, isa, nontemporal);
	const double filling = 5;
	uint64_t value;
	double *arrays;
	size_t n;

	if (!kernel) {
		assert_true(nontemporal && (op == CT_STREAM_READ || isa == CT_ISA_PLAIN));
		return;
	}
	arrays = make_arrays(&n);
	memcpy(&value, &filling, sizeof value);
	kernel((char *)arrays, stream_stride, stream_bytes, value);
	for (size_t i = 0; i < n; i++) {
		static const double stored[CT_STREAM_OPS] = {9, 5, 1, 1 + CT_STREAM_SCALAR * 2};
		size_t in_lane = i * sizeof *arrays % stream_stride;
		double before = i < n / 3 ? 9 : i < n / 3 * 2 ? 1 : 2;
		double expected = i < n / 3 && in_lane < stream_bytes ? stored[op] : before;

		if (arrays[i] < expected || arrays[i] > expected)
			fail_msg("isa %s op %d: word %zu is %g, not %g", ct_isa_names[isa], op, i,
				 arrays[i], expected);
	}
	free(arrays);
}

static void kernels_of_every_instruction_set_store_what_they_say(void **state)
{
	(void)state;
	for (int isa = CT_ISA_AVX512; isa < CT_ISA_COUNT; isa++) {
		for (int op = 0; op < CT_STREAM_OPS && ct_isa_supported((enum ct_isa)isa); op++) {
			check_kernel((enum ct_stream_op)op, (enum ct_isa)isa, false);
			check_kernel((enum ct_stream_op)op, (enum ct_isa)isa, true);
		}
	}
}

static void read_kernels_see_every_word(void **state)
{
	(void)state;
	for (int isa = CT_ISA_AVX512; isa < CT_ISA_COUNT; isa++) {
		size_t n;
		double *arrays = make_arrays(&n);
		uint64_t *words = (uint64_t *)(void *)arrays;

		for (size_t lane = 0; lane < CT_STREAM_LANES && ct_isa_supported((enum ct_isa)isa);
		     lane++) {
			size_t first = lane * stream_stride / 8;
			size_t last = first + stream_bytes / 8 - 1;
			ct_stream_kernel *kernel =
				ct_stream_find(CT_STREAM_READ, (enum ct_isa)isa, false);
			uint64_t before = kernel((char *)arrays, stream_stride, stream_bytes, 0);

			words[first] ^= 1;
			words[last] ^= 2;
			assert_int_equal(
				before ^ kernel((char *)arrays, stream_stride, stream_bytes, 0), 3);
		}
		free(arrays);
	}
}

static void what_the_cpu_lacks_is_refused(void **state)
{
	struct trial trial;

	(void)state;
	trial_begin(&trial, "membw", 1, 1);
	trial_set(&trial, "isa", ct_isa_supported(CT_ISA_NEON) ? "sse2" : "neon");
	assert_refused(&trial, CT_ERR_USAGE, "does not have it");
	trial_set(&trial, "isa", "auto");
	trial_set(&trial, "op", "read");
	trial_set(&trial, "nontemporal", "yes");
	assert_refused(&trial, CT_ERR_USAGE, "nontemporal = auto");
	trial_end(&trial);
}

static void cpu_counts_instructions_of_every_kind(void **state)
{
	static const struct {
		const char *work;
		uint64_t least; /* instructions of a burst */
	} works[] = {{"integer", UINT64_C(12288) * 32},
		     {"float", UINT64_C(12288) * 24},
		     {"vector", UINT64_C(12288) * 12},
		     {"mix", UINT64_C(12288) * 22}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (int isa = CT_ISA_AUTO; isa < CT_ISA_COUNT; isa++) {
			const struct setting settings[] = {
				{"work", works[i].work}, {"isa", ct_isa_names[isa]}, {NULL, NULL}};
			uint64_t ops;

			if (!ct_isa_supported((enum ct_isa)isa))
				continue;
			ops = live_with("cpu", 1, settings);
			assert_in_range(ops, 8 * works[i].least, 16 * works[i].least);
		}
	}
}

static void llc_touches_lines(void **state)
{
	static const char *const ops[] = {"read", "write", "modify"};
	static const char *const orders[] = {"sweep", "random"};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		const struct setting settings[] = {{"op", ops[i % 3]},
						   {"order", orders[i / 3]},
						   {"footprint", "2M"},
						   {NULL, NULL}};

		assert_int_equal(live_with("llc", 1, settings), 8 * 8192);
	}
	if (cpus_allowed() >= 2)
		assert_int_equal(live_with("llc", 2, NULL), 2 * 8 * 8192);
}

static void tlb_touches_pages(void **state)
{
	const struct setting settings[] = {{"count", "3"}, {NULL, NULL}};

	(void)state;
	assert_int_equal(live_with("tlb", 1, settings), 8 * 4096);
	assert_true(live_with("tlb", 1, NULL) > 0);
}

static void mmap_churn_counts_mappings(void **state)
{
	struct trial trial;
	struct sysinfo info;
	char size[32];

	(void)state;
	assert_int_equal(live_with("mmap_churn", 1, NULL), 8);
	if (cpus_allowed() >= 2)
		assert_int_equal(live_with("mmap_churn", 2, NULL), 16);
	assert_int_equal(sysinfo(&info), 0);
	if ((uint64_t)info.totalram * info.mem_unit >= UINT64_C(64) << 30)
		return;
	snprintf(size, sizeof size, "%llu", (unsigned long long)info.totalram * info.mem_unit);
	trial_begin(&trial, "mmap_churn", 1, 1);
	trial_set(&trial, "size", size);
	assert_refused(&trial, CT_ERR_ENVIRONMENT, "mmap_churn");
	trial_end(&trial);
}

static void fork_leaves_no_child(void **state)
{
	const struct setting untouched[] = {{"touch", "0"}, {NULL, NULL}};

	(void)state;
	assert_int_equal(live_with("fork", 1, NULL), 8);
	assert_int_equal(live_with("fork", 1, untouched), 8);
	if (cpus_allowed() >= 2)
		assert_int_equal(live_with("fork", 2, NULL), 16);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique_and_found),
		cmocka_unit_test(every_aggressor_of_the_design_is_there),
		cmocka_unit_test(descriptors_are_complete),
		cmocka_unit_test(defaults_lie_within_their_own_limits),
		cmocka_unit_test(null_sleeps_a_millisecond_an_operation),
		cmocka_unit_test(streams_move_what_they_count),
		cmocka_unit_test(membw_stays_inside_its_buffer),
		cmocka_unit_test(kernels_of_every_instruction_set_store_what_they_say),
		cmocka_unit_test(read_kernels_see_every_word),
		cmocka_unit_test(what_the_cpu_lacks_is_refused),
		cmocka_unit_test(cpu_counts_instructions_of_every_kind),
		cmocka_unit_test(llc_touches_lines),
		cmocka_unit_test(tlb_touches_pages),
		cmocka_unit_test(mmap_churn_counts_mappings),
		cmocka_unit_test(fork_leaves_no_child),
	};

	return cmocka_run_group_tests_name("aggressors", tests, NULL, NULL);
}
