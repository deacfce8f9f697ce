/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Standing between a command and the terminal. A policy without a terminal gives no descriptor of one away: whoever holds
 * one can push characters into the input of the shell that started us (CVE-2017-5226 and its kin). Where a stream is a
 * terminal, the command gets a pipe, and what goes through it is copied.
 */
#include <poll.h>
#include <stdbool.h>

struct relay_stream {
    int from, to; /* -1: not relayed, or over */
    int inside;   /* the command's end until it is started; -1 */
};

struct relay {
    struct relay_stream streams[3];
};

/* Fills `stdio` with what the command gets. Terminals are replaced by pipes where `relayed`; others are passed on. */
int relay_open(struct relay *relay, bool relayed, int stdio[3]);
/* The command has its ends: ours of them are closed. */
void relay_started(struct relay *relay);
/* Adds what is to be polled; returns how many. At most 3. Of a stream whose reader is slow that is the reader: neither a
 * command that does not read nor a terminal that was stopped may keep us from the time limit and from signals. */
int relay_poll(const struct relay *relay, struct pollfd *fds);
/* Copies what is there to copy. */
void relay_turn(struct relay *relay, const struct pollfd *fds, int n);
/* The command is over: what it wrote is copied to the end. */
void relay_close(struct relay *relay);
