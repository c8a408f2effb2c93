/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inter-processor interrupts. Which CPUs they hit depends on the mode:
 *
 * shootdown: write-protecting a page that was just written makes the kernel flush the translation
 *   on every other CPU where a thread of this process is running. So it hits the tenant's own
 *   CPUs, and neighbours by what those share with them: the sibling hardware thread, the
 *   interrupt controller, and in a guest the hypervisor that delivers the interrupt. arm64 and
 *   processors with INVLPGB can flush remote translations without an interrupt.
 * membarrier: the same targets by membarrier(2), without page tables.
 * call: switches a counter that counts nothing on and off on other CPUs, which the kernel does by
 *   a function-call interrupt to exactly that CPU; so this one does interrupt the CPUs in
 *   `target`, whoever runs there. It needs the right to watch whole CPUs.
 *
 * For shootdown and membarrier a lone thread gets a partner that does nothing but run on another
 * CPU of the tenant while bursts are being made.
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode { MODE_SHOOTDOWN, MODE_MEMBARRIER, MODE_CALL };

enum {
	BURST_OPS = 8,                /* 1 to 25 us each */
	PARTNER_LINGERS_NS = 20000000 /* the longest pause of a paced load is shorter */
};

struct options {
	int mode;
	char *target;
};

struct ipi {
	const struct ct_aggressor_env *env;
	enum mode mode;
	size_t page;
	hwloc_bitmap_t targets; /* MODE_CALL; else NULL */

	pthread_t partner;
	bool has_partner;
	sem_t wake;
	atomic_bool partner_ready, partner_ends, partner_sleeps;
	struct ct_error partner_error;
	_Atomic uint64_t last_burst_ns;
};

struct ipi_thread {
	struct ipi *shared;
	char *page;    /* shootdown */
	int *counters; /* call: one per target */
	unsigned n_counters, next;
	bool on; /* what this round switches off again */
};

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Runs, so that its CPU has this process's translations; sleeps when nobody makes bursts, so that
 * an unloaded aggressor uses no CPU. */
static void *run_partner(void *opaque)
{
	struct ipi *ipi = opaque;
	bool bound = ct_bind_thread(ipi->env->place, 1, &ipi->partner_error);

	atomic_store(&ipi->partner_ready, true);
	while (bound && !atomic_load(&ipi->partner_ends)) {
		for (int i = 0; i < 1000; i++)
			relax();
		if (ct_monotonic_ns() - atomic_load(&ipi->last_burst_ns) < PARTNER_LINGERS_NS)
			continue;
		atomic_store(&ipi->partner_sleeps, true);
		sem_wait(&ipi->wake);
	}
	return NULL;
}

static void wake_partner(struct ipi *ipi)
{
	atomic_store(&ipi->last_burst_ns, ct_monotonic_ns());
	if (atomic_exchange(&ipi->partner_sleeps, false))
		sem_post(&ipi->wake);
}

static void end_partner(struct ipi *ipi)
{
	if (!ipi->has_partner)
		return;
	atomic_store(&ipi->partner_ends, true);
	sem_post(&ipi->wake);
	pthread_join(ipi->partner, NULL);
}

static bool start_partner(struct ipi *ipi, struct ct_error *err)
{
	errno = pthread_create(&ipi->partner, NULL, run_partner, ipi);
	if (errno != 0)
		return ct_broken_errno(err, "ipi: starting the partner thread");
	ipi->has_partner = true;
	while (!atomic_load(&ipi->partner_ready))
		usleep(100);
	if (ipi->partner_error.kind == CT_OK)
		return true;
	*err = ipi->partner_error;
	return ct_error_in(err, "ipi: partner thread");
}

static bool set_up_own_process(struct ipi *ipi, struct ct_error *err)
{
	if (ct_place_cpu_count(ipi->env->place) < 2)
		return ct_usage(err,
				"ipi: this mode interrupts the tenant's other CPUs, and it has "
				"only one; give it two (cpus = ...), or use mode = call");
	if (ipi->mode == MODE_MEMBARRIER &&
	    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0)
		return ct_broken_errno(err, "ipi: mode = membarrier: registering");
	return ipi->env->threads > 1 || start_partner(ipi, err);
}

/* An empty `target` means every CPU that the tenant does not have. */
static bool set_up_targets(struct ipi *ipi, const char *target, struct ct_error *err)
{
	struct ct_place named;
	bool good;

	ipi->targets = hwloc_bitmap_alloc();
	if (!ipi->targets || !ct_place_init(&named, err))
		return ct_broken_errno(err, "ipi: memory for a set of CPUs");
	if (target[0]) {
		good = ct_place_parse_cpus(&named, target, err) || ct_error_in(err, "ipi: target");
		hwloc_bitmap_copy(ipi->targets, named.cpus);
	} else {
		long n = sysconf(_SC_NPROCESSORS_CONF);

		good = true;
		hwloc_bitmap_set_range(ipi->targets, 0, (int)n - 1);
		hwloc_bitmap_andnot(ipi->targets, ipi->targets, ipi->env->place->cpus);
	}
	ct_place_free(&named);
	if (good && hwloc_bitmap_weight(ipi->targets) < 1)
		return ct_usage(err, "ipi: mode = call: no CPU is left outside the tenant; name "
				     "some in target");
	return good;
}

