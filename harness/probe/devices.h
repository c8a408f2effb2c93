/* SPDX-License-Identifier: Apache-2.0 */
/* What the sections about devices have in common. */
#ifndef COTENANT_PROBE_DEVICES_H
#define COTENANT_PROBE_DEVICES_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/probe/source.h"

#define CT_PCI "/sys/bus/pci/devices"

/* A machine with thousands of virtual functions is described by the first of them. */
enum { CT_DEVICES_MAX = 1024 };

/* {"name", "evidence"} of a list; the caller owns it. */
json_t *ct_device_entry(const char *name, const char *path);
/* "0000:41:00.2". */
bool ct_is_pci_address(const char *text);
/* Whether the ids of a PCI function are those of a virtual one, as a guest has to tell. */
bool ct_pci_is_vf(int64_t vendor, int64_t device);
/* "pci": the function behind <path>/device, when it is one. */
void ct_device_pci(json_t *device, const struct ct_probe_source *source, const char *path);
/* "vf_of", "vfs_possible", "vfs_enabled", "vfs" of a PCI device's folder. */
void ct_device_functions(json_t *device, const struct ct_probe_source *source, const char *path);
/* The names in a folder as a member; nothing when there are none. */
void ct_device_names(json_t *device, const char *key, const struct ct_probe_source *source,
		     const char *path);

#endif
