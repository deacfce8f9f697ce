/* SPDX-License-Identifier: MIT */
/*
 * Adapter "bats": the Bash Automated Testing System. bats counts its tests and does not name them, so they are read from the
 * files by the pattern that it reads them with; where its count is another one, and where a file's tests share what its setup_file
 * made, the file is one test, and bats runs it whole.
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/options.h"
#include "supervisor/adapters/tap_text.h"

static const struct option_row options[] = {
    {"-f --filter --filter-tags --filter-status --negative-filter", OPTION_SELECT, true},
    {"-r --recursive", OPTION_SELECT, false},
    {"-x --trace --print-output-on-failure --show-output-of-passing-tests --verbose-run --no-tempdir-cleanup --allow-dup-test-names",
     OPTION_KEEP, false},
    {"--code-quote-style --setup-suite-file", OPTION_KEEP, true},
    {"-p --pretty -t --tap -T --timing --no-parallelize-across-files --no-parallelize-within-files", OPTION_SHOW, false},
    {"-F --formatter", OPTION_SHOW, true},
    {"--report-formatter -o --output --gather-test-outputs-in", OPTION_LEFT_OUT, true},
    {"-j --jobs", OPTION_JOBS, true},
    {"--parallel-binary-name", OPTION_SHOW, true},
    {"--abort", OPTION_STOP, false},
    {"-c --count -h --help -v --version", OPTION_ELSE, false},
    {NULL, OPTION_KEEP, false},
};

/* Prints each file: its size, its name, what is in it. */
static const char read_files[] =
    "depth=$1; shift\n"
    "for at; do\n"
    "  if [ -d \"$at\" ]; then find -L \"$at\" $depth -type f -name \"*.${BATS_FILE_EXTENSION:-bats}\" | LC_ALL=C sort; else echo \"$at\"; fi\n"
    "done | while IFS= read -r file; do\n"
    "  [ -f \"$file\" ] || continue\n"
    "  echo \"$(($(wc -c <\"$file\"))) $file\"; cat \"$file\"\n"
    "done";

static enum adapter_claim recognise(char *const argv[])
{
    return strcmp(adapter_program(argv), "bats") != 0 || option_means_else(argv + 1, options) ? ADAPTER_NO : ADAPTER_YES;
}

static void ask(struct adapter_list *list, const struct option_words *words)
{
    const char *depth = option_typed(list->argv + 1, options, "-r", "--recursive") ? "" : "-maxdepth 1";
    struct adapter_step *step = adapter_ask(list, (char *const[]){list->argv[0], (char *)"--count", NULL});

    option_append_all(&step->argv, words->list);
    option_append_all(&step->argv, words->plain);
    step = adapter_ask(list, (char *const[]){(char *)"sh", (char *)"-c", (char *)read_files, (char *)"sh", (char *)depth, NULL});
    option_append_all(&step->argv, words->plain);
}

/* --- files --- */

struct file {
    char *name, *text;
    bool whole; /* one test */
};

