/* SPDX-License-Identifier: MIT */
/* The policy and its profile as files, and what people are told. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/internal.h"
#include "sandbox/learn/text.h"

#define FILE_MAX_BYTES (1 << 20)
#define COMMAND_SHOWN 200

static int cannot_write(const char *path, int errnum, struct err *err)
{
    err_set(err, ERR_USAGE, errnum, "--learn: cannot write %.300s: %s", path, strerror(errnum));
    return err_hint(err, "name a file in a directory that exists and that you can write to");
}

int learn_check_path(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *directory =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    struct stat st;

    if (!directory)
        abort();
    if (!learn_text_fits(slash ? slash + 1 : path)) {
        err_set(err, ERR_USAGE, EILSEQ, "--learn: the name of the file is no plain text in UTF-8");
        return err_hint(err, "the policy names the profile beside it, and is such a text: choose another name");
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return cannot_write(path, S_ISDIR(st.st_mode) ? EISDIR : EEXIST, err);
    if (stat(directory, &st) < 0)
        return cannot_write(path, errno, err);
    if (!S_ISDIR(st.st_mode))
        return cannot_write(path, ENOTDIR, err);
    return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0
               ? cannot_write(path, errno, err)
               : 0;
}

/* --- one file --- */

struct written {
    const char *path;
    char *target; /* `path`, or PATH.new; NULL: it says the same already */
    char *diff;   /* to what was there; NULL: nothing was */
};

static void written_done(struct written *written)
{
    free(written->target);
    free(written->diff);
}

/* What a file says. NULL with errno. */
static char *read_text(const char *path)
{
    char *text = mem_zalloc(FILE_MAX_BYTES);
    ssize_t n = io_read_file_at(AT_FDCWD, path, text, FILE_MAX_BYTES);

    if (n >= 0)
        return text;
    free(text);
    errno = (int)-n;
    return NULL;
}

