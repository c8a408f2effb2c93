/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/host.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *name;
	double little; /* of its unit, a second */
} channels[CT_HOST_CHANNELS] = {
	{"busy", 0.05},        {"forks", 10},
	{"switches", 500},     {"interrupts", 500},
	{"softirqs_net", 50},  {"softirqs_block", 20},
	{"page_faults", 1000}, {"pages_allocated", 1000},
	{"disk", 1 << 20},
};

const char *ct_host_name(size_t channel)
{
	return channels[channel].name;
}

size_t ct_host_find(const char *source, const char *name)
{
	size_t channel = 0;

	if (strcmp(source, "host") != 0)
		return CT_HOST_CHANNELS;
	while (channel < CT_HOST_CHANNELS && strcmp(channels[channel].name, name) != 0)
		channel++;
	return channel;
}

double ct_host_value(size_t channel, double increase, double seconds)
{
	if (!(increase >= 0) || !(seconds > 0))
		return NAN;
	return log(increase / seconds + channels[channel].little);
}
