/* SPDX-License-Identifier: MIT */
#pragma once

/* What a process of `cargo test` came to; cargo.c says what there is. */
#include "supervisor/adapters/adapter.h"

/* An entry's data. */
enum cargo_kind {
    CARGO_TEST, /* of libtest */
    CARGO_OWN,  /* a program with a main() of its own */
    CARGO_DOC   /* rustdoc's, all of them */
};

void cargo_judge(const struct adapter_entry *entry, const struct adapter_result *result,
                 struct adapter_judgement *ret);
