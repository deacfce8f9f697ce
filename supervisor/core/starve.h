/* SPDX-License-Identifier: MIT */
#pragma once

/* Had a test what it needs to run, and did it take more than its slot's share? Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct starve { /* of one test */
    uint64_t elapsed_ns;     /* so long it was watched */
    uint64_t cpu_wait_ns;    /* it wanted a CPU, and none of its tasks had one */
    uint64_t memory_wait_ns; /* everything on this machine waited for memory */
};

/* From what the kernel says of its main thread alone: that waited for so long, but may have done so for other threads of the
 * same test. The test cannot have missed more than what it did not use of one CPU. */
uint64_t starve_cpu_wait(uint64_t run_delay_ns, uint64_t elapsed_ns, uint64_t cpu_ns);
/* Half of its time, and a fifth of a second at least: true, and "waited for a CPU 4.1 s of 5 s". */
bool starve_judge(const struct starve *starve, char *text, size_t size);
/* The total of the line "full" in /proc/pressure/memory and its like. */
bool starve_parse_pressure(const char *text, uint64_t *ret_ns);
/* The second number of /proc/PID/schedstat: time spent waiting for a CPU. */
bool starve_parse_schedstat(const char *text, uint64_t *ret_ns);

/* --- more runnable tasks than the slot's share of the CPUs, for long: the verdict `cpu` --- */

struct oversubscription {
    uint64_t over_ns; /* for so long, in all */
    uint64_t most;    /* runnable at a time */
    uint64_t runnable_sum, samples; /* of those moments */
};

struct oversubscription_sample {
    uint64_t span_ns, cpu_ns; /* since the sample before */
    uint64_t runnable;        /* tasks, now */
    uint64_t share_milli;     /* CPUs of the slot */
};

/* So many tasks may be runnable in a slot with this share, for ever. */
uint64_t oversubscription_limit(uint64_t share_milli);
/* A moment counts where the slot had most of its share as well: tasks that pile up since others have the CPUs are no fault of it. */
void oversubscription_add(struct oversubscription *over, const struct oversubscription_sample *sample);
/* 5 s in all: true, and "12 tasks at a time wanted 1 CPU, for 6.5 s; throttled 31 times, 2.1 s". */
bool oversubscription_judge(const struct oversubscription *over, uint64_t share_milli, uint64_t throttled,
                            uint64_t throttled_ns, char *text, size_t size);
