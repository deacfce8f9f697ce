/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of sandbox/seccomp share: a profile as read, words, and the steps from it to a program. */
#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/seccomp/profile.h"

#define SECCOMP_FILE_MAX (1u << 20) /* bytes of a profile; Docker's has 13 KB */
#define SECCOMP_ARGS_MAX 64         /* conditions of one rule */
#define SECCOMP_X32_BIT 0x40000000u

/* --- words (words.c) --- */

struct seccomp_word {
    const char *name;
    uint32_t value;
    const char *unsupported; /* why it is known and not done; NULL: it is done */
};

extern const struct seccomp_word seccomp_actions[], seccomp_operators[], seccomp_flags[], seccomp_arches[];
/* The row of that name in a table that ends with a NULL name, or NULL. */
const struct seccomp_word *seccomp_word_find(const struct seccomp_word *table, const char *name);
/* The names that are done: "SCMP_ACT_ALLOW, SCMP_ACT_ERRNO or ...". */
void seccomp_word_list(const struct seccomp_word *table, char *buf, size_t size);
/* Docker's names for architectures ("amd64"); `ret_native`: whether it is this one. */
int seccomp_docker_arch(const char *name, bool *ret_native);
#define SECCOMP_DOCKER_ARCHES "amd64, arm64, x86, x32, arm, ppc64le, s390x, riscv64 or another of Docker's"
/* The errno of a name ("EPERM") or decimal number, or -EINVAL. */
int seccomp_errno_parse(const char *text);

/* --- a profile as read (read.c) --- */

struct seccomp_arg {
    unsigned index;
    uint32_t op; /* enum scmp_compare */
    uint64_t value, value_two;
};

struct seccomp_rule {
    size_t at;      /* its place in the file's list */
    const json_t *names; /* array, or one string (`name` of Docker's old format) */
    uint32_t answer;     /* SECCOMP_RET_* */
    struct seccomp_arg *args;
    size_t nargs;
};

struct seccomp_file {
    char *path;
    const char *label; /* the last two parts of the path: "seccomp/guard.json" */
    json_t *root;
    uint32_t fallback; /* the answer to calls of which no rule holds: SECCOMP_RET_* */
    struct seccomp_rule *rules; /* those that hold for this machine and these capabilities */
    size_t nrules;
    bool asks_caps, asks_kernel; /* includes or excludes depend on them */
};

int seccomp_file_read(const char *path, uint64_t caps, struct seccomp_file *ret, struct err *err);
/* The same from memory; `path` is for messages. */
int seccomp_file_parse(const char *path, const char *text, size_t size, uint64_t caps, struct seccomp_file *ret,
                       struct err *err);
void seccomp_file_done(struct seccomp_file *file);
size_t seccomp_rule_names(const struct seccomp_rule *rule);
const char *seccomp_rule_name(const struct seccomp_rule *rule, size_t i);

/* --- names that nobody knows (unknown.c) --- */

/* The rule takes away from what the default allows. */
bool seccomp_rule_refuses(const struct seccomp_file *file, const struct seccomp_rule *rule);
/* The call that was probably meant by such a name; NULL: none is near, or it is that call's successor. Malloc'ed. */
char *seccomp_meant_call(const char *name);

/* --- lines of JSON (locate.c) --- */

struct seccomp_step {
    const char *key; /* NULL: `index` counts in a list */
    size_t index;
};
/* The line (from 1) at which the member begins to which `steps` lead, in valid JSON; the nearest one that there is. */
unsigned seccomp_json_line(const char *text, const struct seccomp_step *steps, size_t n);
/* A copy in which whole numbers from 2^63 to 2^64-1, which jansson cannot hold, are strings "u64:NUMBER". */
char *seccomp_json_wrap(const char *text, size_t size);
/* A number from 0 to 2^64-1, plain or wrapped. */
int seccomp_json_u64(const json_t *value, uint64_t *ret);

/* --- to a program (compile.c, merge.c) --- */

/* One file alone, without the gate. */
int seccomp_file_compile(const struct seccomp_file *file, struct sock_fprog *ret, struct err *err);
/* The gate and all programs in one, as if stacked in this order. -E2BIG: more than the kernel takes. */
int seccomp_programs_merge(const struct seccomp_request *request, const struct sock_fprog *programs, size_t n,
                  struct sock_fprog *ret);

/* --- requests (profile.c) --- */

struct seccomp_set {
    struct seccomp_file files[SECCOMP_PATHS_MAX];
    size_t n;
};
/* The paths of a request, at most SECCOMP_PATHS_MAX. */
int seccomp_request_paths(const struct seccomp_request *request, const char *paths[SECCOMP_PATHS_MAX], struct err *err);
int seccomp_set_read(const struct seccomp_request *request, struct seccomp_set *ret, struct err *err);
void seccomp_set_done(struct seccomp_set *set);
/* Compiles whatever programs were saved. */
int seccomp_set_compile(const struct seccomp_request *request, const struct seccomp_set *set, struct sock_fprog *ret,
                        struct err *err);
int seccomp_check_permit(const struct seccomp_request *request, struct err *err);
