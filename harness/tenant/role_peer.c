/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that is the other end of a network workload: an echo server or a consenting sink. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "harness/net/function.h"
#include "harness/tenant/protocol.h"
#include "harness/tenant/worker.h"
#include "noise/noise.h"

enum { LOOK_NS = 100000000 };

struct peer_role {
	const struct ct_param *params;
	const struct ct_peer_ops *ops;
	void *options;
	char address[64];
	struct ct_peer_env env; /* valid as long as the peer serves */
	void *state;
	pthread_t thread;
	bool started;
	atomic_bool stop, failed;
	struct ct_error error; /* valid once failed */
};

/* The peer has the tenant's last CPU, so that it does not sit on the workload's first. */
static void *serving_thread(void *argument)
{
	struct peer_role *role = argument;

	if (!ct_bind_thread(role->env.place, ct_place_cpu_count(role->env.place) - 1,
			    &role->error) ||
	    !role->ops->serve(role->state, &role->error))
		atomic_store(&role->failed, true);
	return NULL;
}

static void free_role(struct peer_role *role)
{
	atomic_store(&role->stop, true);
	if (role->started) {
		pthread_join(role->thread, NULL);
		role->ops->teardown(role->state);
	}
	if (role->options)
		ct_params_free(role->params, role->options);
	free(role->options);
	free(role);
}

static void teardown(struct ct_worker *worker)
{
	free_role(worker->role_state);
	worker->role_state = NULL;
}

static bool find_workload(struct peer_role *role, const json_t *setup, struct ct_error *err)
{
	const char *kind = json_string_value(json_object_get(setup, "kind"));
	const struct ct_victim_ops *victim = kind ? ct_victim_find(kind) : NULL;
	const struct ct_aggressor_ops *aggressor = kind ? ct_aggressor_find(kind) : NULL;
	const char *of = json_string_value(json_object_get(setup, "of"));
	bool of_victim = of && strcmp(of, "victim") == 0;
	size_t size = 0;

	if (of_victim && victim) {
		role->ops = victim->peer;
		role->params = victim->params;
		size = victim->options_size;
	} else if (!of_victim && aggressor) {
		role->ops = aggressor->peer;
		role->params = aggressor->params;
		size = aggressor->options_size;
	}
	if (!role->ops)
		return ct_usage(err, "'%s' has no other end", kind ? kind : "");
	role->options = calloc(1, size + 1);
	if (!role->options)
		return ct_broken_errno(err, "memory for the peer");
	ct_params_init(role->params, role->options);
	return ct_worker_params(setup, "params", role->params, role->options, err);
}

/* The first IPv4 address of a function's network device, else its first IPv6 one. */
static bool address_of_function(const char *nic, char *out, size_t size, struct ct_error *err)
{
	struct ct_function function;
	struct ifaddrs *all = NULL;
	bool found = false;

	if (!ct_function_resolve(nic, &ct_probe_live, &function, err) ||
	    !ct_function_needs_netdev(&function, nic, err))
		return false;
	if (getifaddrs(&all) != 0)
		return ct_broken_errno(err, "listing network addresses");
	for (int family = AF_INET; !found; family = AF_INET6) {
		for (struct ifaddrs *at = all; at && !found; at = at->ifa_next) {
			socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in)
							     : sizeof(struct sockaddr_in6);

			if (!at->ifa_addr || at->ifa_addr->sa_family != family ||
			    strcmp(at->ifa_name, function.netdev) != 0)
				continue;
			found = getnameinfo(at->ifa_addr, length, out, (socklen_t)size, NULL, 0,
					    NI_NUMERICHOST) == 0;
		}
		if (family == AF_INET6)
			break;
	}
	freeifaddrs(all);
	return found || ct_usage(err,
				 "nic = %s: %s has no address: give it one with 'ip address add', "
				 "or name one with 'address ='",
				 nic, function.netdev);
}

static bool choose_address(struct peer_role *role, const json_t *setup, struct ct_error *err)
{
	const char *address = json_string_value(json_object_get(setup, "address"));
	const char *nic = json_string_value(json_object_get(setup, "nic"));

	if ((!address || !address[0]) && nic && nic[0])
		return address_of_function(nic, role->address, sizeof role->address, err);
	if (!address || !address[0])
		address = "127.0.0.1";
	if (strlen(address) >= sizeof role->address)
		return ct_usage(err, "address = %s: not a numeric address", address);
	strcpy(role->address, address);
	return true;
}

static bool start(struct ct_worker *worker, struct peer_role *role, const json_t *setup,
		  json_t *reply, struct ct_error *err)
{
	char endpoint[CT_ENDPOINT_MAX] = "";

	role->env = (struct ct_peer_env){.place = &worker->place,
					 .address = role->address,
					 .token = worker->token,
					 .gpu = worker->gpu,
					 .nic = worker->nic,
					 .stop = &role->stop};
	if (!find_workload(role, setup, err) || !choose_address(role, setup, err) ||
	    !role->ops->setup(&role->env, role->options, &role->state, endpoint, err))
		return false;
	if (pthread_create(&role->thread, NULL, serving_thread, role) != 0) {
		role->ops->teardown(role->state);
		return ct_broken_errno(err, "starting the peer");
	}
	role->started = true;
	worker->wake_ns = ct_monotonic_ns() + LOOK_NS;
	json_object_set_new(reply, "endpoint", json_string(endpoint));
	return true;
}

static bool setup_role(struct ct_worker *worker, const json_t *setup, json_t *reply,
		       struct ct_error *err)
{
	struct peer_role *role = calloc(1, sizeof *role);

	if (!role)
		return ct_broken_errno(err, "memory for the peer");
	if (!start(worker, role, setup, reply, err)) {
		free_role(role);
		return false;
	}
	worker->role_state = role;
	return true;
}

static bool tick(struct ct_worker *worker, struct ct_error *err)
{
	struct peer_role *role = worker->role_state;

	worker->wake_ns = ct_monotonic_ns() + LOOK_NS;
	if (!atomic_load(&role->failed))
		return true;
	*err = role->error;
	return false;
}

const struct ct_worker_role ct_worker_role_peer = {
	.name = "peer",
	.setup = setup_role,
	.tick = tick,
	.teardown = teardown,
};
