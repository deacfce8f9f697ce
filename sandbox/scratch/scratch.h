/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Directories of one supervisor: upper layers of overlays, sockets. The name says who owns them (pid, start time, pid
 * namespace), so that a later run can remove what a killed one left.
 */
struct err;

/* Makes "<base>/shunt-<pid>-<start time>-<pid namespace>", mode 0700. An existing one of that name is ours, too: 0.
 * `ret` is the caller's to free. */
int scratch_make(const char *base, char **ret, struct err *err);
/* A second one in the same place. */
int scratch_make_beside(const char *base, char **ret, struct err *err);
/* As scratch_make() in the first place on a disk that will do (/var/tmp, TMPDIR, /tmp); NULL when there is none. */
char *scratch_make_on_disk(void);
/* Removes a directory and everything in it, the layers of overlays among them, which rm -r cannot remove as an ordinary
 * user; follows no links, crosses no mounts. NULL, or nothing there: 0. Else the first -errno. Allocates. */
int scratch_remove_tree(const char *path);
/* While its overlays are mounted: removes the marks that the kernel keeps in their work directories to refuse mounting these
 * layers once more, which nobody does. So much less is to be removed when somebody waits for it. NULL: nothing. */
void scratch_drop_marks(const char *path);
/* Removes below `base` what dead supervisors of this user left. Returns how many. */
int scratch_sweep_base(const char *base);
/* All places of scratch_make_on_disk(). */
int scratch_sweep_disk(void);