static void teardown(void *state)
{
	struct ipi *ipi = state;

	end_partner(ipi);
	sem_destroy(&ipi->wake);
	hwloc_bitmap_free(ipi->targets);
	free(ipi);
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct ipi *ipi = calloc(1, sizeof *ipi);
	bool good;

	if (!ipi)
		return ct_broken_errno(err, "ipi: memory for its state");
	ipi->env = env;
	ipi->mode = (enum mode)options->mode;
	ipi->page = (size_t)sysconf(_SC_PAGESIZE);
	sem_init(&ipi->wake, 0, 0);
	good = ipi->mode == MODE_CALL ? set_up_targets(ipi, options->target, err)
				      : set_up_own_process(ipi, err);
	if (!good) {
		teardown(ipi);
		return false;
	}
	*state = ipi;
	return true;
}

static int open_counter(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static void close_counters(struct ipi_thread *self)
{
	for (unsigned i = 0; i < self->n_counters; i++)
		close(self->counters[i]);
	free(self->counters);
}

static bool open_counters(struct ipi_thread *self, struct ct_error *err)
{
	hwloc_const_bitmap_t targets = self->shared->targets;
	int cpu;

	self->counters = calloc((size_t)hwloc_bitmap_weight(targets), sizeof *self->counters);
	if (!self->counters)
		return ct_broken_errno(err, "ipi: memory for counters");
	hwloc_bitmap_foreach_begin(cpu, targets)
	{
		int fd = open_counter(cpu);

		if (fd >= 0)
			self->counters[self->n_counters++] = fd;
		else if (errno == EACCES || errno == EPERM)
			return ct_broken(err,
					 "ipi: mode = call: not allowed to watch CPU %d; needs "
					 "CAP_PERFMON or kernel.perf_event_paranoid <= 0",
					 cpu);
		else if (errno != ENODEV) /* a CPU that is offline now is no target */
			return ct_broken_errno(err, "ipi: mode = call: counter on CPU %d", cpu);
	}
	hwloc_bitmap_foreach_end();
	return self->n_counters > 0 ||
	       ct_broken(err, "ipi: mode = call: no CPU of target is online");
}

static void thread_teardown(void *thread_state)
{
	struct ipi_thread *self = thread_state;

	if (self->page)
		munmap(self->page, self->shared->page);
	close_counters(self);
	free(self);
}

static bool map_page(struct ipi_thread *self, struct ct_error *err)
{
	void *page = mmap(NULL, self->shared->page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return ct_broken_errno(err, "ipi: mapping a page");
	self->page = page;
	return true;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	struct ipi *ipi = state;
	struct ipi_thread *self = calloc(1, sizeof *self);
	bool good = true;

	if (!self)
		return ct_broken_errno(err, "ipi: memory for thread %u", thread);
	self->shared = ipi;
	if (ipi->mode == MODE_SHOOTDOWN)
		good = map_page(self, err);
	else if (ipi->mode == MODE_CALL)
		good = open_counters(self, err);
	if (!good) {
		thread_teardown(self);
		return false;
	}
	*thread_state = self;
	return true;
}

/* Taking the right to write away needs a flush; giving it back does not, the write faults. */
static bool shoot_down(struct ipi_thread *self)
{
	const size_t page = self->shared->page;

	*(volatile char *)self->page = 1;
	return mprotect(self->page, page, PROT_READ) == 0 &&
	       mprotect(self->page, page, PROT_READ | PROT_WRITE) == 0;
}

/* Goes round the targets, switching all on in one round and off in the next. */
static bool call(struct ipi_thread *self)
{
	int counter = self->counters[self->next];
	unsigned long request = self->on ? PERF_EVENT_IOC_DISABLE : PERF_EVENT_IOC_ENABLE;

	if (++self->next == self->n_counters) {
		self->next = 0;
		self->on = !self->on;
	}
	return ioctl(counter, request, 0) == 0;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct ipi_thread *self = thread_state;
	bool good = true;

	if (self->shared->has_partner)
		wake_partner(self->shared);
	for (int i = 0; i < BURST_OPS && good; i++) {
		switch (self->shared->mode) {
		case MODE_SHOOTDOWN:
			good = shoot_down(self);
			break;
		case MODE_MEMBARRIER:
			good = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
			break;
		case MODE_CALL:
			good = call(self);
			break;
		}
		*units += good;
	}
	return good || ct_broken_errno(err, "ipi: asking the kernel for an interrupt");
}

static bool available(char *why, size_t size)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) >= 2)
		return true;
	snprintf(why, size, "an inter-processor interrupt needs a second CPU");
	return false;
}

static const char *const mode_names[] = {"shootdown", "membarrier", "call", NULL};

static const struct ct_param params[] = {
	{.name = "mode",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, mode),
	 .fallback = "shootdown",
	 .choices = mode_names,
	 .help = "shootdown, membarrier: to the tenant's own other CPUs; call: to those in target"},
	{.name = "target",
	 .type = CT_PARAM_TEXT,
	 .offset = offsetof(struct options, target),
	 .fallback = "",
	 .help = "CPUs that mode = call interrupts, as 0-3,8; empty: all that the tenant lacks"},
	{0}};

const struct ct_aggressor_ops ct_noise_ipi = {
	.name = "ipi",
	.summary = "inter-processor interrupts: TLB shootdowns, barriers, function calls",
	.unit = "op",
	.stresses = CT_RES_INTERRUPT | CT_RES_TLB | CT_RES_KERNEL | CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct options),
	.available = available,
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
};
