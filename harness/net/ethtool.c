/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/ethtool.h"

#include <fnmatch.h>
#include <math.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

/* A driver with thousands of queues has so many; more is a broken answer. */
enum { STATISTICS_MAX = 1 << 16 };

struct ct_ethtool {
	int fd;
	char netdev[IFNAMSIZ];
	const struct ct_ethtool_rule *rules;
	size_t n_rules;
	uint32_t n;
	bool *chosen; /* n_rules rows of n */
	bool *used;   /* rules that chose anything */
	struct ethtool_stats *values;
};

size_t ct_ethtool_choose(const struct ct_ethtool_rule *rule, const char *names, size_t n_names,
			 size_t stride, bool *chosen)
{
	size_t found = 0;

	memset(chosen, 0, n_names * sizeof *chosen);
	for (int p = 0; p < CT_ETHTOOL_PATTERNS && rule->patterns[p] && found == 0; p++) {
		for (size_t i = 0; i < n_names; i++) {
			char name[ETH_GSTRING_LEN + 1];

			snprintf(name, sizeof name, "%.*s", (int)stride, names + i * stride);
			chosen[i] = fnmatch(rule->patterns[p], name, 0) == 0;
			found += chosen[i];
		}
	}
	return found;
}

static bool request(const struct ct_ethtool *ethtool, void *data)
{
	struct ifreq wanted = {.ifr_data = data};

	memcpy(wanted.ifr_name, ethtool->netdev, sizeof wanted.ifr_name);
	return ioctl(ethtool->fd, SIOCETHTOOL, &wanted) == 0;
}

static uint32_t count_statistics(const struct ct_ethtool *ethtool)
{
	/* The header, and behind it one length for the one set that is asked for. */
	_Alignas(struct ethtool_sset_info) char
		wanted[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)] = {0};
	struct ethtool_sset_info *info = (struct ethtool_sset_info *)(void *)wanted;
	uint32_t length;

	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = 1ull << ETH_SS_STATS;
	if (!request(ethtool, wanted) || info->sset_mask == 0)
		return 0;
	memcpy(&length, wanted + sizeof *info, sizeof length);
	return length > STATISTICS_MAX ? 0 : length;
}

/*
 * The kernel writes as many values as the driver has at that instant, whatever was asked for. Their
 * number is looked at before each reading, and there is room should it grow in between.
 */
static size_t capacity(uint32_t n)
{
	return 2 * (size_t)n + 4096;
}

static struct ethtool_gstrings *fetch_names(const struct ct_ethtool *ethtool)
{
	struct ethtool_gstrings *names =
		calloc(1, sizeof *names + (size_t)ethtool->n * ETH_GSTRING_LEN);

	if (!names)
		return NULL;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = ethtool->n;
	if (request(ethtool, names) && names->len == ethtool->n)
		return names;
	free(names);
	return NULL;
}

/* False when no rule has anything to read: then nobody need ask this driver. */
static bool choose(struct ct_ethtool *ethtool)
{
	struct ethtool_gstrings *names = fetch_names(ethtool);
	bool any = false;

	for (size_t r = 0; names && r < ethtool->n_rules; r++) {
		ethtool->used[r] =
			ct_ethtool_choose(&ethtool->rules[r], (const char *)names->data, ethtool->n,
					  ETH_GSTRING_LEN, ethtool->chosen + r * ethtool->n) > 0;
		any = any || ethtool->used[r];
	}
	free(names);
	return any;
}

struct ct_ethtool *ct_ethtool_open(const char *netdev, const struct ct_ethtool_rule *rules,
				   size_t n)
{
	struct ct_ethtool *ethtool = calloc(1, sizeof *ethtool);

	if (!ethtool)
		return NULL;
	ethtool->rules = rules;
	ethtool->n_rules = n;
	snprintf(ethtool->netdev, sizeof ethtool->netdev, "%s", netdev);
	ethtool->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ethtool->n = ethtool->fd >= 0 ? count_statistics(ethtool) : 0;
	if (ethtool->n > 0) {
		ethtool->chosen = calloc(n * ethtool->n, sizeof *ethtool->chosen);
		ethtool->used = calloc(n, sizeof *ethtool->used);
		ethtool->values = calloc(1, sizeof *ethtool->values +
						    capacity(ethtool->n) * sizeof(uint64_t));
	}
	if (ethtool->chosen && ethtool->used && ethtool->values && choose(ethtool))
		return ethtool;
	ct_ethtool_close(ethtool);
	return NULL;
}

static double sum(const struct ct_ethtool *ethtool, size_t rule)
{
	const bool *chosen = ethtool->chosen + rule * ethtool->n;
	double total = 0;

	for (uint32_t i = 0; i < ethtool->n; i++) {
		if (chosen[i])
			total += (double)ethtool->values->data[i];
	}
	return total * ethtool->rules[rule].scale;
}

void ct_ethtool_read(struct ct_ethtool *ethtool, double *values)
{
	bool good;

	ethtool->values->cmd = ETHTOOL_GSTATS;
	ethtool->values->n_stats = ethtool->n;
	/* A driver whose queues were changed meanwhile has other names now. */
	good = count_statistics(ethtool) == ethtool->n && request(ethtool, ethtool->values) &&
	       ethtool->values->n_stats == ethtool->n;
	for (size_t r = 0; r < ethtool->n_rules; r++)
		values[r] = good && ethtool->used[r] ? sum(ethtool, r) : NAN;
}

void ct_ethtool_close(struct ct_ethtool *ethtool)
{
	if (ethtool->fd >= 0)
		close(ethtool->fd);
	free(ethtool->chosen);
	free(ethtool->used);
	free(ethtool->values);
	free(ethtool);
}
