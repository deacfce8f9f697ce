/* SPDX-License-Identifier: MIT */
#include "sandbox/notify/clone_limit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

/* How a call that adds a task is numbered; other entries of the kernel come in with their own numbers. */
struct entry {
    uint32_t arch;
    uint32_t clone, fork, vfork, clone3; /* NONE: there is no such call */
};

#define NONE UINT32_MAX
#define X32 0x40000000u

static const struct entry entries[] = {
#if defined(__x86_64__)
    {AUDIT_ARCH_X86_64, 56, 57, 58, 435},
    {AUDIT_ARCH_X86_64, X32 | 56, X32 | 57, X32 | 58, X32 | 435},
    {AUDIT_ARCH_I386, 120, 2, 190, 435},
#elif defined(__aarch64__)
    {AUDIT_ARCH_AARCH64, 220, NONE, NONE, 435},
    {AUDIT_ARCH_ARM, 120, 2, 190, 435},
#endif
};
#define NENTRIES (sizeof(entries) / sizeof(entries[0]))

struct writer {
    struct sock_filter *code;
    unsigned short n;
};

static void put(struct writer *w, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    w->code[w->n++] = (struct sock_filter){code, jt, jf, k};
}

static void put_rule(struct writer *w, uint32_t number, uint32_t answer)
{
    if (number == NONE)
        return;
    put(w, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    put(w, BPF_RET | BPF_K, answer, 0, 0);
}

/* The calls of one entry: the architecture, and unless it is that one, past all of them. */
static void put_entry(struct writer *w, const struct entry *entry)
{
    unsigned short head;

    put(w, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    head = w->n;
    put(w, BPF_JMP | BPF_JEQ | BPF_K, entry->arch, 0, 0);
    put(w, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    put_rule(w, entry->clone, SECCOMP_RET_USER_NOTIF);
    put_rule(w, entry->fork, SECCOMP_RET_USER_NOTIF);
    put_rule(w, entry->vfork, SECCOMP_RET_USER_NOTIF);
    put_rule(w, entry->clone3, SECCOMP_RET_ERRNO | ENOSYS);
    w->code[head].jf = (uint8_t)(w->n - head - 1);
}

int clone_limit_program(struct sock_filter *code, struct sock_fprog *ret)
{
    struct writer w = {.code = code};

    _Static_assert(NENTRIES * 11 + 1 <= CLONE_LIMIT_CODE, "CLONE_LIMIT_CODE");
    if (NENTRIES == 0)
        return -ENOTSUP;
    for (size_t i = 0; i < NENTRIES; i++)
        put_entry(&w, &entries[i]);
    put(&w, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    *ret = (struct sock_fprog){w.n, code};
    return 0;
}

bool clone_limit_is_clone(uint32_t arch, uint32_t nr)
{
    for (size_t i = 0; i < NENTRIES; i++)
        if (entries[i].arch == arch && nr != NONE &&
            (entries[i].clone == nr || entries[i].fork == nr || entries[i].vfork == nr))
            return true;
    return false;
}

int clone_count_decide(struct clone_count *count)
{
    if (count->limit == 0)
        return 0;
    if (count->at_most >= count->limit) {
        count->at_most = count->recount(count->arg, false);
        /* What is known is fewer than can be: somebody may be there who is not known. */
        if (count->at_most < count->limit)
            count->at_most = count->recount(count->arg, true);
        if (count->at_most >= count->limit) {
            count->refused++;
            return EAGAIN;
        }
    }
    count->at_most++;
    return 0;
}
