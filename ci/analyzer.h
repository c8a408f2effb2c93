/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Given to clang-tidy alone, in front of every file but error.c. The analyzer sees one file at a
 * time and can't know that these functions return false, so it would follow every error as if
 * nothing had happened, into pointers that were never set.
 */
#ifndef COTENANT_CI_ANALYZER_H
#define COTENANT_CI_ANALYZER_H

#include "harness/core/error.h"

#define ct_usage(...)        (ct_usage(__VA_ARGS__), false)
#define ct_broken(...)       (ct_broken(__VA_ARGS__), false)
#define ct_broken_errno(...) (ct_broken_errno(__VA_ARGS__), false)
#define ct_fail(...)         (ct_fail(__VA_ARGS__), false)
#define ct_error_in(...)     (ct_error_in(__VA_ARGS__), false)

#endif
