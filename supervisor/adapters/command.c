/* SPDX-License-Identifier: MIT */
/*
 * Adapter "command": the whole command is one test. The smallest adapter there is; docs/adapters.md goes through it. It
 * claims nothing: it is asked for by name, or used where nobody knows how to take a command apart.
 */
#include <stdlib.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/adapters/adapter.h"

static int list(struct adapter_list *list, struct err *err)
{
    _cleanup_free_ char *id = adapter_join_words(list->argv);
    struct adapter_entry *test = adapter_add(list, id);

    (void)err;
    test->argv = adapter_words(list->argv);
    test->skip_status = 77;
    return 0;
}

extern const struct adapter adapter_command;
const struct adapter adapter_command = {
    .name = "command",
    .help = "any command, as one test",
    .list = list,
};
