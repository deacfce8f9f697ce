/* SPDX-License-Identifier: MIT */
#include "sandbox/mounts/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"

int mountinfo_open(struct mountinfo *info)
{
    info->at = info->end = 0;
    info->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    return info->fd < 0 ? -errno : 0;
}

void mountinfo_close(struct mountinfo *info)
{
    close_fd(&info->fd);
}

/* mountinfo writes blanks, tabs, newlines and backslashes as three octal digits. */
static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (s[0] == '\\' && s[1] && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* One line without its newline; what is too long for the buffer is cut. NULL at the end. */
static char *next_line(struct mountinfo *info, int *ret)
{
    bool cut = false;

    for (;;) {
        char *start = info->buf + info->at, *newline = memchr(start, '\n', info->end - info->at);
        ssize_t n;

        if (newline) {
            *newline = '\0';
            info->at = (size_t)(newline - info->buf) + 1;
            if (!cut)
                return start;
            cut = false;
            continue;
        }
        memmove(info->buf, start, info->end - info->at);
        info->end -= info->at;
        info->at = 0;
        if (info->end == sizeof(info->buf)) {
            info->end = 0;
            cut = true;
        }
        n = read(info->fd, info->buf + info->end, sizeof(info->buf) - info->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            *ret = n < 0 ? -errno : 0;
            return NULL;
        }
        info->end += (size_t)n;
    }
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
int mountinfo_next(struct mountinfo *info, struct mountinfo_line *ret)
{
    char *line;
    int r = 0;

    while ((line = next_line(info, &r))) {
        char *type = strstr(line, " - "), *save = NULL, *field = strtok_r(line, " ", &save);

        for (int i = 0; field && i < 4; i++)
            field = strtok_r(NULL, " ", &save);
        ret->path = field;
        ret->options = strtok_r(NULL, " ", &save);
        if (!type || !ret->path || !ret->options)
            continue;
        ret->type = type + 3;
        ret->type[strcspn(ret->type, " ")] = '\0';
        unescape(ret->path);
        return 1;
    }
    return r;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

unsigned long mountinfo_flags(const char *options)
{
    static const struct {
        const char *word;
        unsigned long flag;
    } words[] = {
        {"ro", MS_RDONLY},       {"nosuid", MS_NOSUID},         {"nodev", MS_NODEV},       {"noexec", MS_NOEXEC},
        {"noatime", MS_NOATIME}, {"nodiratime", MS_NODIRATIME}, {"relatime", MS_RELATIME},
    };
    unsigned long flags = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (has_word(options, words[i].word))
            flags |= words[i].flag;
    return flags;
}
