/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of the tenant's own network function: small datagrams to an echo of the same
 * campaign, one on its way per flow, so that answers come one by one. Each raises an interrupt
 * unless the function coalesces or its host is polling already; its settings (ethtool -c) are left
 * as they are. What it loads is interrupt delivery: the card's interrupt logic, PCIe writes, the
 * hypervisor's remapping, and CPUs.
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/net/tcp.h"
#include "harness/net/udp.h"
#include "noise/udp_sink.h"

enum { BURST_NS = 100000, WAIT_MS = 5, LOST_NS = 20000000, PAYLOAD = 18 /* of a 60 byte frame */ };

struct options {
	uint64_t flows;
};

struct requests {
	const struct ct_aggressor_env *env;
	const struct options *options;
	int control;
};

struct requests_thread {
	const struct requests *all;
	struct pollfd *flows;
	uint64_t *sent_ns; /* 0: nothing is on its way */
	unsigned n_flows;
};

static void teardown(void *state)
{
	struct requests *all = state;

	if (all->control >= 0)
		close(all->control);
	free(all);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct requests *all;
	int udp = -1;

	if (!env->endpoint || !env->token)
		return ct_usage(err, "vf_interrupts: it needs an echo that has consented; name "
				     "the tenant of the echo (peer = ...)");
	all = calloc(1, sizeof *all);
	if (!all)
		return ct_broken_errno(err, "vf_interrupts: memory for its state");
	all->env = env;
	all->options = options;
	all->control = -1;
	if (!ct_udp_connect(env->endpoint, env->nic, env->token, &all->control, &udp, err)) {
		teardown(all);
		return ct_error_in(err, "vf_interrupts");
	}
	close(udp);
	*state = all;
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct requests_thread *self = thread_state;

	for (unsigned i = 0; i < self->n_flows; i++)
		close(self->flows[i].fd);
	free(self->flows);
	free(self->sent_ns);
	free(self);
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct requests *all = state;
	struct requests_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "vf_interrupts: memory for thread %u", thread);
	self->all = all;
	self->flows = calloc(all->options->flows, sizeof *self->flows);
	self->sent_ns = calloc(all->options->flows, sizeof *self->sent_ns);
	if (!self->flows || !self->sent_ns) {
		ct_broken_errno(err, "memory for flows");
		goto fail;
	}
	while (self->n_flows < all->options->flows) {
		struct pollfd *flow = &self->flows[self->n_flows];

		flow->events = POLLIN;
		if (!ct_udp_another(all->control, &flow->fd, err))
			goto fail;
		self->n_flows++;
	}
	*thread_state = self;
	return true;
fail:
	thread_teardown(self);
	return ct_error_in(err, "vf_interrupts: thread %u", thread);
}

/* A request on every flow that waits for nothing, or has waited in vain. */
static bool send_requests(struct requests_thread *self, struct ct_error *err)
{
	static const char payload[PAYLOAD] = "cotenant";
	const uint64_t now = ct_monotonic_ns();

	for (unsigned i = 0; i < self->n_flows; i++) {
		if (self->sent_ns[i] != 0 && now - self->sent_ns[i] < LOST_NS)
			continue;
		if (send(self->flows[i].fd, payload, sizeof payload, MSG_DONTWAIT) >= 0)
			self->sent_ns[i] = now;
		else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
			return ct_broken_errno(err, "the echo at %s", self->all->env->endpoint);
	}
	return true;
}

static uint64_t take_answers(struct requests_thread *self)
{
	char answer[PAYLOAD];
	uint64_t got = 0;

	if (poll(self->flows, self->n_flows, WAIT_MS) <= 0)
		return 0;
	for (unsigned i = 0; i < self->n_flows; i++) {
		if (!(self->flows[i].revents & POLLIN) ||
		    recv(self->flows[i].fd, answer, sizeof answer, MSG_DONTWAIT) < 0)
			continue;
		self->sent_ns[i] = 0;
		got++;
	}
	return got;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct requests_thread *self = thread_state;
	const uint64_t end = ct_monotonic_ns() + BURST_NS;

	if (!ct_consent_holds(self->all->control))
		return ct_broken(err, "vf_interrupts: the echo at %s is gone",
				 self->all->env->endpoint);
	do {
		if (!send_requests(self, err))
			return ct_error_in(err, "vf_interrupts");
		*units += take_answers(self);
	} while (ct_monotonic_ns() < end);
	return true;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "flows",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(flows),
	 .fallback = "8",
	 .min = "1",
	 .max = "256",
	 .help = "datagrams of each thread that are on their way at a time, each with a port of "
		 "its own"},
	{0}};

const struct ct_aggressor_ops ct_noise_vf_interrupts = {
	.name = "vf_interrupts",
	.summary = "makes a network function interrupt: small packets, answered one by one",
	.unit = "packet",
	.stresses = CT_RES_NETWORK | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
	.blocks = true,
	.peer = &ct_udp_echo,
};
