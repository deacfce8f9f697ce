/* SPDX-License-Identifier: MIT */
/* A profile's JSON to rules. Tables of keys; each error knows its place. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/internal.h"

#define DEPTH_MAX 8

struct reader {
    struct seccomp_file *file;
    uint64_t caps;
    const char *text;
    struct seccomp_step steps[DEPTH_MAX];
    size_t depth;
    struct err *err;
};

/* What an object's keys are read into: one for the whole file, one for each rule. */
struct head {
    const char *action, *errno_name;
    const json_t *errno_number, *rules;
    bool architectures, arch_map;
};

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

struct key {
    const char *name;
    int (*read)(struct reader *reader, const json_t *value, void *into);
};

/* --- errors --- */

/* "syscalls[12] ("openat", …): args[0].op" */
static void write_place(const struct reader *reader, char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < reader->depth && at < size; i++) {
        const struct seccomp_step *step = &reader->steps[i];
        const json_t *rule, *names;
        const char *first;

        if (step->key) {
            bool after_rule = i == 2 && reader->steps[0].key && strcmp(reader->steps[0].key, "syscalls") == 0;

            at += (size_t)snprintf(buf + at, size - at, "%s%.60s", i == 0 ? "" : after_rule ? ": " : ".", step->key);
            continue;
        }
        at += (size_t)snprintf(buf + at, size - at, "[%zu]", step->index);
        if (i != 1 || at >= size)
            continue;
        rule = json_array_get(json_object_get(reader->file->root, reader->steps[0].key), step->index);
        names = json_object_get(rule, "names");
        first = json_string_value(names ? json_array_get(names, 0) : json_object_get(rule, "name"));
        if (first)
            at += (size_t)snprintf(buf + at, size - at, " (\"%.40s\"%s)", first,
                                   json_array_size(names) > 1 ? ", …" : "");
    }
}

/* "FILE:LINE: PLACE" */
static void write_where(const struct reader *reader, char *buf, size_t size)
{
    char place[200];

    write_place(reader, place, sizeof(place));
    snprintf(buf, size, "%.250s:%u:%s%s", reader->file->path,
             seccomp_json_line(reader->text, reader->steps, reader->depth), *place ? " " : "", place);
}

/* `found` NULL: it is missing. */
__attribute__((format(printf, 3, 4))) static int bad(struct reader *reader, const json_t *found, const char *fmt, ...)
{
    _cleanup_free_ char *shown = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char where[480], expected[400];
    const char *text = shown ? shown : "missing";
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(expected, sizeof(expected), fmt, ap);
    va_end(ap);
    write_where(reader, where, sizeof(where));
    if (strncmp(text, "\"u64:", 5) == 0)
        err_set(reader->err, ERR_USAGE, EINVAL, "%s is %.*s", where, (int)strspn(text + 5, "0123456789"), text + 5);
    else
        err_set(reader->err, ERR_USAGE, EINVAL, "%s is %.60s%s", where, text, strlen(text) > 60 ? "…" : "");
    return err_hint(reader->err, "expected %s", expected);
}

static int unsupported(struct reader *reader, const struct seccomp_word *word)
{
    char where[480];

    write_where(reader, where, sizeof(where));
    err_set(reader->err, ERR_USAGE, EINVAL, "%s: %s is not supported", where, word->name);
    return err_hint(reader->err, "%s", word->unsupported);
}

static int refuse(struct reader *reader, const char *what, const char *hint)
{
    char where[480];

    write_where(reader, where, sizeof(where));
    err_set(reader->err, ERR_USAGE, EINVAL, "%s%s%s", where, reader->depth ? ": " : " ", what);
    return err_hint(reader->err, "%s", hint);
}

/* --- walking --- */

static void step_in(struct reader *reader, const char *key, size_t index)
{
    if (reader->depth < DEPTH_MAX)
        reader->steps[reader->depth] = (struct seccomp_step){key, index};
    reader->depth++; /* the format has four levels; what is deeper is refused before it is walked into */
}

static void step_out(struct reader *reader)
{
    reader->depth--;
}

