/* SPDX-License-Identifier: MIT */
/* Making, attaching and locking down mounts: what the operations have in common. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/mountinfo.h"
#include "sandbox/mounts/newapi.h"

static int set_option(int fs, const char *option)
{
    char key[32];
    const char *value = strchr(option, '=');
    size_t n = value ? (size_t)(value - option) : strlen(option);

    if (n >= sizeof(key))
        return -EINVAL;
    memcpy(key, option, n);
    key[n] = '\0';
    return value ? nm_fsconfig(fs, NM_FSCONFIG_STRING, key, value + 1) : nm_fsconfig(fs, NM_FSCONFIG_FLAG, key, NULL);
}

int mounts_new_fs(const char *type, const char *const *options, unsigned attr)
{
    _cleanup_close_ int fs = nm_fsopen(type);
    int r = fs < 0 ? fs : 0;

    for (size_t i = 0; r == 0 && options && options[i]; i++)
        r = set_option(fs, options[i]);
    if (r == 0)
        r = nm_fsconfig(fs, NM_FSCONFIG_CREATE, NULL, NULL);
    return r < 0 ? r : nm_fsmount(fs, attr);
}

int mounts_tmpfs(uint64_t size_bytes, mode_t mode, unsigned attr)
{
    char mode_text[16], size_text[32];
    const char *options[] = {mode_text, size_bytes ? size_text : NULL, NULL};

    snprintf(mode_text, sizeof(mode_text), "mode=%o", (unsigned)mode);
    snprintf(size_text, sizeof(size_text), "size=%llu", (unsigned long long)size_bytes);
    return mounts_new_fs("tmpfs", options, attr | NM_NOSUID | NM_NODEV);
}

int mounts_set_readonly(int fd, bool recursive, unsigned more_attr)
{
    return nm_setattr(fd, recursive ? NM_RECURSIVE : 0, (struct nm_attr){.set = NM_RDONLY | more_attr});
}

/* What is covered by another mount cannot be reached by its path (nor by the payload), hence the errors passed over. */
int mounts_remount_readonly(const char *prefix)
{
    struct mountinfo info;
    struct mountinfo_line line;
    int r = mountinfo_open(&info);

    if (r < 0)
        return r;
    while ((r = mountinfo_next(&info, &line)) > 0) {
        unsigned long flags = mountinfo_flags(line.options);

        if (!mounts_is_below(line.path, prefix) || (flags & MS_RDONLY))
            continue;
        if (mount(NULL, line.path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0 && errno != ENOENT &&
            errno != EINVAL && errno != ENOTDIR) {
            r = -errno;
            break;
        }
    }
    mountinfo_close(&info);
    return r;
}

int mounts_attach_readonly(int tree, int target, const char *path)
{
    int r = mounts_set_readonly(tree, true, 0), attached;

    if (r < 0 && r != -ENOSYS)
        return r;
    attached = nm_attach(tree, target);
    if (attached < 0)
        return attached;
    return r == -ENOSYS ? mounts_remount_readonly(path) : 0;
}
