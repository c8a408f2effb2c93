/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COTENANT_CORE_VERSION_H
#define COTENANT_CORE_VERSION_H

extern const char ct_version[]; /* "0.1.0" or "0.1.0-12-gabc1234", from the build */

enum { CT_BUILD_ID_TEXT = 64 };
/* The linker's build id of this program in hex: equal only for equal code. "unknown" without one.
 */
const char *ct_build_id(char out[CT_BUILD_ID_TEXT]);

enum { CT_BOOT_ID_TEXT = 64 };
/* The kernel's boot id: equal for all processes that share a kernel, and so a clock. */
const char *ct_boot_id(char out[CT_BOOT_ID_TEXT]);

#endif
