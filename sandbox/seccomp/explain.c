/* SPDX-License-Identifier: MIT */
/*
 * What a system call gets, in words. The words come from the rules, the answers from the program itself: for each
 * condition on arguments that a rule makes, arguments are made up of which it holds, and the program is asked. So the
 * text cannot say what the filter does not do, however rules of one file contradict each other.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/internal.h"

/* Arguments with names. `whole` values are compared as they are, others are bits. */
static const struct {
    const char *call, *name;
    unsigned index;
    uint64_t value;
} arg_names[] = {
    {"clone", "CLONE_NEWNS", 0, 0x20000},        {"clone", "CLONE_NEWCGROUP", 0, 0x2000000},
    {"clone", "CLONE_NEWUTS", 0, 0x4000000},     {"clone", "CLONE_NEWIPC", 0, 0x8000000},
    {"clone", "CLONE_NEWUSER", 0, 0x10000000},   {"clone", "CLONE_NEWPID", 0, 0x20000000},
    {"clone", "CLONE_NEWNET", 0, 0x40000000},    {"ioctl", "TIOCSTI", 1, 0x5412},
    {"ioctl", "TIOCLINUX", 1, 0x541c},           {"ioctl", "TIOCSETD", 1, 0x5423},
    {"socket", "AF_UNSPEC", 0, 0},               {"socket", "AF_UNIX", 0, 1},
    {"socket", "AF_INET", 0, 2},                 {"socket", "AF_AX25", 0, 3},
    {"socket", "AF_IPX", 0, 4},                  {"socket", "AF_APPLETALK", 0, 5},
    {"socket", "AF_NETROM", 0, 6},               {"socket", "AF_ATMPVC", 0, 8},
    {"socket", "AF_X25", 0, 9},                  {"socket", "AF_INET6", 0, 10},
    {"socket", "AF_ROSE", 0, 11},                {"socket", "AF_DECnet", 0, 12},
    {"socket", "AF_NETLINK", 0, 16},             {"socket", "AF_PACKET", 0, 17},
    {"socket", "AF_ATMSVC", 0, 20},              {"socket", "AF_RDS", 0, 21},
    {"socket", "AF_IRDA", 0, 23},                {"socket", "AF_LLC", 0, 26},
    {"socket", "AF_IB", 0, 27},                  {"socket", "AF_TIPC", 0, 30},
    {"socket", "AF_IUCV", 0, 32},                {"socket", "AF_RXRPC", 0, 33},
    {"socket", "AF_ISDN", 0, 34},                {"socket", "AF_PHONET", 0, 35},
    {"socket", "AF_IEEE802154", 0, 36},          {"socket", "AF_CAIF", 0, 37},
    {"socket", "AF_ALG", 0, 38},                 {"socket", "AF_NFC", 0, 39},
    {"socket", "AF_VSOCK", 0, 40},               {"socket", "AF_KCM", 0, 41},
    {"socket", "AF_QIPCRTR", 0, 42},             {"socket", "AF_MCTP", 0, 45},
    {"personality", "PER_LINUX", 0, 0},          {"personality", "PER_LINUX32", 0, 8},
    {"personality", "UNAME26", 0, 0x20000},      {"personality", "ADDR_NO_RANDOMIZE", 0, 0x40000},
    {"personality", "the question (0xffffffff)", 0, 0xffffffff},
    {"mknod", "S_IFCHR", 1, 0020000},            {"mknod", "S_IFBLK", 1, 0060000},
    {"mknod", "S_IFIFO", 1, 0010000},            {"mknod", "S_IFSOCK", 1, 0140000},
    {"mknod", "S_IFREG", 1, 0100000},            {"mknodat", "S_IFCHR", 2, 0020000},
    {"mknodat", "S_IFBLK", 2, 0060000},          {"mknodat", "S_IFIFO", 2, 0010000},
    {"mknodat", "S_IFSOCK", 2, 0140000},         {"mknodat", "S_IFREG", 2, 0100000},
};

const char *seccomp_answer_word(uint32_t answer, char *buf, size_t size)
{
    const char *word = "?";
    uint32_t data = answer & SECCOMP_RET_DATA;

    switch (answer & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
        word = "allowed";
        break;
    case SECCOMP_RET_LOG:
        word = "allowed and logged";
        break;
    case SECCOMP_RET_USER_NOTIF:
        word = "notified";
        break;
    case SECCOMP_RET_ERRNO:
        word = data == 0 ? "skipped, returns 0" : strerrorname_np((int)data);
        break;
    case SECCOMP_RET_KILL_PROCESS:
        word = "kills the process";
        break;
    case SECCOMP_RET_KILL_THREAD:
        word = "kills the thread";
        break;
    default:
        break;
    }
    if (word)
        snprintf(buf, size, "%s", word);
    else
        snprintf(buf, size, "errno %u", data);
    return buf;
}

