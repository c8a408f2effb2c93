/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COTENANT_CLI_PROBE_PAGE_H
#define COTENANT_CLI_PROBE_PAGE_H

#include <jansson.h>

/* Prints a probe (harness/probe/probe.h) to standard output, for people. */
void ct_probe_page(const json_t *probe);
void ct_probe_page_devices(const json_t *probe); /* its section about devices */

#endif
