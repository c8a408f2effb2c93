/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes the settings of the tenant's own network function over and over: MAC address,
 * promiscuous mode, VLANs, MTU. A virtual function has to ask its physical one for each, through a
 * mailbox that all virtual functions of the port share, and the card's filters are rewritten. What
 * was there is put back at the end, also when this process is killed (harness/net/restore.h).
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/core/rng.h"
#include "harness/net/function.h"
#include "harness/net/netlink.h"
#include "harness/net/restore.h"

enum { BURST_NS = 100000, BURST_OPERATIONS = 32, MTU_STEP = 4, MTU_LEAST = 576 };
enum what { MAC, PROMISCUOUS, VLAN, MTU, KINDS, ALL = KINDS };
static const char *const what_names[] = {"mac", "promiscuous", "vlan", "mtu", "all", NULL};

struct options {
	bool allow;
	int what;
	uint64_t vlan;
};

struct control {
	const struct ct_aggressor_env *env;
	const struct options *options;
	struct ct_netlink netlink;
	unsigned ifindex;
	char netdev[CT_FUNCTION_NAME], vlan[IFNAMSIZ];
	struct ct_netdev_settings before;
	struct ct_restore restore;
	unsigned char macs[2][CT_MAC_BYTES];
	bool works[KINDS];
	unsigned next; /* kind */
	uint64_t turn; /* which of two values */
};

/* ---- what is refused ---- */

/* An administrator's own way into this machine may lead through it. */
static bool has_default_route(const char *netdev)
{
	char line[256], name[32];
	unsigned long destination;
	bool found = false;
	FILE *routes = fopen("/proc/net/route", "re");

	while (routes && !found && fgets(line, sizeof line, routes))
		found = sscanf(line, "%31s %lx", name, &destination) == 2 && destination == 0 &&
			strcmp(name, netdev) == 0;
	if (routes)
		fclose(routes);
	return found;
}

static bool find_function(struct control *control, struct ct_error *err)
{
	const char *nic = control->env->nic;
	struct ct_function function;

	if (!control->options->allow)
		return ct_usage(err, "it changes the settings of the tenant's network function "
				     "(and puts them back): say allow = yes if that is wanted");
	if (!nic)
		return ct_usage(err, "which function? name it by the tenant's nic, such as "
				     "nic = vf:eth0/1");
	if (!ct_function_resolve(nic, &ct_probe_live, &function, err) ||
	    !ct_function_needs_netdev(&function, nic, err))
		return false;
	if (strcmp(function.netdev, "lo") == 0)
		return ct_usage(err, "nic = %s: loopback is everybody's", nic);
	if (has_default_route(function.netdev))
		return ct_usage(err,
				"nic = %s: the default route goes through %s: changing it would "
				"cut this machine off; name a function that only the tenant uses",
				nic, function.netdev);
	snprintf(control->netdev, sizeof control->netdev, "%s", function.netdev);
	control->ifindex = if_nametoindex(function.netdev);
	return control->ifindex > 0 || ct_broken_errno(err, "%s", function.netdev);
}

/* ---- one change of each kind ---- */

static bool change_mac(struct control *control, struct ct_error *err)
{
	return ct_netlink_set_mac(&control->netlink, control->ifindex,
				  control->macs[control->turn & 1], err);
}

static bool change_promiscuous(struct control *control, struct ct_error *err)
{
	return ct_netlink_set_flags(&control->netlink, control->ifindex,
				    control->turn & 1 ? IFF_PROMISC : 0, IFF_PROMISC, err);
}

static bool change_vlan(struct control *control, struct ct_error *err)
{
	return control->turn & 1
		       ? ct_netlink_remove(&control->netlink, control->vlan, err)
		       : ct_netlink_add_vlan(&control->netlink, control->ifindex,
					     (uint16_t)control->options->vlan, control->vlan, err);
}

static bool change_mtu(struct control *control, struct ct_error *err)
{
	const struct ct_netdev_settings *before = &control->before;
	const uint32_t least = before->mtu_min > MTU_LEAST ? before->mtu_min : MTU_LEAST;
	const uint32_t other =
		before->mtu >= least + MTU_STEP ? before->mtu - MTU_STEP : before->mtu + MTU_STEP;

	return ct_netlink_set_mtu(&control->netlink, control->ifindex,
				  control->turn & 1 ? before->mtu : other, err);
}

