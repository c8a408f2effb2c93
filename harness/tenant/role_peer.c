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
#include "harness/tenant/texts.h"
#include "harness/tenant/worker.h"
#include "noise/noise.h"

enum { LOOK_NS = 100000000, LOOK_STEPPING_NS = 2000000 };

/* How far its steps are; a peer without a connect step is connected from the start. */
enum progress { UNCONNECTED, ASKED_TO_CONNECT, CONNECTED, ASKED_TO_REHEARSE, REHEARSED };

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

	struct ct_texts texts; /* what `links` points to */
	struct ct_peer_links links;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum progress progress; /* under lock */
	enum progress owed;     /* what is answered once it is reached; UNCONNECTED: nothing */
};

static void set_progress(struct peer_role *role, enum progress progress)
{
	pthread_mutex_lock(&role->lock);
	role->progress = progress;
	pthread_cond_broadcast(&role->changed);
	pthread_mutex_unlock(&role->lock);
}

/* False: it is to end. */
static bool wait_until_asked(struct peer_role *role, enum progress to)
{
	pthread_mutex_lock(&role->lock);
	while (role->progress < to && !atomic_load(&role->stop))
		pthread_cond_wait(&role->changed, &role->lock);
	pthread_mutex_unlock(&role->lock);
	return !atomic_load(&role->stop);
}

static bool has_reached(struct peer_role *role, enum progress progress)
{
	bool reached;

	pthread_mutex_lock(&role->lock);
	reached = role->progress >= progress;
	pthread_mutex_unlock(&role->lock);
	return reached;
}

/* A failure is said before whoever waits for the step is woken. */
static bool end_step(struct peer_role *role, enum progress reached, bool good)
{
	if (!good)
		atomic_store(&role->failed, true);
	set_progress(role, reached);
	return good;
}

static bool connect_on_request(struct peer_role *role)
{
	return !role->ops->connect ||
	       (wait_until_asked(role, ASKED_TO_CONNECT) &&
		end_step(role, CONNECTED,
			 role->ops->connect(role->state, &role->links, &role->error)));
}

static bool rehearse_on_request(struct peer_role *role)
{
	return !role->ops->rehearse ||
	       (wait_until_asked(role, ASKED_TO_REHEARSE) &&
		end_step(role, REHEARSED, role->ops->rehearse(role->state, &role->error)));
}

/* The peer has the tenant's last CPU, so that it does not sit on the workload's first. */
static void *serving_thread(void *argument)
{
	struct peer_role *role = argument;

	if (!ct_bind_thread(role->env.place, ct_place_cpu_count(role->env.place) - 1,
			    &role->error)) {
		end_step(role, REHEARSED, false);
		return NULL;
	}
	if (connect_on_request(role) && rehearse_on_request(role) &&
	    !role->ops->serve(role->state, &role->error))
		atomic_store(&role->failed, true);
	return NULL;
}

/* A role that was refused before it was set up is NULL. */
static void free_role(struct peer_role *role)
{
	if (!role)
		return;
	pthread_mutex_lock(&role->lock);
	atomic_store(&role->stop, true);
	pthread_cond_broadcast(&role->changed);
	pthread_mutex_unlock(&role->lock);
	if (role->started) {
		pthread_join(role->thread, NULL);
		role->ops->teardown(role->state);
	}
	if (role->options)
		ct_params_free(role->params, role->options);
	free(role->options);
	ct_texts_free(&role->texts);
	pthread_cond_destroy(&role->changed);
	pthread_mutex_destroy(&role->lock);
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
	const unsigned rank = (unsigned)json_integer_value(json_object_get(setup, "rank"));
	const unsigned n_ranks = (unsigned)json_integer_value(json_object_get(setup, "n_ranks"));
	char endpoint[CT_ENDPOINT_MAX] = "";

	if (rank == 0 || rank >= n_ranks || n_ranks > CT_RANKS_MAX)
		return ct_usage(err, "bad rank in SETUP");
	role->env = (struct ct_peer_env){.place = &worker->place,
					 .address = role->address,
					 .token = worker->token,
					 .gpu = worker->gpu,
					 .nic = worker->nic,
					 .rank = rank,
					 .n_ranks = n_ranks,
					 .stop = &role->stop};
	role->progress = UNCONNECTED;
	if (!find_workload(role, setup, err) || !choose_address(role, setup, err) ||
	    !role->ops->setup(&role->env, role->options, &role->state, endpoint, err))
		return false;
	if (!role->ops->connect)
		role->progress = CONNECTED; /* it serves at once */
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
	pthread_mutex_init(&role->lock, NULL);
	pthread_cond_init(&role->changed, NULL);
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
	unsigned reply;

	worker->wake_ns = ct_monotonic_ns() + LOOK_NS;
	if (atomic_load(&role->failed)) {
		*err = role->error;
		return false;
	}
	if (role->owed == UNCONNECTED)
		return true;
	if (!has_reached(role, role->owed)) {
		worker->wake_ns = ct_monotonic_ns() + LOOK_STEPPING_NS;
		return true;
	}
	reply = role->owed == CONNECTED ? CT_MSG_CONNECTED : CT_MSG_REHEARSED;
	role->owed = UNCONNECTED;
	return ct_worker_send(worker, reply, NULL, err);
}

static bool connect_role(struct ct_worker *worker, struct peer_role *role, const json_t *body,
			 struct ct_error *err)
{
	if (role->texts.n > 0 || !ct_texts_read(&role->texts, body, "texts", err))
		return ct_usage(err, "bad CONNECT");
	if (role->texts.n != role->env.n_ranks)
		return ct_usage(err, "CONNECT of %u ranks, not %u", role->texts.n,
				role->env.n_ranks);
	role->links = (struct ct_peer_links){role->env.rank, role->env.n_ranks, role->texts.items};
	if (role->ops->connect)
		set_progress(role, ASKED_TO_CONNECT);
	role->owed = CONNECTED;
	worker->wake_ns = ct_monotonic_ns() + LOOK_STEPPING_NS;
	return true;
}

static bool rehearse_role(struct ct_worker *worker, struct peer_role *role, struct ct_error *err)
{
	if (!role->ops->rehearse || role->owed != UNCONNECTED || !has_reached(role, CONNECTED) ||
	    has_reached(role, ASKED_TO_REHEARSE))
		return ct_usage(err, "bad REHEARSE");
	set_progress(role, ASKED_TO_REHEARSE);
	role->owed = REHEARSED;
	worker->wake_ns = ct_monotonic_ns() + LOOK_STEPPING_NS;
	return true;
}

static bool message(struct ct_worker *worker, unsigned type, const json_t *body,
		    struct ct_error *err)
{
	if (type == CT_MSG_CONNECT)
		return connect_role(worker, worker->role_state, body, err);
	if (type == CT_MSG_REHEARSE)
		return rehearse_role(worker, worker->role_state, err);
	return ct_usage(err, "a peer got %s", ct_message_name(type));
}

const struct ct_worker_role ct_worker_role_peer = {
	.name = "peer",
	.setup = setup_role,
	.message = message,
	.tick = tick,
	.teardown = teardown,
};