/* --- conditions in words --- */

/* Names for a value: one, or several joined by |. False: it has none. */
static bool name_value(const char *call, unsigned index, uint64_t value, char *buf, size_t size)
{
    uint64_t rest = value;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(arg_names) / sizeof(arg_names[0]); i++)
        if (strcmp(arg_names[i].call, call) == 0 && arg_names[i].index == index && arg_names[i].value == value) {
            snprintf(buf, size, "%s", arg_names[i].name);
            return true;
        }
    if (strcmp(call, "clone") != 0)
        return false;
    for (size_t i = 0; i < sizeof(arg_names) / sizeof(arg_names[0]) && at < size; i++)
        if (strcmp(arg_names[i].call, call) == 0 && arg_names[i].value & rest) {
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? "|" : "", arg_names[i].name);
            rest &= ~arg_names[i].value;
        }
    return rest == 0 && at > 0;
}

static void write_value(const char *call, unsigned index, uint64_t value, char *buf, size_t size)
{
    if (!name_value(call, index, value, buf, size))
        snprintf(buf, size, value < 10 ? "%ju" : "%#jx", (uintmax_t)value);
}

static void write_masked(const char *call, const struct seccomp_arg *arg, char *buf, size_t size)
{
    uint64_t value = arg->value_two & arg->value;
    char mask[48], equal[48];

    write_value(call, arg->index, arg->value, mask, sizeof(mask));
    write_value(call, arg->index, value, equal, sizeof(equal));
    if (arg->value == UINT32_MAX || (value && name_value(call, arg->index, value, equal, sizeof(equal))))
        snprintf(buf, size, "with %s in argument %u", equal, arg->index);
    else if (value == arg->value)
        snprintf(buf, size, "with bits %s in argument %u", mask, arg->index);
    else if (value == 0)
        snprintf(buf, size, "with none of %s in argument %u", mask, arg->index);
    else
        snprintf(buf, size, "with argument %u & %s = %s", arg->index, mask, equal);
}

static void write_condition(const char *call, const struct seccomp_arg *arg, char *buf, size_t size)
{
    static const char *const signs[] = {
        [SCMP_CMP_NE] = "≠", [SCMP_CMP_LT] = "<", [SCMP_CMP_LE] = "≤",
        [SCMP_CMP_EQ] = "=", [SCMP_CMP_GE] = "≥", [SCMP_CMP_GT] = ">",
    };
    char value[100];

    if (arg->op == SCMP_CMP_MASKED_EQ) {
        write_masked(call, arg, buf, size);
        return;
    }
    write_value(call, arg->index, arg->value, value, sizeof(value));
    snprintf(buf, size, "with argument %u %s %s", arg->index, signs[arg->op], value);
}

/* --- arguments made up --- */

static bool holds(const struct seccomp_arg *arg, uint64_t value)
{
    switch ((enum scmp_compare)arg->op) {
    case SCMP_CMP_NE:
        return value != arg->value;
    case SCMP_CMP_LT:
        return value < arg->value;
    case SCMP_CMP_LE:
        return value <= arg->value;
    case SCMP_CMP_EQ:
        return value == arg->value;
    case SCMP_CMP_GE:
        return value >= arg->value;
    case SCMP_CMP_GT:
        return value > arg->value;
    case SCMP_CMP_MASKED_EQ:
        return (value & arg->value) == (arg->value_two & arg->value);
    default:
        return false;
    }
}

static uint64_t value_that_holds(const struct seccomp_arg *arg)
{
    switch ((enum scmp_compare)arg->op) {
    case SCMP_CMP_NE:
    case SCMP_CMP_GT:
        return arg->value + 1;
    case SCMP_CMP_LT:
        return arg->value - 1;
    case SCMP_CMP_MASKED_EQ:
        return arg->value_two & arg->value;
    default:
        return arg->value;
    }
}

/* The rules of all files that name the call and look at arguments. */
struct conditions {
    const struct seccomp_rule **rules;
    size_t n, room;
};

static bool names_call(const struct seccomp_rule *rule, int nr)
{
    for (size_t i = 0; i < seccomp_rule_names(rule); i++)
        if (seccomp_syscall_number(seccomp_rule_name(rule, i)) == nr)
            return true;
    return false;
}

