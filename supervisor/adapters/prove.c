/* SPDX-License-Identifier: MIT */
/*
 * Adapter "prove": Perl's runner of programs that print TAP. prove itself says which files it would run (--dry: with its
 * directories, extensions, plugins, .proverc, --state and order), and runs each one in a process of its own, so that -I, -l, --exec,
 * --source and whatever a plugin does mean what they mean.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/options.h"
#include "supervisor/adapters/tap_text.h"

static const struct option_row options[] = {
    {"-l --lib -b --blib -m --merge -p --parse --ignore-exit --trap --norc -T -t -W -w", OPTION_KEEP, false},
    {"-I -P -M -e --exec --harness --source --rc --ext", OPTION_KEEP, true},
    {"-r --recurse -s --shuffle --reverse", OPTION_SELECT, false},
    {"--state --statefile", OPTION_SELECT, true},
    {"-v --verbose -c --color --colour --nocolor --nocolour --count --nocount -f --failures -o --comments -q --quiet -Q --QUIET "
     "--directives --timer --normalize",
     OPTION_SHOW, false},
    {"-a --archive --formatter", OPTION_LEFT_OUT, true},
    {"--rules", OPTION_SHOW, true}, /* read_rules() */
    {"-j --jobs", OPTION_JOBS, true},
    {"-D --dry -h --help -? -H --man -V --version", OPTION_ELSE, false},
    {NULL, OPTION_KEEP, false},
};

/* Where the words for the tests begin: behind "::"; the end where there are none. */
static size_t arguments_at(char *const argv[])
{
    size_t i = 1;

    while (argv[i] && strcmp(argv[i], "::") != 0)
        i++;
    return i;
}

