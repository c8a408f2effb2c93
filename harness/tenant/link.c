/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/core/version.h"
#include "harness/tenant/aside.h"
#include "harness/tenant/launch.h"
#include "harness/tenant/protocol.h"

static const uint64_t hello_timeout_ns = UINT64_C(20) * 1000000000u;
static const uint64_t quit_timeout_ns = UINT64_C(2) * 1000000000u;

bool ct_links_init(struct ct_links *links, struct ct_error *err)
{
	sigset_t signals;

	*links = (struct ct_links){.signal_fd = -1};
	links->home = hwloc_bitmap_alloc();
	if (!links->home || !ct_affinity_get(links->home, err))
		return false;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	links->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return links->signal_fd >= 0 || ct_broken_errno(err, "signalfd");
}

void ct_links_free(struct ct_links *links)
{
	if (links->signal_fd >= 0)
		close(links->signal_fd);
	links->signal_fd = -1;
	hwloc_bitmap_free(links->home);
	links->home = NULL;
}

bool ct_links_interrupted(struct ct_links *links)
{
	struct signalfd_siginfo info;

	while (links->signal_fd >= 0 &&
	       read(links->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		links->interrupted = true;
	return links->interrupted;
}

/* Keeps the end of what the worker wrote to its standard error: usually the reason. */
static void hear_last_words(struct ct_link *link)
{
	char piece[1024];
	ssize_t got;

	while ((got = read(link->errors, piece, sizeof piece)) > 0) {
		size_t used = strlen(link->last_words), n = (size_t)got;
		size_t room = sizeof link->last_words - 1;

		if (n > room) {
			memmove(piece, piece + n - room, room);
			n = room;
		}
		if (used + n > room) {
			memmove(link->last_words, link->last_words + used + n - room, room - n);
			used = room - n;
		}
		memcpy(link->last_words + used, piece, n);
		link->last_words[used + n] = '\0';
	}
	for (char *c = link->last_words; *c; c++) {
		if ((unsigned char)*c < 0x20)
			*c = ' ';
	}
}

static void sleep_ms(long ms)
{
	struct timespec ts = {.tv_nsec = ms * 1000000};

	nanosleep(&ts, NULL);
}

/*
 * Waits for the process up to `ns`, then ends its whole group. The group is signalled while the
 * leader is still unreaped, so its number can't have passed to somebody else. Returns the wait
 * status.
 */
static int reap(struct ct_link *link, uint64_t ns)
{
	uint64_t deadline = ct_monotonic_ns() + ns;
	siginfo_t info = {0};
	int status = 0;

	while (waitid(P_PID, (id_t)link->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0 && ct_monotonic_ns() < deadline)
		sleep_ms(1);
	kill(-link->pid, SIGKILL);
	waitpid(link->pid, &status, 0);
	return status;
}

static bool died(struct ct_links *links, struct ct_link *link, struct ct_error *err)
{
	char how[96], words[sizeof link->last_words + 32] = "";
	int status;

	/* Its output is closed, so it has ended or hangs beyond help. */
	status = reap(link, quit_timeout_ns);
	hear_last_words(link);
	link->pid = 0;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
	if (link->last_words[0])
		snprintf(words, sizeof words, "; its last words: %s", link->last_words);
	ct_link_close(links, link);
	return ct_broken(err, "%s: the worker %s%s", link->name, how, words);
}

static bool failed(struct ct_link *link, const json_t *body, struct ct_error *err)
{
	int kind = (int)json_integer_value(json_object_get(body, "kind"));
	const char *text = json_string_value(json_object_get(body, "text"));

	return ct_fail(err, kind == CT_ERR_USAGE ? CT_ERR_USAGE : CT_ERR_ENVIRONMENT, "%s: %s",
		       link->name, text ? text : "failed without a word");
}

static bool handle_json(struct ct_link *link, const struct ct_frame_header *header,
			const void *payload, struct ct_error *err)
{
	json_t *body = json_loadb(payload, header->length, 0, NULL);
	bool good = true;

	if (!json_is_object(body)) {
		json_decref(body);
		return ct_broken(err, "%s: sent a %s message that is not JSON", link->name,
				 ct_message_name(header->type));
	}
	if (header->type == CT_MSG_FAILED) {
		good = failed(link, body, err);
		json_decref(body);
		return good;
	}
	json_decref(link->reply);
	link->reply = body;
	link->reply_type = header->type;
	return true;
}

static bool handle_frame(struct ct_link *link, const struct ct_frame_header *header,
			 const void *payload, struct ct_error *err)
{
	if (header->type == CT_MSG_ALIVE)
		return true;
	if (header->type != CT_MSG_EPOCH && header->type != CT_MSG_NOISE)
		return handle_json(link, header, payload, err);
	if (!link->handler)
		return true; /* rows of a phase that nobody wants any more */
	return link->handler(link->context, header->type, payload, header->length, err);
}

static bool serve_link(struct ct_links *links, struct ct_link *link, struct ct_error *err)
{
	struct ct_frame_header header;
	const void *payload;
	int got;

	if (!ct_frame_reader_fill(&link->reader, link->from, link->name, err))
		return false;
	link->heard_ns = ct_monotonic_ns();
	while ((got = ct_frame_reader_next(&link->reader, &header, &payload, link->name, err)) ==
	       1) {
		if (!handle_frame(link, &header, payload, err))
			return false;
	}
	if (got < 0) {
		/* A launcher that fails prints text where frames are expected: that is the reason.
		 */
		hear_last_words(link);
		if (link->last_words[0])
			ct_broken(err, "%s: %s", link->name, link->last_words);
		return false;
	}
	return !link->reader.at_end || died(links, link, err);
}

/* One round of poll over all links and the signals. */
static bool serve_all(struct ct_links *links, int timeout_ms, struct ct_error *err)
{
	struct pollfd fds[2 * CT_LINKS_MAX + 1];
	nfds_t n = 0;

	for (size_t i = 0; i < links->n; i++) {
		fds[n++] = (struct pollfd){.fd = links->items[i]->from, .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = links->items[i]->errors, .events = POLLIN};
	}
	fds[n++] = (struct pollfd){.fd = links->signal_fd, .events = POLLIN};
	if (poll(fds, n, timeout_ms) < 0 && errno != EINTR)
		return ct_broken_errno(err, "waiting for workers");
	if (ct_links_interrupted(links))
		return ct_fail(err, CT_ERR_INTERRUPTED, "interrupted");
	for (size_t i = links->n; i-- > 0;) {
		struct ct_link *link = links->items[i];

		if (fds[2 * i + 1].revents)
			hear_last_words(link);
		if (fds[2 * i + 1].revents & POLLHUP) {
			close(link->errors);
			link->errors = -1; /* poll leaves it out */
		}
		if (fds[2 * i].revents && !serve_link(links, link, err))
			return false;
	}
	return true;
}

static bool is_silent(const struct ct_link *link, uint64_t now)
{
	return link->must_speak && now > link->heard_ns &&
	       now - link->heard_ns > CT_SILENT_AFTER_S * UINT64_C(1000000000);
}

static int wait_ms(const struct ct_link *link, uint64_t left_ns)
{
	const int left_ms = (int)(left_ns / 1000000u) + 1;

	return link->must_speak && left_ms > CT_ALIVE_EVERY_S * 1000 ? CT_ALIVE_EVERY_S * 1000
								     : left_ms;
}

static bool too_late(const struct ct_link *link, unsigned type, bool deadline_passed,
		     uint64_t timeout_ns, struct ct_error *err)
{
	if (deadline_passed)
		return ct_broken(err, "%s: no %s within %.0f s; the worker hangs", link->name,
				 ct_message_name(type), (double)timeout_ns / 1e9);
	return ct_broken(err, "%s: not a word for %d s; the worker hangs", link->name,
			 CT_SILENT_AFTER_S);
}

bool ct_link_await(struct ct_links *links, struct ct_link *link, unsigned type, uint64_t timeout_ns,
		   json_t **reply, struct ct_error *err)
{
	uint64_t deadline = ct_monotonic_ns() + timeout_ns;

	link->heard_ns = deadline - timeout_ns;
	while (link->reply_type != type) {
		const uint64_t now = ct_monotonic_ns(), heard = link->heard_ns;
		const bool passed = now >= deadline, late = passed || is_silent(link, now);

		/* Late may be us: stopped, suspended, or held up by who reads our output. What came
		 * meanwhile is heard first. */
		if (!serve_all(links, late ? 0 : wait_ms(link, deadline - now), err))
			return false;
		if (late && link->heard_ns == heard)
			return too_late(link, type, passed, timeout_ns, err);
	}
	if (reply)
		*reply = link->reply;
	else
		json_decref(link->reply);
	link->reply = NULL;
	link->reply_type = 0;
	return true;
}

bool ct_links_serve(struct ct_links *links, uint64_t ns, struct ct_error *err)
{
	uint64_t now = ct_monotonic_ns(), end = now + ns;

	for (; now < end; now = ct_monotonic_ns()) {
		if (!serve_all(links, (int)((end - now + 999999u) / 1000000u), err))
			return false;
	}
	return true;
}

bool ct_link_send(struct ct_link *link, unsigned type, json_t *body, struct ct_error *err)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("{}");
	bool good;

	json_decref(body);
	if (!text)
		return ct_broken(err, "memory for a message");
	good = ct_frame_send(link->to, &link->sent, (uint16_t)type, text, strlen(text), link->name,
			     err);
	free(text);
	return good;
}

bool ct_link_ask(struct ct_links *links, struct ct_link *link, unsigned type, json_t *body,
		 unsigned reply_type, uint64_t timeout_ns, json_t **reply, struct ct_error *err)
{
	return ct_link_send(link, type, body, err) &&
	       ct_link_await(links, link, reply_type, timeout_ns, reply, err);
}

static bool check_hello(struct ct_link *link, struct ct_error *err)
{
	char own[CT_BUILD_ID_TEXT];
	const char *theirs = json_string_value(json_object_get(link->hello, "build_id"));

	if (theirs && strcmp(theirs, ct_build_id(own)) == 0)
		return true;
	return ct_broken(err,
			 "%s: the worker is another build (%.16s, not %.16s); install the same "
			 "cotenant there",
			 link->name, theirs ? theirs : "?", own);
}

bool ct_link_same_clock(const struct ct_link *a, const struct ct_link *b)
{
	const char *one = json_string_value(json_object_get(a->hello, "boot_id"));
	const char *other = json_string_value(json_object_get(b->hello, "boot_id"));

	return one && other && one[0] && strcmp(one, other) == 0;
}

/* Another worker under the same kernel, whose clock has been tied to ours; NULL: none yet. */
static const struct ct_link *tied_sibling(const struct ct_links *links, const struct ct_link *link)
{
	for (size_t i = 0; i < links->n; i++) {
		const struct ct_link *other = links->items[i];

		if (other != link && other->clock_error_ns > 0 && ct_link_same_clock(other, link))
			return other;
	}
	return NULL;
}

/* What is known of the way to a host; NULL: nothing, and there is no room to learn it. */
static struct ct_reach *reach_of(struct ct_links *links, const char *boot_id)
{
	struct ct_reach *reach;

	for (size_t i = 0; i < links->n_reaches; i++) {
		if (strcmp(links->reaches[i].boot_id, boot_id) == 0)
			return &links->reaches[i];
	}
	if (links->n_reaches == CT_LINKS_MAX || strlen(boot_id) >= sizeof reach->boot_id)
		return NULL;
	reach = &links->reaches[links->n_reaches++];
	reach->shortest_ns = UINT64_MAX;
	strcpy(reach->boot_id, boot_id);
	return reach;
}

static bool is_about_shortest(const struct ct_reach *reach, uint64_t ns)
{
	static const double about = 1.25;

	return reach && reach->shortest_ns < UINT64_MAX &&
	       (double)ns <= about * (double)reach->shortest_ns;
}

/* One round trip, in which the worker tells its clock. The link keeps it if it bounds best. */
static bool read_clock(struct ct_links *links, struct ct_link *link, uint64_t *shortest_ns,
		       struct ct_error *err)
{
	uint64_t before = ct_monotonic_ns(), round_trip;
	json_t *reply = NULL;

	if (!ct_link_ask(links, link, CT_MSG_CLOCK, NULL, CT_MSG_CLOCK_IS, hello_timeout_ns, &reply,
			 err))
		return false;
	round_trip = ct_monotonic_ns() - before;
	if (round_trip < *shortest_ns) {
		*shortest_ns = round_trip;
		link->clock_error_ns = (int64_t)(round_trip / 2) + 1;
		link->clock_offset_ns = (int64_t)(before + round_trip / 2) -
					json_integer_value(json_object_get(reply, "monotonic_ns"));
	}
	json_decref(reply);
	return true;
}

/*
 * Cristian's algorithm: of many round trips the shortest bounds the error by half its length. Once
 * one is about as short as any has been on the way to this host, more would tell nothing better.
 * Workers under the same kernel share our clock, and their offset is exactly 0.
 */
static bool tie_clock(struct ct_links *links, struct ct_link *link, struct ct_error *err)
{
	enum { MOST = 32, LEAST = 4 };
	char own[CT_BOOT_ID_TEXT];
	const char *theirs = json_string_value(json_object_get(link->hello, "boot_id"));
	const struct ct_link *sibling = tied_sibling(links, link);
	struct ct_reach *reach;
	uint64_t shortest_ns = UINT64_MAX;

	if (theirs && strcmp(theirs, ct_boot_id(own)) == 0)
		return true;
	if (sibling) {
		link->clock_offset_ns = sibling->clock_offset_ns;
		link->clock_error_ns = sibling->clock_error_ns;
		return true;
	}
	reach = theirs && theirs[0] ? reach_of(links, theirs) : NULL;
	for (int i = 0; i < MOST && (i < LEAST || !is_about_shortest(reach, shortest_ns)); i++) {
		if (!read_clock(links, link, &shortest_ns, err))
			return false;
	}
	if (reach && shortest_ns < reach->shortest_ns)
		reach->shortest_ns = shortest_ns;
	return true;
}

bool ct_link_launch(struct ct_links *links, struct ct_link *link, const char *via,
		    const char *program, struct ct_error *err)
{
	struct ct_child child;

	if (links->n == CT_LINKS_MAX)
		return ct_broken(err, "more than %d workers at a time", CT_LINKS_MAX);
	if (!ct_launch(via, program, links->home, &child, err))
		return ct_error_in(err, "%s", link->name);
	link->pid = child.pid;
	link->to = child.to;
	link->from = child.from;
	link->errors = child.errors;
	link->reader = (struct ct_frame_reader){.numbered = true};
	link->sent = 0;
	fcntl(link->errors, F_SETFL, O_NONBLOCK);
	links->items[links->n++] = link;
	return true;
}

bool ct_link_greet(struct ct_links *links, struct ct_link *link, struct ct_error *err)
{
	if (ct_link_await(links, link, CT_MSG_HELLO, hello_timeout_ns, &link->hello, err) &&
	    check_hello(link, err) && tie_clock(links, link, err))
		return true;
	ct_link_close(links, link);
	return false;
}

bool ct_link_open(struct ct_links *links, struct ct_link *link, const char *via,
		  const char *program, struct ct_error *err)
{
	return ct_link_launch(links, link, via, program, err) && ct_link_greet(links, link, err);
}

static void forget(struct ct_links *links, const struct ct_link *link)
{
	for (size_t i = 0; i < links->n; i++) {
		if (links->items[i] == link) {
			links->items[i] = links->items[--links->n];
			return;
		}
	}
}

static bool is_open(const struct ct_links *links, const struct ct_link *link)
{
	for (size_t i = 0; i < links->n; i++) {
		if (links->items[i] == link)
			return true;
	}
	return false;
}

void ct_link_dismiss(struct ct_links *links, struct ct_link *link)
{
	struct ct_error ignored; /* it may be gone already, which is what is wanted */

	if (!is_open(links, link) || link->to < 0)
		return;
	if (link->pid > 0)
		ct_link_send(link, CT_MSG_QUIT, NULL, &ignored);
	/* Unread rows would block a worker that is still sending: the pipes must end first. */
	close(link->to);
	close(link->from);
	link->to = link->from = -1;
}

void ct_link_close(struct ct_links *links, struct ct_link *link)
{
	if (!is_open(links, link))
		return;
	ct_link_dismiss(links, link);
	forget(links, link);
	if (link->pid > 0)
		reap(link, quit_timeout_ns);
	if (link->errors >= 0)
		close(link->errors);
	link->pid = 0;
	ct_frame_reader_free(&link->reader);
	json_decref(link->hello);
	json_decref(link->reply);
	link->hello = link->reply = NULL;
	link->reply_type = 0;
}
