/* SPDX-License-Identifier: MIT */
/* The policy file. Pure. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/internal.h"
#include "sandbox/learn/text.h"
#include "sandbox/spec/spec.h"

#define TASKS_LEAST 16
#define MEMORY_LEAST_MIB 128
#define MEMORY_STEP_MIB 32
#define COMMAND_SHOWN 200

/* Twice what was measured: where the kernel keeps no peak it is sampled, and a run on more CPUs
 * starts more. */
uint64_t learn_tasks_limit(uint64_t peak)
{
    if (!peak)
        return 0;
    return peak < TASKS_LEAST / 2 ? TASKS_LEAST : (2 * peak + 7) / 8 * 8;
}

/* Twice as well: under `hardened` /tmp is memory, and the page cache is counted. */
uint64_t learn_memory_limit_mib(uint64_t peak_bytes)
{
    uint64_t mib = (peak_bytes >> 20) * 2 + 2;

    if (!peak_bytes)
        return 0;
    return mib < MEMORY_LEAST_MIB ? MEMORY_LEAST_MIB
                                  : (mib + MEMORY_STEP_MIB - 1) / MEMORY_STEP_MIB * MEMORY_STEP_MIB;
}

/* The file's name as the name of a policy. */
static char *policy_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = mem_strdup(slash ? slash + 1 : path), *end = strrchr(name, '.');

    if (end && end != name && (strcmp(end, ".yaml") == 0 || strcmp(end, ".yml") == 0))
        *end = '\0';
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
            *at = '_';
    if (!isalnum((unsigned char)*name)) {
        char *good = mem_printf("learned%s", name);

        free(name);
        name = good;
    }
    if (strlen(name) > 60)
        name[60] = '\0';
    return name;
}

/* In double quotes of YAML. */
static void put_quoted(FILE *f, const char *text)
{
    bool fits = learn_text_fits(text);

    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', f);
        fputc(!fits && ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f) ? '?' : *text, f);
    }
    fputc('"', f);
}

static bool continues(char byte) /* a character of UTF-8 */
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static char *command_line(char *const *command)
{
    char *line = mem_zalloc(COMMAND_SHOWN + 1);
    size_t at = 0;

    for (; *command && at < COMMAND_SHOWN; command++) {
        if (at)
            line[at++] = ' ';
        for (const char *c = *command, *fits = learn_text_fits(c) ? c : NULL; *c && at < COMMAND_SHOWN; c++)
            line[at++] = !fits && ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) ? '?' : *c;
    }
    /* The last character whole, or not at all. */
    while (at == COMMAND_SHOWN && at > 0 && (unsigned char)line[at - 1] >= 0x80) {
        bool first = !continues(line[at - 1]);

        line[--at] = '\0';
        if (first)
            break;
    }
    return line;
}

static void put_names(FILE *f, const json_t *names)
{
    json_t *name;
    size_t i;

    json_array_foreach (names, i, name)
        fprintf(f, "%s%s", i ? ", " : "", json_string_value(name));
}

static void put_head(FILE *f, const char *name, const struct learn *learn,
                     const struct learn_output *output)
{
    _cleanup_free_ char *line = command_line(output->command);

    fprintf(f, "# Learned from one run of: %s\n", line);
    fputs("# What a run needs, and what it may do, are two questions: read it before it is used. "
          "Variables of the\n"
          "# environment, capabilities and abstract sockets are no system calls of their own, and "
          "cannot be learned.\n",
          f);
    fprintf(f, "policy: %s\nsummary: ", name);
    put_quoted(f, "learned from a run");
    fprintf(f, "\nextends: %s\n", learn->base_name);
}

#define HOME_NOTE "   # all of a home directory: make what it needs in there beforehand, and name that"

static bool is_home(const struct learn_paths *paths, const char *path)
{
    return strcmp(path, "~") == 0 || (paths->home && strcmp(path, paths->home) == 0);
}