/* prove's own words, without the program's name. */
static char **own_words(char *const argv[])
{
    char **words = adapter_words(argv + 1);

    for (size_t i = arguments_at(argv) - 1; words[i]; i++) {
        free(words[i]);
        words[i] = NULL;
    }
    return words;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

static enum adapter_claim recognise(char *const argv[])
{
    char **words = own_words(argv);
    bool other = strcmp(adapter_program(argv), "prove") != 0 || option_means_else(words, options);

    free_words(words);
    return other ? ADAPTER_NO : ADAPTER_YES;
}

static void ask(struct adapter_list *list, const struct option_words *words)
{
    struct adapter_step *step = adapter_ask(list, (char *const[]){list->argv[0], (char *)"--dry", NULL});

    option_append_all(&step->argv, words->list);
    option_append_all(&step->argv, words->plain);
}

/* --rules=seq=GLOB: one after the other. The first rule that matches a file counts. */
static void read_rules(struct adapter_entry *entry, char *const words[], const char *file)
{
    struct option_walk walk = {.argv = words};

    while (option_next(&walk, options)) {
        if (!walk.row || strcmp(walk.name, "--rules") != 0 || !walk.value || strlen(walk.value) < 5)
            continue;
        if (fnmatch(walk.value + 4, file, 0) != 0)
            continue;
        if (strncmp(walk.value, "seq=", 4) == 0)
            entry->group = mem_printf("--rules=%s", walk.value);
        return;
    }
}

static int add(struct adapter_list *list, const struct option_words *words, char *const own[], const char *file, size_t size)
{
    _cleanup_free_ char *name = strndup(file, size);
    const char *short_name = strncmp(name, "./", 2) == 0 ? name + 2 : name; /* as people type it */
    struct adapter_entry *entry = adapter_add(list, short_name);

    if (!entry)
        return -E2BIG;
    entry->classname = mem_strdup("prove");
    adapter_append(&entry->argv, list->argv[0]);
    option_append_all(&entry->argv, words->test);
    option_append_all(&entry->argv, (char *const[]){(char *)"-v", (char *)"--nocolor", name, NULL});
    option_append_all(&entry->argv, list->argv + arguments_at(list->argv));
    read_rules(entry, own, short_name);
    return 0;
}

static int no_list(const struct adapter_step *step, struct err *err)
{
    if (WIFEXITED(step->wait_status))
        err_set(err, ERR_USAGE, EINVAL, "prove --dry could not list the tests: exit status %d", WEXITSTATUS(step->wait_status));
    else
        err_set(err, ERR_USAGE, EINVAL, "prove --dry could not list the tests: died of signal %d", WTERMSIG(step->wait_status));
    return err_hint(err, "see what it says above");
}

static int read_list(struct adapter_list *list, const struct option_words *words, char *const own[], struct err *err)
{
    const struct adapter_step *step = list->steps;
    const char *at = step->output, *end = at + step->size;

    if (!WIFEXITED(step->wait_status) || WEXITSTATUS(step->wait_status))
        return no_list(step, err);
    if (access("testrules.yml", F_OK) == 0)
        option_notice(list, "testrules.yml is left out: tests that must not overlap are said with locks in shunt.yaml");
    if (memchr(at, '\0', step->size))
        return err_set(err, ERR_USAGE, EPROTO, "prove --dry: file names, one a line, were expected, and there is a NUL");
    while (at < end) {
        const char *stop = strchrnul(at, '\n');

        if (stop > at && add(list, words, own, at, (size_t)(stop - at)) < 0)
            return err_set(err, ERR_USAGE, E2BIG, "prove --dry lists more than %u files", ADAPTER_TESTS_MAX);
        at = stop + 1;
    }
    return 0;
}

static int list(struct adapter_list *list, struct err *err)
{
    bool first = !list->nsteps;
    char **own = own_words(list->argv), *said = list->notice;
    struct option_words words;
    int r;

    list->notice = NULL;
    r = option_split(list, own, options, "prove", &words, err);
    free(said); /* said again */
    if (r == 0) {
        if (first)
            ask(list, &words);
        else
            r = read_list(list, &words, own, err);
        option_words_done(&words);
    }
    free_words(own);
    return r;
}

/* --- judging --- */

/* The rest of the line behind the last place of `mark`; false: it is not there. */
static bool said(const struct adapter_result *result, const char *mark, const char **ret, size_t *ret_size)
{
    const char *at = result->output, *end = at + result->size, *found = NULL, *stop;

    while ((at = memmem(at, (size_t)(end - at), mark, strlen(mark))))
        found = at += strlen(mark);
    if (!found)
        return false;
    stop = memchr(found, '\n', (size_t)(end - found));
    *ret = found;
    *ret_size = (size_t)((stop ? stop : end) - found);
    return true;
}

static void say_failure(const struct adapter_result *result, struct adapter_judgement *ret)
{
    struct tap tap = tap_read(result->output, result->size);
    static const char *const marks[] = {"(Signal: ", "Further testing stopped: ", "Parse errors: ", "Non-zero exit status: ", NULL};
    static const char *const texts[] = {"died of SIG", "Bail out! ", "", "exit status ", NULL};
    const char *text;
    size_t size;

    if (tap.failed)
        tap_say_reason(&tap, ret->message);
    for (size_t i = 0; marks[i]; i++) {
        if (!said(result, marks[i], &text, &size) || (i == 3 && tap.failed)) /* it is the number of those that failed */
            continue;
        if (i == 0)
            size = strcspn(text, ") \n");
        if (*ret->message)
            tap_say_mark(ret->message, "; ");
        tap_say_mark(ret->message, texts[i]);
        tap_say(ret->message, text, size);
    }
    if (!*ret->message)
        snprintf(ret->message, sizeof(ret->message), "prove: exit status %d", WEXITSTATUS(result->wait_status));
}

/* prove's exit status decides. */
static void judge(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    const char *text;
    size_t size;

    adapter_judge_status(entry, result, ret);
    if (ret->outcome == OUTCOME_PASSED && said(result, "\nResult: NOTESTS", &text, &size)) {
        ret->outcome = OUTCOME_SKIPPED;
        if (said(result, " skipped: ", &text, &size))
            tap_say(ret->message, text, size);
    } else if (ret->outcome == OUTCOME_FAILED && WIFEXITED(result->wait_status)) {
        ret->message[0] = '\0';
        say_failure(result, ret);
    }
}

extern const struct adapter adapter_prove;
const struct adapter adapter_prove = {
    .name = "prove",
    .help = "Perl's prove: TAP, a process a file",
    .package = "perl",
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