static bool holds(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

static bool shares(const char *text)
{
    return holds(text, "setup_file") || holds(text, "teardown_file") || holds(text, "BATS_FILE_TMPDIR") ||
           holds(text, "BATS_SUITE_TMPDIR") || holds(text, "BATS_NO_PARALLELIZE_WITHIN_FILE");
}

/* Bounded by `end`; NULs end what is looked at of a file. */
static int next_file(const char **at, const char *end, struct file *ret)
{
    char *stop;
    const char *line = memchr(*at, '\n', (size_t)(end - *at));
    unsigned long long size;

    if (!line || **at < '0' || **at > '9')
        return -EPROTO;
    size = strtoull(*at, &stop, 10);
    if (*stop != ' ' || size > (size_t)(end - line - 1))
        return -EPROTO;
    ret->name = strndup(stop + 1, (size_t)(line - stop - 1));
    ret->text = strndup(line + 1, size);
    ret->whole = shares(ret->text);
    *at = line + 1 + size;
    return 0;
}

/* --- tests --- */

struct patterns {
    regex_t test, comment, filter;
    bool filtered;
};

static int open_patterns(struct patterns *ret, char *const argv[], struct err *err)
{
    const char *filter = option_typed(argv + 1, options, "-f", "--filter");

    ret->filtered = filter != NULL;
    if (filter && regcomp(&ret->filter, filter, REG_EXTENDED | REG_NOSUB) != 0) {
        err_set(err, ERR_USAGE, EINVAL, "bats --filter: \"%.200s\" is no regular expression", filter);
        return err_hint(err, "it is one of POSIX's extended ones, as for grep -E");
    }
    if (regcomp(&ret->test, "^[[:blank:]]*@test[[:blank:]]+(.*[^[:blank:]])[[:blank:]]+\\{", REG_EXTENDED) != 0 ||
        regcomp(&ret->comment, "([^[:blank:]()]+)[[:blank:]]*\\(?\\)?[[:blank:]]+\\{[[:blank:]]+#[[:blank:]]*@test[[:blank:]]*$",
                REG_EXTENDED) != 0)
        abort();
    return 0;
}

static void close_patterns(struct patterns *patterns)
{
    regfree(&patterns->test);
    regfree(&patterns->comment);
    if (patterns->filtered)
        regfree(&patterns->filter);
}

/* The name as it stands in the file, without its quotes; NULL: this line begins no test that is selected. */
static char *test_name(const struct patterns *patterns, const char *line)
{
    regmatch_t match[2];
    char *name;
    size_t size;

    if (regexec(&patterns->test, line, 2, match, 0) != 0 && regexec(&patterns->comment, line, 2, match, 0) != 0)
        return NULL;
    line += match[1].rm_so;
    size = (size_t)(match[1].rm_eo - match[1].rm_so);
    if (size && (*line == '"' || *line == '\'')) {
        line++;
        size--;
    }
    if (size && (line[size - 1] == '"' || line[size - 1] == '\''))
        size--;
    name = strndup(line, size);
    if (patterns->filtered && regexec(&patterns->filter, name, 0, NULL, 0) != 0) {
        free(name);
        return NULL;
    }
    return name;
}

/* Matches this name alone. A backslash of the file is one for the shell: newer versions compare without it. */
static char *exactly(const char *name)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    fputc('^', out);
    for (; *name; name++) {
        if (*name == '\\')
            fputs("\\\\?", out);
        else
            fprintf(out, strchr("^$.[]|()*+?{}", *name) ? "\\%c" : "%c", *name);
    }
    fputc('$', out);
    fclose(out);
    return text;
}

static char *as_shown(const char *name)
{
    char *text = mem_strdup(name), *to = text;

    for (; *name; name++) {
        if (*name == '\\' && name[1] && strchr("\\\"$`", name[1]))
            name++;
        *to++ = *name;
    }
    *to = '\0';
    return text;
}

static struct adapter_entry *add(struct adapter_list *list, char *const words[], const struct file *file, const char *id)
{
    struct adapter_entry *entry = adapter_add(list, id);

    if (!entry)
        return NULL;
    entry->file = mem_strdup(file->name);
    entry->classname = mem_strdup(file->name);
    adapter_append(&entry->argv, list->argv[0]);
    option_append_all(&entry->argv, words);
    adapter_append(&entry->argv, "--tap");
    if (option_typed(list->argv + 1, options, "", "--no-parallelize-across-files"))
        entry->group = mem_strdup("--no-parallelize-across-files");
    else if (option_typed(list->argv + 1, options, "", "--no-parallelize-within-files"))
        entry->group = mem_strdup(file->name);
    return entry;
}

static bool add_whole(struct adapter_list *list, const struct option_words *words, const struct file *file)
{
    struct adapter_entry *entry = add(list, words->list, file, file->name);

    if (entry)
        adapter_append(&entry->argv, file->name);
    return entry != NULL;
}

static bool add_one(struct adapter_list *list, const struct option_words *words, const struct file *file, const char *name)
{
    _cleanup_free_ char *shown = as_shown(name), *id = mem_printf("%s::%s", file->name, shown), *filter = exactly(name);
    struct adapter_entry *entry = add(list, words->test, file, id);

    if (!entry)
        return false;
    entry->name = mem_strdup(shown);
    option_append_all(&entry->argv, (char *const[]){(char *)"-f", filter, file->name, NULL});
    return true;
}

/* Adds the tests of a file; only counts where `words` is NULL. Returns how many there are; -1: too many. */
static long tests_of(struct adapter_list *list, const struct option_words *words, const struct patterns *patterns,
                     const struct file *file)
{
    long n = 0;

    for (const char *at = file->text; *at;) {
        size_t size = strcspn(at, "\n");
        _cleanup_free_ char *line = strndup(at, size), *name = NULL;

        line[strcspn(line, "\r")] = '\0';
        name = test_name(patterns, line);
        if (name && words && !add_one(list, words, file, name))
            return -1;
        n += name != NULL;
        at += size + (at[size] == '\n');
    }
    return n;
}

struct files {
    struct file *list;
    size_t n, room;
    long tests; /* as read from them */
};

