/* SPDX-License-Identifier: MIT */
#pragma once

/* Reads the suite from the framework's messages, and believes nothing: 0, or -EPROTO at the first field that is
 * missing, of another type, too long or out of range. */
#include <stddef.h>

struct packet;
struct suite;
struct suite_options;

int suite_reader_options(const struct packet *packet, struct suite *suite,
                         struct suite_options *options, size_t *ret_count);
int suite_reader_tests(const struct packet *packet, struct suite *suite, size_t expected);
