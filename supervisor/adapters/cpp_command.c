/* SPDX-License-Identifier: MIT */
/* The commands of C++ frameworks: whose a program is, what its options mean, and what is wrong with
 * its list. */
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
#define OVERLAP 128             /* more than the longest mark */
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

static bool segment_holds(int fd, uint64_t offset, uint64_t size, const char *const marks[],
                          char *room)
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

    if (!room || pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_phentsize != sizeof(Elf64_Phdr))
        return false;
    for (size_t i = 0; i < head.e_phnum && looked < LOOK_MAX; i++) {
        Elf64_Phdr segment;

        if (pread(fd, &segment, sizeof(segment), (off_t)(head.e_phoff + i * sizeof(segment))) !=
            sizeof(segment))
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
    _cleanup_close_ int fd =
        strchr(word, '/') ? open(word, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
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

const struct cpp_option *cpp_find_option(const struct cpp_option *table, const char *name,
                                         size_t size)
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
    command->left_out =
        before ? mem_printf("%s, %.*s", before, size, word) : mem_printf("%.*s", size, word);
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

void cpp_split(char *const argv[], size_t program, struct cpp_word (*read)(char *const words[]),
               struct cpp_command *ret)
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

int cpp_begin(struct adapter_list *list, const struct cpp_command *command, const char *framework,
              struct err *err)
{
    if (command->otherwise) {
        err_set(err, ERR_USAGE, EINVAL, "with %.60s %s runs no tests", command->otherwise,
                framework);
        return err_hint(err, "leave it out, or start the program without shunt; shunt list says "
                             "which tests there are");
    }
    list->max_fail = command->max_fail;
    if (command->left_out && !list->notice)
        list->notice = mem_printf("%s: left out of the command: each test is a process of its own, "
                                  "and shunt has --junit FILE",
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
        err_set(err, ERR_USAGE, EPROTO, "%.100s could not list its tests: died of SIG%s",
                step->argv[0],
                sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    else if (WEXITSTATUS(status))
        err_set(err, ERR_USAGE, EPROTO, "%.100s could not list its tests: exit status %d",
                step->argv[0], WEXITSTATUS(status));
    else
        err_set(err, ERR_USAGE, EPROTO, "%.100s did not list its tests as %s does", step->argv[0],
                framework);
    return err_hint(
        err,
        "look at what it says to: %.300s; --adapter=command runs the whole command as one test",
        words);
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
