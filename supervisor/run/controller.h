/* SPDX-License-Identifier: MIT */
#pragma once

/* The framework's first process, for controller.c (how it comes, and what it says) and feed.c (what it is told). */
#include <ev.h>
#include <stddef.h>

struct channel;
struct run;
struct scratch;
struct visitor;

enum controller_state {
    CONTROLLER_ABSENT,
    CONTROLLER_COLLECTING, /* said hello */
    CONTROLLER_LISTING,    /* sends its suite */
    CONTROLLER_PLANNED,    /* has the plan, shows what it is fed */
    CONTROLLER_FINISHED,   /* was told to finish */
    CONTROLLER_GONE
};

/* Small reports of tests that passed, on their way to the controller in one message. */
struct feed_batch {
    char *data; /* FEED_BATCH_BYTES; NULL: nothing was added yet */
    size_t size;
    unsigned count;
    ev_timer delay;
};

struct controller {
    struct run *run;
    enum controller_state state;
    struct channel *channel;
    struct scratch *scratch;
    int listen_fd;
    ev_io accept_io;
    struct visitor *visitors;
    size_t expected; /* tests announced by `suite` */
    struct feed_batch batch;
};

/* feed.c: for controller.c. */
void feed_batch_init(struct controller *controller);
void feed_batch_flush(struct controller *controller); /* sends it now */
void feed_batch_done(struct controller *controller); /* the controller is gone: what was not sent is dropped */