static unsigned count_held(const struct conditions *conditions, unsigned index, uint64_t value)
{
    unsigned count = 0;

    for (size_t i = 0; i < conditions->n; i++)
        for (size_t j = 0; j < conditions->rules[i]->nargs; j++)
            count += conditions->rules[i]->args[j].index == index && holds(&conditions->rules[i]->args[j], value);
    return count;
}

/* A value of the argument of which as few conditions hold as possible, simple ones first. */
static uint64_t plain_value(const struct conditions *conditions, unsigned index)
{
    uint64_t best = 0;
    unsigned least = count_held(conditions, index, 0);

    for (size_t i = 0; i < conditions->n && least > 0; i++)
        for (size_t j = 0; j < conditions->rules[i]->nargs; j++) {
            const struct seccomp_arg *arg = &conditions->rules[i]->args[j];
            const uint64_t tries[] = {1, 0x7f, arg->value, arg->value + 1, arg->value - 1, ~arg->value, UINT64_MAX};

            for (size_t t = 0; arg->index == index && t < sizeof(tries) / sizeof(tries[0]); t++)
                if (count_held(conditions, index, tries[t]) < least) {
                    best = tries[t];
                    least = count_held(conditions, index, best);
                }
        }
    return best;
}

/* --- answers --- */

struct asker {
    const struct seccomp_request *request;
    const struct seccomp_set *set;
    struct sock_fprog merged, alone[SECCOMP_PATHS_MAX];
    struct conditions conditions;
    const char *call;
    int nr;
    uint64_t plain[6];
};

static int asker_compile(struct asker *asker, struct err *err)
{
    struct seccomp_request request = *asker->request;
    int r;

    request.notify = request.log_all = false; /* the answers in words are those of the refusing form */
    r = seccomp_set_compile(&request, asker->set, &asker->merged, err);
    for (size_t i = 0; r == 0 && i < asker->set->n; i++)
        r = seccomp_file_compile(&asker->set->files[i], &asker->alone[i], err);
    return r;
}

static void asker_done(struct asker *asker)
{
    seccomp_profile_done(&asker->merged);
    for (size_t i = 0; i < SECCOMP_PATHS_MAX; i++)
        seccomp_profile_done(&asker->alone[i]);
    free(asker->conditions.rules);
}

