/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The page in which a worker notes what it starts (docs/protocol.md): read after it was stopped, pure, and trusted in
 * nothing. Layout, little-endian: a header of u32: the number of records, the phase, and who called os._exit() (task as the
 * worker sees it, 0: nobody; status; length of the text at byte 24), at byte 248 the test that has begun, and at
 * byte 252 the number of refused starts; then at each multiple of 256 bytes a record: u32
 * count, u32 length, text ("threads of pool started at tests/test_a.py:7").
 */
#include <stddef.h>
#include <stdint.h>

#define BLACKBOX_SIZE 4096
#define BLACKBOX_STARTS 15
#define BLACKBOX_TEXT 248

struct blackbox_start { /* one source line that started threads or processes */
    uint64_t count;
    char text[BLACKBOX_TEXT + 1];
};

struct blackbox {
    const char *phase; /* "setup", "call", "teardown", "session finish"; NULL: not known */
    int exit_task;     /* that called os._exit(), as the worker sees it; 0: nobody did */
    int exit_status;
    uint32_t exit_test; /* whose thread it was: its index in the suite, and 1; 0: not known, or the main thread's */
    uint32_t refused; /* starts of threads and processes that the kernel refused during the current test */
    uint32_t current;   /* the test that has begun, likewise; 0: not known */
    char exit_where[225]; /* "tests/a.py:9 in thread Thread-1"; "" */
    struct blackbox_start starts[BLACKBOX_STARTS]; /* the most frequent first */
    size_t nstarts;
};

/* Everything that the page says; all empty when it makes no sense. */
void blackbox_read(const unsigned char *page, size_t page_size, struct blackbox *ret);

/* "61 threads of ThreadPoolExecutor-0 started at tests/test_pool.py:319, …", the most frequent first; "" when nothing
 * was noted or the page makes no sense. `size`: of the page, then of the buffer. */
void blackbox_describe(const unsigned char *page, size_t page_size, char *buf, size_t size);
