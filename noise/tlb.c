/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes translation caches. One line of each of many pages, in an order that no prefetcher
 * follows: with more pages than a TLB has entries every access walks the page table, and in a
 * guest the host's as well. The line moves through the page from page to page, else all lines would
 * fall into the same few cache sets and this would measure caches.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "harness/core/rng.h"

enum { LINE = 64, BURST_TOUCHES = 4096 };

struct options {
	uint64_t count;
	int pages;
};

struct tlb {
	const struct ct_aggressor_env *env;
	struct options options;
};

struct tlb_thread {
	struct ct_memory memory;
	uint32_t *order;
	size_t n_pages;
	size_t page_bytes;
	size_t next;
	uint64_t seen;
};

static size_t page_bytes(enum ct_pages pages)
{
	switch (pages) {
	case CT_PAGES_TRANSPARENT:
	case CT_PAGES_HUGE_2M:
		return (size_t)2 << 20;
	case CT_PAGES_HUGE_1G:
		return (size_t)1 << 30;
	default:
		return 4096;
	}
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct tlb *tlb = calloc(1, sizeof *tlb);

	if (!tlb)
		return ct_broken_errno(err, "tlb: memory for its state");
	tlb->env = env;
	tlb->options = *(const struct options *)options;
	*state = tlb;
	return true;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct tlb *tlb = state;
	const enum ct_pages pages = (enum ct_pages)tlb->options.pages;
	struct tlb_thread *self = calloc(1, sizeof *self);
	struct ct_rng rng;

	if (!self)
		return ct_broken_errno(err, "tlb: memory for thread %u", thread);
	self->n_pages = tlb->options.count;
	self->page_bytes = page_bytes(pages);
	self->order = calloc(self->n_pages, sizeof self->order[0]);
	if (!self->order) {
		ct_broken_errno(err, "tlb: memory for the order of %zu pages", self->n_pages);
		goto fail;
	}
	if (!ct_memory_map(&self->memory, tlb->env->place, self->n_pages * self->page_bytes, pages,
			   err)) {
		ct_error_in(err, "tlb: pages of thread %u", thread);
		goto fail;
	}
	for (size_t i = 0; i < self->n_pages; i++)
		self->order[i] = (uint32_t)i;
	ct_rng_stream(&rng, tlb->env->seed, thread);
	ct_rng_shuffle_u32(&rng, self->order, self->n_pages);
	*thread_state = self;
	return true;
fail:
	free(self->order);
	free(self);
	return false;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct tlb_thread *self = thread_state;
	const char *base = self->memory.base;
	const size_t lines = self->page_bytes / LINE;
	size_t next = self->next;
	uint64_t seen = 0;

	(void)err;
	for (int i = 0; i < BURST_TOUCHES; i++) {
		size_t page = self->order[next];

		seen += *(const volatile char *)(base + page * self->page_bytes +
						 (page & (lines - 1)) * LINE);
		next = next + 1 == self->n_pages ? 0 : next + 1;
	}
	self->next = next;
	self->seen += seen;
	*units += BURST_TOUCHES;
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct tlb_thread *self = thread_state;

	ct_memory_unmap(&self->memory);
	free(self->order);
	free(self);
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "count",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(count),
	 .fallback = "16384",
	 .min = "1",
	 .max = "16777216",
	 .help = "pages of each thread; second-level TLBs have 1024 to 4096 entries"},
	{.name = "pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(pages),
	 .fallback = "base",
	 .choices = ct_pages_names,
	 .help = "page size; one line of every page is touched"},
	{0}};

const struct ct_aggressor_ops ct_noise_tlb = {
	.name = "tlb",
	.summary = "touches one line in each of many pages in random order",
	.unit = "op",
	.stresses = CT_RES_TLB | CT_RES_L2 | CT_RES_LLC,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = free,
};
