/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* A numeric host and port, IPv4 or IPv6 (with "%eth0" for link-local addresses). */
bool ct_address_parse(const char *host, const char *port, struct ct_address *address,
		      struct ct_error *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
		return ct_usage(
			err,
			"'%s' is not a numeric address: give one like 192.0.2.7 or 2001:db8::7",
			host);
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	address->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* "1.2.3.4:5" or "[::1]:5" into its two parts. */
bool ct_address_split(const char *endpoint, char host[CT_ENDPOINT_MAX], const char **port)
{
	const char *begin = endpoint, *colon = strrchr(endpoint, ':');
	size_t length;

	if (!colon || colon[1] == '\0')
		return false;
	length = (size_t)(colon - endpoint);
	if (endpoint[0] == '[') {
		if (length < 3 || endpoint[length - 1] != ']')
			return false;
		begin++;
		length -= 2;
	} else if (memchr(endpoint, ':', length)) {
		return false;
	}
	if (length == 0 || length >= CT_ENDPOINT_MAX)
		return false;
	memcpy(host, begin, length);
	host[length] = '\0';
	*port = colon + 1;
	return true;
}

static in_addr_t ipv4_of(const struct sockaddr *address)
{
	struct sockaddr_in v4 = {.sin_addr.s_addr = 0};

	if (address && address->sa_family == AF_INET)
		memcpy(&v4, address, sizeof v4);
	return v4.sin_addr.s_addr;
}

/*
 * The kernel takes the last address of a network for its broadcast address, whether the device was
 * given one or not. A /31 and a /32 have none.
 */
static bool is_last_of_network(const struct ifaddrs *interface, in_addr_t address)
{
	const in_addr_t own = ipv4_of(interface->ifa_addr), mask = ipv4_of(interface->ifa_netmask);

	return own != 0 && (ntohl(~mask) & ~1u) != 0 && (address & mask) == (own & mask) &&
	       (address | mask) == INADDR_BROADCAST;
}

static bool is_interface_broadcast(in_addr_t address)
{
	struct ifaddrs *interfaces;
	bool found = false;

	if (getifaddrs(&interfaces) != 0)
		return false;
	for (const struct ifaddrs *i = interfaces; i && !found; i = i->ifa_next) {
		if (!(i->ifa_flags & IFF_BROADCAST))
			continue;
		/* A /32 has its own address there; that is one host after all. */
		found = is_last_of_network(i, address) ||
			(ipv4_of(i->ifa_broadaddr) == address && ipv4_of(i->ifa_addr) != address);
	}
	freeifaddrs(interfaces);
	return found;
}

static const char *why_refused_v4(in_addr_t address)
{
	if ((ntohl(address) >> 24) == 0)
		return "a wildcard address";
	if (IN_MULTICAST(ntohl(address)))
		return "a multicast address";
	if (ntohl(address) == INADDR_BROADCAST || is_interface_broadcast(address))
		return "a broadcast address";
	if (IN_EXPERIMENTAL(ntohl(address)))
		return "a reserved address";
	return NULL;
}

static const char *why_refused_v6(const struct in6_addr *address)
{
	in_addr_t mapped;

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return "a wildcard address";
	if (IN6_IS_ADDR_MULTICAST(address))
		return "a multicast address";
	if (IN6_IS_ADDR_V4MAPPED(address)) {
		memcpy(&mapped, &address->s6_addr[12], sizeof mapped);
		return why_refused_v4(mapped);
	}
	return NULL;
}

bool ct_address_is_one_host(const struct ct_address *address, const char *text,
			    struct ct_error *err)
{
	struct sockaddr_in6 v6 = {0};
	struct sockaddr_in v4 = {0};
	const char *why;

	if (address->storage.ss_family == AF_INET) {
		memcpy(&v4, &address->storage, sizeof v4);
		why = why_refused_v4(v4.sin_addr.s_addr);
	} else {
		memcpy(&v6, &address->storage, sizeof v6);
		why = why_refused_v6(&v6.sin6_addr);
	}
	if (!why)
		return true;
	return ct_usage(err, "%s is %s: give the address of one host", text, why);
}

void ct_address_format(const struct ct_address *address, char endpoint[CT_ENDPOINT_MAX])
{
	char host[CT_ENDPOINT_MAX - 16], port[8];

	if (getnameinfo((const struct sockaddr *)&address->storage, address->length, host,
			sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		endpoint[0] = '\0';
		return;
	}
	snprintf(endpoint, CT_ENDPOINT_MAX,
		 address->storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

bool ct_address_is_own(const struct ct_address *address)
{
	const size_t size = address->storage.ss_family == AF_INET ? 4 : 16;
	const size_t at = address->storage.ss_family == AF_INET
				  ? offsetof(struct sockaddr_in, sin_addr)
				  : offsetof(struct sockaddr_in6, sin6_addr);
	struct ifaddrs *interfaces;
	bool own = false;

	if (getifaddrs(&interfaces) != 0)
		return false;
	for (const struct ifaddrs *i = interfaces; i && !own; i = i->ifa_next)
		own = i->ifa_addr && i->ifa_addr->sa_family == address->storage.ss_family &&
		      memcmp((const char *)i->ifa_addr + at, (const char *)&address->storage + at,
			     size) == 0;
	freeifaddrs(interfaces);
	return own || (address->storage.ss_family == AF_INET &&
		       ((const unsigned char *)&address->storage)[at] == 127);
}
