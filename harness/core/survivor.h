/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child that puts something right when its maker has ended, however that ended: kill -9 of the
 * maker or of its whole process group leaves it alone.
 */
#ifndef COTENANT_CORE_SURVIVOR_H
#define COTENANT_CORE_SURVIVOR_H

#include <stdbool.h>

/*
 * In the child, after fork(): leaves the maker's session, ignores what ends it, closes every
 * descriptor but `wait_fd`, and returns when all writers of that pipe have gone. `name` is the
 * process's (15 bytes). False, at once, where it can't wait.
 */
bool ct_survive(const char *name, int wait_fd);

#endif