/* A member that is null is one that is not there, as in the programs that write these files. */
static int read_object(struct reader *reader, const json_t *object, const struct key *keys, const char *what, void *into)
{
    const char *name;
    json_t *value;
    int r = 0;

    if (!json_is_object(object))
        return bad(reader, object, "an object: %s", what);
    json_object_foreach ((json_t *)object, name, value) {
        const struct key *key = keys;

        while (key->name && strcmp(key->name, name) != 0)
            key++;
        step_in(reader, name, 0);
        if (!key->name)
            r = refuse(reader, "unknown key", what);
        else if (key->read && !json_is_null(value))
            r = key->read(reader, value, into);
        if (r < 0)
            return r;
        step_out(reader);
    }
    return 0;
}

static int read_list(struct reader *reader, const json_t *list, size_t most, const char *what,
                     int (*read)(struct reader *reader, const json_t *value, void *into), void *into)
{
    size_t i;
    json_t *value;

    if (!json_is_array(list) || json_array_size(list) > most)
        return bad(reader, list, "a list of at most %zu: %s", most, what);
    json_array_foreach (list, i, value) {
        int r;

        step_in(reader, NULL, i);
        r = read(reader, value, into);
        if (r < 0)
            return r;
        step_out(reader);
    }
    return 0;
}

static int read_word(struct reader *reader, const json_t *value, const struct seccomp_word *table, uint32_t *ret)
{
    const char *name = json_string_value(value);
    const struct seccomp_word *word = name ? seccomp_word_find(table, name) : NULL;
    char list[600];

    if (!word) {
        seccomp_word_list(table, list, sizeof(list));
        return bad(reader, value, "%s", list);
    }
    if (word->unsupported)
        return unsupported(reader, word);
    *ret = word->value;
    return 0;
}

/* --- actions --- */

static int read_text(struct reader *reader, const json_t *value, const char **ret)
{
    if (!json_is_string(value))
        return bad(reader, value, "text");
    *ret = json_string_value(value);
    return 0;
}

/* `key` and the errno that goes with it (Podman's files hold it as a number and a name; the name is the newer of the two). */
static int make_answer(struct reader *reader, const char *key, const json_t *object, const char *name_key,
                       const char *number_key, uint32_t *ret)
{
    const json_t *number = json_object_get(object, number_key);
    const char *name = json_string_value(json_object_get(object, name_key));
    const char *errno_key = name && *name ? name_key : number_key;
    bool given = (name && *name) || (number && !json_is_null(number));
    uint64_t errnum = EPERM;
    int r;

    step_in(reader, key, 0);
    r = read_word(reader, json_object_get(object, key), seccomp_actions, ret);
    if (r < 0)
        return r;
    step_out(reader);
    step_in(reader, errno_key, 0);
    if (given && *ret != SECCOMP_RET_ERRNO)
        return refuse(reader, "only SCMP_ACT_ERRNO has an errno", "remove it, or make the action SCMP_ACT_ERRNO");
    if (name && *name) {
        r = seccomp_errno_parse(name);
        if (r < 0)
            return bad(reader, json_object_get(object, name_key), "the name of an errno, such as EPERM, or its number");
        errnum = (uint64_t)r;
    } else if (given && (seccomp_json_u64(number, &errnum) < 0 || errnum > 4095)) {
        return bad(reader, number, "a number from 0 to 4095");
    }
    step_out(reader);
    if (*ret == SECCOMP_RET_ERRNO)
        *ret |= (uint32_t)errnum;
    return 0;
}

/* --- includes and excludes --- */

static int read_cap(struct reader *reader, const json_t *value, void *into)
{
    struct filter *filter = into;
    const char *name = json_string_value(value);
    cap_value_t cap;
    bool has;

    if (!name || cap_from_name(name, &cap) < 0 || cap < 0 || cap > 63)
        return bad(reader, value, "the name of a capability, such as CAP_SYS_ADMIN");
    reader->file->asks_caps = true;
    has = reader->caps >> cap & 1;
    filter->any |= has;
    filter->holds &= has;
    return 0;
}

static int read_caps(struct reader *reader, const json_t *value, void *into)
{
    return read_list(reader, value, 64, "names of capabilities", read_cap, into);
}

