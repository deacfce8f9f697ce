/* SPDX-License-Identifier: MIT */
#pragma once

/* The block with which a forked worker closes itself in: this header, then the BPF program, then the Landlock rules. It lies
 * in a sealed memfd. Written by sandbox/plan, read by shunt_enter_seal() in sandbox/launch/enter.c. */
#include <stdint.h>

#define SEAL_MAGIC 0x6c616573u /* "seal" */

struct seal_header {
    uint32_t magic;
    uint32_t filter_bytes, landlock_bytes; /* 0: none */
    uint32_t pad;
    uint64_t caps; /* bits that may be kept */
};
