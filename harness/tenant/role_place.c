/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that only says where its tenant is and what it sees from there: READY carries the CPUs,
 * the nodes, the network namespace, the network function that `nic` names, and the tenant's own
 * probe. Nothing runs.
 */
#include <string.h>
#include <unistd.h>

#include "harness/net/function.h"
#include "harness/probe/probe.h"
#include "harness/tenant/worker.h"

/* Refused here, before anything runs, when `nic` names nothing that there is. */
static bool add_function(const struct ct_worker *worker, json_t *reply, struct ct_error *err)
{
	struct ct_function function;

	if (!worker->nic)
		return true;
	if (!ct_function_resolve(worker->nic, &ct_probe_live, &function, err))
		return false;
	return json_object_set_new(reply, "function", ct_function_json(&function)) == 0 ||
	       ct_broken(err, "memory for a message");
}

static bool setup_role(struct ct_worker *worker, const json_t *setup, json_t *reply,
		       struct ct_error *err)
{
	char netns[64];
	ssize_t length = readlink("/proc/self/ns/net", netns, sizeof netns - 1);
	const struct ct_probe_source live = ct_probe_this_machine();
	json_t *probe = ct_probe(&live, NULL, err);

	(void)setup;
	if (!probe)
		return false;
	netns[length > 0 ? length : 0] = '\0';
	return ((json_object_set_new(reply, "netns", json_string(netns)) == 0 &&
		 json_object_set_new(reply, "probe", probe) == 0) ||
		ct_broken(err, "memory for a message")) &&
	       add_function(worker, reply, err);
}

const struct ct_worker_role ct_worker_role_place = {.name = "place", .setup = setup_role};
