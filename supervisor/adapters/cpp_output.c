/* SPDX-License-Identifier: MIT */
/* The output of C++ frameworks: finding texts in it, and making one line of a reason. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/mem.h"
#include "supervisor/adapters/cpp.h"

struct cpp_text cpp_output(const struct adapter_result *result)
{
    return (struct cpp_text){result->output, result->output + result->size};
}

const char *cpp_find(struct cpp_text text, const char *mark)
{
    return text.at < text.end ? memmem(text.at, (size_t)(text.end - text.at), mark, strlen(mark))
                              : NULL;
}

const char *cpp_find_last(struct cpp_text text, const char *mark)
{
    const char *found, *last = NULL;

    while ((found = cpp_find(text, mark))) {
        last = found;
        text.at = found + 1;
    }
    return last;
}

const char *cpp_line_start(struct cpp_text text, const char *at)
{
    const char *newline = at > text.at ? memrchr(text.at, '\n', (size_t)(at - text.at)) : NULL;

    return newline ? newline + 1 : text.at;
}

const char *cpp_line_end(struct cpp_text text, const char *at)
{
    const char *newline = at < text.end ? memchr(at, '\n', (size_t)(text.end - at)) : NULL;

    return newline ? newline : text.end;
}

const char *cpp_paragraph_end(struct cpp_text text, const char *at, const char *stop)
{
    const char *end = cpp_line_end(text, at);

    while (end < text.end) {
        const char *next = end + 1, *next_end = cpp_line_end(text, next);

        if (next == next_end || (stop && (size_t)(text.end - next) >= strlen(stop) &&
                                 memcmp(next, stop, strlen(stop)) == 0))
            break;
        end = next_end;
    }
    return end;
}

void cpp_say(char message[ADAPTER_MESSAGE], const char *at, const char *end)
{
    size_t n = strlen(message);
    bool blank = false;

    for (; at < end && n + 2 < ADAPTER_MESSAGE; at++) {
        unsigned char c = (unsigned char)*at;

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            blank = n > 0 && message[n - 1] != ' ';
            continue;
        }
        if (blank)
            message[n++] = ' ';
        blank = false;
        message[n++] = c < ' ' || c == 127 ? '?' : *at;
    }
    message[n] = '\0';
}

void cpp_say_text(char message[ADAPTER_MESSAGE], const char *text)
{
    size_t n = strlen(message);

    for (; *text && n + 1 < ADAPTER_MESSAGE; text++)
        message[n++] = *text;
    message[n] = '\0';
}

void cpp_take_reason(const struct adapter_result *result, const char *reason,
                     struct adapter_judgement *ret)
{
    if (WIFEXITED(result->wait_status))
        ret->message[0] = '\0'; /* the status itself says nothing more */
    else
        cpp_say_text(ret->message, ": ");
    cpp_say_text(ret->message, reason);
}

void cpp_say_crash(char message[ADAPTER_MESSAGE], struct cpp_text text)
{
    static const struct {
        const char *mark;
        bool more; /* the next line belongs to it */
    } known[] = {
        {": Assertion `", false},
        {"terminate called ", true},
        {"SUMMARY: AddressSanitizer", false},
        {"SUMMARY: ThreadSanitizer", false},
        {"SUMMARY: MemorySanitizer", false},
        {"SUMMARY: UndefinedBehaviorSanitizer", false},
        {": runtime error: ", false},
        {"*** stack smashing", false},
        {"double free or corruption", false},
        {"free(): ", false},
        {"malloc(): ", false},
        {"SUMMARY: LeakSanitizer", false},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        const char *at = cpp_find(text, known[i].mark), *end;

        if (!at)
            continue;
        end = cpp_line_end(text, at);
        if (known[i].more && end < text.end)
            end = cpp_line_end(text, end + 1);
        cpp_say_text(message, *message ? ": " : "");
        cpp_say(message, cpp_line_start(text, at), end);
        return;
    }
}

/* --- XML --- */

static bool is_hex(const char *text)
{
    return text[0] && strchr("0123456789abcdefABCDEF", text[0]) && text[1] &&
           strchr("0123456789abcdefABCDEF", text[1]);
}

char *cpp_xml_text(const char *at, const char *end)
{
    static const struct {
        const char *entity, c;
    } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *text = mem_zalloc((size_t)(end - at) + 1), *to = text;

    while (at < end) {
        size_t left = (size_t)(end - at), taken = 0;

        for (size_t i = 0; *at == '&' && !taken && i < sizeof(entities) / sizeof(*entities); i++)
            if (left >= strlen(entities[i].entity) &&
                memcmp(at, entities[i].entity, strlen(entities[i].entity)) == 0) {
                *to++ = entities[i].c;
                taken = strlen(entities[i].entity);
            }
        if (!taken && left >= 4 && at[0] == '\\' && at[1] == 'x' && is_hex(at + 2)) {
            char digits[3] = {at[2], at[3], '\0'};
            unsigned long c = strtoul(digits, NULL, 16);

            if (c &&
                (c < ' ' || c >= 127)) { /* others are not escaped: the text has this backslash */
                *to++ = (char)c;
                taken = 4;
            }
        }
        if (!taken) {
            *to++ = *at;
            taken = 1;
        }
        at += taken;
    }
    *to = '\0';
    return text;
}
