/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts of everybody (the victims' counters of source "host") as series beside the
 * victims' latencies: under the same kernel it tells who forks and who maps memory; of neighbours
 * under another kernel it is silent.
 */
#ifndef COTENANT_LISTEN_HOST_H
#define COTENANT_LISTEN_HOST_H

#include <stddef.h>

enum { CT_HOST_CHANNELS = 9 };

/* "forks", as the counters are called. */
const char *ct_host_name(size_t channel);
/* The channel of a counter, or CT_HOST_CHANNELS. */
size_t ct_host_find(const char *source, const char *name);
/*
 * What a counter that rose by `increase` in `seconds` is in its series: the logarithm of its rate
 * and a little more, which an idle machine has, so that few events are not a large factor. NaN
 * where it was not counted.
 */
double ct_host_value(size_t channel, double increase, double seconds);

#endif
