/* SPDX-License-Identifier: Apache-2.0 */
/* Names and durability of the files that a campaign writes. */
#ifndef COTENANT_STORE_DISK_H
#define COTENANT_STORE_DISK_H

#include <stdbool.h>

#include "harness/core/error.h"

/* Whether the name is taken, also by a link that leads nowhere. If not, errno says why. */
bool ct_disk_has(const char *path);
/* After open(2): errno in words that say what to do. Returns false. */
bool ct_disk_open_failed(const char *path, struct ct_error *err);
bool ct_disk_sync_file(const char *path, struct ct_error *err);
/* Makes a rename, a new or a removed name beside `path` durable. Some file systems refuse; nothing
 * is lost then. */
void ct_disk_sync_directory(const char *path);

#endif