/* Whose answer it is: the last file that says so alone. "": shunt's own. */
static const char *whose(const struct asker *asker, const uint64_t args[6], uint32_t answer)
{
    const char *const *permit = asker->request->permit;

    while (permit && *permit && strcmp(*permit, asker->call) != 0)
        permit++;
    if ((permit && *permit) || strcmp(asker->call, "clone3") == 0)
        return "";
    for (size_t i = asker->set->n; i-- > 0;)
        if (seccomp_evaluate(&asker->alone[i], seccomp_native_arch(), (uint32_t)asker->nr, args) == answer &&
            (i == 0 || (answer & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW))
            return asker->set->files[i].label;
    return "";
}

static void ask(const struct asker *asker, const uint64_t args[6], struct seccomp_case *ret)
{
    ret->answer = seccomp_evaluate(&asker->merged, seccomp_native_arch(), (uint32_t)asker->nr, args);
    seccomp_answer_word(ret->answer, ret->word, sizeof(ret->word));
    snprintf(ret->profile, sizeof(ret->profile), "%s", whose(asker, args, ret->answer));
}

static void collect(struct asker *asker, bool *ret_known)
{
    for (size_t i = 0; i < asker->set->n; i++)
        for (size_t j = 0; j < asker->set->files[i].nrules; j++) {
            const struct seccomp_rule *rule = &asker->set->files[i].rules[j];
            struct conditions *conditions = &asker->conditions;

            if (!names_call(rule, asker->nr))
                continue;
            *ret_known = true;
            if (rule->nargs == 0)
                continue;
            mem_grow(&conditions->rules, &conditions->room, conditions->n + 1, sizeof(const struct seccomp_rule *));
            conditions->rules[conditions->n++] = rule;
        }
    for (unsigned i = 0; i < 6; i++)
        asker->plain[i] = plain_value(&asker->conditions, i);
}

/* --- the whole --- */

static void add_case(const struct asker *asker, struct seccomp_explanation *to, const struct seccomp_arg *conditions,
                     size_t n)
{
    struct seccomp_case one = {0};
    uint64_t args[6];
    size_t at = 0;

    memcpy(args, asker->plain, sizeof(args));
    for (size_t i = 0; i < n && at < sizeof(one.when); i++) {
        char text[sizeof(one.when)];

        args[conditions[i].index] = value_that_holds(&conditions[i]);
        write_condition(asker->call, &conditions[i], text, sizeof(text));
        at += (size_t)snprintf(one.when + at, sizeof(one.when) - at, "%s%s", at ? " and " : "", at ? text + 5 : text);
    }
    ask(asker, args, &one);
    if (one.answer == to->cases[0].answer || to->ncases == SECCOMP_CASES_MAX)
        return;
    for (size_t i = 1; i < to->ncases; i++)
        if (strcmp(to->cases[i].when, one.when) == 0)
            return;
    to->cases[to->ncases++] = one;
}

/* Conditions on one argument twice are alternatives (compile.c). */
static void add_rule_cases(const struct asker *asker, struct seccomp_explanation *to, const struct seccomp_rule *rule)
{
    unsigned seen = 0;
    bool alternatives = false;

    for (size_t i = 0; i < rule->nargs; i++) {
        alternatives |= seen >> rule->args[i].index & 1;
        seen |= 1u << rule->args[i].index;
    }
    if (!alternatives)
        add_case(asker, to, rule->args, rule->nargs);
    for (size_t i = 0; alternatives && i < rule->nargs; i++)
        add_case(asker, to, &rule->args[i], 1);
}

/* Whether two cases differ only in the value of the argument: the texts then end alike from " in argument" on. */
static bool joins(const struct seccomp_case *one, const struct seccomp_case *two)
{
    const char *end = strstr(one->when, " in argument "), *other = strstr(two->when, " in argument ");

    return end && other && strcmp(end, other) == 0 && one->answer == two->answer &&
           strcmp(one->profile, two->profile) == 0;
}

/* "with A, B, C in argument 0"; returns how many cases that were. */
static size_t join_cases(const struct seccomp_case *cases, size_t n, char *buf, size_t size)
{
    size_t joined = 1, at = 0;

    while (joined < n && joins(&cases[0], &cases[joined]))
        joined++;
    for (size_t i = 0; i < joined && at < size; i++) {
        const char *when = cases[i].when + (i ? strlen("with ") : 0), *end = strstr(when, " in argument ");
        int length = end && i + 1 < joined ? (int)(end - when) : (int)strlen(when);

        at += (size_t)snprintf(buf + at, size - at, "%s%.*s", i ? ", " : "", length, when);
    }
    return joined;
}

static const char *by_whom(const struct seccomp_case *one)
{
    return *one->profile ? one->profile : "shunt";
}

static void write_text(const char *name, struct seccomp_explanation *to)
{
    char when[2048];
    size_t i = 1, at;

    at = (size_t)snprintf(to->text, sizeof(to->text), "%s: %s (%s%s)\n", name, to->cases[0].word,
                          by_whom(&to->cases[0]), to->known || !*to->cases[0].profile ? "" : ", default");
    while (i < to->ncases && at < sizeof(to->text)) {
        const struct seccomp_case *one = &to->cases[i];

        i += join_cases(one, to->ncases - i, when, sizeof(when));
        at += (size_t)snprintf(to->text + at, sizeof(to->text) - at, "  %s: %s (%s)\n", when, one->word, by_whom(one));
    }
}

static void explain(struct asker *asker, struct seccomp_explanation *to)
{
    collect(asker, &to->known);
    ask(asker, asker->plain, &to->cases[0]);
    to->ncases = 1;
    for (size_t i = 0; i < asker->conditions.n; i++)
        add_rule_cases(asker, to, asker->conditions.rules[i]);
    write_text(asker->call, to);
}

int seccomp_explain(const struct seccomp_request *request, const char *name, struct seccomp_explanation *ret,
                    struct err *err)
{
    _cleanup_free_ struct seccomp_explanation *to = mem_zalloc(sizeof(*to));
    struct seccomp_set set = {0};
    struct asker asker = {.request = request, .set = &set, .call = name, .nr = seccomp_syscall_number(name)};
    int r;

    if (asker.nr == -EINVAL) {
        err_set(err, ERR_USAGE, EINVAL, "no system call \"%s\" is known", name);
        return err_hint(err, "names are those of the kernel, for example newfstatat where C says stat");
    }
    r = seccomp_set_read(request, &set, err);
    if (r == 0)
        r = asker_compile(&asker, err);
    if (r == 0 && asker.nr >= 0) {
        to->nr = asker.nr;
        explain(&asker, to);
    } else if (r == 0) {
        to->nr = -1;
        snprintf(to->text, sizeof(to->text), "%s: not a system call of this architecture\n", name);
    }
    asker_done(&asker);
    seccomp_set_done(&set);
    if (r == 0)
        memcpy(ret, to, sizeof(*ret));
    return r;
}
