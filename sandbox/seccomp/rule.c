/* SPDX-License-Identifier: MIT */
/* One rule of a profile: names, action, conditions on arguments, and whether it holds here (includes, excludes). */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/utsname.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/reader.h"

struct filter {
    bool holds; /* includes: everything asked for is so; excludes: anything is */
    bool any;
};

struct draft {
    struct seccomp_rule rule;
    const char *action, *errno_name;
    const json_t *errno_number, *name, *names;
    bool skipped; /* by includes or excludes */
};

/* --- includes and excludes --- */

static int read_cap(struct reader *reader, const json_t *value, void *into)
{
    struct filter *filter = into;
    const char *name = json_string_value(value);
    cap_value_t cap;
    bool has;

    if (!name || cap_from_name(name, &cap) < 0 || cap < 0 || cap > 63)
        return reader_bad(reader, value, "the name of a capability, such as CAP_SYS_ADMIN");
    reader->file->asks_caps = true;
    has = reader->caps >> cap & 1;
    filter->any |= has;
    filter->holds &= has;
    return 0;
}

static int read_caps(struct reader *reader, const json_t *value, void *into)
{
    return reader_list(reader, value, 64, "names of capabilities", read_cap, into);
}

static int read_docker_arch(struct reader *reader, const json_t *value, void *into)
{
    const char *name = json_string_value(value);

    if (!name || seccomp_docker_arch(name, into) < 0)
        return reader_bad(reader, value, "%s", SECCOMP_DOCKER_ARCHES);
    return 0;
}

static int read_one_of_arches(struct reader *reader, const json_t *value, void *into)
{
    bool native = false;
    int r = read_docker_arch(reader, value, &native);

    *(bool *)into |= native;
    return r;
}

static int read_filter_arches(struct reader *reader, const json_t *value, void *into)
{
    struct filter *filter = into;
    bool ours = false;
    int r = reader_list(reader, value, 64, SECCOMP_DOCKER_ARCHES, read_one_of_arches, &ours);

    if (r == 0 && json_array_size(value) > 0) {
        filter->any |= ours;
        filter->holds &= ours;
    }
    return r;
}

static int read_version(const char *text, unsigned *major, unsigned *minor)
{
    char rest;
    int n = sscanf(text, "%5u.%5u%c", major, minor, &rest);

    return n == 2 || (n == 3 && (rest == '.' || rest == '-')) ? 0 : -EINVAL;
}

static int read_min_kernel(struct reader *reader, const json_t *value, void *into)
{
    struct filter *filter = into;
    const char *text = json_string_value(value);
    unsigned major, minor, our_major = 0, our_minor = 0;
    struct utsname uts;
    bool enough;

    if (text && !*text)
        return 0;
    if (!text || read_version(text, &major, &minor) < 0)
        return reader_bad(reader, value, "a kernel version, such as \"4.8\"");
    if (uname(&uts) < 0 || sscanf(uts.release, "%5u.%5u", &our_major, &our_minor) != 2)
        return err_set(reader->err, ERR_SYSTEM, EINVAL, "uname: no version in \"%s\"", uts.release);
    reader->file->asks_kernel = true;
    enough = our_major > major || (our_major == major && our_minor >= minor);
    filter->any |= enough;
    filter->holds &= enough;
    return 0;
}

static const struct reader_key filter_keys[] = {
    {"caps", read_caps}, {"arches", read_filter_arches}, {"minKernel", read_min_kernel}, {0}};
#define FILTER_KEYS "keys are caps, arches and minKernel"

static int read_includes(struct reader *reader, const json_t *value, void *into)
{
    struct filter filter = {.holds = true};
    int r = reader_object(reader, value, filter_keys, FILTER_KEYS, &filter);

    ((struct draft *)into)->skipped |= !filter.holds;
    return r;
}

static int read_excludes(struct reader *reader, const json_t *value, void *into)
{
    struct filter filter = {.holds = true};
    int r = reader_object(reader, value, filter_keys, FILTER_KEYS, &filter);

    ((struct draft *)into)->skipped |= filter.any;
    return r;
}

/* --- arguments --- */

struct arg_draft {
    struct seccomp_arg arg;
    bool has_index, has_op, has_value;
};

static int read_index(struct reader *reader, const json_t *value, void *into)
{
    struct arg_draft *draft = into;
    uint64_t index;

    if (seccomp_json_u64(value, &index) < 0 || index > 5)
        return reader_bad(reader, value, "the number of an argument, 0 to 5");
    draft->arg.index = (unsigned)index;
    draft->has_index = true;
    return 0;
}

