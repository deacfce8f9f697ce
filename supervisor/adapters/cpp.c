/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/units.h"
#include "supervisor/adapters/cpp.h"

#define CHUNK (1u << 20)
#define OVERLAP 128            /* more than the longest mark */
#define LOOK_MAX (512ULL << 20) /* so much of a program is looked at */

/* --- whose program --- */

static bool holds_mark(const char *data, size_t size, const char *const marks[])
{
    for (size_t i = 0; marks[i]; i++) {
        const char *at = data, *found;

        while ((found = memmem(at, size - (size_t)(at - data), marks[i], strlen(marks[i])))) {
            if (found > data && found[-1] != '\0')
                return true;
            at = found + 1;
        }
    }
    return false;
}

static bool segment_holds(int fd, uint64_t offset, uint64_t size, const char *const marks[], char *room)
{
    size_t kept = 0;

    for (uint64_t done = 0; done < size;) {
        size_t want = size - done < CHUNK ? (size_t)(size - done) : CHUNK;
        ssize_t n = pread(fd, room + kept, want, (off_t)(offset + done));

        if (n <= 0)
            return false;
        done += (uint64_t)n;
        kept += (size_t)n;
        if (holds_mark(room, kept, marks))
            return true;
        if (kept > OVERLAP) {
            memmove(room, room + kept - OVERLAP, OVERLAP);
            kept = OVERLAP;
        }
    }
    return false;
}

/* What is loaded of it: constants are, debugging information is not. */
static bool elf_holds(int fd, const char *const marks[])
{
    _cleanup_free_ char *room = malloc(CHUNK + OVERLAP);
    uint64_t looked = 0;
    Elf64_Ehdr head;

    if (!room || pread(fd, &head, sizeof(head), 0) != sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(Elf64_Phdr))
        return false;
    for (size_t i = 0; i < head.e_phnum && looked < LOOK_MAX; i++) {
        Elf64_Phdr segment;

        if (pread(fd, &segment, sizeof(segment), (off_t)(head.e_phoff + i * sizeof(segment))) != sizeof(segment))
            return false;
        if (segment.p_type != PT_LOAD)
            continue;
        if (segment.p_filesz > LOOK_MAX - looked)
            segment.p_filesz = LOOK_MAX - looked;
        looked += segment.p_filesz;
        if (segment_holds(fd, segment.p_offset, segment.p_filesz, marks, room))
            return true;
    }
    return false;
}

