/* SPDX-License-Identifier: MIT */
#include "supervisor/core/stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 128
#define WORKER_FILE "/shunt_pytest/worker.py"

struct frame {
    const char *file, *name;
    int file_size, name_size;
    long line;
};

struct stack { /* the innermost frame first */
    struct frame frames[FRAMES_MAX];
    size_t n;
    bool outermost_first; /* as it is written: a traceback */
};

static bool begins(const char *line, size_t size, const char *with)
{
    return size >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

static bool ends(const char *text, size_t size, const char *with)
{
    return size >= strlen(with) && memcmp(text + size - strlen(with), with, strlen(with)) == 0;
}

/* Does the line begin the stack of a thread, and is it the one that is wanted? */
static bool is_title(const char *line, size_t size, enum stacks_thread which, bool *ret_wanted,
                     bool *ret_outermost)
{
    bool current = begins(line, size, "Current thread 0x");

    *ret_outermost = false;
    if (current || begins(line, size, "Thread 0x")) {
        *ret_wanted = which == STACKS_MAIN || current;
        return true;
    }
    if (!memmem(line, size, "~ Stack of ", 11))
        return false;
    *ret_wanted = which == STACKS_MAIN && memmem(line, size, "Stack of MainThread ", 20);
    *ret_outermost = true;
    return true;
}

/* `  File "/x/a.py", line 14 in test_it`, or with a comma after the number. */
static bool parse_frame(const char *line, size_t size, struct frame *ret)
{
    static const char head[] = "  File \"", middle[] = "\", line ";
    const char *end = line + size, *at, *name;

    if (!begins(line, size, head))
        return false;
    ret->file = line + sizeof(head) - 1;
    at = memmem(ret->file, (size_t)(end - ret->file), middle, sizeof(middle) - 1);
    if (!at)
        return false;
    ret->file_size = (int)(at - ret->file);
    ret->line = 0;
    for (at += sizeof(middle) - 1; at < end && *at >= '0' && *at <= '9' && ret->line < 100000000;
         at++)
        ret->line = ret->line * 10 + (*at - '0');
    name = memmem(at, (size_t)(end - at), " in ", 4);
    ret->name = name ? name + 4 : end;
    ret->name_size = (int)(end - ret->name);
    return true;
}

static void turn(struct stack *stack)
{
    for (size_t i = 0, k = stack->n; stack->outermost_first && i + 1 < k; i++) {
        struct frame swap = stack->frames[i];

        stack->frames[i] = stack->frames[--k];
        stack->frames[k] = swap;
    }
}

static void find_stack(const char *text, size_t size, enum stacks_thread which, struct stack *ret)
{
    const char *end = text + size;
    bool wanted = false, outermost, is_wanted;

    ret->n = 0;
    ret->outermost_first = false;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);

        if (is_title(text, length, which, &is_wanted, &outermost)) {
            wanted = is_wanted;
            if (wanted) { /* the last one counts */
                ret->n = 0;
                ret->outermost_first = outermost;
            }
        } else if (wanted && ret->n < FRAMES_MAX &&
                   parse_frame(text, length, &ret->frames[ret->n])) {
            ret->n++;
        }
        text += length + 1;
    }
    turn(ret);
}

/* The file below `root`, or NULL where it is somewhere else. */
static const char *below(const struct frame *frame, const char *root)
{
    size_t length = strlen(root);

    while (length && root[length - 1] == '/')
        length--;
    if (!length || (size_t)frame->file_size <= length + 1 ||
        memcmp(frame->file, root, length) != 0 || frame->file[length] != '/')
        return NULL;
    return frame->file + length + 1;
}

static bool is_library(const struct frame *frame)
{
    return memmem(frame->file, (size_t)frame->file_size, "/site-packages/", 15) ||
           memmem(frame->file, (size_t)frame->file_size, "/dist-packages/", 15) ||
           memmem(frame->file, (size_t)frame->file_size, "/shunt_pytest/", 14);
}

static const struct frame *own_frame(const struct stack *stack, const char *root,
                                     const char *test_file)
{
    const struct frame *project = NULL;

    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = &stack->frames[i];
        const char *file = below(frame, root);
        size_t size = file ? (size_t)(frame->file + frame->file_size - file) : 0;

        if (file && size == strlen(test_file) && memcmp(file, test_file, size) == 0)
            return frame;
        if (file && !project && !is_library(frame))
            project = frame;
    }
    return project;
}

/* The last three parts of a path say which library it is. */
static const char *tail_of(const struct frame *frame)
{
    const char *at = frame->file + frame->file_size;
    int parts = 0;

    while (at > frame->file && (at[-1] != '/' || ++parts < 3))
        at--;
    return at;
}

bool stacks_line(const char *text, size_t size, enum stacks_thread which, const char *root,
                 const char *test_file, char *buf, size_t buf_size)
{
    struct stack stack;
    const struct frame *own;
    const char *file;
    size_t at;

    *buf = '\0';
    find_stack(text, size, which, &stack);
    own = own_frame(&stack, root, test_file);
    if (!own)
        return false;
    file = below(own, root);
    at = (size_t)snprintf(buf, buf_size, "%.*s:%ld in %.*s",
                          (int)(own->file + own->file_size - file), file, own->line, own->name_size,
                          own->name);
    if (own > stack.frames && at < buf_size) {
        const struct frame *called = own - 1;

        file = tail_of(called);
        snprintf(buf + at, buf_size - at, " (%.*s:%ld in %.*s)",
                 (int)(called->file + called->file_size - file), file, called->line,
                 called->name_size, called->name);
    }
    return true;
}

bool stacks_fault_in_main(const char *text, size_t size)
{
    struct stack stack;

    find_stack(text, size, STACKS_CURRENT, &stack);
    for (size_t i = 0; i < stack.n; i++)
        if (ends(stack.frames[i].file, (size_t)stack.frames[i].file_size, WORKER_FILE))
            return true;
    return false;
}

/* Frames that may be left out, from `text`; returns where they end. */
static const char *skip_others(const char *text, const char *end, const char *root, size_t *ret_n)
{
    struct frame frame;

    *ret_n = 0;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);

        if (!parse_frame(text, length, &frame) || (below(&frame, root) && !is_library(&frame)))
            break;
        ++*ret_n;
        text = newline ? newline + 1 : end;
    }
    return text;
}

char *stacks_shorten(const char *text, size_t size, const char *root, size_t *ret_size)
{
    const char *end = text + size, *next;
    bool inside = false; /* a frame came just before */
    char *shorter = NULL;
    FILE *out = open_memstream(&shorter, ret_size);
    struct frame frame;
    size_t n;

    if (!out)
        abort();
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        next = inside ? skip_others(text, end, root, &n) : text;
        if (next > text && n > 2) {
            fprintf(out, "  (%zu frames left out)\n", n);
            text = next;
            continue;
        }
        next = newline ? newline + 1 : end;
        inside = parse_frame(text, (size_t)((newline ? newline : end) - text), &frame);
        fwrite(text, 1, (size_t)(next - text), out);
        text = next;
    }
    fclose(out);
    return shorter;
}
