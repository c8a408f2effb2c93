/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggressors: every one does the work it counts, refuses what it can't do, stops soon, and leaves
 * nothing behind. Run as the harness runs them: bound threads, bursts, teardown.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/net/tcp.h"
#include "noise/isa.h"
#include "noise/noise.h"
#include "noise/stream.h"

enum { MAX_THREADS = 2 };

static const char token[] = "0123456789abcdef0123456789abcdef";

struct setting {
	const char *key, *value;
};

/* One aggressor in a small harness of its own. */
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
static void use_cpus(struct ct_place *place, unsigned n)
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

static unsigned cpus_allowed(void)
{
	cpu_set_t allowed;

	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	return (unsigned)CPU_COUNT(&allowed);
}

static void trial_begin(struct trial *trial, const char *name, unsigned threads, unsigned cpus)
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

static void trial_set(struct trial *trial, const char *key, const char *value)
{
	const struct ct_param *param = ct_param_find(trial->ops->params, key);
	struct ct_error err = {0};

	assert_non_null(param);
	if (!ct_param_set(param, trial->options, value, &err))
		fail_msg("%s", err.text);
}

static void trial_end(struct trial *trial)
{
	json_decref(trial->device);
	ct_params_free(trial->ops->params, trial->options);
	free(trial->options);
	ct_place_free(&trial->place);
}

static bool trial_setup(struct trial *trial, struct ct_error *err)
{
	return !trial->ops->setup ||
	       trial->ops->setup(&trial->env, trial->options, &trial->state, err);
}

static void trial_teardown(struct trial *trial)
{
	if (trial->ops->teardown)
		trial->ops->teardown(trial->state);
}

static void *trial_thread(void *opaque)
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
static bool trial_run(struct trial *trial, uint64_t *units, struct ct_error *err)
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
static uint64_t live(struct trial *trial)
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

static uint64_t live_with(const char *name, unsigned threads, const struct setting *settings)
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
static void assert_refused(struct trial *trial, enum ct_error_kind kind, const char *text)
{
	struct ct_error err = {0};

	assert_false(trial_setup(trial, &err));
	if (!strstr(err.text, text))
		fail_msg("'%s' does not say '%s'", err.text, text);
	assert_int_equal(err.kind, kind);
}

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

/* Locks */

static void contended_lock_needs_somebody_to_contend_with(void **state)
{
	struct trial trial;

	(void)state;
	trial_begin(&trial, "lock", 1, 1);
	trial_set(&trial, "mode", "contended");
	assert_refused(&trial, CT_ERR_USAGE, "two threads on two CPUs");
	trial_end(&trial);
	trial_begin(&trial, "lock", 2, 1);
	trial_set(&trial, "mode", "contended");
	assert_refused(&trial, CT_ERR_USAGE, "two threads on two CPUs");
	trial_end(&trial);
}

static void contended_lock_counts_every_addition(void **state)
{
	const struct setting settings[] = {{"mode", "contended"}, {NULL, NULL}};

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	assert_int_equal(live_with("lock", 2, settings), 2 * 8 * 2048);
}

