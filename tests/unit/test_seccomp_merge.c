/* SPDX-License-Identifier: MIT */
/* One program made of several files answers as they would if they were stacked; saved programs answer as compiled ones;
 * and neither lets another architecture or x32 through. Asked of the evaluator, number by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/seccomp/profile.h"

#define DEFAULT "policies/seccomp/default.json"
#define TIGHT "policies/seccomp/tight.json"
#define GUARD "policies/seccomp/guard.json"
#define WORKER "policies/seccomp/worker.json"
#define X32 0x40000000u
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

static const char *const setns_only[] = {"setns", NULL};

static struct sock_fprog compile(const struct seccomp_request *request)
{
    struct sock_fprog program;
    struct err err = ERR_INIT;

    if (seccomp_profile_compile(request, &program, &err) < 0)
        fail_msg("%s / %s", err.message, err.hint);
    return program;
}

static struct sock_fprog compile_one(const char *path)
{
    return compile(&(struct seccomp_request){.path = path});
}

static uint32_t answer(const struct sock_fprog *program, uint32_t nr, uint64_t a, uint64_t b)
{
    const uint64_t args[6] = {a, b};

    return seccomp_evaluate(program, seccomp_native_arch(), nr, args);
}

/* --- many calls --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Values at which argument rules change their minds, with and without high bits. */
static const uint64_t edges[] = {
    0, 1, 2, 3, 8, 10, 16, 40, TIOCSTI, TIOCLINUX, 0x20000, 0x10000000, 0x7e020000, 0x40000, 0x60008, 0x400000,
    0010000, 0020000, 0060000, 0100644, 0140000, UINT32_MAX, UINT64_MAX, 1ULL << 32, TIOCSTI | 1ULL << 32,
    40 | 1ULL << 32, 0x10000000ULL | 1ULL << 63, INT64_MAX,
};

#define NEDGES (sizeof(edges) / sizeof(edges[0]))

struct call {
    uint32_t arch, nr;
    uint64_t args[6];
};

/* Calls `check` for numbers 0 to 600 of three architectures, with and without the x32 bit, and random ones. */
static void for_many_calls(void (*check)(const struct call *call, void *arg), void *arg)
{
    static const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0};
    uint64_t random = 20240229;

    for (size_t a = 0; a < sizeof(arches) / sizeof(arches[0]); a++)
        for (uint32_t n = 0; n < 2 * 601 + 500; n++) {
            struct call call = {.arch = arches[a]};

            call.nr = n < 601 ? n : n < 1202 ? (n - 601) | X32 : (uint32_t)next_random(&random);
            for (size_t e = 0; e < NEDGES; e++) {
                for (size_t i = 0; i < 6; i++)
                    call.args[i] = edges[(e + i * (next_random(&random) % 3)) % NEDGES];
                check(&call, arg);
            }
        }
    check(&(struct call){.arch = seccomp_native_arch(), .nr = UINT32_MAX}, arg);
}

static uint32_t evaluate(const struct sock_fprog *program, const struct call *call)
{
    return seccomp_evaluate(program, call->arch, call->nr, call->args);
}

/* --- merging --- */

struct compared {
    struct sock_fprog merged, notifying, alone[4];
    size_t n;
    unsigned refused, allowed, notified;
};

