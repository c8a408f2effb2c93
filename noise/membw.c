/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes memory bandwidth. Each thread streams through arrays of its own that are far larger than
 * its share of the last-level cache, so nearly every line comes from or goes to memory.
 *
 * Bytes are counted as STREAM counts them: those the program asked for. A store that is not
 * non-temporal first reads the line it is going to overwrite; that traffic is real, but not
 * counted. Non-temporal stores avoid it, move the most bytes per second, and fill the write queues
 * of the memory controllers, which makes reads of others wait for the bus to turn round.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/stream.h"

enum {
	BURST_BYTES = 1 << 20, /* 20 us at 50 GB/s, 200 us at 5 GB/s */
	PAGE = 4096
};

enum nontemporal { NONTEMPORAL_AUTO, NONTEMPORAL_YES, NONTEMPORAL_NO };

struct options {
	int op; /* enum ct_stream_op */
	int nontemporal;
	int isa;
	uint64_t buffer;
	int pages;
};

struct membw {
	const struct ct_aggressor_env *env;
	ct_stream_kernel *kernel;
	size_t buffer;
	size_t stride;     /* between lanes, and the bytes of each */
	size_t burst_lane; /* bytes of each lane that one burst works on */
	uint64_t burst_units;
	enum ct_pages pages;
};

struct membw_thread {
	const struct membw *shared;
	struct ct_memory memory;
	size_t at;
	uint64_t value;
	uint64_t seen; /* what the reads returned; here so that they can't be left out */
};

static const char *const op_names[] = {"read", "write", "copy", "triad", NULL};
static const char *const nontemporal_names[] = {"auto", "yes", "no", NULL};

static bool choose_kernel(struct membw *membw, const struct options *options, struct ct_error *err)
{
	bool wanted = options->nontemporal != NONTEMPORAL_NO;
	enum ct_isa isa;

	if (!ct_isa_choose((enum ct_isa)options->isa, &isa, err))
		return false;
	membw->kernel = ct_stream_find((enum ct_stream_op)options->op, isa, wanted);
	if (!membw->kernel && options->nontemporal == NONTEMPORAL_YES)
		return ct_usage(err,
				"nontemporal = yes: there is no such store for op = %s with "
				"isa = %s; use nontemporal = auto",
				op_names[options->op], ct_isa_names[isa]);
	if (!membw->kernel)
		membw->kernel = ct_stream_find((enum ct_stream_op)options->op, isa, false);
	return true;
}

/*
 * Lanes whose addresses agree in the lower 12 bits would compete for the same few sets of the
 * first-level cache, and those that are a power of two apart for the same bank of memory. So the
 * distance is an odd number of pages and a bit, the bits spread over a page.
 */
static void lay_out(struct membw *membw, const struct options *options)
{
	const size_t arrays = ct_stream_arrays((enum ct_stream_op)options->op);
	const size_t lanes = arrays * CT_STREAM_LANES;
	const size_t spread = PAGE / lanes / CT_STREAM_LINE * CT_STREAM_LINE;
	const size_t room = options->buffer / lanes / PAGE - 1;

	membw->stride = (room - (room % 2 == 0)) * PAGE + spread;
	membw->burst_lane = BURST_BYTES / lanes / CT_STREAM_LINE * CT_STREAM_LINE;
	membw->burst_units = membw->burst_lane * lanes;
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct membw *membw = calloc(1, sizeof *membw);

	if (!membw)
		return ct_broken_errno(err, "membw: memory for its state");
	membw->env = env;
	membw->buffer = options->buffer;
	membw->pages = (enum ct_pages)options->pages;
	if (!choose_kernel(membw, options, err)) {
		free(membw);
		return false;
	}
	lay_out(membw, options);
	*state = membw;
	return true;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct membw *membw = state;
	struct membw_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "membw: memory for thread %u", thread);
	self->shared = membw;
	if (!ct_memory_map(&self->memory, membw->env->place, membw->buffer, membw->pages, err)) {
		free(self);
		return ct_error_in(err, "membw: buffer of thread %u", thread);
	}
	/* Untouched memory may all be one page of zeros to the kernel or the hypervisor. */
	for (size_t i = 0; i < membw->buffer / sizeof(double); i++)
		((double *)self->memory.base)[i] = 1.0;
	*thread_state = self;
	return true;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct membw_thread *self = thread_state;
	const struct membw *membw = self->shared;

	(void)err;
	if (self->at + membw->burst_lane > membw->stride) {
		self->at = 0;
		self->value++;
	}
	self->seen ^= membw->kernel((char *)self->memory.base + self->at, membw->stride,
				    membw->burst_lane, self->value);
	self->at += membw->burst_lane;
	*units += membw->burst_units;
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct membw_thread *self = thread_state;

	ct_memory_unmap(&self->memory);
	free(self);
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(op),
	 .fallback = "write",
	 .choices = op_names,
	 .help = "what is streamed, as in STREAM: triad is a = b + 3 c"},
	{.name = "nontemporal",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(nontemporal),
	 .fallback = "auto",
	 .choices = nontemporal_names,
	 .help = "stores go past the caches; auto: wherever there is such a store"},
	{.name = "isa",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(isa),
	 .fallback = "auto",
	 .choices = ct_isa_names,
	 .help = "instruction set; auto: the widest vectors this CPU has"},
	{.name = "buffer",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(buffer),
	 .fallback = "128M",
	 .min = "4M",
	 .max = "1T",
	 .help = "memory of each thread; should be several times the last-level cache"},
	{.name = "pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(pages),
	 .fallback = "thp",
	 .choices = ct_pages_names,
	 .help = "page size of the buffer"},
	{0}};

const struct ct_aggressor_ops ct_noise_membw = {
	.name = "membw",
	.summary = "streams through memory as fast as one thread can",
	.unit = "B",
	.stresses = CT_RES_MEMORY | CT_RES_LLC | CT_RES_INTERCONNECT | CT_RES_L2,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = free,
};