static int read_all(const struct adapter_step *step, const struct patterns *patterns, struct files *files, struct err *err)
{
    const char *at = step->output, *end = at + step->size;

    while (at < end) {
        mem_grow(&files->list, &files->room, files->n + 1, sizeof(*files->list));
        files->list[files->n] = (struct file){0};
        if (next_file(&at, end, &files->list[files->n]) < 0) {
            err_set(err, ERR_USAGE, EPROTO, "the files of bats could not be read: size, name and text of each were expected");
            return err_hint(err, "look at the names of the files; --adapter=command runs the whole command as one test");
        }
        files->tests += tests_of(NULL, NULL, patterns, &files->list[files->n++]);
    }
    return 0;
}

static int add_all(struct adapter_list *list, const struct option_words *words, const struct patterns *patterns, struct files *files,
                   long count, struct err *err)
{
    bool whole = count != files->tests;

    if (whole && count)
        option_notice(list, "bats counts other tests than its files show: each file is one test");
    for (size_t i = 0; i < files->n; i++) {
        const struct file *file = &files->list[i];
        long n = tests_of(NULL, NULL, patterns, file);
        bool fits = !n || (whole || file->whole ? add_whole(list, words, file) : tests_of(list, words, patterns, file) >= 0);

        if (!fits)
            return err_set(err, ERR_USAGE, E2BIG, "there are more than %u tests", ADAPTER_TESTS_MAX);
    }
    return 0;
}

static int no_list(const struct adapter_step *step, struct err *err)
{
    err_set(err, ERR_USAGE, EINVAL, "bats --count could not count the tests: exit status %d",
            WIFEXITED(step->wait_status) ? WEXITSTATUS(step->wait_status) : 128 + WTERMSIG(step->wait_status));
    return err_hint(err, "see what it says above");
}

static int read_list(struct adapter_list *list, const struct option_words *words, struct err *err)
{
    const struct adapter_step *step = list->steps;
    char *end;
    long count = strtol(step->output, &end, 10);
    struct patterns patterns;
    struct files files = {0};
    int r;

    if (step->wait_status || end == step->output || count < 0)
        return no_list(step, err);
    r = open_patterns(&patterns, list->argv, err);
    if (r < 0)
        return r;
    r = read_all(step + 1, &patterns, &files, err);
    if (r == 0 && count)
        r = add_all(list, words, &patterns, &files, count, err);
    for (size_t i = 0; i < files.n; i++) {
        free(files.list[i].name);
        free(files.list[i].text);
    }
    free(files.list);
    close_patterns(&patterns);
    return r;
}

static int list(struct adapter_list *list, struct err *err)
{
    bool first = !list->nsteps;
    char *said = list->notice;
    struct option_words words;
    int r;

    list->notice = NULL;
    r = option_split(list, list->argv + 1, options, "bats", &words, err);
    free(said); /* said again */
    if (r < 0)
        return r;
    if (first)
        ask(list, &words);
    else
        r = read_list(list, &words, err);
    option_words_done(&words);
    return r;
}

/* --- judging --- */

static void judge(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    struct tap tap = tap_read(result->output, result->size);
    bool one = entry->name != NULL;

    adapter_judge_status(entry, result, ret);
    if (WIFSIGNALED(result->wait_status))
        return;
    if (one && !result->wait_status && tap.seen != 1 && !result->cut) {
        ret->outcome = OUTCOME_ERROR;
        snprintf(ret->message, sizeof(ret->message), "bats ran %zu tests of this name, and not one", tap.seen);
    } else if (ret->outcome == OUTCOME_FAILED && tap.failed) {
        const char *reason = one ? strstr(tap.first, ": (") : NULL; /* the name is said already */

        ret->message[0] = '\0';
        if (reason)
            tap_say(ret->message, reason + 2, strlen(reason + 2));
        else
            tap_say_reason(&tap, ret->message);
    } else if (ret->outcome == OUTCOME_PASSED && tap.has_plan && !tap.plan) {
        ret->outcome = OUTCOME_SKIPPED;
        tap_say_mark(ret->message, "none of its tests is selected");
    } else if (ret->outcome == OUTCOME_PASSED && tap.seen && tap.skipped == tap.seen) {
        ret->outcome = OUTCOME_SKIPPED;
        tap_say(ret->message, tap.reason, strlen(tap.reason));
    }
}

extern const struct adapter adapter_bats;
const struct adapter adapter_bats = {
    .name = "bats",
    .help = "bats: a process a test",
    .package = "bats",
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
