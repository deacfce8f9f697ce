/* SPDX-License-Identifier: MIT */
#pragma once

/* Text from workers, made fit for a terminal, for JSON and for XML; and numbers for people. */
#include <stddef.h>
#include <stdint.h>

/* A copy of `size` bytes with control characters made visible (\x1b), but for newline and tab when `lines`; invalid UTF-8 as
 * U+FFFD. malloc'ed. */
char *text_clean(const char *data, size_t size, int lines);
/* For XML content and attributes: entities, and what XML cannot hold as pytest writes it (#x1B). malloc'ed. */
char *text_xml(const char *data, size_t size);

/* "11 ms", "8.4 s", "2 m 05 s". */
void units_print_time(char *buf, size_t size, uint64_t ns);
/* "512 MiB", "5.6 GiB"; 0: "none". */
void units_print_size(char *buf, size_t size, uint64_t bytes);
