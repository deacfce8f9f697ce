/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A private directory for the listening socket: "shunt-<pid>-<start time>-<pid namespace>" below XDG_RUNTIME_DIR, TMPDIR, /tmp or
 * what else can be written to, mode 0700. The name says whose it is, so that scratch_sweep() can remove what a killed run left.
 */
#include <stdbool.h>

struct err;
struct scratch;

/* `kept`: below /tmp if that can be written to, where the run keeps it, since a policy may hide XDG_RUNTIME_DIR. */
int scratch_new(bool kept, struct scratch **ret, struct err *err);
const char *scratch_socket(const struct scratch *scratch);
const char *scratch_directory(const struct scratch *scratch);
/* It lies where sandboxes have a /tmp or the like of their own, into which it is bound. */
bool scratch_is_kept(const struct scratch *scratch);
/* Once the socket is there, and where the command sees it with the owner that it has here: it belongs to that user. */
int scratch_give(struct scratch *scratch, unsigned owner);
/* Removes the files; the object stays. */
void scratch_remove(struct scratch *scratch);
void scratch_free(struct scratch *scratch);
/* Removes directories of ours whose owner is dead. Returns their number. */
int scratch_sweep(void);
