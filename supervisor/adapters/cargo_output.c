/* SPDX-License-Identifier: MIT */
/* What libtest and rustdoc write of a test: why it failed. */
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/cargo.h"
#include "supervisor/adapters/stand_in.h"

/* "thread 'tests::wrong' (12) panicked at src/lib.rs:10:9:": of the test's own thread, the last
 * one; else the first. */
static const char *find_panic(struct cpp_text text, const char *name)
{
    _cleanup_free_ char *own = mem_printf("thread '%s'", name);
    const char *found = NULL, *at;
    bool found_own = false;

    for (struct cpp_text rest = text; (at = cpp_find(rest, " panicked at ")); rest.at = at + 1) {
        struct cpp_text line = {cpp_line_start(text, at), at};
        const char *thread = cpp_find(line, "thread '");
        bool is_own = thread && stand_in_begins((struct cpp_text){thread, at}, own);

        if (thread && (is_own || !found) && (is_own || !found_own)) {
            found = at + strlen(" panicked at ");
            found_own = is_own;
        }
    }
    return found;
}

static void say_panic(struct cpp_text text, const char *at, char message[ADAPTER_MESSAGE])
{
    struct cpp_text rest = {at, text.end}, line;

    while (stand_in_line(&rest, &line)) {
        if (line.at != at &&
            (stand_in_begins(line, "note: ") || stand_in_begins(line, "stack backtrace:") ||
             stand_in_begins(line, "test ") || line.at == line.end))
            break;
        cpp_say(message, line.at, line.end);
        cpp_say_text(message, " ");
    }
    if (*message)
        message[strlen(message) - 1] = '\0';
}

static bool say_reason(struct cpp_text text, const char *name, char message[ADAPTER_MESSAGE])
{
    static const char *const notes[] = {"note: panic did not contain expected string",
                                        "note: test did not panic as expected"};
    static const char *const others[] = {"has overflowed its stack",
                                         "fatal runtime error: ", "memory allocation of "};
    const char *at = NULL, *panic, *end;

    for (size_t i = 0; !at && i < sizeof(notes) / sizeof(*notes); i++)
        at = cpp_find_last(text, notes[i]);
    if (at) {
        end = cpp_paragraph_end(text, at, NULL);
        cpp_say(message, at + strlen("note: "), end);
        return true;
    }
    at = cpp_find_last(text, "\nError: "); /* of a test that returns Result */
    panic = find_panic(text, name);
    /* before Rust 1.65 libtest itself panics then */
    if (at &&
        (!panic || cpp_find((struct cpp_text){panic, text.end}, "a termination value with a"))) {
        cpp_say(message, at + 1, cpp_line_end(text, at + 1));
        return true;
    }
    if (panic) {
        say_panic(text, panic, message);
        return true;
    }
    at = NULL;
    for (size_t i = 0; !at && i < sizeof(others) / sizeof(*others); i++)
        at = cpp_find(text, others[i]);
    if (at)
        cpp_say(message, cpp_line_start(text, at), cpp_line_end(text, at));
    return at != NULL;
}

/* "---- src/lib.rs - add (line 3) stdout ----" is the first that failed. */
static void say_documentation(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    const char *at = cpp_find(text, "\n---- "),
               *end = at ? cpp_find((struct cpp_text){at, text.end}, " stdout ----") : NULL;

    if (!at || !end || end > cpp_line_end(text, at + 1))
        return;
    cpp_say(message, at + 6, end);
    text.at = end;
    at = find_panic(text, "main");
    if (at) {
        cpp_say_text(message, ": ");
        cpp_say(message, at, cpp_line_end(text, cpp_line_end(text, at) + 1));
    }
}

static void judge_zero(struct cpp_text text, struct adapter_judgement *ret)
{
    if (cpp_find(text, "running 0 tests")) {
        ret->outcome = OUTCOME_ERROR;
        cpp_say_text(ret->message, "the program that listed this test did not run it");
    } else if (!cpp_find(text, "test result: ok")) {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message,
                     "exit status 0 in the middle of the test: something called exit()");
    }
}

void cargo_judge(const struct adapter_entry *entry, const struct adapter_result *result,
                 struct adapter_judgement *ret)
{
    enum cargo_kind kind = entry->data ? *(enum cargo_kind *)entry->data : CARGO_TEST;
    struct cpp_text text = cpp_output(result);
    char message[ADAPTER_MESSAGE] = "";

    adapter_judge_status(entry, result, ret);
    if (ret->outcome == OUTCOME_PASSED && kind == CARGO_TEST) {
        judge_zero(text, ret);
    } else if (ret->outcome != OUTCOME_PASSED) {
        if (kind == CARGO_DOC)
            say_documentation(text, message);
        else
            say_reason(text, entry->name ? entry->name : entry->id, message);
        if (*message)
            cpp_take_reason(result, message, ret);
        else
            cpp_say_crash(ret->message, text);
    }
}