static int read_u64(struct reader *reader, const json_t *value, uint64_t *ret)
{
    if (seccomp_json_u64(value, ret) < 0)
        return reader_bad(reader, value, "a whole number from 0 to 18446744073709551615");
    return 0;
}

static int read_value(struct reader *reader, const json_t *value, void *into)
{
    struct arg_draft *draft = into;

    draft->has_value = true;
    return read_u64(reader, value, &draft->arg.value);
}

static int read_value_two(struct reader *reader, const json_t *value, void *into)
{
    return read_u64(reader, value, &((struct arg_draft *)into)->arg.value_two);
}

static int read_op(struct reader *reader, const json_t *value, void *into)
{
    struct arg_draft *draft = into;

    draft->has_op = true;
    return reader_word(reader, value, seccomp_operators, &draft->arg.op);
}

static const struct reader_key arg_keys[] = {
    {"index", read_index}, {"value", read_value}, {"valueTwo", read_value_two}, {"op", read_op}, {0}};

static int read_arg(struct reader *reader, const json_t *value, void *into)
{
    struct seccomp_rule *rule = &((struct draft *)into)->rule;
    struct arg_draft draft = {0};
    int r = reader_object(reader, value, arg_keys, "keys are index, value, valueTwo and op", &draft);

    if (r < 0)
        return r;
    if (!draft.has_index || !draft.has_op || !draft.has_value) {
        reader_step_in(reader, !draft.has_index ? "index" : !draft.has_op ? "op" : "value", 0);
        return reader_bad(reader, NULL, "index, op and value in each condition on an argument");
    }
    rule->args[rule->nargs++] = draft.arg;
    return 0;
}

static int read_args(struct reader *reader, const json_t *value, void *into)
{
    struct draft *draft = into;

    draft->rule.args = mem_calloc(SECCOMP_ARGS_MAX, sizeof(*draft->rule.args));
    return reader_list(reader, value, SECCOMP_ARGS_MAX, "conditions on arguments", read_arg, draft);
}

/* --- rules --- */

static int read_name(struct reader *reader, const json_t *value, void *into)
{
    (void)into;
    if (json_string_length(value) == 0 || json_string_length(value) > 64)
        return reader_bad(reader, value, "the name of a system call");
    return 0;
}

static int read_old_name(struct reader *reader, const json_t *value, void *into)
{
    if (json_is_string(value) && json_string_length(value) == 0)
        return 0; /* as good as absent to the programs that write it */
    ((struct draft *)into)->name = value;
    return read_name(reader, value, NULL);
}

static int read_names(struct reader *reader, const json_t *value, void *into)
{
    ((struct draft *)into)->names = value;
    return reader_list(reader, value, 4096, "names of system calls", read_name, NULL);
}

static const struct reader_key rule_keys[] = {
    {"names", read_names},       {"name", read_old_name}, {"action", NULL},   {"errnoRet", NULL},
    {"errno", reader_text},     {"args", read_args},     {"comment", reader_text},
    {"includes", read_includes}, {"excludes", read_excludes}, {0}};

static int finish_rule(struct reader *reader, const json_t *value, struct draft *draft)
{
    if (draft->name && json_array_size(draft->names) > 0)
        return reader_refuse(reader, "both name and names", "keep one of them");
    if (!draft->name && json_array_size(draft->names) == 0) {
        reader_step_in(reader, "names", 0);
        return reader_bad(reader, draft->names, "a list of at least one name of a system call");
    }
    draft->rule.names = draft->name ? draft->name : draft->names;
    return reader_answer(reader, "action", value, "errno", "errnoRet", &draft->rule.answer);
}

int reader_rule(struct reader *reader, const json_t *value, void *into)
{
    struct seccomp_file *file = reader->file;
    struct draft draft = {.rule.at = reader->steps[reader->depth - 1].index};
    int r = reader_object(reader, value, rule_keys,
                          "keys of a rule are names, name, action, errnoRet, errno, args, comment, includes, excludes",
                          &draft);

    (void)into;
    if (r == 0)
        r = finish_rule(reader, value, &draft);
    if (r < 0 || draft.skipped)
        free(draft.rule.args);
    else
        file->rules[file->nrules++] = draft.rule;
    return r;
}
