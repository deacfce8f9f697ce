/* SPDX-License-Identifier: MIT */
/*
 * Several programs in one. Only one filter of a tree can have a listener, so what shall be named must be in one
 * program.
 *
 * The programs run one after the other, the one stacked last first. Where one says "allow", its RET becomes a jump to
 * the next; where it says something else, it is final if no later program has anything stronger to say. Otherwise (a
 * deny list says ERRNO and the allow list may say KILL) the later programs follow once more in a copy whose answers are
 * at least that strong. A RET and a jump are one instruction each, so nothing else in a program changes. Only
 * instructions that the kernel can follow for its table of calls that are always allowed (Linux 5.11 and later:
 * seccomp_cache_prepare()) are used: a filter costs such calls nothing.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/internal.h"

#define ANSWERS_MAX 16 /* different ones in one program; more is an error */

struct builder {
    const struct seccomp_request *request;
    const struct sock_fprog *programs;
    struct sock_filter code[BPF_MAXINSNS];
    size_t n;
};

/* What the programs before have answered, and the jumps that lead here with that. */
struct state {
    uint32_t answer;
    size_t *jumps;
    size_t njumps, room;
};

struct level {
    struct state states[ANSWERS_MAX];
    size_t n;
};

static int32_t strength(uint32_t answer) /* the lower the stronger, as in the kernel */
{
    return (int32_t)(answer & SECCOMP_RET_ACTION_FULL);
}

uint32_t seccomp_strongest(uint32_t older, uint32_t newer)
{
    return strength(older) < strength(newer) ? older : newer;
}

static int emit(struct builder *builder, struct sock_filter insn)
{
    if (builder->n == BPF_MAXINSNS)
        return -E2BIG;
    builder->code[builder->n++] = insn;
    return 0;
}

/* In its final form: what a refusal becomes when it shall be told. */
static uint32_t spoken(const struct builder *builder, uint32_t answer)
{
    bool refusal = (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;

    return builder->request->notify && refusal ? SECCOMP_RET_USER_NOTIF : answer;
}

/* --- the gate --- */

static int emit_if_nr(struct builder *builder, uint16_t jump, uint32_t nr, uint32_t answer)
{
    int r = emit(builder, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | jump | BPF_K), nr, 0, 1));

    return r < 0 ? r : emit(builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
}

static int emit_gate(struct builder *builder)
{
    const struct seccomp_request *request = builder->request;
    uint32_t absent = request->log_all ? SECCOMP_RET_USER_NOTIF : spoken(builder, SECCOMP_RET_ERRNO | ENOSYS);
    const struct sock_filter head[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_native_arch(), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, absent),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(head) / sizeof(head[0]); i++)
        r = emit(builder, head[i]);
    if (r == 0)
        r = emit_if_nr(builder, BPF_JEQ, UINT32_MAX, SECCOMP_RET_ALLOW);
#ifdef __x86_64__
    if (r == 0)
        r = emit_if_nr(builder, BPF_JGE, SECCOMP_X32_BIT, absent);
#endif
    if (r == 0)
        r = emit_if_nr(builder, BPF_JEQ, (uint32_t)seccomp_syscall_number("clone3"), SECCOMP_RET_ERRNO | ENOSYS);
    for (const char *const *name = request->permit; r == 0 && name && *name && !request->log_all; name++) {
        int nr = seccomp_syscall_number(*name);

        if (nr >= 0)
            r = emit_if_nr(builder, BPF_JEQ, (uint32_t)nr, SECCOMP_RET_ALLOW);
    }
    return r;
}

static int emit_learning(struct builder *builder)
{
    int r = emit_if_nr(builder, BPF_JEQ, SYS_sendmsg, SECCOMP_RET_ALLOW);

    return r < 0 ? r : emit(builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
}

/* --- the programs --- */

static bool is_ret(const struct sock_filter *insn)
{
    return BPF_CLASS(insn->code) == BPF_RET;
}

/* Whether a program up to `last` (0 runs last) may say something stronger than `answer`. */
static bool may_outdo(const struct builder *builder, size_t last, uint32_t answer)
{
    for (size_t i = 0; i <= last; i++)
        for (size_t j = 0; j < builder->programs[i].len; j++)
            if (is_ret(&builder->programs[i].filter[j]) &&
                strength(builder->programs[i].filter[j].k) < strength(answer))
                return true;
    return false;
}

static struct state *find_state(struct level *level, uint32_t answer)
{
    for (size_t i = 0; i < level->n; i++)
        if (level->states[i].answer == answer)
            return &level->states[i];
    if (level->n == ANSWERS_MAX)
        return NULL;
    level->states[level->n].answer = answer;
    return &level->states[level->n++];
}

/* What becomes of a RET of program `at`: itself, or a jump that is noted for the level below. */
static int emit_ret(struct builder *builder, size_t at, struct level *below, uint32_t answer)
{
    struct state *state;

    if (at == 0 || !may_outdo(builder, at - 1, answer))
        return emit(builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, spoken(builder, answer)));
    state = find_state(below, answer);
    if (!state)
        return -E2BIG;
    mem_grow(&state->jumps, &state->room, state->njumps + 1, sizeof(*state->jumps));
    state->jumps[state->njumps++] = builder->n;
    return emit(builder, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
}

static int emit_copy(struct builder *builder, size_t at, const struct state *state, struct level *below)
{
    const struct sock_fprog *program = &builder->programs[at];
    int r = 0;

    for (size_t i = 0; i < state->njumps; i++)
        builder->code[state->jumps[i]].k = (uint32_t)(builder->n - state->jumps[i] - 1);
    for (size_t i = 0; r == 0 && i < program->len; i++) {
        const struct sock_filter *insn = &program->filter[i];

        if (!is_ret(insn))
            r = emit(builder, *insn);
        else if (BPF_RVAL(insn->code) != BPF_K)
            r = -EINVAL; /* libseccomp writes none */
        else
            r = emit_ret(builder, at, below, seccomp_strongest(insn->k, state->answer));
    }
    return r;
}

static void level_done(struct level *level)
{
    for (size_t i = 0; i < level->n; i++)
        free(level->states[i].jumps);
    *level = (struct level){0};
}

static int emit_programs(struct builder *builder, size_t n)
{
    /* nothing was said before the first: the weakest answer there is, reached by no jump but from above */
    struct level level = {.states[0].answer = SECCOMP_RET_ALLOW, .n = 1}, below = {0};
    int r = 0;

    for (size_t at = n; r == 0 && at-- > 0;) {
        for (size_t i = 0; r == 0 && i < level.n; i++)
            r = emit_copy(builder, at, &level.states[i], &below);
        level_done(&level);
        level = below;
        below = (struct level){0};
    }
    level_done(&level);
    level_done(&below);
    return r;
}

int seccomp_programs_merge(const struct seccomp_request *request, const struct sock_fprog *programs, size_t n,
                  struct sock_fprog *ret)
{
    _cleanup_free_ struct builder *builder = mem_zalloc(sizeof(*builder));
    struct sock_filter *code;
    int r;

    builder->request = request;
    builder->programs = programs;
    r = emit_gate(builder);
    if (r == 0)
        r = request->log_all ? emit_learning(builder) : emit_programs(builder, n);
    if (r < 0)
        return r;
    code = malloc(builder->n * sizeof(*code));
    if (!code)
        return -ENOMEM;
    memcpy(code, builder->code, builder->n * sizeof(*code));
    *ret = (struct sock_fprog){.len = (unsigned short)builder->n, .filter = code};
    return 0;
}
