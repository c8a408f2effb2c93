/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics that a network driver names itself ("rx_prio3_pause"), through ethtool's ioctl. The
 * names are looked up once; a reading fetches all values and adds up those that were chosen.
 */
#ifndef COTENANT_NET_ETHTOOL_H
#define COTENANT_NET_ETHTOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A value is the sum of the statistics that match the first pattern with a match (fnmatch(3)):
 * drivers give the same thing different names, and some count it twice under two of them.
 */
enum { CT_ETHTOOL_PATTERNS = 8 };
struct ct_ethtool_rule {
	const char *patterns[CT_ETHTOOL_PATTERNS]; /* NULL-terminated where there are fewer */
	double scale;
};

struct ct_ethtool;

/* NULL: no such device, no statistics, or none that any of the `n` rules asks for. */
struct ct_ethtool *ct_ethtool_open(const char *netdev, const struct ct_ethtool_rule *rules,
				   size_t n);
/* One value a rule; NaN where nothing matches or the driver failed. */
void ct_ethtool_read(struct ct_ethtool *ethtool, double *values);
void ct_ethtool_close(struct ct_ethtool *ethtool);

/* Which of `n_names` names (of `stride` bytes) a rule takes: sets chosen[i]. For tests as well. */
size_t ct_ethtool_choose(const struct ct_ethtool_rule *rule, const char *names, size_t n_names,
			 size_t stride, bool *chosen);

#endif
