/* SPDX-License-Identifier: Apache-2.0 */
/* Text within HTML and XML. */
#ifndef COTENANT_REPORT_MARKUP_H
#define COTENANT_REPORT_MARKUP_H

#include <stdio.h>

/* As the content of an element or within quotes; control characters, which XML 1.0 does not have,
 * are left out but for tab and newline. */
void ct_put_escaped(FILE *out, const char *text);

#endif
