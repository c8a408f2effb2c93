/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's end of a worker: starting it behind its tenant's boundary, talking to it,
 * hearing its last words and ending it. A worker dies with the controller: parent-death signal, its
 * own process group, end of file on its input, and a hard deadline of its own.
 */
#ifndef COTENANT_TENANT_LINK_H
#define COTENANT_TENANT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <hwloc.h>
#include <jansson.h>

#include "harness/core/error.h"
#include "harness/core/frame.h"
#include "harness/core/version.h"
#include "harness/net/peer.h"

/* A victim with all its peers, and as many aggressors as are modulated at once, a peer each. */
enum { CT_LINKS_MAX = 3 * CT_RANKS_MAX + 2 };

struct ct_link;
/* Epochs and noise rows, as they arrive. False ends the wait with the error. */
typedef bool ct_link_handler(void *context, unsigned type, const void *payload, size_t length,
			     struct ct_error *err);

struct ct_link {
	char name[160];       /* "victim 'dram' on tenant 'left'", for messages */
	pid_t pid;            /* 0: not open */
	int to, from, errors; /* -1: closed on our side already */
	struct ct_frame_reader reader;
	uint16_t sent;        /* number of the last frame to the worker */
	uint64_t heard_ns;    /* when anything came last */
	bool must_speak;      /* it has promised to say something every CT_ALIVE_EVERY_S */
	char last_words[512]; /* the end of its standard error, one line */
	ct_link_handler *handler;
	void *context;
	json_t *hello;
	int64_t clock_offset_ns; /* to add to its times to get ours; 0 under the same kernel */
	int64_t clock_error_ns;  /* half the shortest round trip: the offset is right within it */
	unsigned reply_type;     /* of `reply`; 0: none has come */
	json_t *reply;
};

/* How near to its clock a host has let us come. */
struct ct_reach {
	char boot_id[CT_BOOT_ID_TEXT];
	uint64_t shortest_ns; /* round trip of a frame */
};

/* The workers that belong together: while one is awaited, all are served. */
struct ct_links {
	struct ct_link *items[CT_LINKS_MAX];
	size_t n;
	int signal_fd;                         /* signalfd of SIGINT and SIGTERM; -1: none */
	bool interrupted;                      /* one of them came */
	hwloc_bitmap_t home;                   /* CPUs that workers start with */
	struct ct_reach reaches[CT_LINKS_MAX]; /* of hosts that were met; n_reaches of them */
	size_t n_reaches;
};

/* Blocks SIGINT and SIGTERM for this process and notes the CPUs it may use. */
bool ct_links_init(struct ct_links *links, struct ct_error *err);
void ct_links_free(struct ct_links *links); /* after every link has been closed */
/* Takes what signals have come without waiting. */
bool ct_links_interrupted(struct ct_links *links);

/* Both workers are under the same kernel: their times can be compared without any error. */
bool ct_link_same_clock(const struct ct_link *a, const struct ct_link *b);

/* "" and "local": a child of the harness, behind nothing. */
bool ct_via_is_local(const char *via);
/* Refuses a `via` whose first word is no program that can be run. */
bool ct_via_check(const char *via, struct ct_error *err);

/*
 * Starts `via` + this program + "worker" without a wait for it, so that many can start at once.
 * `via`
 * "" or "local": a child of this process.
 */
bool ct_link_launch(struct ct_links *links, struct ct_link *link, const char *via,
		    const char *program, struct ct_error *err);
/* Waits for its HELLO; refuses another build; ties its clock to ours. On failure it is closed. */
bool ct_link_greet(struct ct_links *links, struct ct_link *link, struct ct_error *err);
/* ct_link_launch, then ct_link_greet. */
bool ct_link_open(struct ct_links *links, struct ct_link *link, const char *via,
		  const char *program, struct ct_error *err);
/* `body` is stolen; NULL for an empty message. */
bool ct_link_send(struct ct_link *link, unsigned type, json_t *body, struct ct_error *err);
/*
 * Serves all links until `link` has sent `type`; *reply (may be NULL) is the caller's. Fails when
 * any of the links fails or ends, after timeout_ns, or when interrupted.
 */
bool ct_link_await(struct ct_links *links, struct ct_link *link, unsigned type, uint64_t timeout_ns,
		   json_t **reply, struct ct_error *err);
/* ct_link_send, then ct_link_await. */
bool ct_link_ask(struct ct_links *links, struct ct_link *link, unsigned type, json_t *body,
		 unsigned reply_type, uint64_t timeout_ns, json_t **reply, struct ct_error *err);
/* Serves all links for `ns`: what arrives goes to the handlers. Fails as ct_link_await does. */
bool ct_links_serve(struct ct_links *links, uint64_t ns, struct ct_error *err);
/* Asks it to quit without a wait until it has: ct_link_close must follow. Harmless if closed. */
void ct_link_dismiss(struct ct_links *links, struct ct_link *link);
/* Asks it to quit, waits two seconds, then kills its process group. Harmless on a closed link. */
void ct_link_close(struct ct_links *links, struct ct_link *link);

#endif
