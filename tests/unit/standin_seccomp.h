/* SPDX-License-Identifier: MIT */
#pragma once

/* Stands in for sandbox/seccomp until its evaluator is merged. */
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seccomp/profile.h"

uint32_t seccomp_evaluate(const struct sock_fprog *program, uint32_t arch, uint32_t nr, const uint64_t args[6])
{
    struct seccomp_data data = {.arch = arch, .nr = (int)nr};
    uint32_t a = 0;

    memcpy(data.args, args, sizeof(data.args));
    for (unsigned pc = 0; pc < program->len; pc++) {
        const struct sock_filter *f = &program->filter[pc];

        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)&data + f->k, 4);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JA:
            pc += f->k;
            break;
        case BPF_RET | BPF_K:
            return f->k;
        default:
            abort();
        }
    }
    abort();
}

const char *seccomp_syscall_name(uint32_t arch, uint32_t nr, char *buf, size_t size)
{
    char *name = seccomp_syscall_resolve_num_arch(arch, (int)nr);

    if (name)
        snprintf(buf, size, "%s", name);
    else
        snprintf(buf, size, "syscall %u", nr);
    free(name);
    return buf;
}
