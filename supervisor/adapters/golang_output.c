/* SPDX-License-Identifier: MIT */
/* What Go's package testing writes of a test: its skip, its subtests, and why it failed. */
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/golang.h"
#include "supervisor/adapters/stand_in.h"

/* "    demo_test.go:17: Add(1, 2) = 3, want 4" */
static bool is_message(struct cpp_text line)
{
    const char *at = line.at, *go;

    while (at < line.end && *at == ' ')
        at++;
    if (at - line.at < 4)
        return false;
    go = cpp_find((struct cpp_text){at, line.end}, ".go:");
    return go && go + 4 < line.end && go[4] >= '0' && go[4] <= '9' &&
           !memchr(at, ' ', (size_t)(go - at));
}

/* With its further lines, which are indented more. */
static const char *end_of_message(struct cpp_text text, struct cpp_text line)
{
    struct cpp_text rest = {line.end < text.end ? line.end + 1 : text.end, text.end}, next;
    const char *end = line.end;

    while (stand_in_line(&rest, &next) && stand_in_begins(next, "        ") && !is_message(next))
        end = next.end;
    return end;
}

/* "=== RUN   TestSub/two", also CONT, NAME and PAUSE: whose output follows. */
static bool section_of(struct cpp_text line, struct cpp_text *ret)
{
    if (!stand_in_begins(line, "=== ") || line.end - line.at < 11)
        return false;
    *ret = (struct cpp_text){line.at + 10, line.end};
    return true;
}

/* The innermost one that failed first: its name behind "--- FAIL: ", up to " (". */
static bool find_failed(struct cpp_text text, struct cpp_text *ret)
{
    static const char fail[] = "--- FAIL: ";
    const char *at = text.at;
    bool found = false;

    while ((at = cpp_find((struct cpp_text){at, text.end}, fail))) {
        struct cpp_text line = {at + strlen(fail), cpp_line_end(text, at)};
        const char *end = cpp_find(line, " (");

        at = line.end;
        if (!end)
            continue;
        line.end = end;
        if (found &&
            !((line.end - line.at) > (ret->end - ret->at) && line.at[ret->end - ret->at] == '/' &&
              memcmp(line.at, ret->at, (size_t)(ret->end - ret->at)) == 0))
            break;
        *ret = line;
        found = true;
    }
    return found;
}

/* The last message of that test: t.Fatal ends it, and what t.Log said stands before. */
static bool say_message(struct cpp_text text, struct cpp_text failed, char message[ADAPTER_MESSAGE])
{
    struct cpp_text rest = text, line, section, found = {NULL, NULL};
    const char *slash = memchr(failed.at, '/', (size_t)(failed.end - failed.at));
    bool mine = false;

    while (stand_in_line(&rest, &line)) {
        if (section_of(line, &section))
            mine = section.end - section.at == failed.end - failed.at &&
                   memcmp(section.at, failed.at, (size_t)(failed.end - failed.at)) == 0;
        else if (mine && is_message(line))
            found = line;
    }
    if (!found.at)
        return false;
    cpp_say(message, found.at, end_of_message(text, found));
    if (slash) {
        cpp_say_text(message, " [in ");
        cpp_say(message, slash + 1, failed.end);
        cpp_say_text(message, "]");
    }
    return true;
}

/* "panic: ..." and where, of the test's own files. */
static bool say_panic(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    static const char *const marks[] = {"\npanic: ", "\nfatal error: "};
    const char *at = NULL, *frame;

    for (size_t i = 0; !at && i < sizeof(marks) / sizeof(*marks); i++)
        at = cpp_find(text, marks[i]);
    if (!at)
        return false;
    cpp_say(message, at + 1, cpp_line_end(text, at + 1));
    frame = cpp_find((struct cpp_text){at, text.end}, "_test.go:");
    if (frame) {
        struct cpp_text line = {cpp_line_start(text, frame), cpp_line_end(text, frame)};
        const char *name = memrchr(line.at, '/', (size_t)(frame - line.at));
        const char *end = cpp_find((struct cpp_text){frame, line.end}, " ");

        cpp_say_text(message, " at ");
        cpp_say(message, name ? name + 1 : line.at, end ? end : line.end);
    }
    return true;
}

static bool say_example(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    const char *at = cpp_find(text, "\ngot:\n"),
               *end = at ? cpp_find((struct cpp_text){at, text.end}, "\nFAIL\n") : NULL;

    if (at)
        cpp_say(message, at + 1, end ? end : text.end);
    return at != NULL;
}

static bool say_reason(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    struct cpp_text failed;

    return say_panic(text, message) ||
           (find_failed(text, &failed) && say_message(text, failed, message)) ||
           say_example(text, message);
}

static bool says(struct cpp_text text, const char *what, const char *name,
                 struct cpp_text *ret_before)
{
    _cleanup_free_ char *line = mem_printf("--- %s: %s (", what, name);
    const char *at = cpp_find_last(text, line);

    if (at && ret_before)
        *ret_before = (struct cpp_text){text.at, at};
    return at != NULL;
}

static void say_skip(struct cpp_text before, char message[ADAPTER_MESSAGE])
{
    struct cpp_text rest = before, line, found = {NULL, NULL};

    while (stand_in_line(&rest, &line))
        if (is_message(line))
            found = line;
    if (found.at)
        cpp_say(message, found.at, end_of_message(before, found));
}

static bool has_skip(const struct adapter_entry *entry)
{
    for (size_t i = 1; entry->argv && entry->argv[i]; i++)
        if (strncmp(entry->argv[i], "-test.skip=", 11) == 0)
            return true;
    return false;
}

static void judge_zero(const struct adapter_entry *entry, struct cpp_text text,
                       struct adapter_judgement *ret)
{
    struct cpp_text before;

    if (says(text, "PASS", entry->name, NULL))
        return;
    if (says(text, "SKIP", entry->name, &before)) {
        ret->outcome = OUTCOME_SKIPPED;
        say_skip(before, ret->message);
    } else if (cpp_find(text, "testing: warning: no tests to run")) {
        ret->outcome = has_skip(entry) ? OUTCOME_SKIPPED : OUTCOME_ERROR;
        cpp_say_text(ret->message, has_skip(entry)
                                       ? "left out by -skip"
                                       : "the program that listed this test did not run it");
    } else {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message,
                     "exit status 0 in the middle of the test: something called os.Exit()");
    }
}

void golang_judge(const struct adapter_entry *entry, const struct adapter_result *result,
                  struct adapter_judgement *ret)
{
    struct cpp_text text = cpp_output(result);
    char message[ADAPTER_MESSAGE] = "";

    adapter_judge_status(entry, result, ret);
    if (ret->outcome == OUTCOME_PASSED)
        judge_zero(entry, text, ret);
    else if (say_reason(text, message))
        cpp_take_reason(result, message, ret);
    else
        cpp_say_crash(ret->message, text);
}
