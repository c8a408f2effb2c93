/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as people write them in job files and on the command line, and back.
 *
 * Sizes take K, M, G, T (powers of 1024, with or without B or iB): `64M` is 67108864 bytes.
 * Times need a unit (ns, us, ms, s, m, h, d). Bit rates are decimal: `10Gbit/s`. Frequencies:
 * `1kHz`. A percentage needs its sign. Fractions are allowed where the result is exact (`1.5G`).
 */
#ifndef COTENANT_CORE_UNITS_H
#define COTENANT_CORE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

/* On failure the message quotes the text and shows one right example; the caller adds where. */
bool ct_parse_size(const char *text, uint64_t *bytes, struct ct_error *err);
bool ct_parse_time(const char *text, uint64_t *ns, struct ct_error *err);
bool ct_parse_bitrate(const char *text, double *bits_per_s, struct ct_error *err);
bool ct_parse_frequency(const char *text, double *hz, struct ct_error *err);
bool ct_parse_percent(const char *text, double *percent, struct ct_error *err); /* "50%" -> 50 */
bool ct_parse_share(const char *text, double *share,
		    struct ct_error *err); /* "95%", 0.95 -> 0.95 */
bool ct_parse_count(const char *text, uint64_t *count, struct ct_error *err); /* up to 2^63 - 1 */
bool ct_parse_bool(const char *text, bool *value,
		   struct ct_error *err); /* yes/no, true/false, 1/0, on/off */

/* Each writes a short text such as "1.24 us", "64 MiB", "11.3 GB/s" and returns `out`. */
enum { CT_UNIT_TEXT = 32 };
const char *ct_format_ns(double ns, char out[CT_UNIT_TEXT]);
const char *ct_format_size(double bytes, char out[CT_UNIT_TEXT]);
/* `unit` as descriptors give it ("B", "op", "packet"); decimal prefixes, "/s" appended. */
const char *ct_format_rate(double per_s, const char *unit, char out[CT_UNIT_TEXT]);

/* The name in `names` closest to `word` by edit distance, or NULL when none is near. */
const char *ct_nearest(const char *word, const char *const *names, size_t n);

#endif
