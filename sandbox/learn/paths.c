/* SPDX-License-Identifier: MIT */
#include "sandbox/learn/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/text.h"

/* Each sandbox has these of its own, or they are the kernel's. */
static const char *const own_places[] = {"/tmp", "/var/tmp", "/dev", "/proc"};

/* --- one path --- */

static enum learn_want want_of_open(unsigned long long flags, const struct stat *st)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;

    if (flags & O_PATH)
        return LEARN_WANT_NOTHING;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return st ? LEARN_WANT_ITSELF : LEARN_WANT_NOTHING;
    if (!st)
        return flags & O_CREAT ? LEARN_WANT_DIRECTORY : LEARN_WANT_NOTHING;
    if (flags & O_CREAT && flags & O_EXCL)
        return LEARN_WANT_NOTHING;
    /* Devices, pipes and sockets are written to on a read-only mount as well. */
    return writes && (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)) ? LEARN_WANT_ITSELF
                                                                    : LEARN_WANT_NOTHING;
}

enum learn_want learn_path_want(enum learn_need need, unsigned long long flags,
                                const struct stat *st)
{
    switch (need) {
    case LEARN_NEED_OPEN:
        return want_of_open(flags, st);
    case LEARN_NEED_NEW:
        return st ? LEARN_WANT_NOTHING : LEARN_WANT_DIRECTORY;
    case LEARN_NEED_OLD:
        return st ? LEARN_WANT_ITSELF : LEARN_WANT_NOTHING;
    case LEARN_NEED_OLD_ENTRY:
        return st ? LEARN_WANT_DIRECTORY : LEARN_WANT_NOTHING;
    case LEARN_NEED_ENTRY:
        return LEARN_WANT_DIRECTORY;
    case LEARN_NEED_NONE:
        break;
    }
    return LEARN_WANT_NOTHING;
}

static size_t drop_last(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    return length > 0 ? length - 1 : 0;
}

char *learn_path_join(const char *base, const char *path)
{
    _cleanup_free_ char *whole = mem_printf("%s/%s", *path == '/' ? "" : base, path);
    char *out = mem_zalloc(strlen(whole) + 2);
    size_t length = 0;

    for (const char *at = whole; *at;) {
        size_t word;

        at += strspn(at, "/");
        word = strcspn(at, "/");
        if (word == 2 && memcmp(at, "..", 2) == 0) {
            length = drop_last(out, length);
        } else if (word && !(word == 1 && *at == '.')) {
            out[length++] = '/';
            memcpy(out + length, at, word);
            length += word;
        }
        at += word;
    }
    if (length == 0)
        out[length++] = '/';
    out[length] = '\0';
    return out;
}

bool learn_path_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    if (length == 1)
        return true; /* "/" */
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || !path[length]);
}

static char *parent_of(const char *path)
{
    size_t length = drop_last(path, strlen(path));
    char *parent = mem_strdup(length ? path : "/");

    if (length)
        parent[length] = '\0';
    return parent;
}

/* A policy is text of printable characters, and '?' at the end of a path means something there. */
static bool can_be_written_down(const char *path)
{
    return learn_text_fits(path) && path[strlen(path) - 1] != '?';
}

/* --- all of them --- */

static void add_item(struct learn_paths *paths, const char *path, bool directory)
{
    for (size_t i = 0; i < paths->n; i++)
        if (strcmp(paths->items[i].path, path) == 0) {
            paths->items[i].directory |= directory;
            return;
        }
    if (paths->n >= LEARN_PATHS_MAX) {
        paths->lost++;
        return;
    }
    mem_grow(&paths->items, &paths->room, paths->n + 1, sizeof(*paths->items));
    paths->items[paths->n++] = (struct learn_path){mem_strdup(path), directory};
}

static bool is_own(const struct learn_paths *paths, const char *path)
{
    for (size_t i = 0; i < sizeof(own_places) / sizeof(own_places[0]); i++)
        if (learn_path_below(path, own_places[i]))
            return true;
    for (size_t i = 0; i < paths->nown; i++)
        if (learn_path_below(path, paths->own[i]))
            return true;
    return false;
}

