/* SPDX-License-Identifier: MIT */
/* A spec as the YAML that it could have been read from: every key, in the order of docs/policies.md. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/caps/caps.h"
#include "sandbox/policy/policy.h"

static const char *yes(bool on)
{
    return on ? "yes" : "no";
}

/* Double quotes take every character, with escapes for those that would end or change them. */
static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < ' ' || *p == 0x7f)
            fprintf(out, "\\x%02x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

static void print_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, "%s: ", key);
    print_quoted(out, text);
    fputc('\n', out);
}

static void print_list(FILE *out, const char *key, const struct spec_list *list)
{
    fprintf(out, "  %s: [", key);
    for (size_t i = 0; i < list->n; i++) {
        fputs(i ? ", " : "", out);
        print_quoted(out, list->items[i]);
    }
    fputs("]\n", out);
}

static void print_size(FILE *out, uint64_t bytes)
{
    static const struct {
        unsigned shift;
        char letter;
    } units[] = {{30, 'G'}, {20, 'M'}, {10, 'K'}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (bytes && bytes % (1ULL << units[i].shift) == 0) {
            fprintf(out, "%" PRIu64 "%c", bytes >> units[i].shift, units[i].letter);
            return;
        }
    fprintf(out, "%" PRIu64, bytes);
}

static void print_namespaces(FILE *out, const struct sandbox_spec *spec)
{
    static const char *const userns[] = {
        [SPEC_USERNS_AUTO] = "auto", [SPEC_USERNS_NEVER] = "never", [SPEC_USERNS_ALWAYS] = "always"};
    static const char *const network[] = {
        [SPEC_NET_HOST] = "host", [SPEC_NET_LOOPBACK] = "loopback", [SPEC_NET_NONE] = "none"};

    fprintf(out, "namespaces:\n  pid: %s\n  mount: %s\n  ipc: %s\n  uts: %s\n  cgroup: %s\n  time: %s\n  user: %s\n",
            yes(spec->ns_pid), yes(spec->ns_mount), yes(spec->ns_ipc), yes(spec->ns_uts), yes(spec->ns_cgroup),
            yes(spec->ns_time), userns[spec->userns]);
    fprintf(out, "network: %s\n", network[spec->network]);
    print_text(out, "hostname", spec->hostname);
}

static void print_path(FILE *out, const struct spec_path *path)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    fprintf(memory, "%s%s", path->path, path->optional ? "?" : "");
    fclose(memory);
    if (path->kind == SPEC_PATH_TMPFS) {
        fputs("    - {path: ", out);
        print_quoted(out, text);
        fputs(", size: ", out);
        if (path->size_bytes)
            print_size(out, path->size_bytes);
        else
            fputs("none", out);
        fputc('}', out);
    } else {
        fputs("    - ", out);
        print_quoted(out, text);
    }
    if (path->origin && !strpbrk(path->origin, "\r\n"))
        fprintf(out, "  # %s", path->origin);
    fputc('\n', out);
    free(text);
}

static void print_paths(FILE *out, const struct sandbox_spec *spec, enum spec_path_kind kind, const char *key)
{
    bool any = false;

    for (size_t i = 0; i < spec->npaths; i++) {
        if (spec->paths[i].kind != kind)
            continue;
        if (!any)
            fprintf(out, "  %s:\n", key);
        any = true;
        print_path(out, &spec->paths[i]);
    }
    if (!any)
        fprintf(out, "  %s: []\n", key);
}

static void print_files(FILE *out, const struct sandbox_spec *spec)
{
    static const char *const tmp[] = {
        [SPEC_TMP_HOST] = "host", [SPEC_TMP_OVERLAY] = "overlay", [SPEC_TMP_FRESH] = "fresh"};
    static const char *const workdir[] = {[SPEC_WORKDIR_AS_IS] = "as-is",
                                          [SPEC_WORKDIR_READONLY] = "read-only",
                                          [SPEC_WORKDIR_OVERLAY] = "overlay"};

    fprintf(out, "files:\n  root: %s\n", spec->root_readonly ? "read-only" : "as-is");
    print_paths(out, spec, SPEC_PATH_READONLY, "read-only");
    print_paths(out, spec, SPEC_PATH_WRITABLE, "writable");
    print_paths(out, spec, SPEC_PATH_HIDDEN, "hidden");
    print_paths(out, spec, SPEC_PATH_TMPFS, "tmpfs");
    fprintf(out, "  tmp: %s\n  shm: %s\n  tmpfs-size: ", tmp[spec->tmp], spec->shm_private ? "private" : "host");
    if (spec->tmpfs_size_bytes)
        print_size(out, spec->tmpfs_size_bytes);
    else
        fputs("none", out);
    fprintf(out, "\n  dev: %s\n  kernel: %s\n  workdir: %s\nlandlock: %s\n", spec->dev_minimal ? "minimal" : "host",
            spec->mask_kernel ? "masked" : "as-is", workdir[spec->workdir], yes(spec->landlock));
}

