/* SPDX-License-Identifier: MIT */
#include "sandbox/seccomp/profile.h"

#include <errno.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"

struct reader {
    const char *path;
    scmp_filter_ctx ctx;
    uint32_t default_action;
    struct err *err;
};

struct word {
    const char *name;
    uint32_t value;
};

static int bad(struct reader *reader, const char *what, const char *expected)
{
    err_set(reader->err, ERR_USAGE, EINVAL, "%s: %s", reader->path, what);
    return err_hint(reader->err, "expected %s", expected);
}

static int find_word(const struct word *words, size_t n, const char *name, uint32_t *ret)
{
    for (size_t i = 0; name && i < n; i++)
        if (strcmp(words[i].name, name) == 0) {
            *ret = words[i].value;
            return 0;
        }
    return -EINVAL;
}

/* The action of an object, with its errno (EPERM when none is given, as in the OCI specification). */
static int read_action(struct reader *reader, const json_t *object, const char *key,
                       const char *errno_key, uint32_t *ret)
{
    static const struct word words[] = {
        {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW}, {"SCMP_ACT_LOG", SCMP_ACT_LOG},
        {"SCMP_ACT_ERRNO", 0},              {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    };
    const char *name = json_string_value(json_object_get(object, key));
    const json_t *number = json_object_get(object, errno_key);
    uint32_t action;

    if (find_word(words, sizeof(words) / sizeof(words[0]), name, &action) < 0)
        return bad(reader, "unknown or missing action", "SCMP_ACT_ALLOW, _ERRNO, _LOG, _KILL or _KILL_PROCESS");
    if (number && (!json_is_integer(number) || json_integer_value(number) < 0 ||
                   json_integer_value(number) > 4095))
        return bad(reader, "bad errnoRet", "a number from 0 to 4095");
    *ret = strcmp(name, "SCMP_ACT_ERRNO") == 0
               ? SCMP_ACT_ERRNO((uint16_t)(number ? json_integer_value(number) : EPERM))
               : action;
    return 0;
}

static int read_arg(struct reader *reader, const json_t *arg, struct scmp_arg_cmp *ret)
{
    static const struct word words[] = {
        {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
        {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    };
    const json_t *index = json_object_get(arg, "index"), *value = json_object_get(arg, "value");
    uint32_t op;

    if (!json_is_integer(index) || json_integer_value(index) < 0 || json_integer_value(index) > 5 ||
        !json_is_integer(value) ||
        find_word(words, sizeof(words) / sizeof(words[0]),
                  json_string_value(json_object_get(arg, "op")), &op) < 0)
        return bad(reader, "bad argument rule", "index 0 to 5, a value, and op SCMP_CMP_…");
    ret->arg = (unsigned)json_integer_value(index);
    ret->op = (enum scmp_compare)op;
    ret->datum_a = (scmp_datum_t)json_integer_value(value);
    ret->datum_b = (scmp_datum_t)json_integer_value(json_object_get(arg, "valueTwo"));
    return 0;
}

static int add_rule(struct reader *reader, const json_t *rule, uint32_t action)
{
    const json_t *names = json_object_get(rule, "names"), *args = json_object_get(rule, "args");
    struct scmp_arg_cmp cmp[6];
    unsigned n = (unsigned)json_array_size(args);
    size_t i;
    json_t *name;

    if (!json_is_array(names) || n > 6)
        return bad(reader, "bad rule in syscalls", "names: a list of system calls, args: at most six");
    for (i = 0; i < n; i++) {
        int r = read_arg(reader, json_array_get(args, i), &cmp[i]);

        if (r < 0)
            return r;
    }
    json_array_foreach (names, i, name) {
        int nr, r;

        if (!json_is_string(name))
            return bad(reader, "bad name in syscalls", "text");
        nr = seccomp_syscall_resolve_name(json_string_value(name));
        /* Not a call of this architecture, or the default already: libseccomp refuses the latter. */
        if (nr < 0 || action == reader->default_action)
            continue;
        r = seccomp_rule_add_array(reader->ctx, action, nr, n, cmp);
        if (r < 0)
            return err_set(reader->err, ERR_USAGE, -r, "%s: rule for %s: %m", reader->path,
                           json_string_value(name));
    }
    return 0;
}

static int compile(struct reader *reader, const json_t *root)
{
    const json_t *rules = json_object_get(root, "syscalls");
    json_t *rule;
    size_t i;
    int r = read_action(reader, root, "defaultAction", "defaultErrnoRet", &reader->default_action);

    if (r < 0)
        return r;
    if (!json_is_array(rules))
        return bad(reader, "syscalls is missing", "a list of rules");
    reader->ctx = seccomp_init(reader->default_action);
    if (!reader->ctx)
        return err_set(reader->err, ERR_SYSTEM, ENOMEM, "libseccomp: %m");
    /* Calls of another architecture: an allow list knows none of them; a deny list leaves them to the list below. */
    seccomp_attr_set(reader->ctx, SCMP_FLTATR_ACT_BADARCH,
                     reader->default_action == SCMP_ACT_ALLOW ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
    json_array_foreach (rules, i, rule) {
        uint32_t action;

        r = read_action(reader, rule, "action", "errnoRet", &action);
        if (r == 0)
            r = add_rule(reader, rule, action);
        if (r < 0)
            return r;
    }
    return 0;
}

static int export_program(struct reader *reader, struct sock_fprog *ret)
{
    _cleanup_close_ int fd = memfd_create("bpf", MFD_CLOEXEC);
    off_t size;
    int r;

    if (fd < 0)
        return err_set(reader->err, ERR_SYSTEM, errno, "memfd_create: %m");
    r = seccomp_export_bpf(reader->ctx, fd);
    if (r < 0)
        return err_set(reader->err, ERR_SYSTEM, -r, "%s: cannot be compiled: %m", reader->path);
    size = lseek(fd, 0, SEEK_END);
    ret->filter = malloc((size_t)size);
    if (!ret->filter || pread(fd, ret->filter, (size_t)size, 0) != size)
        return err_set(reader->err, ERR_SYSTEM, EIO, "%s: cannot read the compiled filter", reader->path);
    ret->len = (unsigned short)((size_t)size / sizeof(*ret->filter));
    return 0;
}

int seccomp_profile_compile(const struct seccomp_request *request, struct sock_fprog *ret, struct err *err)
{
    const char *path = request->path;
    struct reader reader = {.path = path, .err = err};
    struct sock_fprog program = {0};
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    int r;

    if (!root)
        return err_set(err, ERR_USAGE, EINVAL, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    r = compile(&reader, root);
    if (r == 0)
        r = export_program(&reader, &program);
    if (reader.ctx)
        seccomp_release(reader.ctx);
    json_decref(root);
    if (r < 0) {
        seccomp_profile_done(&program);
        return r;
    }
    *ret = program;
    return 0;
}

void seccomp_profile_done(struct sock_fprog *program)
{
    free(program->filter);
    *program = (struct sock_fprog){0};
}
