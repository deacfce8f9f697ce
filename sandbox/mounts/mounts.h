/* SPDX-License-Identifier: MIT */
#pragma once

/* Mounts of the run sandbox and of a cell. To be called in a new mount namespace, single-threaded. 0 or -errno. */

/* Nothing that is mounted here reaches the host; what the host mounts later still arrives. */
int mounts_make_slave(void);
/* A fresh /proc for the pid namespace of the caller. Where parts of /proc are masked (Docker) the kernel
 * refuses: -EPERM. */
int mounts_proc(void);
/* Every cgroup file system becomes read-only, with the tmpfs that holds them. */
int mounts_cgroup_readonly(void);
/* Outside, when the sandbox has ended: removes a directory with all below it, the layers of overlays among them, which
 * rm -r cannot remove as an ordinary user. Nothing that is there is fine. 0 or the first -errno. Allocates. */
int mounts_remove_tree(const char *path);
