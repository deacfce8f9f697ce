/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a test framework is to shunt, where its tests are programs that can be started one by one. An adapter is a table of
 * pure functions over text: it says which commands list the tests, what their output means, and what an exit status and the
 * output of a test mean. It starts nothing, and it is trusted; what it reads is not. docs/adapters.md shows the smallest one.
 *
 * (pytest is no adapter of this kind: its plugin speaks docs/protocol.md from inside, and it is what is tried where no
 * adapter claims a command.)
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/suite.h"
#include "supervisor/core/verdict.h"

struct err;

#define ADAPTER_TESTS_MAX (1u << 20)
#define ADAPTER_OUTPUT_MAX (64u << 20) /* of one listing command; more is an error */
#define ADAPTER_STEPS_MAX 4096         /* listing commands in all */
#define ADAPTER_MESSAGE 512

enum adapter_claim {
    ADAPTER_NO,
    ADAPTER_ASK, /* perhaps: list() may still say -ENOENT, and the next adapter is asked */
    ADAPTER_YES
};

/* --- listing --- */

enum adapter_stderr { ADAPTER_STDERR_SHOW, ADAPTER_STDERR_MIX /* into the output */, ADAPTER_STDERR_DROP };

/* A command that helps to know which tests there are. It runs in the run sandbox, stdin from /dev/null. */
struct adapter_step {
    char **argv;         /* NULL-terminated; owned */
    char *cwd;           /* NULL: shunt's own */
    enum adapter_stderr to;
    uint64_t timeout_ns; /* 0: a minute */
    /* the answer */
    int wait_status;     /* as of waitpid() */
    char *output;        /* NUL-terminated, may hold other NULs */
    size_t size;
};

/* One test. Text and lists are owned by the entry; NULL and 0 mean none, unless said otherwise. */
struct adapter_entry {
    char *id;                     /* what people read; unique within the suite */
    char *file, *classname, *name; /* for JUnit and for boundaries; NULL: id, "", id */
    char **argv;                  /* what is started, NULL-terminated; argv[0] is looked up in PATH */
    char *cwd;                    /* NULL: shunt's own */
    char **env;                   /* "NAME=value" is set, "NAME" taken away; NULL-terminated */
    enum lane lane;
    char *why;                    /* of the serial lane */
    char *group;                  /* tests of one group stay on one worker, in order */
    char **locks;                 /* names of semaphores that it holds while it runs; NULL-terminated */
    char **labels;                /* for label() and marker() in filters; NULL-terminated */
    size_t *after;                /* indices of tests that end before this one starts */
    size_t nafter;
    size_t *needs;                /* those of `after` that must have passed, or been skipped; else this one is not run */
    size_t nneeds;
    size_t *cleans;               /* those of `after` that this one cleans up behind: where one of them runs, it runs, too */
    size_t ncleans;
    unsigned weight;              /* slots; 0 is 1 */
    uint64_t tasks, memory_bytes, timeout_ns, slow_ns, grace_ns; /* 0: the run's */
    int skip_status;              /* this exit status is a skip; 0: none */
    char *absent;                 /* it cannot be started, and this is why it is not-run; NULL */
    char **required;              /* files (from its cwd) without which it is not-run; NULL-terminated */
    uint64_t cost_us;             /* what it is said to take, for tests that no earlier run has timed; 0: nothing */
    char *skipped;                /* it is not started, and this is why it is skipped; NULL */
    bool will_fail;               /* it passes when it fails */
    void *data;                   /* the adapter's own, for judge(); one allocation, freed with free() */
};

struct adapter_list {
    char *const *argv; /* the user's command; NULL: none (--from) */
    bool batch;        /* --batch: a suite is to be one entry; only where the adapter `batches` */
    const char *from;  /* --from; NULL */
    const char *from_text; /* its contents */
    size_t from_size;
    /* what has been asked so far, in order, all of it answered when list() is called */
    struct adapter_step *steps;
    size_t nsteps, steps_room;
    /* what there is */
    struct adapter_entry *entries;
    size_t nentries, entries_room;
    char *root;   /* of the suite; NULL: shunt's own directory */
    char *notice; /* one line for people; NULL */
    /* what the command's own options ask for; shunt's own options go before them */
    unsigned workers;    /* 0: nothing */
    uint64_t max_fail;   /* 0: nothing */
    void *state;  /* the adapter's own between calls; one allocation, freed with free() */
};

