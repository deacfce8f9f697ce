/* SPDX-License-Identifier: MIT */
/* A profile's file to rules. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/reader.h"

struct head {
    const char *action, *errno_name;
    const json_t *errno_number, *rules;
    bool architectures, arch_map;
};

/* --- the file --- */

static int read_arch(struct reader *reader, const json_t *value, void *into)
{
    uint32_t ignored;

    (void)into;
    return reader_word(reader, value, seccomp_arches, &ignored);
}

static int read_sub_arches(struct reader *reader, const json_t *value, void *into)
{
    return reader_list(reader, value, 64, "names of architectures", read_arch, into);
}

static int read_architectures(struct reader *reader, const json_t *value, void *into)
{
    ((struct head *)into)->architectures = json_array_size(value) > 0;
    return read_sub_arches(reader, value, into);
}

static const struct reader_key map_keys[] = {{"architecture", read_arch}, {"subArchitectures", read_sub_arches}, {0}};

static int read_arch_map_row(struct reader *reader, const json_t *value, void *into)
{
    return reader_object(reader, value, map_keys, "keys are architecture and subArchitectures", into);
}

static int read_arch_map(struct reader *reader, const json_t *value, void *into)
{
    ((struct head *)into)->arch_map = json_array_size(value) > 0;
    return reader_list(reader, value, 64, "architectures with their subArchitectures", read_arch_map_row, into);
}

static int read_flag(struct reader *reader, const json_t *value, void *into)
{
    uint32_t ignored;

    (void)into;
    return reader_word(reader, value, seccomp_flags, &ignored);
}

static int read_flags(struct reader *reader, const json_t *value, void *into)
{
    return reader_list(reader, value, 16, "flags", read_flag, into);
}

static int read_listener(struct reader *reader, const json_t *value, void *into)
{
    (void)into;
    if (json_is_string(value) && json_string_length(value) == 0)
        return 0;
    return reader_refuse(reader, "not supported",
                         "remove it: shunt itself holds the listener, and names refused calls");
}

static int note_rules(struct reader *reader, const json_t *value, void *into)
{
    (void)reader;
    ((struct head *)into)->rules = value;
    return 0;
}

static const struct reader_key file_keys[] = {
    {"defaultAction", NULL},         {"defaultErrnoRet", NULL},  {"defaultErrno", reader_text},
    {"architectures", read_architectures}, {"archMap", read_arch_map}, {"flags", read_flags},
    {"syscalls", note_rules},        {"listenerPath", read_listener}, {"listenerMetadata", read_listener}, {0}};

/* A rule that refuses a call nobody knows refuses nothing: in a list of refusals a slip of the pen is a hole. What is near to
 * no name is a call that is newer than we are, or of a kernel that is not ours: runc and crun pass over it, and so do we
 * (`shunt policy check` says it). In an allow list the default refuses it anyway. */
static int check_refusals(struct reader *reader)
{
    const struct seccomp_file *file = reader->file;
    char hint[200];

    for (size_t i = 0; i < file->nrules; i++) {
        const struct seccomp_rule *rule = &file->rules[i];

        if (!seccomp_rule_refuses(file, rule))
            continue;
        for (size_t j = 0; j < seccomp_rule_names(rule); j++) {
            bool unknown = seccomp_syscall_number(seccomp_rule_name(rule, j)) == -EINVAL;
            _cleanup_free_ char *meant = unknown ? seccomp_meant_call(seccomp_rule_name(rule, j)) : NULL;

            if (!meant)
                continue;
            reader_step_in(reader, "syscalls", 0);
            reader_step_in(reader, NULL, rule->at);
            reader_step_in(reader, json_is_array(rule->names) ? "names" : "name", 0);
            if (json_is_array(rule->names))
                reader_step_in(reader, NULL, j);
            snprintf(hint, sizeof(hint), "did you mean \"%.60s\"? \"%.60s\" is not known here, so refusing it would do nothing",
                     meant, seccomp_rule_name(rule, j));
            return reader_refuse(reader, "unknown system call", hint);
        }
    }
    return 0;
}

static int read_root(struct reader *reader)
{
    struct seccomp_file *file = reader->file;
    struct head head = {0};
    int r = reader_object(
        reader, file->root, file_keys,
        "keys are defaultAction, defaultErrnoRet, defaultErrno, architectures, archMap, flags, syscalls", &head);

    if (r == 0 && head.architectures && head.arch_map)
        r = reader_refuse(reader, "has both architectures and archMap", "keep one of them");
    if (r == 0)
        r = reader_answer(reader, "defaultAction", file->root, "defaultErrno", "defaultErrnoRet", &file->fallback);
    if (r < 0 || !head.rules)
        return r;
    file->rules = mem_calloc(json_array_size(head.rules) + 1, sizeof(*file->rules));
    reader_step_in(reader, "syscalls", 0);
    r = reader_list(reader, head.rules, 10000, "rules", reader_rule, NULL);
    if (r < 0)
        return r;
    reader_step_out(reader);
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
