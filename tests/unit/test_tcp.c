/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP endpoints and consent: only one host's unicast address passes; the handshake joins two sides
 * of one campaign and nobody else, and ends in time when the other side is silent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/net/tcp.h"

static const char campaign[] = "0123456789abcdef0123456789abcdef";

static void expect_refused(const char *endpoint, const char *reason)
{
	struct ct_error err = {0};
	int fd = -1;

	assert_false(ct_tcp_connect(endpoint, &fd, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, reason))
		fail_msg("%s: '%s' does not say '%s'", endpoint, err.text, reason);
}

static void addresses_of_more_than_one_host_are_refused(void **state)
{
	(void)state;
	expect_refused("255.255.255.255:9", "a broadcast address");
	expect_refused("224.0.0.1:9", "a multicast address");
	expect_refused("239.255.1.2:9", "a multicast address");
	expect_refused("[ff02::1]:9", "a multicast address");
	expect_refused("[::ffff:224.0.0.1]:9", "a multicast address");
	expect_refused("[::ffff:255.255.255.255]:9", "a broadcast address");
	expect_refused("0.0.0.0:9", "a wildcard address");
	expect_refused("0.1.2.3:9", "a wildcard address");
	expect_refused("[::]:9", "a wildcard address");
	expect_refused("250.1.1.1:9", "a reserved address");
}

static void broadcast_addresses_of_interfaces_are_refused(void **state)
{
	struct ifaddrs *all;

	(void)state;
	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		char host[64], own[64], endpoint[80];

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    !(i->ifa_flags & IFF_BROADCAST) || !i->ifa_broadaddr)
			continue;
		assert_int_equal(getnameinfo(i->ifa_broadaddr, sizeof(struct sockaddr_in), host,
					     sizeof host, NULL, 0, NI_NUMERICHOST),
				 0);
		assert_int_equal(getnameinfo(i->ifa_addr, sizeof(struct sockaddr_in), own,
					     sizeof own, NULL, 0, NI_NUMERICHOST),
				 0);
		if (strcmp(own, host) == 0)
			continue;
		snprintf(endpoint, sizeof endpoint, "%s:9", host);
		expect_refused(endpoint, strcmp(host, "0.0.0.0") == 0 ? "wildcard" : "broadcast");
	}
	freeifaddrs(all);
}

static void what_is_no_numeric_endpoint_is_refused(void **state)
{
	(void)state;
	expect_refused("localhost:80", "not a numeric address");
	expect_refused("127.0.0.1", "not an endpoint");
	expect_refused("127.0.0.1:", "not an endpoint");
	expect_refused(":80", "not an endpoint");
	expect_refused("::1:80", "not an endpoint");
	expect_refused("[::1:80", "not an endpoint");
	expect_refused("[]:80", "not an endpoint");
	expect_refused("127.0.0.1:http", "not a numeric address");
	expect_refused("", "not an endpoint");
}

static void listening_needs_an_address_of_this_host(void **state)
{
	struct ct_error err = {0};
	char endpoint[CT_ENDPOINT_MAX];
	int fd = -1;

	(void)state;
	assert_false(ct_tcp_listen("0.0.0.0", &fd, endpoint, &err));
	assert_non_null(strstr(err.text, "wildcard"));
	assert_false(ct_tcp_listen("192.0.2.1", &fd, endpoint, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "192.0.2.1"));
	assert_int_equal(fd, -1);
}