bool cpp_program_holds(const char *word, const char *const marks[])
{
    _cleanup_close_ int fd = strchr(word, '/') ? open(word, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && elf_holds(fd, marks);
}

size_t cpp_program(char *const argv[], const char *const marks[])
{
    for (size_t i = 0; argv[i]; i++)
        if (cpp_program_holds(argv[i], marks))
            return i;
    return 0;
}

/* --- options --- */

const struct cpp_option *cpp_find_option(const struct cpp_option *table, const char *name, size_t size)
{
    for (; size && table->names; table++)
        for (const char *at = table->names; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");

            if (length == size && memcmp(at, name, size) == 0)
                return table;
            at += length;
        }
    return NULL;
}

static void leave_out(struct cpp_command *command, const char *word)
{
    char *before = command->left_out;
    int size = (int)strcspn(word, "=");

    if (before && strstr(before, word))
        return;
    command->left_out = before ? mem_printf("%s, %.*s", before, size, word) : mem_printf("%.*s", size, word);
    free(before);
}

static void take_word(struct cpp_command *command, char *const words[], const struct cpp_word *word)
{
    enum cpp_use use = word->option ? word->option->use : word->use;
    bool list = use == CPP_KEEP || use == CPP_SELECT, test = use == CPP_KEEP || use == CPP_STOP;

    if (use == CPP_STOP && cpp_is_on(word->value))
        command->max_fail = cpp_number(word->value) ? cpp_number(word->value) : 1;
    if (use == CPP_LEFT_OUT)
        leave_out(command, words[0]);
    if (use == CPP_ELSE && cpp_is_on(word->value))
        command->otherwise = words[0];
    for (size_t i = 0; i < word->words; i++) {
        if (list)
            adapter_append(&command->list, words[i]);
        if (test)
            adapter_append(&command->test, words[i]);
    }
}

void cpp_split(char *const argv[], size_t program, struct cpp_word (*read)(char *const words[]), struct cpp_command *ret)
{
    *ret = (struct cpp_command){0};
    for (size_t i = 0; i <= program; i++) {
        adapter_append(&ret->list, argv[i]);
        adapter_append(&ret->test, argv[i]);
    }
    for (size_t i = program + 1; argv[i];) {
        struct cpp_word word = read(argv + i);

        if (!word.words)
            word.words = 1;
        take_word(ret, argv + i, &word);
        i += word.words;
    }
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

void cpp_command_done(struct cpp_command *command)
{
    free_words(command->list);
    free_words(command->test);
    free(command->left_out);
    *command = (struct cpp_command){0};
}

bool cpp_runs_tests(char *const argv[], struct cpp_word (*read)(char *const words[]))
{
    struct cpp_command command;
    bool runs;

    cpp_split(argv, 0, read, &command);
    runs = !command.otherwise;
    cpp_command_done(&command);
    return runs;
}

int cpp_begin(struct adapter_list *list, const struct cpp_command *command, const char *framework, struct err *err)
{
    if (command->otherwise) {
        err_set(err, ERR_USAGE, EINVAL, "with %.60s %s runs no tests", command->otherwise, framework);
        return err_hint(err, "leave it out, or start the program without shunt; shunt list says which tests there are");
    }
    list->max_fail = command->max_fail;
    if (command->left_out && !list->notice)
        list->notice = mem_printf("%s: left out of the command: each test is a process of its own, and shunt has --junit FILE",
                                  command->left_out);
    return 0;
}

bool cpp_is_on(const char *value)
{
    return !value || !*value || !strchr("0fFnN", *value);
}

uint64_t cpp_number(const char *value)
{
    uint64_t number;

    return value && units_parse_count(value, &number) == 0 ? number : 0;
}

int cpp_no_list(const struct adapter_step *step, const char *framework, struct err *err)
{
    _cleanup_free_ char *words = adapter_join_words(step->argv);
    int status = step->wait_status;

    if (WIFSIGNALED(status))
        err_set(err, ERR_USAGE, EPROTO, "%.100s could not list its tests: died of SIG%s", step->argv[0],
                sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    else if (WEXITSTATUS(status))
        err_set(err, ERR_USAGE, EPROTO, "%.100s could not list its tests: exit status %d", step->argv[0], WEXITSTATUS(status));
    else
        err_set(err, ERR_USAGE, EPROTO, "%.100s did not list its tests as %s does", step->argv[0], framework);
    return err_hint(err, "look at what it says to: %.300s; --adapter=command runs the whole command as one test", words);
}

bool cpp_is_new(void **seen, const char *name, int (*compare)(const void *, const void *))
{
    char *copy = mem_strdup(name);
    char **found = tsearch(copy, seen, compare);

    if (!found)
        abort();
    if (*found == copy)
        return true;
    free(copy);
    return false;
}

/* --- output --- */

struct cpp_text cpp_output(const struct adapter_result *result)
{
    return (struct cpp_text){result->output, result->output + result->size};
}

const char *cpp_find(struct cpp_text text, const char *mark)
{
    return text.at < text.end ? memmem(text.at, (size_t)(text.end - text.at), mark, strlen(mark)) : NULL;
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

        if (next == next_end || (stop && (size_t)(text.end - next) >= strlen(stop) && memcmp(next, stop, strlen(stop)) == 0))
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

void cpp_take_reason(const struct adapter_result *result, const char *reason, struct adapter_judgement *ret)
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
        {": Assertion `", false},        {"terminate called ", true},     {"SUMMARY: AddressSanitizer", false},
        {"SUMMARY: ThreadSanitizer", false}, {"SUMMARY: MemorySanitizer", false}, {"SUMMARY: UndefinedBehaviorSanitizer", false},
        {": runtime error: ", false},    {"*** stack smashing", false},   {"double free or corruption", false},
        {"free(): ", false},             {"malloc(): ", false},           {"SUMMARY: LeakSanitizer", false},
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
    return text[0] && strchr("0123456789abcdefABCDEF", text[0]) && text[1] && strchr("0123456789abcdefABCDEF", text[1]);
}

char *cpp_xml_text(const char *at, const char *end)
{
    static const struct {
        const char *entity, c;
    } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *text = mem_zalloc((size_t)(end - at) + 1), *to = text;

    while (at < end) {
        size_t left = (size_t)(end - at), taken = 0;

        for (size_t i = 0; *at == '&' && !taken && i < sizeof(entities) / sizeof(*entities); i++)
            if (left >= strlen(entities[i].entity) && memcmp(at, entities[i].entity, strlen(entities[i].entity)) == 0) {
                *to++ = entities[i].c;
                taken = strlen(entities[i].entity);
            }
        if (!taken && left >= 4 && at[0] == '\\' && at[1] == 'x' && is_hex(at + 2)) {
            char digits[3] = {at[2], at[3], '\0'};
            unsigned long c = strtoul(digits, NULL, 16);

            if (c && (c < ' ' || c >= 127)) { /* others are not escaped: the text has this backslash */
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