static bool (*const changes[KINDS])(struct control *, struct ct_error *) = {
	[MAC] = change_mac,
	[PROMISCUOUS] = change_promiscuous,
	[VLAN] = change_vlan,
	[MTU] = change_mtu,
};

/* ---- setting up ---- */

/* Addresses of local administration, of one host, that nobody else was given. */
static void make_addresses(struct control *control)
{
	struct ct_rng rng;

	ct_rng_seed(&rng, control->env->seed ^ control->ifindex ^ (uint64_t)getpid());
	for (int i = 0; i < 2; i++) {
		const uint64_t random = ct_rng_next(&rng);

		memcpy(control->macs[i], &random, CT_MAC_BYTES);
		control->macs[i][0] = (unsigned char)((control->macs[i][0] & 0xfcu) | 2u);
	}
}

/* Each kind once there and back: a PF may deny some of them to its virtual functions. */
static bool try_kinds(struct control *control, struct ct_error *err)
{
	const int what = control->options->what;
	struct ct_error why = {0};
	bool any = false;

	for (int kind = 0; kind < KINDS; kind++) {
		if (what != ALL && what != kind)
			continue;
		control->turn = 0;
		control->works[kind] = changes[kind](control, &why);
		control->turn = 1;
		control->works[kind] = control->works[kind] && changes[kind](control, &why);
		any = any || control->works[kind];
	}
	control->turn = 0;
	return any || ct_broken(err, "%s takes no change of %s: %s", control->netdev,
				what_names[what], why.text);
}

static void teardown(void *state)
{
	struct control *control = state;

	ct_restore_now(&control->restore, NULL);
	ct_netlink_close(&control->netlink);
	free(control);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct control *control = calloc(1, sizeof *control);

	if (!control)
		return ct_broken_errno(err, "vf_control: memory for its state");
	control->env = env;
	control->options = options;
	control->restore.pipe = -1;
	snprintf(control->vlan, sizeof control->vlan, "ctv%d", (int)getpid());
	make_addresses(control);
	if (find_function(control, err) && ct_netlink_open(&control->netlink, err) &&
	    ct_netlink_settings(&control->netlink, control->ifindex, &control->before, err) &&
	    ct_restore_start(&control->restore, control->ifindex, &control->before, control->vlan,
			     err) &&
	    try_kinds(control, err)) {
		*state = control;
		return true;
	}
	teardown(control);
	return ct_error_in(err, "vf_control");
}

/* ---- bursts ---- */

/* Kinds in turn; after a round of all of them the other of the two values. */
static void advance(struct control *control)
{
	do {
		control->next = control->next + 1 == KINDS ? 0 : control->next + 1;
		control->turn += control->next == 0;
	} while (!control->works[control->next]);
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct control *control = thread_state;
	const uint64_t end = ct_monotonic_ns() + BURST_NS;

	for (int i = 0; i < BURST_OPERATIONS; i++) {
		if (!control->works[control->next])
			advance(control);
		if (!changes[control->next](control, err))
			return ct_error_in(err, "vf_control: %s", control->netdev);
		advance(control);
		*units += 1;
		if (ct_monotonic_ns() >= end)
			break;
	}
	return true;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "allow",
	 .type = CT_PARAM_BOOL,
	 .offset = FIELD(allow),
	 .fallback = "no",
	 .help = "yes: it may change the settings of the tenant's network function"},
	{.name = "what",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(what),
	 .choices = what_names,
	 .fallback = "all",
	 .help = "what it changes; all: in turn what the function lets it"},
	{.name = "vlan",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(vlan),
	 .fallback = "3999",
	 .min = "1",
	 .max = "4094",
	 .help = "number of the VLAN that it adds and removes; one that nobody uses"},
	{0}};

const struct ct_aggressor_ops ct_noise_vf_control = {
	.name = "vf_control",
	.summary = "changes the settings of the tenant's own network function over and over",
	.unit = "op",
	.stresses = CT_RES_NETWORK | CT_RES_KERNEL | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.burst = burst,
	.teardown = teardown,
	.blocks = true,
	.max_threads = 1,
};