/* True when the path needs no line of its own. */
static bool is_settled(struct learn_paths *paths, const char *path)
{
    /* The working directory first: it may lie below /tmp, and stays visible there. */
    if (learn_path_below(path, paths->cwd)) {
        paths->cwd_written = true;
        return true;
    }
    if (learn_path_below(path, "/sys")) {
        paths->kernel_written = true;
        return true;
    }
    if (strcmp(path, "/") == 0) {
        paths->root_written = true;
        return true;
    }
    return is_own(paths, path);
}

void learn_paths_add(struct learn_paths *paths, const char *path, enum learn_want want)
{
    _cleanup_free_ char *parent = want == LEARN_WANT_DIRECTORY ? parent_of(path) : NULL;
    const char *place = parent ? parent : path;

    /* Shunt's own directory below the working directory or its parent would else make that
     * writable. */
    for (size_t i = 0; i < paths->nown; i++)
        if (learn_path_below(path, paths->own[i]))
            return;
    if (want != LEARN_WANT_NOTHING && !is_settled(paths, place))
        add_item(paths, place, want == LEARN_WANT_DIRECTORY);
}

static void drop_item(struct learn_paths *paths, size_t i)
{
    free(paths->items[i].path);
    memmove(paths->items + i, paths->items + i + 1, (paths->n - i - 1) * sizeof(*paths->items));
    paths->n--;
}

/* The path as it is now; or the nearest directory above that is there, which then must be writable.
 */
static char *path_that_exists(const char *path, bool *directory)
{
    _cleanup_free_ char *at = mem_strdup(path);
    char *real;

    while (!(real = realpath(at, NULL)) && strcmp(at, "/") != 0) {
        char *parent = parent_of(at);

        free(at);
        at = parent;
        *directory = true;
    }
    return real ? real : mem_strdup("/");
}

void learn_paths_settle(struct learn_paths *paths)
{
    struct learn_path *seen = paths->items;
    size_t n = paths->n;

    paths->items = NULL;
    paths->n = paths->room = 0;
    for (size_t i = 0; i < n; i++) {
        bool directory = seen[i].directory;
        _cleanup_free_ char *path = path_that_exists(seen[i].path, &directory);

        free(seen[i].path);
        /* Tried in vain, then: nothing of ours was in the way. */
        if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 && errno != EROFS)
            continue;
        if (is_settled(paths, path))
            continue;
        if (!can_be_written_down(path))
            paths->odd++;
        else
            add_item(paths, path, directory);
    }
    free(seen);
    learn_paths_reduce(paths);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct learn_path *)a)->path, ((const struct learn_path *)b)->path);
}

static size_t files_of(const struct learn_paths *paths, const char *directory)
{
    size_t files = 0;

    for (size_t i = 0; i < paths->n; i++) {
        _cleanup_free_ char *parent =
            paths->items[i].directory ? NULL : parent_of(paths->items[i].path);

        files += parent && strcmp(parent, directory) == 0;
    }
    return files;
}

static void take_files_together(struct learn_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++) {
        _cleanup_free_ char *parent =
            paths->items[i].directory ? NULL : parent_of(paths->items[i].path);

        if (!parent || strcmp(parent, "/") == 0 || files_of(paths, parent) < LEARN_MANY_FILES)
            continue;
        free(paths->items[i].path);
        paths->items[i] = (struct learn_path){take_ptr(parent), true};
    }
}

void learn_paths_reduce(struct learn_paths *paths)
{
    take_files_together(paths);
    for (size_t i = 0; i < paths->n;) {
        bool covered = false;

        for (size_t j = 0; j < paths->n && !covered; j++)
            covered = j != i && paths->items[j].directory &&
                      learn_path_below(paths->items[i].path, paths->items[j].path);
        if (covered)
            drop_item(paths, i);
        else
            i++;
    }
    if (paths->n)
        qsort(paths->items, paths->n, sizeof(*paths->items), by_path);
}

char *learn_path_text(const struct learn_paths *paths, const char *path)
{
    const char *home = paths->home;

    if (home && *home == '/' && home[1] && learn_path_below(path, home) && path[strlen(home)])
        return mem_printf("~%s", path + strlen(home));
    return mem_strdup(path);
}

void learn_paths_done(struct learn_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        free(paths->items[i].path);
    for (size_t i = 0; i < paths->nown; i++)
        free(paths->own[i]);
    free(paths->items);
}
