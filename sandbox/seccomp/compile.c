/* SPDX-License-Identifier: MIT */
/* One file's rules to BPF, with libseccomp: where rules of one file contradict each other, they mean what they mean to
 * container engines, which use it too. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/seccomp/internal.h"

static void release(scmp_filter_ctx *ctx)
{
    if (*ctx)
        seccomp_release(*ctx);
}

static bool same_argument_twice(const struct seccomp_rule *rule)
{
    unsigned seen = 0;

    for (size_t i = 0; i < rule->nargs; i++) {
        if (seen & 1u << rule->args[i].index)
            return true;
        seen |= 1u << rule->args[i].index;
    }
    return false;
}

/* All conditions must hold; but two on one argument, which libseccomp cannot hold in one rule, are alternatives, and
 * then all of the rule's are. That is what runc and crun make of it, and profiles count on it. */
static int add_rule(scmp_filter_ctx ctx, const struct seccomp_rule *rule, int nr)
{
    struct scmp_arg_cmp cmp[SECCOMP_ARGS_MAX];
    int r = 0;

    for (size_t i = 0; i < rule->nargs; i++) {
        const struct seccomp_arg *arg = &rule->args[i];

        cmp[i] = (struct scmp_arg_cmp){arg->index, (enum scmp_compare)arg->op, arg->value, arg->value_two};
        if (arg->op == SCMP_CMP_MASKED_EQ) /* bits outside the mask can never be equal; libseccomp drops them */
            cmp[i].datum_b &= arg->value;
    }
    if (!same_argument_twice(rule))
        return seccomp_rule_add_array(ctx, rule->answer, nr, (unsigned)rule->nargs, cmp);
    for (size_t i = 0; r == 0 && i < rule->nargs; i++)
        r = seccomp_rule_add_array(ctx, rule->answer, nr, 1, &cmp[i]);
    return r;
}

static int add_rules(scmp_filter_ctx ctx, const struct seccomp_file *file, struct err *err)
{
    for (size_t i = 0; i < file->nrules; i++) {
        const struct seccomp_rule *rule = &file->rules[i];

        /* libseccomp refuses rules that say what the default says */
        for (size_t j = 0; rule->answer != file->fallback && j < seccomp_rule_names(rule); j++) {
            const char *name = seccomp_rule_name(rule, j);
            int nr = seccomp_syscall_number(name);
            int r = nr < 0 ? 0 : add_rule(ctx, rule, nr);

            if (r < 0 && r != -EEXIST)
                return err_set(err, ERR_USAGE, -r, "%s: syscalls[%zu]: rule for %s: %m", file->path, rule->at, name);
        }
    }
    return 0;
}

static int export_program(const struct seccomp_file *file, scmp_filter_ctx ctx, struct sock_fprog *ret, struct err *err)
{
    _cleanup_close_ int fd = memfd_create("bpf", MFD_CLOEXEC);
    _cleanup_free_ struct sock_filter *code = NULL;
    off_t size;
    int r;

    if (fd < 0)
        return err_set(err, ERR_SYSTEM, errno, "memfd_create: %m");
    r = seccomp_export_bpf(ctx, fd);
    if (r < 0)
        return err_set(err, ERR_USAGE, -r, "%s: cannot be compiled: %m", file->path);
    size = lseek(fd, 0, SEEK_END);
    if (size > (off_t)(BPF_MAXINSNS * sizeof(*code)))
        return err_set(err, ERR_USAGE, E2BIG, "%s: more than %d instructions", file->path, BPF_MAXINSNS);
    code = malloc((size_t)size);
    if (!code || pread(fd, code, (size_t)size, 0) != size)
        return err_set(err, ERR_SYSTEM, EIO, "%s: cannot read the compiled filter", file->path);
    ret->filter = take_ptr(code);
    ret->len = (unsigned short)((size_t)size / sizeof(*code));
    return 0;
}

int seccomp_file_compile(const struct seccomp_file *file, struct sock_fprog *ret, struct err *err)
{
    __attribute__((cleanup(release))) scmp_filter_ctx ctx = seccomp_init(file->fallback);
    int r;

    if (!ctx)
        return err_set(err, ERR_SYSTEM, ENOMEM, "libseccomp: cannot start a filter for %s", file->path);
    /* never reached behind the gate; equal answers make the shortest program */
    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, file->fallback);
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE,
                     2); /* a tree of numbers: the kernel tries every number at loading */
    r = add_rules(ctx, file, err);
    return r < 0 ? r : export_program(file, ctx, ret, err);
}