static int read_docker_arch(struct reader *reader, const json_t *value, void *into)
{
    const char *name = json_string_value(value);

    if (!name || seccomp_docker_arch(name, into) < 0)
        return bad(reader, value, "%s", SECCOMP_DOCKER_ARCHES);
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
    int r = read_list(reader, value, 64, SECCOMP_DOCKER_ARCHES, read_one_of_arches, &ours);

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
        return bad(reader, value, "a kernel version, such as \"4.8\"");
    if (uname(&uts) < 0 || sscanf(uts.release, "%5u.%5u", &our_major, &our_minor) != 2)
        return err_set(reader->err, ERR_SYSTEM, EINVAL, "uname: no version in \"%s\"", uts.release);
    reader->file->asks_kernel = true;
    enough = our_major > major || (our_major == major && our_minor >= minor);
    filter->any |= enough;
    filter->holds &= enough;
    return 0;
}

static const struct key filter_keys[] = {
    {"caps", read_caps}, {"arches", read_filter_arches}, {"minKernel", read_min_kernel}, {0}};
#define FILTER_KEYS "keys are caps, arches and minKernel"

static int read_includes(struct reader *reader, const json_t *value, void *into)
{
    struct filter filter = {.holds = true};
    int r = read_object(reader, value, filter_keys, FILTER_KEYS, &filter);

    ((struct draft *)into)->skipped |= !filter.holds;
    return r;
}

static int read_excludes(struct reader *reader, const json_t *value, void *into)
{
    struct filter filter = {.holds = true};
    int r = read_object(reader, value, filter_keys, FILTER_KEYS, &filter);

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
        return bad(reader, value, "the number of an argument, 0 to 5");
    draft->arg.index = (unsigned)index;
    draft->has_index = true;
    return 0;
}

static int read_u64(struct reader *reader, const json_t *value, uint64_t *ret)
{
    if (seccomp_json_u64(value, ret) < 0)
        return bad(reader, value, "a whole number from 0 to 18446744073709551615");
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
    return read_word(reader, value, seccomp_operators, &draft->arg.op);
}

static const struct key arg_keys[] = {
    {"index", read_index}, {"value", read_value}, {"valueTwo", read_value_two}, {"op", read_op}, {0}};

static int read_arg(struct reader *reader, const json_t *value, void *into)
{
    struct seccomp_rule *rule = &((struct draft *)into)->rule;
    struct arg_draft draft = {0};
    int r = read_object(reader, value, arg_keys, "keys are index, value, valueTwo and op", &draft);

    if (r < 0)
        return r;
    if (!draft.has_index || !draft.has_op || !draft.has_value) {
        step_in(reader, !draft.has_index ? "index" : !draft.has_op ? "op" : "value", 0);
        return bad(reader, NULL, "index, op and value in each condition on an argument");
    }
    rule->args[rule->nargs++] = draft.arg;
    return 0;
}

static int read_args(struct reader *reader, const json_t *value, void *into)
{
    struct draft *draft = into;

    draft->rule.args = mem_calloc(SECCOMP_ARGS_MAX, sizeof(*draft->rule.args));
    return read_list(reader, value, SECCOMP_ARGS_MAX, "conditions on arguments", read_arg, draft);
}

/* --- rules --- */

static int read_name(struct reader *reader, const json_t *value, void *into)
{
    (void)into;
    if (json_string_length(value) == 0 || json_string_length(value) > 64)
        return bad(reader, value, "the name of a system call");
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
    return read_list(reader, value, 4096, "names of system calls", read_name, NULL);
}

static int read_comment(struct reader *reader, const json_t *value, void *into)
{
    const char *ignored;

    (void)into;
    return read_text(reader, value, &ignored);
}

static const struct key rule_keys[] = {
    {"names", read_names},       {"name", read_old_name}, {"action", NULL},   {"errnoRet", NULL},
    {"errno", read_comment},     {"args", read_args},     {"comment", read_comment},
    {"includes", read_includes}, {"excludes", read_excludes}, {0}};