static void nobody_listening_is_said_with_the_endpoint(void **state)
{
	struct ct_error err = {0};
	char endpoint[CT_ENDPOINT_MAX];
	int fd = -1;

	(void)state;
	assert_true(ct_tcp_listen("127.0.0.1", &fd, endpoint, &err));
	close(fd);
	assert_false(ct_tcp_connect(endpoint, &fd, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	assert_non_null(strstr(err.text, endpoint));
}

/* One side of a handshake in a thread of its own. */
struct giver {
	int listener;
	const char *token;
	bool good;
	struct ct_error err;
	pthread_t thread;
};

static void *give(void *argument)
{
	struct giver *giver = argument;
	int fd = accept(giver->listener, NULL, NULL);

	giver->good = ct_consent_give(fd, giver->token, &giver->err);
	close(fd);
	return NULL;
}

static bool shake_hands(const char *address, const char *asked, struct giver *giver,
			struct ct_error *err)
{
	char endpoint[CT_ENDPOINT_MAX];
	int fd;
	bool good;

	if (!ct_tcp_listen(address, &giver->listener, endpoint, err))
		fail_msg("%s", err->text);
	assert_int_equal(pthread_create(&giver->thread, NULL, give, giver), 0);
	if (!ct_tcp_connect(endpoint, &fd, err))
		fail_msg("%s", err->text);
	good = ct_consent_ask(fd, asked, err);
	close(fd);
	pthread_join(giver->thread, NULL);
	close(giver->listener);
	return good;
}

static void two_sides_of_one_campaign_agree(void **state)
{
	struct giver giver = {.token = campaign};
	struct ct_error err = {0};

	(void)state;
	if (!shake_hands("127.0.0.1", campaign, &giver, &err))
		fail_msg("%s", err.text);
	assert_true(giver.good);
}

static void ipv6_works_where_there_is_any(void **state)
{
	struct giver giver = {.token = campaign};
	struct ct_error err = {0};
	char endpoint[CT_ENDPOINT_MAX];
	int fd;

	(void)state;
	if (!ct_tcp_listen("::1", &fd, endpoint, &err))
		skip();
	close(fd);
	assert_memory_equal(endpoint, "[::1]:", 6);
	assert_true(shake_hands("::1", campaign, &giver, &err));
	assert_true(giver.good);
}

static void a_wrong_question_gets_no_answer(void **state)
{
	struct giver giver = {.token = campaign};
	struct ct_error err = {0};

	(void)state;
	assert_false(shake_hands("127.0.0.1", "fedcba9876543210fedcba9876543210", &giver, &err));
	assert_false(giver.good);
	assert_non_null(strstr(giver.err.text, "not of this campaign"));
	assert_non_null(strstr(err.text, "did not accept"));
}

/* Right first half, wrong second: only a receiver that holds the whole token can answer. */
static void a_wrong_answer_is_refused(void **state)
{
	struct giver giver = {.token = "0123456789abcdefffffffffffffffff"};
	struct ct_error err = {0};

	(void)state;
	assert_false(shake_hands("127.0.0.1", campaign, &giver, &err));
	assert_non_null(strstr(err.text, "not this campaign's receiver"));
}

static void a_token_that_is_none_is_refused(void **state)
{
	struct ct_error err = {0};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_false(ct_consent_ask(fds[0], "short", &err));
	assert_non_null(strstr(err.text, "32 hex digits"));
	assert_false(ct_consent_give(fds[1], "0123456789ABCDEF0123456789ABCDEF", &err));
	assert_non_null(strstr(err.text, "32 hex digits"));
	close(fds[0]);
	close(fds[1]);
}

static void a_silent_side_is_waited_for_two_seconds(void **state)
{
	struct ct_error err = {0};
	uint64_t begin = ct_monotonic_ns(), took;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_false(ct_consent_ask(fds[0], campaign, &err));
	took = ct_monotonic_ns() - begin;
	assert_non_null(strstr(err.text, "no answer within 2 s"));
	assert_true(took > UINT64_C(1900000000) && took < UINT64_C(20000000000));
	close(fds[0]);
	close(fds[1]);
}

/* Bytes that trickle in must not stretch the two seconds. */
static void *trickle(void *argument)
{
	int fd = *(int *)argument;

	for (int i = 0; i < 15; i++) {
		if (send(fd, "0", 1, MSG_NOSIGNAL) != 1)
			break;
		usleep(700000);
	}
	return NULL;
}

static void a_trickling_side_has_two_seconds_in_all(void **state)
{
	struct ct_error err = {0};
	uint64_t begin = ct_monotonic_ns(), took;
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(pthread_create(&thread, NULL, trickle, &fds[1]), 0);
	assert_false(ct_consent_give(fds[0], campaign, &err));
	assert_non_null(strstr(err.text, "no answer within 2 s"));
	took = ct_monotonic_ns() - begin;
	assert_true(took > UINT64_C(1900000000) && took < UINT64_C(8000000000));
	pthread_join(thread, NULL);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_more_than_one_host_are_refused),
		cmocka_unit_test(broadcast_addresses_of_interfaces_are_refused),
		cmocka_unit_test(what_is_no_numeric_endpoint_is_refused),
		cmocka_unit_test(listening_needs_an_address_of_this_host),
		cmocka_unit_test(nobody_listening_is_said_with_the_endpoint),
		cmocka_unit_test(two_sides_of_one_campaign_agree),
		cmocka_unit_test(ipv6_works_where_there_is_any),
		cmocka_unit_test(a_wrong_question_gets_no_answer),
		cmocka_unit_test(a_wrong_answer_is_refused),
		cmocka_unit_test(a_token_that_is_none_is_refused),
		cmocka_unit_test(a_silent_side_is_waited_for_two_seconds),
		cmocka_unit_test(a_trickling_side_has_two_seconds_in_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
