/* SPDX-License-Identifier: MIT */
#pragma once

/* What a task that waits for its answer has in memory and in /proc. All of it may change meanwhile:
 * see learn.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A string of less than `room` bytes, terminated. -errno. */
int peek_string(pid_t tid, uint64_t address, char *buf, size_t room);
int peek_bytes(pid_t tid, uint64_t address, void *buf, size_t size);
/* The path of a descriptor, or of the working directory (AT_FDCWD); `room` bytes. -errno; -ENOTDIR:
 * it has none. */
int peek_descriptor(pid_t tid, int fd, char *buf, size_t room);
/* lstat() of an absolute path as the task sees it. */
bool peek_stat(pid_t tid, const char *path, struct stat *ret);