static int finish_rule(struct reader *reader, const json_t *value, struct draft *draft)
{
    if (draft->name && json_array_size(draft->names) > 0)
        return refuse(reader, "both name and names", "keep one of them");
    if (!draft->name && json_array_size(draft->names) == 0) {
        step_in(reader, "names", 0);
        return bad(reader, draft->names, "a list of at least one name of a system call");
    }
    draft->rule.names = draft->name ? draft->name : draft->names;
    return make_answer(reader, "action", value, "errno", "errnoRet", &draft->rule.answer);
}

static int read_rule(struct reader *reader, const json_t *value, void *into)
{
    struct seccomp_file *file = reader->file;
    struct draft draft = {.rule.at = reader->steps[reader->depth - 1].index};
    int r = read_object(reader, value, rule_keys,
                        "keys of a rule are names, name, action, errnoRet, errno, args, comment, includes, excludes", &draft);

    (void)into;
    if (r == 0)
        r = finish_rule(reader, value, &draft);
    if (r < 0 || draft.skipped)
        free(draft.rule.args);
    else
        file->rules[file->nrules++] = draft.rule;
    return r;
}

/* --- the file --- */

static int read_arch(struct reader *reader, const json_t *value, void *into)
{
    uint32_t ignored;

    (void)into;
    return read_word(reader, value, seccomp_arches, &ignored);
}

static int read_sub_arches(struct reader *reader, const json_t *value, void *into)
{
    return read_list(reader, value, 64, "names of architectures", read_arch, into);
}

static int read_architectures(struct reader *reader, const json_t *value, void *into)
{
    ((struct head *)into)->architectures = json_array_size(value) > 0;
    return read_sub_arches(reader, value, into);
}

static const struct key map_keys[] = {{"architecture", read_arch}, {"subArchitectures", read_sub_arches}, {0}};

static int read_arch_map_row(struct reader *reader, const json_t *value, void *into)
{
    return read_object(reader, value, map_keys, "keys are architecture and subArchitectures", into);
}

static int read_arch_map(struct reader *reader, const json_t *value, void *into)
{
    ((struct head *)into)->arch_map = json_array_size(value) > 0;
    return read_list(reader, value, 64, "architectures with their subArchitectures", read_arch_map_row, into);
}

static int read_flag(struct reader *reader, const json_t *value, void *into)
{
    uint32_t ignored;

    (void)into;
    return read_word(reader, value, seccomp_flags, &ignored);
}

static int read_flags(struct reader *reader, const json_t *value, void *into)
{
    return read_list(reader, value, 16, "flags", read_flag, into);
}

static int read_listener(struct reader *reader, const json_t *value, void *into)
{
    (void)into;
    if (json_is_string(value) && json_string_length(value) == 0)
        return 0;
    return refuse(reader, "not supported", "remove it: shunt itself holds the listener, and names refused calls");
}

static int note_rules(struct reader *reader, const json_t *value, void *into)
{
    (void)reader;
    ((struct head *)into)->rules = value;
    return 0;
}

static const struct key file_keys[] = {
    {"defaultAction", NULL},         {"defaultErrnoRet", NULL},  {"defaultErrno", read_comment},
    {"architectures", read_architectures}, {"archMap", read_arch_map}, {"flags", read_flags},
    {"syscalls", note_rules},        {"listenerPath", read_listener}, {"listenerMetadata", read_listener}, {0}};

/* A rule that refuses a call nobody knows refuses nothing: in a list of refusals that is a hole, and most likely a slip of
 * the pen. In an allow list the default refuses it anyway, and Docker's names calls that are newer than we are. */
static int check_refusals(struct reader *reader)
{
    const struct seccomp_file *file = reader->file;
    char hint[160];

    for (size_t i = 0; i < file->nrules; i++) {
        const struct seccomp_rule *rule = &file->rules[i];

        if (seccomp_strongest(file->fallback, rule->answer) == file->fallback)
            continue;
        for (size_t j = 0; j < seccomp_rule_names(rule); j++) {
            if (seccomp_syscall_number(seccomp_rule_name(rule, j)) != -EINVAL)
                continue;
            step_in(reader, "syscalls", 0);
            step_in(reader, NULL, rule->at);
            step_in(reader, json_is_array(rule->names) ? "names" : "name", 0);
            if (json_is_array(rule->names))
                step_in(reader, NULL, j);
            snprintf(hint, sizeof(hint), "no system call \"%.60s\" is known here, so refusing it would do nothing",
                     seccomp_rule_name(rule, j));
            return refuse(reader, "unknown system call", hint);
        }
    }
    return 0;
}

