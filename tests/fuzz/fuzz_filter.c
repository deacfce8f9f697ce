/* SPDX-License-Identifier: MIT */
/* Filter expressions from anybody, and what they say of a test. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct filter_facts facts = {.id = "tests/a.py::test_x[(1)]", .file = "tests/a.py", .known = true};
    char *text = mem_zalloc(size + 1);
    struct filter *filter = NULL;
    struct err err = ERR_INIT;

    memcpy(text, data, size);
    if (filter_parse(text, "-E", &filter, &err) == 0) {
        filter_needs(filter);
        filter_matches(filter, &facts);
        filter_free(filter);
    } else if (err.kind == ERR_NONE || !*err.message) {
        abort(); /* a failure that says nothing */
    }
    free(text);
    return 0;
}
