/* SPDX-License-Identifier: MIT */
/*
 * Seccomp profiles and programs from anybody. The first byte says what the rest is:
 *   0x01  instructions, for the evaluator       0x02  a saved program (NAME.bpf), for its loader
 *   else  (the whole input) a profile in JSON, which is compiled, merged with another, and asked
 * Beyond what the sanitizers find, a merged program must answer as the strongest of its parts, and never let a call of
 * another architecture or of x32 through.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/seccomp/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char deny_list[] =
    "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
    "{\"names\": [\"mount\", \"read\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 1},"
    "{\"names\": [\"close\"], \"action\": \"SCMP_ACT_LOG\"}, {\"names\": [\"dup\"], \"action\": \"SCMP_ACT_KILL\"},"
    "{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 97, \"args\": [{\"index\": 0, \"value\": "
    "4294967295, \"valueTwo\": 40, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]}";

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void evaluate_bytes(const uint8_t *data, size_t size)
{
    size_t n = size / sizeof(struct sock_filter);
    struct sock_filter *code = malloc(n * sizeof(*code) + 1);
    const uint64_t args[6] = {1, 2, UINT64_MAX, 4, 5, 6};

    memcpy(code, data, n * sizeof(*code));
    if (n <= BPF_MAXINSNS)
        seccomp_evaluate(&(struct sock_fprog){.len = (unsigned short)n, .filter = code}, AUDIT_ARCH_X86_64, 1, args);
    free(code);
}

static void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void load_bytes(const uint8_t *data, size_t size)
{
    char directory[] = "/tmp/shunt-fuzz-XXXXXX", json[64], bpf[64];
    struct sock_fprog program;

    CHECK(mkdtemp(directory));
    snprintf(json, sizeof(json), "%s/x.json", directory);
    snprintf(bpf, sizeof(bpf), "%s/x.bpf", directory);
    write_file(json, deny_list, strlen(deny_list));
    write_file(bpf, data, size);
    if (seccomp_profile_load_saved(&(struct seccomp_request){.path = json}, &program) == 0)
        seccomp_profile_done(&program);
    unlink(json);
    unlink(bpf);
    rmdir(directory);
}

static void check_merged(const struct sock_fprog *merged, const struct sock_fprog alone[2])
{
    static const uint32_t numbers[] = {SYS_read,  SYS_close,  SYS_dup,    SYS_socket,
                                       SYS_mount, SYS_openat, SYS_getpid, 999};
    static const uint64_t values[] = {0, 1, 40, 40 | 1ull << 32, UINT32_MAX, UINT64_MAX};
    const uint32_t arch = seccomp_native_arch();

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            const uint64_t args[6] = {values[j], values[(j + 1) % 6], values[(j + 2) % 6]};
            uint32_t first = seccomp_evaluate(&alone[0], arch, numbers[i], args);
            uint32_t second = seccomp_evaluate(&alone[1], arch, numbers[i], args);

            CHECK(seccomp_evaluate(merged, arch, numbers[i], args) == seccomp_strongest(first, second));
            CHECK(seccomp_evaluate(merged, ~arch, numbers[i], args) == (SECCOMP_RET_ERRNO | ENOSYS));
#ifdef __x86_64__
            CHECK(seccomp_evaluate(merged, arch, numbers[i] | SECCOMP_X32_BIT, args) == (SECCOMP_RET_ERRNO | ENOSYS));
#endif
        }
}

static void read_profile(const uint8_t *data, size_t size)
{
    struct seccomp_file files[2] = {0};
    struct sock_fprog alone[2] = {0}, merged = {0};
    struct seccomp_request request = {0};
    struct err err = ERR_INIT;

    if (seccomp_file_parse("x.json", (const char *)data, size, 1u << 21, &files[0], &err) < 0) {
        CHECK(err.kind == ERR_USAGE && *err.message);
        return;
    }
    CHECK(seccomp_file_parse("deny.json", deny_list, strlen(deny_list), 0, &files[1], NULL) == 0);
    CHECK(seccomp_file_compile(&files[1], &alone[1], NULL) == 0);
    if (seccomp_file_compile(&files[0], &alone[0], &err) == 0) {
        if (seccomp_programs_merge(&request, alone, 2, &merged) == 0)
            check_merged(&merged, alone);
    } else {
        CHECK(*err.message);
    }
    for (size_t i = 0; i < 2; i++) {
        seccomp_profile_done(&alone[i]);
        seccomp_file_done(&files[i]);
    }
    seccomp_profile_done(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 1)
        evaluate_bytes(data + 1, size - 1);
    else if (size > 0 && data[0] == 2)
        load_bytes(data + 1, size - 1);
    else
        read_profile(data, size);
    return 0;
}
