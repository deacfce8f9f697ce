/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whose doing a death was, when tasks of earlier tests lived in the worker: pure. Somebody is named only for what was seen;
 * who merely could have done it is a suspect, and is run again alone before anything is said against it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLAME_NO_TEST ((size_t)-1)
#define BLAME_SUSPECTS 4

enum blame_confidence {
    BLAME_NONE,
    BLAME_DIRECT, /* seen: by the black box, by its stack, or by dying again alone */
    BLAME_WINDOW, /* it happened during the test */
    BLAME_SUSPECT /* its tasks were alive; whether they did it is not known */
};
/* "direct", "window", "suspect"; "none". */
const char *blame_confidence_name(enum blame_confidence confidence);

struct blame_survivor { /* a task that outlived the test that started it */
    size_t test;
    int task; /* as the worker sees it; 0: unknown */
    int tid;  /* as shunt sees it */
    uint64_t since_ns; /* the end of its test */
};

struct blame_view {
    size_t test;      /* that ran when the worker died; BLAME_NO_TEST */
    int main_task;    /* of the worker, as itself sees it; 0: unknown */
    int exit_task;    /* that called os._exit(); 0: none was seen */
    size_t exit_test; /* that started that task, as the worker says; BLAME_NO_TEST: it does not */
    bool survivors_known; /* there is a cgroup, which lists them all: nobody else is believed */
    bool used;        /* the worker had run other tests before */
    size_t just_ended; /* nothing has begun since this one ended; BLAME_NO_TEST */
    bool fault_main;  /* a fatal signal hit the thread that runs tests, in Python code */
    const struct blame_survivor *survivors;
    size_t nsurvivors;
};

struct blame {
    enum blame_confidence confidence;
    size_t test; /* to blame; BLAME_NO_TEST for a suspicion, and where no test is to blame */
    size_t suspects[BLAME_SUSPECTS]; /* the latest first */
    size_t nsuspects;
    bool unseen; /* not all that earlier tests left is known, and nothing says that this test did it: nobody's, but somebody did */
};

void blame_death(const struct blame_view *view, struct blame *ret);