static void print_environment(FILE *out, const struct sandbox_spec *spec)
{
    fputs("environment:\n", out);
    if (spec->env_pass_all)
        fputs("  pass: all\n", out);
    else
        print_list(out, "pass", &spec->env_pass);
    print_list(out, "drop", &spec->env_drop);
    print_list(out, "set", &spec->env_set);
}

static void print_capabilities(FILE *out, uint64_t caps)
{
    bool any = false;

    if (caps == CAPS_ALL || caps == 0 || caps == CAPS_DOCKER) {
        fprintf(out, "capabilities: %s\n", caps == 0 ? "none" : caps == CAPS_ALL ? "all" : "docker");
        return;
    }
    fputs("capabilities: [", out);
    for (unsigned cap = 0; cap < 64; cap++) {
        char name[32];

        if (!(caps & CAPS_BIT(cap)) || caps_name(cap, name, sizeof(name)) < 0)
            continue;
        fprintf(out, "%s%s", any ? ", " : "", name);
        any = true;
    }
    fputs("]\n", out);
}

static void print_id(FILE *out, const char *key, uint32_t id)
{
    if (id == SPEC_ID_KEEP || id == SPEC_ID_AUTO)
        fprintf(out, "  %s: %s\n", key, id == SPEC_ID_KEEP ? "keep" : "auto");
    else
        fprintf(out, "  %s: %" PRIu32 "\n", key, id);
}

static void print_privileges(FILE *out, const struct sandbox_spec *spec)
{
    bool any = false;

    print_capabilities(out, spec->caps);
    fputs("user:\n", out);
    print_id(out, "uid", spec->uid);
    print_id(out, "gid", spec->gid);
    fprintf(out, "terminal: %s\n", spec->tty ? "keep" : "none");
    if (spec->umask == SPEC_UMASK_KEEP)
        fputs("umask: keep\n", out);
    else
        fprintf(out, "umask: \"%03o\"\n", (unsigned)spec->umask);
    for (int i = 0; i < SPEC_RLIMIT_COUNT; i++) {
        if (!spec->rlimits[i].set)
            continue;
        fputs(any ? "" : "rlimits:\n", out);
        any = true;
        if (spec->rlimits[i].value == UINT64_MAX)
            fprintf(out, "  %s: unlimited\n", spec_rlimit_name(i));
        else
            fprintf(out, "  %s: %" PRIu64 "\n", spec_rlimit_name(i), spec->rlimits[i].value);
    }
    if (!any)
        fputs("rlimits: {}\n", out);
}

/* "auto", "none", or true: a number follows. */
static bool print_limit_word(FILE *out, const char *key, uint64_t value)
{
    fprintf(out, "  %s: ", key);
    if (value && value != SPEC_AUTO)
        return true;
    fputs(value ? "auto\n" : "none\n", out);
    return false;
}

static void print_duration(FILE *out, uint64_t ns)
{
    uint64_t s = ns / NS_PER_SEC, rest = ns % NS_PER_SEC;

    if (rest == 0)
        fprintf(out, "%" PRIu64 "s\n", s);
    else
        fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", s, rest);
}

static void print_limits(FILE *out, const struct spec_limits *limits)
{
    fputs("limits:\n", out);
    if (print_limit_word(out, "tasks", limits->tasks))
        fprintf(out, "%" PRIu64 "\n", limits->tasks);
    if (print_limit_word(out, "memory", limits->memory_bytes)) {
        print_size(out, limits->memory_bytes);
        fputc('\n', out);
    }
    if (print_limit_word(out, "cpus", limits->cpu_milli))
        fprintf(out, "%" PRIu64 ".%03" PRIu64 "\n", limits->cpu_milli / 1000, limits->cpu_milli % 1000);
    if (print_limit_word(out, "timeout", limits->timeout_ns))
        print_duration(out, limits->timeout_ns);
}

static void print_demands(FILE *out, unsigned demands)
{
    bool any = false;

    fputs("require: [", out);
    for (unsigned g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        if (!(demands & SPEC_BIT(g)))
            continue;
        fprintf(out, "%s%s", any ? ", " : "", spec_guarantee_name((enum spec_guarantee)g));
        any = true;
    }
    fputs("]\n", out);
}

char *policy_print(const struct sandbox_spec *spec)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    print_text(out, "policy", spec->name);
    print_text(out, "summary", spec->summary);
    fprintf(out, "observe: %s\n", yes(spec->observe));
    print_namespaces(out, spec);
    print_files(out, spec);
    print_environment(out, spec);
    print_privileges(out, spec);
    print_text(out, "seccomp", spec->seccomp ? spec->seccomp : "none");
    fprintf(out, "denials: %s\n", spec->notify ? "named" : "unnamed");
    print_limits(out, &spec->limits);
    if (*spec->machine)
        print_text(out, "machine", spec->machine);
    print_demands(out, spec->demands);
    fclose(out);
    return text;
}
