/* SPDX-License-Identifier: MIT */
/* Adapter "tap": the command is one program that prints TAP. It claims nothing: it is asked for by name. */
#include <stdlib.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/adapters/tap_text.h"

static int list(struct adapter_list *list, struct err *err)
{
    _cleanup_free_ char *id = adapter_join_words(list->argv);
    struct adapter_entry *test = adapter_add(list, id);

    (void)err;
    test->argv = adapter_words(list->argv);
    return 0;
}

extern const struct adapter adapter_tap;
const struct adapter adapter_tap = {
    .name = "tap",
    .help = "a program that prints TAP, as one test",
    .list = list,
    .judge = tap_judge,
};