static void put_files(FILE *f, const struct learn_paths *paths)
{
    if (paths->cwd_written || paths->n) {
        fputs("files:\n  writable:\n", f);
        if (paths->cwd_written)
            fputs("    - \".\"\n", f);
        for (size_t i = 0; i < paths->n; i++) {
            _cleanup_free_ char *text = learn_path_text(paths, paths->items[i].path);

            fputs("    - ", f);
            put_quoted(f, text);
            fputs(is_home(paths, text) ? HOME_NOTE "\n" : "\n", f);
        }
    }
    if (paths->root_written)
        fputs("# Not added: \"/\" itself, where the run made or removed something.\n", f);
    if (paths->kernel_written)
        fputs("# Not added: files of /sys, which the run changed, or tried to.\n", f);
    if (paths->odd)
        fprintf(f, "# Not added: %lu path%s with characters that a policy cannot have.\n",
                paths->odd, paths->odd == 1 ? "" : "s");
    if (paths->lost)
        fprintf(f,
                "# Not added: what was written after %d places outside of the working directory.\n",
                LEARN_PATHS_MAX);
}

static void put_seccomp(FILE *f, const struct learn *learn, const struct learn_calls *calls,
                        const char *profile_name)
{
    fputs("seccomp: ", f);
    put_quoted(f, profile_name);
    fputc('\n', f);
    if (json_array_size(calls->added)) {
        fprintf(f, "# Allowed there, and not by %s: ", learn->base_name);
        put_names(f, calls->added);
        fputc('\n', f);
    }
    if (json_array_size(calls->dangerous)) {
        fputs("# Not added, since they open what a sandbox closes; the run made them: ", f);
        put_names(f, calls->dangerous);
        fputc('\n', f);
    }
    if (json_array_size(calls->arguments)) {
        fprintf(f, "# Allowed as in %s, which refuses some arguments that the run used: ",
                learn->base_name);
        put_names(f, calls->arguments);
        fputc('\n', f);
    }
    if (learn->foreign)
        fputs("# Not added: calls of another architecture (32-bit programs), which no policy "
              "allows.\n",
              f);
}

static void put_limits(FILE *f, const struct learn *learn)
{
    uint64_t tasks = learn_tasks_limit(learn->tasks),
             memory = learn_memory_limit_mib(learn->memory_bytes);

    if (!tasks && !memory)
        return;
    fputs("limits:              # twice what was measured, rounded up\n", f);
    if (tasks)
        fprintf(f, "  tasks: %" PRIu64 "\n", tasks);
    if (memory)
        fprintf(f, "  memory: %" PRIu64 "M\n", memory);
}

/* What the run itself did without must not keep the policy from being used where it was learned. */
static void put_require(FILE *f, const struct learn *learn)
{
    bool no_net = learn->reach == LEARN_REACH_HOST && learn->base_demands & SPEC_BIT(SPEC_NET);
    bool no_memory = !learn->memory_bytes && learn->base_demands & SPEC_BIT(SPEC_MEMORY);

    if (!no_net && !no_memory)
        return;
    fprintf(f, "require: [%s%s%s]%s\n", no_net ? "-net" : "", no_net && no_memory ? ", " : "", no_memory ? "-memory" : "",
            no_memory ? "   # no memory was measured: without a cgroup there is no limit on it" : "");
}

char *learn_policy_text(const struct learn *learn, const struct learn_calls *calls,
                        const struct learn_output *output, const char *profile_name)
{
    _cleanup_free_ char *name = policy_name(output->path);
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        abort();
    put_head(f, name, learn, output);
    if (learn->reach == LEARN_REACH_HOST && learn->base_confines)
        fputs("network: host        # the run reached for an address that is not loopback's\n", f);
    put_files(f, &learn->paths);
    put_seccomp(f, learn, calls, profile_name);
    put_limits(f, learn);
    put_require(f, learn);
    fclose(f);
    return text;
}
