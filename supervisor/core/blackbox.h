/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The page in which a worker notes what it starts (docs/protocol.md): read after it was stopped, pure, and trusted in
 * nothing. Layout, little-endian: a u32 with the number of records; then at each multiple of 256 bytes a record: u32
 * count, u32 length, text ("threads of pool started at tests/test_a.py:7").
 */
#include <stddef.h>

#define BLACKBOX_SIZE 4096

/* "61 threads of ThreadPoolExecutor-0 started at tests/test_pool.py:319, …", the most frequent first; "" when nothing
 * was noted or the page makes no sense. `size`: of the page, then of the buffer. */
void blackbox_describe(const unsigned char *page, size_t page_size, char *buf, size_t size);
