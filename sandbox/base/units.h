/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Numbers as people write them. All return 0, -EINVAL when the text is no such number, -ERANGE when
 * it is larger than 64 bits hold. Neither signs, blanks nor exponents are accepted.
 */
#include <stdint.h>

/* "512M", "1.5G", "2GiB", "100" (bytes). K, M, G, T are powers of 1024, as cgroups read them. */
int units_parse_size(const char *text, uint64_t *ret_bytes);
/* "10s", "500ms", "2m", "1h", "1.5" (seconds). */
int units_parse_duration(const char *text, uint64_t *ret_ns);
/* "2", "1.5", "0.25" in thousandths. */
int units_parse_milli(const char *text, uint64_t *ret_milli);
/* Decimal digits only. */
int units_parse_count(const char *text, uint64_t *ret);