/* --- judging --- */

struct adapter_result {
    int wait_status;    /* as of waitpid() */
    const char *output; /* stdout and stderr together: head and tail, where it is very long. NUL-terminated */
    size_t size;
    uint64_t cut;       /* bytes of the output that are not there, between head and tail */
};

struct adapter_judgement {
    enum outcome outcome;          /* PASSED .. XPASSED */
    char message[ADAPTER_MESSAGE]; /* one line: why it failed or was skipped; "" */
};

struct adapter {
    const char *name; /* for --adapter */
    const char *help; /* one line: what it takes */
    bool batches;     /* list() heeds adapter_list.batch */
    const char *package; /* Debian's, which has the framework; named where its program is not there. NULL */
    /* Is this command one of this framework's? Looks at the words, and may look at the program's file. */
    enum adapter_claim (*recognise)(char *const argv[]);
    /* Called until it adds no step: either adds some with adapter_ask(), to be called again with their answers, or adds the
     * entries. Returns 0; -ENOENT: not this framework after all (only after ADAPTER_ASK); else -errno with `err` filled. */
    int (*list)(struct adapter_list *list, struct err *err);
    /* NULL: adapter_judge_status(). */
    void (*judge)(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret);
};

/* registry.c. NULL: there is none of that name. */
const struct adapter *adapter_find(const char *name);
/* The adapters that claim this command, the most certain first; NULL-terminated. Returns their number. */
#define ADAPTERS_MAX 32
size_t adapter_candidates(char *const argv[], const struct adapter *ret[ADAPTERS_MAX + 1]);
/* All, NULL-terminated, for --help and for messages. */
extern const struct adapter *const adapter_all[];

/* list.c: making lists. */
/* A copy of these words as the next step; to be filled further by the caller, valid until the next. */
struct adapter_step *adapter_ask(struct adapter_list *list, char *const argv[]);
/* A zeroed entry with this id; valid until the next. NULL where there are ADAPTER_TESTS_MAX. */
struct adapter_entry *adapter_add(struct adapter_list *list, const char *id);
/* Keeps the entries `from` to before `to`, for shards; before any order is said. */
void adapter_keep(struct adapter_list *list, size_t from, size_t to);
char **adapter_words(char *const words[]); /* a copy */
/* Appends to a NULL-terminated list, which may be NULL. */
void adapter_append(char ***words, const char *word);
/* Ids become unique ("x", "x#2"), and order becomes groups: what has an order, or names one group, goes to one worker
 * in that order. -ELOOP with `err` where there is no such order. Call once, when all entries are there. */
int adapter_list_finish(struct adapter_list *list, struct err *err);
void adapter_list_done(struct adapter_list *list);
/* The index of this id, or (size_t)-1. Linear: for few look-ups. */
size_t adapter_index_of(const struct adapter_list *list, const char *id);
/* `entry` starts after the one at `index`, and, with `needs`, only where that one has not failed. */
void adapter_add_after(struct adapter_entry *entry, size_t index, bool needs);
/* `entry` cleans up behind the one at `index`: starts after it, and is selected with it. */
void adapter_add_cleanup(struct adapter_entry *entry, size_t index);
/* Adds list's entries to an empty suite, index by index. */
void adapter_list_to_suite(const struct adapter_list *list, struct suite *suite);
/* The last part of argv[0]: "ctest". */
const char *adapter_program(char *const argv[]);
/* "ctest --test-dir build" */
char *adapter_join_words(char *const argv[]);

/* judge.c: 0 passed, skip_status skipped, another one or a signal failed; turned round by will_fail. */
void adapter_judge_status(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret);