static void split_lock_works_or_says_why_not(void **state)
{
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units;

	(void)state;
	trial_begin(&trial, "lock", 1, 1);
	trial_set(&trial, "mode", "split");
	if (trial_setup(&trial, &err)) {
		assert_true(trial_run(&trial, &units, &err));
		assert_int_equal(units, 8 * 64);
		trial_teardown(&trial);
	} else {
		assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
		assert_non_null(strstr(err.text, "split"));
	}
	trial_end(&trial);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Interrupts */

/* Sum over all CPUs of a line of /proc/interrupts; -1 where there is no such line. */
static long long interrupts(const char *label)
{
	FILE *stream = fopen("/proc/interrupts", "re");
	long long sum = -1;
	char line[16384];

	while (stream && fgets(line, sizeof line, stream)) {
		char *at = line + strspn(line, " ");

		if (strncmp(at, label, strlen(label)) != 0)
			continue;
		sum = 0;
		for (at += strlen(label); at[strspn(at, " ")] >= '0' && at[strspn(at, " ")] <= '9';)
			sum += strtoll(at, &at, 10);
	}
	if (stream)
		fclose(stream);
	return sum;
}

/* The partner gets none while it is not yet awake or another process has its CPU: so more is asked
 * for until it has had its share. */
static void membarrier_interrupts_the_partner(void **state)
{
	const long long before = interrupts("CAL:");
	uint64_t asked = 0;

	(void)state;
	if (cpus_allowed() < 2 || before < 0)
		skip();
	for (int i = 0; i < 20 && interrupts("CAL:") - before < 5000; i++) {
		struct trial trial;

		trial_begin(&trial, "ipi", 1, 2);
		trial_set(&trial, "mode", "membarrier");
		trial.bursts = 5000;
		asked += live(&trial);
		trial_end(&trial);
	}
	assert_int_equal(asked % UINT64_C(40000), 0);
	assert_true(interrupts("CAL:") - before >= 5000);
}

static void shootdowns_are_counted(void **state)
{
	(void)state;
	if (cpus_allowed() < 2)
		skip();
	for (unsigned threads = 1; threads <= 2; threads++) {
		struct trial trial;

		trial_begin(&trial, "ipi", threads, 2);
		assert_int_equal(live(&trial), threads * 8 * 8);
		trial_end(&trial);
	}
}

static void shootdown_on_one_cpu_is_refused(void **state)
{
	struct trial trial;

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	trial_begin(&trial, "ipi", 1, 1);
	assert_refused(&trial, CT_ERR_USAGE, "mode = call");
	trial_end(&trial);
}

static void calls_interrupt_other_cpus_or_say_what_right_is_missing(void **state)
{
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units;

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	trial_begin(&trial, "ipi", 1, 1);
	trial_set(&trial, "mode", "call");
	assert_true(trial_setup(&trial, &err));
	if (trial_run(&trial, &units, &err))
		assert_int_equal(units, 8 * 8);
	else
		assert_non_null(strstr(err.text, "CAP_PERFMON"));
	trial_teardown(&trial);
	trial_set(&trial, "target", "zero");
	assert_refused(&trial, CT_ERR_USAGE, "target");
	trial_end(&trial);
}

static uint64_t process_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void an_idle_partner_uses_no_cpu(void **state)
{
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units, before;

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	trial_begin(&trial, "ipi", 1, 2);
	assert_true(trial_setup(&trial, &err));
	assert_true(trial_run(&trial, &units, &err));
	usleep(200000);
	before = process_cpu_ns();
	usleep(300000);
	assert_true(process_cpu_ns() - before < 100000000u);
	trial_teardown(&trial);
	trial_end(&trial);
}

/* Disk */

struct disk_place {
	char path[64];
	bool usable;
};

static void make_directory(struct disk_place *place)
{
	char why[256];

	strcpy(place->path, "./test-disk-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->usable = ct_aggressor_find("disk")->available(why, sizeof why);
	if (!place->usable)
		print_message("disk: %s\n", why);
}

static unsigned files_in(const char *path)
{
	DIR *directory = opendir(path);
	unsigned n = 0;

	assert_non_null(directory);
	for (const struct dirent *entry; (entry = readdir(directory));)
		n += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
	closedir(directory);
	return n;
}

static void disk_moves_bytes_and_leaves_no_file(void **state)
{
	static const char *const ops[] = {"read", "write", "randread", "randwrite"};
	struct disk_place place;

	(void)state;
	make_directory(&place);
	for (size_t i = 0; i < 4 && place.usable; i++) {
		struct ct_error err = {0};
		struct trial trial;
		uint64_t units;

		trial_begin(&trial, "disk", i == 2 && cpus_allowed() > 1 ? 2 : 1, 1);
		trial_set(&trial, "path", place.path);
		trial_set(&trial, "file_size", "1M");
		trial_set(&trial, "depth", "5");
		trial_set(&trial, "op", ops[i]);
		if (!trial_setup(&trial, &err) || !trial_run(&trial, &units, &err)) {
			/* The tree may lie on a file system without direct I/O. */
			assert_non_null(strstr(err.text, "disk"));
			print_message("%s\n", err.text);
		} else {
			assert_true(units > 0);
			assert_int_equal(units % 16384, 0);
		}
		assert_int_equal(files_in(place.path), 0);
		if (trial.state)
			trial_teardown(&trial);
		trial_end(&trial);
	}
	assert_int_equal(rmdir(place.path), 0);
}

static void disk_refuses_memory_and_too_much(void **state)
{
	struct statvfs space;
	struct trial trial;

	(void)state;
	trial_begin(&trial, "disk", 1, 1);
	trial_set(&trial, "block_size", "1000");
	assert_refused(&trial, CT_ERR_USAGE, "multiple of 512");
	trial_set(&trial, "block_size", "4K");
	trial_set(&trial, "path", "./no/such/directory");
	assert_refused(&trial, CT_ERR_ENVIRONMENT, "./no/such/directory");
	trial_set(&trial, "path", ".");
	assert_int_equal(statvfs(".", &space), 0);
	if ((uint64_t)space.f_bavail * space.f_frsize < UINT64_C(1) << 40) {
		trial_set(&trial, "file_size", "1T");
		assert_refused(&trial, CT_ERR_USAGE, "reserve");
	}
	trial_set(&trial, "file_size", "1M");
	if (access("/dev/shm", W_OK) == 0) {
		trial_set(&trial, "path", "/dev/shm");
		assert_refused(&trial, CT_ERR_USAGE, "in memory");
	}
	trial_end(&trial);
}

/* Flood */

struct running_sink {
	const struct ct_peer_ops *ops;
	struct ct_place place;
	struct ct_peer_env env;
	atomic_bool stop;
	void *state;
	char endpoint[CT_ENDPOINT_MAX];
	pthread_t thread;
};

static void *serve_sink(void *opaque)
{
	struct running_sink *sink = opaque;

	sink->ops->serve(sink->state, NULL);
	return NULL;
}

static void sink_start(struct running_sink *sink)
{
	struct ct_error err = {0};

	memset(sink, 0, sizeof *sink);
	sink->ops = ct_aggressor_find("tcp_flood")->peer;
	assert_non_null(sink->ops);
	assert_true(ct_place_init(&sink->place, &err));
	use_cpus(&sink->place, 1);
	sink->env = (struct ct_peer_env){
		.place = &sink->place, .address = "127.0.0.1", .token = token, .stop = &sink->stop};
	if (!sink->ops->setup(&sink->env, NULL, &sink->state, sink->endpoint, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&sink->thread, NULL, serve_sink, sink), 0);
}

static void sink_stop(struct running_sink *sink)
{
	uint64_t begin = ct_monotonic_ns();

	atomic_store(&sink->stop, true);
	pthread_join(sink->thread, NULL);
	assert_true(ct_monotonic_ns() - begin < UINT64_C(1000000000));
	sink->ops->teardown(sink->state);
	ct_place_free(&sink->place);
}

static void flood_reaches_a_consenting_sink(void **state)
{
	struct running_sink sink;

	(void)state;
	sink_start(&sink);
	for (unsigned threads = 1; threads <= 2; threads++) {
		struct trial trial;

		trial_begin(&trial, "tcp_flood", threads, 1);
		trial_set(&trial, "flows", "3");
		trial.env.endpoint = sink.endpoint;
		trial.env.token = token;
		trial.bursts = 40;
		assert_true(live(&trial) >= 1 << 20);
		trial_end(&trial);
	}
	sink_stop(&sink);
}

static void flood_refuses_a_sink_with_another_token(void **state)
{
	struct running_sink sink;
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units;

	(void)state;
	sink_start(&sink);
	trial_begin(&trial, "tcp_flood", 1, 1);
	trial.env.endpoint = sink.endpoint;
	trial.env.token = "fedcba9876543210fedcba9876543210";
	assert_true(trial_setup(&trial, &err));
	assert_false(trial_run(&trial, &units, &err));
	assert_int_equal(units, 0);
	assert_non_null(strstr(err.text, sink.endpoint));
	trial_teardown(&trial);
	trial_end(&trial);
	sink_stop(&sink);
}

static void flood_without_a_sink_is_refused(void **state)
{
	struct trial trial;

	(void)state;
	trial_begin(&trial, "tcp_flood", 1, 1);
	assert_refused(&trial, CT_ERR_USAGE, "sink");
	trial_end(&trial);
}

static void flood_ends_with_a_message_when_the_sink_dies(void **state)
{
	struct running_sink sink;
	struct ct_error err = {0};
	struct trial trial;
	void *thread_state;
	uint64_t units = 0;
	bool good = true;

	(void)state;
	sink_start(&sink);
	trial_begin(&trial, "tcp_flood", 1, 1);
	trial.env.endpoint = sink.endpoint;
	trial.env.token = token;
	assert_true(trial_setup(&trial, &err));
	if (!trial.ops->thread_setup(trial.state, 0, &thread_state, &err))
		fail_msg("%s", err.text);
	assert_true(trial.ops->burst(thread_state, &units, &err));
	sink_stop(&sink);
	for (int i = 0; good && i < 100; i++)
		good = trial.ops->burst(thread_state, &units, &err);
	assert_false(good);
	assert_non_null(strstr(err.text, "is gone"));
	trial.ops->thread_teardown(thread_state);
	trial_teardown(&trial);
	trial_end(&trial);
}

struct deaf_sink {
	int listener;
	int connection;
};

static void *accept_and_ignore(void *opaque)
{
	struct deaf_sink *sink = opaque;

	sink->connection = accept(sink->listener, NULL, NULL);
	ct_consent_give(sink->connection, token, NULL);
	return NULL;
}

static void flood_does_not_hang_on_a_sink_that_stops_reading(void **state)
{
	char endpoint[CT_ENDPOINT_MAX];
	struct ct_error err = {0};
	struct deaf_sink sink;
	struct trial trial;
	void *thread_state;
	pthread_t thread;

	(void)state;
	assert_true(ct_tcp_listen("127.0.0.1", &sink.listener, endpoint, &err));
	assert_int_equal(pthread_create(&thread, NULL, accept_and_ignore, &sink), 0);
	trial_begin(&trial, "tcp_flood", 1, 1);
	trial.env.endpoint = endpoint;
	trial.env.token = token;
	assert_true(trial_setup(&trial, &err));
	assert_true(trial.ops->thread_setup(trial.state, 0, &thread_state, &err));
	pthread_join(thread, NULL);
	for (uint64_t units = 1, bursts = 0; units > 0 && bursts < 1000; bursts++) {
		uint64_t begin = ct_monotonic_ns();

		units = 0;
		assert_true(trial.ops->burst(thread_state, &units, &err));
		assert_true(ct_monotonic_ns() - begin < UINT64_C(1000000000));
	}
	trial.ops->thread_teardown(thread_state);
	trial_teardown(&trial);
	trial_end(&trial);
	close(sink.connection);
	close(sink.listener);
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
		cmocka_unit_test(contended_lock_needs_somebody_to_contend_with),
		cmocka_unit_test(contended_lock_counts_every_addition),
		cmocka_unit_test(split_lock_works_or_says_why_not),
		cmocka_unit_test(membarrier_interrupts_the_partner),
		cmocka_unit_test(shootdowns_are_counted),
		cmocka_unit_test(shootdown_on_one_cpu_is_refused),
		cmocka_unit_test(calls_interrupt_other_cpus_or_say_what_right_is_missing),
		cmocka_unit_test(an_idle_partner_uses_no_cpu),
		cmocka_unit_test(disk_moves_bytes_and_leaves_no_file),
		cmocka_unit_test(disk_refuses_memory_and_too_much),
		cmocka_unit_test(flood_reaches_a_consenting_sink),
		cmocka_unit_test(flood_refuses_a_sink_with_another_token),
		cmocka_unit_test(flood_without_a_sink_is_refused),
		cmocka_unit_test(flood_ends_with_a_message_when_the_sink_dies),
		cmocka_unit_test(flood_does_not_hang_on_a_sink_that_stops_reading),
	};

	return cmocka_run_group_tests_name("aggressors", tests, NULL, NULL);
}
