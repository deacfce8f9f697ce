/* SPDX-License-Identifier: MIT */
#pragma once

/* Of <linux/landlock.h>, which is older than the kernels that we run on. */
#include <stdint.h>

#define LL_EXECUTE (1ULL << 0)
#define LL_WRITE_FILE (1ULL << 1)
#define LL_READ_FILE (1ULL << 2)
#define LL_READ_DIR (1ULL << 3)
#define LL_ALL_1 ((1ULL << 13) - 1) /* ABI 1: the above, removing and making */
#define LL_REFER (1ULL << 13)       /* ABI 2 */
#define LL_TRUNCATE (1ULL << 14)    /* ABI 3 */
#define LL_IOCTL_DEV (1ULL << 15)   /* ABI 5 */
#define LL_ALL (LL_ALL_1 | LL_REFER | LL_TRUNCATE | LL_IOCTL_DEV)
#define LL_READ (LL_EXECUTE | LL_READ_FILE | LL_READ_DIR)
#define LL_ON_FILES (LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV)
#define LL_SCOPE_ABSTRACT_SOCKETS (1ULL << 0) /* ABI 6 */
#define LL_SCOPE_SIGNALS (1ULL << 1)

struct ll_ruleset_attr {
    uint64_t fs, net, scoped; /* 8 bytes of it up to ABI 3, 16 up to 5 */
};

struct ll_path_attr {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

/* One rule in the block: this, then the path with its NUL. Not aligned. */
struct ll_entry {
    uint64_t access;
    uint32_t path_bytes;
} __attribute__((packed));

#define LL_RULES_MAX 1024
