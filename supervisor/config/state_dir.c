/* SPDX-License-Identifier: MIT */
#include "supervisor/config/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"

#define NAME ".shunt"

static int write_gitignore(int dir)
{
    _cleanup_close_ int fd = openat(dir, ".gitignore", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        return errno == EEXIST ? 0 : -errno;
    return io_write_all(fd, "*\n", 2);
}

int state_dir_open(const char *root, struct err *err)
{
    _cleanup_close_ int parent = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int dir = -1;
    struct stat st;

    if (parent < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot open %s: %s", root, strerror(errno));
    if (mkdirat(parent, NAME, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYSTEM, errno, "cannot make %s/" NAME ": %s", root, strerror(errno));
    dir = openat(parent, NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot open %s/" NAME ": %s", root, strerror(errno));
    if (fstat(dir, &st) < 0 || st.st_uid != geteuid() || st.st_mode & S_IWOTH)
        return err_set(err, ERR_SYSTEM, EPERM, "%s/" NAME " belongs to somebody else, or everybody may write to it", root);
    write_gitignore(dir);
    return take_fd(&dir);
}