static int read_root(struct reader *reader)
{
    struct seccomp_file *file = reader->file;
    struct head head = {0};
    int r = read_object(reader, file->root, file_keys,
                        "keys are defaultAction, defaultErrnoRet, defaultErrno, architectures, archMap, flags, syscalls",
                        &head);

    if (r == 0 && head.architectures && head.arch_map)
        r = refuse(reader, "has both architectures and archMap", "keep one of them");
    if (r == 0)
        r = make_answer(reader, "defaultAction", file->root, "defaultErrno", "defaultErrnoRet", &file->fallback);
    if (r < 0 || !head.rules)
        return r;
    file->rules = mem_calloc(json_array_size(head.rules) + 1, sizeof(*file->rules));
    step_in(reader, "syscalls", 0);
    r = read_list(reader, head.rules, 10000, "rules", read_rule, NULL);
    if (r < 0)
        return r;
    step_out(reader);
    return check_refusals(reader);
}

static const char *label_of(const char *path)
{
    const char *label = path + strlen(path);

    for (int slashes = 0; label > path; label--)
        if (label[-1] == '/' && ++slashes == 2)
            break;
    return label;
}

int seccomp_file_parse(const char *path, const char *text, size_t size, uint64_t caps, struct seccomp_file *ret,
                       struct err *err)
{
    _cleanup_free_ char *wrapped = NULL, *copy = strndup(text, size);
    struct seccomp_file file = {.path = mem_strdup(path)};
    struct reader reader = {.file = &file, .caps = caps, .err = err};
    json_error_t error;
    int r;

    file.label = label_of(file.path);
    /* a number or a string cut by a zero byte would be read as another one */
    if (copy && strlen(copy) == size)
        wrapped = seccomp_json_wrap(copy, size);
    if (!wrapped) {
        seccomp_file_done(&file);
        return err_set(err, ERR_USAGE, EINVAL, "%s: holds a zero byte", path);
    }
    file.root = json_loads(wrapped, JSON_REJECT_DUPLICATES, &error);
    reader.text = wrapped;
    if (!file.root) {
        r = err_set(err, ERR_USAGE, EINVAL, "%s:%d:%d: %s", path, error.line, error.column, error.text);
        err_hint(err, "expected JSON, a seccomp profile as container engines read it");
    } else {
        r = read_root(&reader);
    }
    if (r < 0) {
        seccomp_file_done(&file);
        return r;
    }
    *ret = file;
    return 0;
}

int seccomp_file_read(const char *path, uint64_t caps, struct seccomp_file *ret, struct err *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *text = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_USAGE, errno, "%s: %m", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE, EINVAL, "%s: not a file", path);
    if (st.st_size > SECCOMP_FILE_MAX)
        return err_set(err, ERR_USAGE, EFBIG, "%s: more than 1 MiB, which is no seccomp profile", path);
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return err_set(err, ERR_SYSTEM, ENOMEM, "%s: %m", path);
    n = pread(fd, text, (size_t)st.st_size, 0);
    if (n < 0)
        return err_set(err, ERR_USAGE, errno, "%s: %m", path);
    return seccomp_file_parse(path, text, (size_t)n, caps, ret, err);
}

void seccomp_file_done(struct seccomp_file *file)
{
    for (size_t i = 0; i < file->nrules; i++)
        free(file->rules[i].args);
    free(file->rules);
    free(file->path);
    json_decref(file->root);
    *file = (struct seccomp_file){0};
}

size_t seccomp_rule_names(const struct seccomp_rule *rule)
{
    return json_is_array(rule->names) ? json_array_size(rule->names) : 1;
}

const char *seccomp_rule_name(const struct seccomp_rule *rule, size_t i)
{
    return json_string_value(json_is_array(rule->names) ? json_array_get(rule->names, i) : rule->names);
}
