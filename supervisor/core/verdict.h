/* SPDX-License-Identifier: MIT */
#pragma once

/* The words of the design, each once: lists (X macros) from which enum, name and tables are made. */
#include <stdbool.h>

#define VERDICT_LIST(X)                                                                            \
    X(TASKS, "tasks")       /* reached its task limit */                                          \
    X(MEMORY, "memory")     /* killed by the kernel for memory */                                  \
    X(STALL, "stall")       /* every task waits for another one of the slot */                     \
    X(TIMEOUT, "timeout")   /* took longer than allowed */                                         \
    X(LEAK, "leak")         /* left tasks behind */                                                \
    X(SIGNAL, "signal")     /* died of a signal */                                                 \
    X(EXIT, "exit")         /* ended in the middle */                                              \
    X(DENIED, "denied")     /* a system call that the policy refuses */                            \
    X(PROTOCOL, "protocol") /* its worker broke the protocol */                                    \
    X(CPU, "cpu")           /* far more runnable tasks than its share of the CPUs */               \
    X(CONTENTION, "contention") /* starved by its neighbours */                                    \
    X(EXTERNAL, "external") /* killed from outside, or pressure from outside */

#define OUTCOME_LIST(X)                                                                            \
    X(NONE, "none")                                                                                \
    X(PASSED, "passed")                                                                            \
    X(FAILED, "failed")                                                                            \
    X(ERROR, "error")                                                                              \
    X(SKIPPED, "skipped")                                                                          \
    X(XFAILED, "xfailed")                                                                          \
    X(XPASSED, "xpassed")                                                                          \
    X(PASSED_SERIAL, "passed-serial")                                                              \
    X(FLAKY, "flaky")                                                                              \
    X(KILLED, "killed")                                                                            \
    X(NOT_RUN, "not-run")

enum verdict {
    VERDICT_NONE = -1,
#define X(name, text) VERDICT_##name,
    VERDICT_LIST(X)
#undef X
    VERDICT_COUNT
};

enum outcome {
#define X(name, text) OUTCOME_##name,
    OUTCOME_LIST(X)
#undef X
    OUTCOME_COUNT
};

/* Static text; "none" for VERDICT_NONE. */
const char *verdict_name(enum verdict verdict);
const char *outcome_name(enum outcome outcome);
/* VERDICT_NONE / OUTCOME_COUNT when the text is no such word. */
enum verdict verdict_parse(const char *text);
enum outcome outcome_parse(const char *text);
/* Does this outcome make the run red by itself? */
bool outcome_is_bad(enum outcome outcome);

#define VERDICT_BIT(v) (1u << (v))
#define VERDICT_ALL_BITS ((1u << VERDICT_COUNT) - 1)
/* By default everything reroutes but a leak and cpu (recorded), a denial and a broken protocol. */
#define VERDICT_REROUTE_DEFAULT                                                                    \
    (VERDICT_ALL_BITS & ~(VERDICT_BIT(VERDICT_LEAK) | VERDICT_BIT(VERDICT_CPU) | VERDICT_BIT(VERDICT_DENIED) |                \
                          VERDICT_BIT(VERDICT_PROTOCOL)))
