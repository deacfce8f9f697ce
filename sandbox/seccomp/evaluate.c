/* SPDX-License-Identifier: MIT */
/* Classic BPF as seccomp runs it, on a call that nobody makes. Every bound is checked, since programs may come from a
 * file or a fuzzer; jumps go forward only, so each program ends. */
#include <endian.h>
#include <linux/seccomp.h>
#include <string.h>

#include "sandbox/seccomp/internal.h"

struct machine {
    uint32_t a, x, mem[BPF_MEMWORDS];
    bool blind;
    struct seccomp_data data;
};

static bool load(struct machine *m, const struct sock_filter *insn, uint32_t *ret)
{
    switch (BPF_MODE(insn->code)) {
    case BPF_IMM:
        *ret = insn->k;
        return true;
    case BPF_LEN:
        *ret = sizeof(m->data);
        return true;
    case BPF_MEM:
        if (insn->k >= BPF_MEMWORDS)
            return false;
        *ret = m->mem[insn->k];
        return true;
    case BPF_ABS:
        if (insn->k % 4 || insn->k >= sizeof(m->data) || BPF_CLASS(insn->code) != BPF_LD)
            return false;
        if (m->blind && insn->k >= offsetof(struct seccomp_data, instruction_pointer))
            return false;
        memcpy(ret, (const char *)&m->data + insn->k, sizeof(*ret));
        return true;
    default:
        return false;
    }
}

static bool calculate(struct machine *m, const struct sock_filter *insn)
{
    uint32_t b = BPF_SRC(insn->code) == BPF_X ? m->x : insn->k;

    switch (BPF_OP(insn->code)) {
    case BPF_ADD:
        m->a += b;
        return true;
    case BPF_SUB:
        m->a -= b;
        return true;
    case BPF_MUL:
        m->a *= b;
        return true;
    case BPF_DIV: /* the kernel refuses a constant 0, and ends the program with 0 on X == 0 */
        if (b == 0)
            return false;
        m->a /= b;
        return true;
    case BPF_OR:
        m->a |= b;
        return true;
    case BPF_AND:
        m->a &= b;
        return true;
    case BPF_XOR:
        m->a ^= b;
        return true;
    case BPF_LSH:
        m->a = b < 32 ? m->a << b : 0;
        return true;
    case BPF_RSH:
        m->a = b < 32 ? m->a >> b : 0;
        return true;
    case BPF_NEG:
        m->a = 0u - m->a;
        return true;
    default:
        return false;
    }
}

/* How many instructions to skip; SIZE_MAX for no such jump. */
static size_t jump(const struct machine *m, const struct sock_filter *insn)
{
    uint32_t b = BPF_SRC(insn->code) == BPF_X ? m->x : insn->k;

    switch (BPF_OP(insn->code)) {
    case BPF_JA:
        return insn->k;
    case BPF_JEQ:
        return m->a == b ? insn->jt : insn->jf;
    case BPF_JGT:
        return m->a > b ? insn->jt : insn->jf;
    case BPF_JGE:
        return m->a >= b ? insn->jt : insn->jf;
    case BPF_JSET:
        return m->a & b ? insn->jt : insn->jf;
    default:
        return SIZE_MAX;
    }
}

static bool store(struct machine *m, const struct sock_filter *insn)
{
    if (insn->k >= BPF_MEMWORDS)
        return false;
    m->mem[insn->k] = BPF_CLASS(insn->code) == BPF_ST ? m->a : m->x;
    return true;
}

/* One instruction that neither jumps nor returns. */
static bool step(struct machine *m, const struct sock_filter *insn)
{
    switch (BPF_CLASS(insn->code)) {
    case BPF_LD:
        return load(m, insn, &m->a);
    case BPF_LDX:
        return load(m, insn, &m->x);
    case BPF_ST:
    case BPF_STX:
        return store(m, insn);
    case BPF_ALU:
        return calculate(m, insn);
    case BPF_MISC:
        if (BPF_MISCOP(insn->code) == BPF_TAX)
            m->x = m->a;
        else
            m->a = m->x;
        return true;
    default:
        return false;
    }
}

uint32_t seccomp_evaluate(const struct sock_fprog *program, uint32_t arch, uint32_t nr, const uint64_t args[6])
{
    struct machine m = {.data = {.nr = (int)nr, .arch = arch}, .blind = !args};

    if (args)
        memcpy(m.data.args, args, sizeof(m.data.args));
    for (size_t pc = 0; pc < program->len; pc++) {
        const struct sock_filter *insn = &program->filter[pc];

        if (BPF_CLASS(insn->code) == BPF_RET)
            return BPF_RVAL(insn->code) == BPF_A ? m.a : insn->k;
        if (BPF_CLASS(insn->code) == BPF_JMP) {
            size_t skip = jump(&m, insn);

            if (skip >= program->len)
                break;
            pc += skip;
        } else if (!step(&m, insn)) {
            break;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}
