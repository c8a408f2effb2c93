/* SPDX-License-Identifier: Apache-2.0 */
/* What kinds of workload press and feel, for answers that know no registries (decide/predict.h). */
#ifndef COTENANT_CLI_RESOURCES_H
#define COTENANT_CLI_RESOURCES_H

#include <stdint.h>

/* enum ct_resource bits; 0 for a kind that is not known. */
uint32_t ct_cli_victim_resources(const char *kind);
uint32_t ct_cli_aggressor_resources(const char *kind);

#endif