static void check_strongest(const struct call *call, void *arg)
{
    struct compared *all = arg;
    uint32_t merged = evaluate(&all->merged, call), notifying = evaluate(&all->notifying, call);
    uint32_t wanted = SECCOMP_RET_ALLOW;
    bool quiet = call->arch == seccomp_native_arch() && call->nr == SYS_clone3;

    for (size_t i = 0; i < all->n; i++)
        wanted = seccomp_strongest(wanted, evaluate(&all->alone[i], call));
    if (merged != wanted)
        fail_msg("nr %#x arch %#x args %#lx %#lx: %#x, wanted %#x", call->nr, call->arch, call->args[0],
                 call->args[1], merged, wanted);
    if ((wanted & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && !quiet)
        wanted = SECCOMP_RET_USER_NOTIF;
    if (notifying != wanted)
        fail_msg("notify: nr %#x arch %#x: %#x, wanted %#x", call->nr, call->arch, notifying, wanted);
    all->notified += notifying == SECCOMP_RET_USER_NOTIF;
    all->allowed += merged == SECCOMP_RET_ALLOW;
    all->refused += merged != SECCOMP_RET_ALLOW;
}

static void compare_merged(const char *const *paths)
{
    struct compared all = {.merged = compile(&(struct seccomp_request){.paths = paths}),
                           .notifying = compile(&(struct seccomp_request){.paths = paths, .notify = true})};

    for (; paths[all.n]; all.n++)
        all.alone[all.n] = compile_one(paths[all.n]);
    for_many_calls(check_strongest, &all);
    assert_true(all.refused > 1000 && all.notified > 1000 && all.allowed > 20);
    seccomp_profile_done(&all.merged);
    seccomp_profile_done(&all.notifying);
    for (size_t i = 0; i < all.n; i++)
        seccomp_profile_done(&all.alone[i]);
}

static void test_shipped_files_merge_to_the_strongest(void **state)
{
    (void)state;
    compare_merged((const char *const[]){DEFAULT, GUARD, NULL});
    compare_merged((const char *const[]){TIGHT, GUARD, NULL});
    compare_merged((const char *const[]){DEFAULT, GUARD, WORKER, NULL});
    compare_merged((const char *const[]){DEFAULT, NULL});
}

static char *write_temp(const char *text)
{
    static char paths[4][40];
    static unsigned next;
    char *path = paths[next++ % 4];
    int fd;

    strcpy(path, "/tmp/shunt-merge-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return path;
}

/* Where the list that runs later can say something stronger, a refusal of the earlier one is not yet final. */
static void test_kill_in_the_allow_list_outdoes_errno_and_log_in_others(void **state)
{
    char *kills = write_temp("{\"defaultAction\": \"SCMP_ACT_KILL_PROCESS\", \"syscalls\": ["
                             "{\"names\": [\"read\", \"socket\", \"getpid\"], \"action\": \"SCMP_ACT_ALLOW\"},"
                             "{\"names\": [\"write\"], \"action\": \"SCMP_ACT_KILL_THREAD\"},"
                             "{\"names\": [\"close\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 9}]}");
    char *refuses = write_temp(
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
        "{\"names\": [\"write\", \"close\", \"reboot\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 5},"
        "{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 97, \"args\": "
        "[{\"index\": 0, \"value\": 18446744073709551614, \"op\": \"SCMP_CMP_GE\"}]}]}");
    char *logs = write_temp("{\"defaultAction\": \"SCMP_ACT_LOG\", \"syscalls\": ["
                            "{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_ALLOW\"}]}");
    const char *const paths[] = {kills, refuses, logs, NULL}, *const turned[] = {logs, refuses, kills, NULL};
    struct sock_fprog program = compile(&(struct seccomp_request){.paths = paths});

    (void)state;
    assert_int_equal(answer(&program, SYS_read, 0, 0), SECCOMP_RET_LOG);
    assert_int_equal(answer(&program, SYS_getpid, 0, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(answer(&program, SYS_write, 0, 0), SECCOMP_RET_KILL_THREAD);
    assert_int_equal(answer(&program, SYS_close, 0, 0), ERRNO(5)); /* the later file's errno */
    assert_int_equal(answer(&program, SYS_reboot, 0, 0), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(answer(&program, SYS_socket, UINT64_MAX, 0), ERRNO(97));
    assert_int_equal(answer(&program, SYS_socket, UINT64_MAX - 2, 0), SECCOMP_RET_LOG);
    seccomp_profile_done(&program);
    compare_merged(paths);
    compare_merged(turned);
    unlink(kills);
    unlink(refuses);
    unlink(logs);
}

static void test_strength_is_the_kernels(void **state)
{
    static const uint32_t order[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, ERRNO(1),
                                     SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW};

    (void)state;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        for (size_t j = i; j < sizeof(order) / sizeof(order[0]); j++) {
            assert_int_equal(seccomp_strongest(order[i], order[j]), order[i]);
            assert_int_equal(seccomp_strongest(order[j], order[i]), order[i]);
        }
    assert_int_equal(seccomp_strongest(ERRNO(1), ERRNO(2)), ERRNO(2)); /* of equals the newer filter's */
}

/* --- the gate --- */

static void check_never_through(const struct call *call, void *arg)
{
    uint32_t got = evaluate(arg, call);
    bool foreign = call->arch != seccomp_native_arch();
    bool x32 = !foreign && call->arch == AUDIT_ARCH_X86_64 && (call->nr & X32) && call->nr != UINT32_MAX;

    if ((foreign || (x32 && call->nr >= X32)) && got != ERRNO(ENOSYS))
        fail_msg("nr %#x arch %#x: %#x", call->nr, call->arch, got);
}

static void test_other_architectures_and_x32_get_enosys(void **state)
{
    /* even where the profile lists them, and allows everything */
    char *all = write_temp("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\", "
                           "\"SCMP_ARCH_X32\"], \"syscalls\": []}");
    const char *const paths[] = {DEFAULT, TIGHT, GUARD, WORKER, all};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct sock_fprog program = compile_one(paths[i]);

        for_many_calls(check_never_through, &program);
        assert_int_equal(answer(&program, SYS_clone3, 0, 0), ERRNO(ENOSYS));
        assert_int_equal(answer(&program, UINT32_MAX, 0, 0), SECCOMP_RET_ALLOW);
        seccomp_profile_done(&program);
    }
    unlink(all);
}

static void check_learning(const struct call *call, void *arg)
{
    bool native = call->arch == seccomp_native_arch();
    uint32_t wanted = native && call->nr == SYS_clone3    ? ERRNO(ENOSYS)
                      : native && call->nr == SYS_sendmsg ? SECCOMP_RET_ALLOW
                      : native && call->nr == UINT32_MAX  ? SECCOMP_RET_ALLOW
                                                          : SECCOMP_RET_USER_NOTIF;

    assert_int_equal(evaluate(arg, call), wanted);
}

static void test_learning_notifies_of_everything(void **state)
{
    struct sock_fprog program = compile(&(struct seccomp_request){.log_all = true});
    struct err err = ERR_INIT;

    (void)state;
    for_many_calls(check_learning, &program);
    seccomp_profile_done(&program);
    assert_true(seccomp_profile_compile(&(struct seccomp_request){0}, &program, &err) < 0);
    assert_true(seccomp_profile_compile(&(struct seccomp_request){.log_all = true, .path = "/none.json"}, &program,
                                        &err) < 0);
}

static void test_permitted_names_go_on(void **state)
{
    static const char *const unknown[] = {"setnz", NULL}, *const files[] = {TIGHT, GUARD, NULL};
    struct sock_fprog without = compile(&(struct seccomp_request){.paths = files, .notify = true});
    struct sock_fprog with = compile(&(struct seccomp_request){.paths = files, .permit = setns_only, .notify = true});
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(answer(&without, SYS_setns, 0, 0), SECCOMP_RET_USER_NOTIF);
    assert_int_equal(answer(&with, SYS_setns, 0, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(answer(&with, SYS_unshare, 0, 0), SECCOMP_RET_USER_NOTIF);
    assert_int_equal(answer(&with, SYS_setns | X32, 0, 0), SECCOMP_RET_USER_NOTIF);
    seccomp_profile_done(&without);
    seccomp_profile_done(&with);
    assert_true(seccomp_profile_compile(&(struct seccomp_request){.path = TIGHT, .permit = unknown}, &without, &err) <
                0);
}

/* --- the evaluator on what no compiler writes --- */

static void test_bad_programs_end(void **state)
{
    static const uint64_t args[6] = {0};
    uint64_t random = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct sock_filter code[12];

        for (size_t i = 0; i < 12; i++)
            code[i] =
                (struct sock_filter){(uint16_t)next_random(&random), (uint8_t)next_random(&random),
                                     (uint8_t)next_random(&random), (uint32_t)next_random(&random) >> (round % 32)};
        seccomp_evaluate(&(struct sock_fprog){.len = 12, .filter = code}, AUDIT_ARCH_X86_64, 1, args);
    }
    assert_int_equal(seccomp_evaluate(&(struct sock_fprog){0}, 0, 0, args), SECCOMP_RET_KILL_PROCESS);
}

static void test_arithmetic(void **state)
{
    static const uint64_t args[6] = {0x1122334455667788};
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_STMT(BPF_ST, 3),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_MEM, 3),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80000000, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 1),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };

    (void)state;
    assert_int_equal(
        seccomp_evaluate(&(struct sock_fprog){.len = sizeof(code) / sizeof(code[0]), .filter = code}, 0, 0, args),
        0x55667788 ^ 0x556677);
}

/* --- saved programs --- */

struct shelf {
    char directory[40], allow[80], guard[80], bpf[80];
};

static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ssize_t n = read(in, buf, sizeof(buf));

    assert_true(in >= 0 && out >= 0 && n > 0 && write(out, buf, (size_t)n) == n);
    close(in);
    close(out);
}

static struct shelf make_shelf(void)
{
    struct shelf shelf = {.directory = "/tmp/shunt-shelf-XXXXXX"};

    assert_non_null(mkdtemp(shelf.directory));
    snprintf(shelf.allow, sizeof(shelf.allow), "%s/default.json", shelf.directory);
    snprintf(shelf.guard, sizeof(shelf.guard), "%s/guard.json", shelf.directory);
    snprintf(shelf.bpf, sizeof(shelf.bpf), "%s/default.bpf", shelf.directory);
    copy_file(DEFAULT, shelf.allow);
    copy_file(GUARD, shelf.guard);
    return shelf;
}

static void clear_shelf(const struct shelf *shelf)
{
    unlink(shelf->allow);
    unlink(shelf->guard);
    unlink(shelf->bpf);
    assert_int_equal(rmdir(shelf->directory), 0);
}

static void check_same(const struct call *call, void *arg)
{
    const struct sock_fprog *programs = arg;

    assert_int_equal(evaluate(&programs[0], call), evaluate(&programs[1], call));
}

static void save(const struct seccomp_request *requests, size_t n)
{
    struct err err = ERR_INIT;

    if (seccomp_profile_save(requests, n, &err) < 0)
        fail_msg("%s", err.message);
}

static bool is_saved(const struct seccomp_request *request)
{
    struct sock_fprog program;

    if (seccomp_profile_load_saved(request, &program) < 0)
        return false;
    seccomp_profile_done(&program);
    return true;
}

static void test_saved_programs_answer_as_compiled_ones(void **state)
{
    struct shelf shelf = make_shelf();
    const char *const both[] = {shelf.allow, shelf.guard, NULL};
    const struct seccomp_request requests[] = {{.path = shelf.allow},
                                               {.paths = both},
                                               {.paths = both, .notify = true},
                                               {.paths = both, .notify = true, .permit = setns_only}};
    struct sock_fprog programs[2];

    (void)state;
    assert_false(is_saved(&requests[0]));
    for (size_t i = 0; i < 4; i++) {
        programs[0] = compile(&requests[i]);
        save(requests, 4);
        assert_int_equal(seccomp_profile_load_saved(&requests[i], &programs[1]), 0);
        for_many_calls(check_same, programs);
        seccomp_profile_done(&programs[0]);
        seccomp_profile_done(&programs[1]);
        unlink(shelf.bpf);
    }
    clear_shelf(&shelf);
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void test_stale_and_foreign_saved_programs_are_ignored(void **state)
{
    struct shelf shelf = make_shelf();
    const char *const both[] = {shelf.allow, shelf.guard, NULL}, *const turned[] = {shelf.allow, shelf.allow, NULL};
    const struct seccomp_request saved = {.paths = both, .notify = true};
    struct sock_fprog program;

    (void)state;
    save(&saved, 1);
    assert_true(is_saved(&saved));
    assert_true(is_saved(&(struct seccomp_request){.paths = both, .notify = true, .caps = 12})); /* nobody asks */
    assert_false(is_saved(&(struct seccomp_request){.paths = both}));
    assert_false(is_saved(&(struct seccomp_request){.path = shelf.allow, .notify = true}));
    assert_false(is_saved(&(struct seccomp_request){.paths = turned, .notify = true}));
    assert_false(is_saved(&(struct seccomp_request){.paths = both, .notify = true, .permit = setns_only}));
    assert_false(is_saved(&(struct seccomp_request){.paths = both, .notify = true, .log_all = true}));

    chmod(shelf.bpf, 0666); /* more people may write it than the JSON */
    assert_false(is_saved(&saved));
    chmod(shelf.bpf, 0644);
    assert_true(is_saved(&saved));

    append(shelf.guard, "\n"); /* any change, of any of the files */
    assert_false(is_saved(&saved));
    program = compile(&saved);
    assert_int_equal(answer(&program, SYS_mount, 0, 0), SECCOMP_RET_USER_NOTIF);
    seccomp_profile_done(&program);
    clear_shelf(&shelf);
}

/* Every byte of the file, one after the other: the answer stays what it was. */
static void test_damaged_saved_programs_are_ignored(void **state)
{
    struct shelf shelf = make_shelf();
    const struct seccomp_request request = {.path = shelf.guard};
    struct sock_fprog programs[2];
    char bpf[80];
    unsigned char byte;
    struct stat st;
    int fd;

    (void)state;
    snprintf(bpf, sizeof(bpf), "%s/guard.bpf", shelf.directory);
    programs[0] = compile(&request);
    save(&request, 1);
    fd = open(bpf, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0 && is_saved(&request));
    for (off_t at = 0; at < st.st_size; at++) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x41;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        programs[1] = compile(&request);
        assert_int_equal(programs[1].len, programs[0].len);
        assert_memory_equal(programs[1].filter, programs[0].filter, programs[0].len * sizeof(*programs[0].filter));
        seccomp_profile_done(&programs[1]);
        byte ^= 0x41;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (off_t size = st.st_size - 1; size >= 0; size -= 7) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_false(is_saved(&request));
    }
    close(fd);
    seccomp_profile_done(&programs[0]);
    unlink(bpf);
    clear_shelf(&shelf);
}

static void test_capabilities_and_kernel_count_where_asked_for(void **state)
{
    struct shelf shelf = make_shelf();
    struct seccomp_request request = {.path = shelf.allow, .caps = 5};
    int fd = open(shelf.allow, O_WRONLY | O_TRUNC);

    (void)state;
    close(fd);
    append(shelf.allow, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"reboot\"], \"action\": "
                        "\"SCMP_ACT_ERRNO\", \"excludes\": {\"caps\": [\"CAP_SYS_BOOT\"]}}]}");
    save(&request, 1);
    assert_true(is_saved(&request));
    request.caps = 6;
    assert_false(is_saved(&request));
    clear_shelf(&shelf);
}

/* What is answered without the arguments is answered whatever they are. */
static void test_without_arguments_only_what_is_certain(void **state)
{
    struct sock_fprog program = compile(&(struct seccomp_request){.path = "policies/seccomp/guard.json", .notify = true});
    uint32_t arch = seccomp_native_arch();

    (void)state;
    assert_int_equal(answer(&program, SYS_ioctl, 0, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(seccomp_evaluate(&program, arch, SYS_ioctl, NULL), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(seccomp_evaluate(&program, arch, SYS_execve, NULL), SECCOMP_RET_ALLOW);
    assert_int_equal(seccomp_evaluate(&program, arch, SYS_clone3, NULL), ERRNO(ENOSYS));
    seccomp_profile_done(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_files_merge_to_the_strongest),
        cmocka_unit_test(test_kill_in_the_allow_list_outdoes_errno_and_log_in_others),
        cmocka_unit_test(test_strength_is_the_kernels),
        cmocka_unit_test(test_other_architectures_and_x32_get_enosys),
        cmocka_unit_test(test_learning_notifies_of_everything),
        cmocka_unit_test(test_permitted_names_go_on),
        cmocka_unit_test(test_bad_programs_end),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_without_arguments_only_what_is_certain),
        cmocka_unit_test(test_saved_programs_answer_as_compiled_ones),
        cmocka_unit_test(test_stale_and_foreign_saved_programs_are_ignored),
        cmocka_unit_test(test_damaged_saved_programs_are_ignored),
        cmocka_unit_test(test_capabilities_and_kernel_count_where_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