/* Never over what is there, but for an older PATH.new, which is ours. */
static int write_aside(const char *path, const char *text, bool replace)
{
    _cleanup_close_ int fd = open(
        path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (replace ? O_TRUNC : O_EXCL), 0644);

    return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

static int write_text(const char *path, const char *text, struct written *ret, struct err *err)
{
    _cleanup_free_ char *before = read_text(path), *target = NULL;
    bool there = before || errno != ENOENT;
    int r;

    *ret = (struct written){.path = path};
    if (there && !before)
        return cannot_write(path, errno, err);
    if (there && strcmp(before, text) == 0)
        return 0;
    target = there ? mem_printf("%s.new", path) : mem_strdup(path);
    r = write_aside(target, text, there);
    if (r < 0)
        return cannot_write(target, -r, err);
    if (there)
        ret->diff = learn_diff(before, text, path, target);
    ret->target = take_ptr(target);
    return 0;
}

/* --- for people --- */

static void say_names(FILE *out, const char *what, const json_t *names)
{
    json_t *name;
    size_t i;

    if (!json_array_size(names))
        return;
    fprintf(out, "  %s: ", what);
    json_array_foreach (names, i, name)
        fprintf(out, "%s%s", i ? ", " : "", json_string_value(name));
    fputc('\n', out);
}

static void say_against_base(FILE *out, const struct learn *learn, const struct learn_calls *calls)
{
    uint64_t tasks = learn_tasks_limit(learn->tasks),
             memory = learn_memory_limit_mib(learn->memory_bytes);

    if (learn->reach == LEARN_REACH_HOST && learn->base_confines)
        fputs("  + network: host\n", out);
    if (learn->paths.cwd_written)
        fputs("  + writable: .\n", out);
    for (size_t i = 0; i < learn->paths.n; i++) {
        _cleanup_free_ char *text = learn_path_text(&learn->paths, learn->paths.items[i].path);

        fprintf(out, "  + writable: %s\n", text);
    }
    say_names(out, "+ system calls", calls->added);
    fprintf(out, "  - %zu system calls that %s allows and this run did not make\n", calls->nunused,
            learn->base_name);
    if (tasks)
        fprintf(out, "  - at most %" PRIu64 " tasks\n", tasks);
    if (memory)
        fprintf(out, "  - at most %" PRIu64 " MiB\n", memory);
}

static void say_not_added(FILE *out, const struct learn *learn, const struct learn_calls *calls)
{
    say_names(out, "not added, since they open what a sandbox closes", calls->dangerous);
    say_names(out, "not added: some arguments of", calls->arguments);
    if (learn->foreign)
        fputs("  not added: calls of another architecture\n", out);
    if (learn->paths.root_written)
        fputs("  not added: writing to / itself\n", out);
    if (learn->paths.kernel_written)
        fputs("  not added: writing to /sys\n", out);
    if (learn->paths.odd || learn->paths.lost)
        fprintf(out, "  not added: %lu paths that are too odd or too many\n",
                learn->paths.odd + learn->paths.lost);
}

/* On one line, and so that a shell takes it as it was. */
static bool can_be_shown(const char *word, size_t room)
{
    for (const unsigned char *at = (const unsigned char *)word; *at; at++)
        if (*at < 0x20 || *at == 0x7f || *at == '\'')
            return false;
    return strlen(word) + 3 <= room;
}

static void say_use(FILE *out, const struct learn_output *output)
{
    /* What has neither a slash nor the ending would be taken for a name. */
    const char *end = strrchr(output->path, '.');
    bool is_path = strchr(output->path, '/') || (end && strcmp(end, ".yaml") == 0);
    size_t i, shown = 0;
    char *path = mem_printf("%s%s", is_path ? "" : "./", output->path);

    fprintf(out, "  use it: %s --policy ", output->with);
    learn_text_word(out, path);
    free(path);
    fputs(output->whole ? "" : " --", out);
    for (i = 0; output->command[i] && can_be_shown(output->command[i], COMMAND_SHOWN - shown);
         i++) {
        fputc(' ', out);
        learn_text_word(out, output->command[i]);
        shown += strlen(output->command[i]) + 3;
    }
    fputs(output->command[i] ? " ...\n" : "\n", out);
}

static void say_files(FILE *out, const struct learn_output *output, const struct written written[2])
{
    for (int i = 0; i < 2; i++)
        if (written[i].diff)
            fputs(written[i].diff, out);
    if (written[0].target || written[1].target)
        fputs("  written: ", out);
    for (int i = 0, n = 0; i < 2; i++)
        if (written[i].target)
            fprintf(out, "%s%s", n++ ? ", " : "", written[i].target);
    if (written[0].target || written[1].target)
        fputc('\n', out);
    if (!written[0].target && !written[1].target)
        fprintf(out, "  %s says so already\n", output->path);
    if (written[0].diff || written[1].diff)
        fputs("  take it over: ", out);
    for (int i = 0, n = 0; i < 2; i++)
        if (written[i].diff) {
            fputs(n++ ? " && mv " : "mv ", out);
            learn_text_word(out, written[i].target);
            fputc(' ', out);
            learn_text_word(out, written[i].path);
        }
    if (written[0].diff || written[1].diff)
        fputc('\n', out);
}

static void say(const struct learn *learn, const struct learn_calls *calls,
                const struct learn_output *output, const struct written written[2])
{
    static const char *const reaches[] = {[LEARN_REACH_NONE] = "no network",
                                          [LEARN_REACH_LOOPBACK] = "loopback",
                                          [LEARN_REACH_HOST] = "the host's network"};
    FILE *out = output->out;

    fprintf(out, "shunt: learned: %zu system calls, %s", calls->nseen, reaches[learn->reach]);
    if (learn->tasks)
        fprintf(out, ", %" PRIu64 " task%s", learn->tasks, learn->tasks == 1 ? "" : "s");
    if (learn->memory_bytes)
        fprintf(out, ", %" PRIu64 " MiB", (learn->memory_bytes + (1 << 20) - 1) >> 20);
    fputc('\n', out);
    if (!written[0].diff && written[0].target)
        say_against_base(out, learn, calls);
    say_not_added(out, learn, calls);
    if (output->status)
        fprintf(out,
                "  it ended with status %d: what it would have done without that is not in the "
                "policy\n",
                output->status);
    say_files(out, output, written);
    say_use(out, output);
}

/* --- all of it --- */

static char *profile_path(const char *path)
{
    size_t length = strlen(path);

    if (length > 5 && strcmp(path + length - 5, ".yaml") == 0)
        length -= 5;
    return mem_printf("%.*s.seccomp.json", (int)length, path);
}

int learn_write(struct learn *learn, const struct learn_output *output, struct err *err)
{
    _cleanup_free_ char *profile = profile_path(output->path), *profile_text = NULL,
                        *policy_text = NULL;
    const char *slash = strrchr(profile, '/');
    struct written written[2] = {0};
    struct learn_calls calls;
    int r;

    learn_paths_settle(&learn->paths);
    learn_sort_calls(learn, &calls);
    profile_text = learn_profile_text(learn->profile, calls.granted, calls.added);
    policy_text = learn_policy_text(learn, &calls, output, slash ? slash + 1 : profile);
    r = write_text(profile, profile_text, &written[1], err);
    if (r == 0)
        r = write_text(output->path, policy_text, &written[0], err);
    if (r == 0)
        say(learn, &calls, output, written);
    written_done(&written[0]);
    written_done(&written[1]);
    learn_calls_done(&calls);
    return r;
}
