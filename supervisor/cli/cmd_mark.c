/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "supervisor/cli/history_source.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/source_tool.h"
#include "supervisor/cli/values.h"

struct request {
    const char *python, *from, *file, *root, *marker;
    bool write, help;
};

static struct request *request_of(void *target)
{
    return target;
}

static int set_write(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    request_of(target)->write = true;
    return 0;
}

static int set_marker(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "the name of a marker", "e.g. parallel_unsafe");
    request_of(target)->marker = text;
    return 0;
}

static int set_from(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "a file, or - for standard input", "docs/parallel-safety.md shows one");
    request_of(target)->from = text;
    return 0;
}

static int set_file(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "the path of a history", "as shunt run --history had");
    request_of(target)->file = text;
    return 0;
}

static int set_root(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "a directory", "the suite's root");
    request_of(target)->root = text;
    return 0;
}

static int set_python(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "a Python interpreter", "e.g. /usr/bin/python3");
    request_of(target)->python = text;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    request_of(target)->help = true;
    return 0;
}

static const struct option_row table[] = {
    {"write", 0, NULL, "change the files instead of printing a patch", set_write, "Options"},
    {"marker", 0, "NAME", "the marker for the serial lane (default: parallel_unsafe)", set_marker, NULL},
    {"file", 0, "FILE", "the history to read (default: .shunt/history.db of ROOT)", set_file, NULL},
    {"root", 0, "DIR", "the suite's root (default: here, or the next parent that has a history)", set_root, NULL},
    {"from", 0, "FILE", "what was measured, as JSON, instead; - is standard input", set_from, NULL},
    {"python", 0, "PROGRAM", "the interpreter that parses (default: that of $VIRTUAL_ENV, of\n.venv, or python3)",
     set_python, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

int cmd_mark_help(void)
{
    fputs("usage: shunt mark [OPTIONS]\n\n"
          "Which tests need a marker, from what earlier runs measured, as a patch with its evidence:\n"
          "\"shunt mark | patch -p1\" in the project's root does what \"shunt mark --write\" does.\n",
          stdout);
    options_print_help(table, stdout);
    fputs("\nExit status: 0, with or without something to change; 3 a file could not be written; 4 usage.\n", stdout);
    return EXIT_PASSED;
}

/* The tool reads the history's document as anybody's: from its standard input. */
static int feed_history(const struct request *request, struct err *err)
{
    json_t *document = NULL;
    int r = history_source_read(request->file, request->root, NULL, &document, err);
    _cleanup_close_ int fd = r < 0 ? -1 : memfd_create("shunt-history", MFD_CLOEXEC);

    if (r < 0)
        return r;
    if (fd < 0 || json_dumpfd(document, fd, JSON_COMPACT) < 0 || lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
        r = err_set(err, ERR_SYSTEM, errno ? errno : EIO, "handing the history on: %m");
    json_decref(document);
    return r;
}

int cmd_mark(int argc, char **argv)
{
    struct request request = {.marker = "parallel_unsafe"};
    struct err err = ERR_INIT;
    const char *args[8] = {"mark", "--marker", NULL};
    size_t n = 2;
    int first;
    int r = options_parse(table, argc, argv, &request, &first, &err);

    if (r < 0)
        return cli_fail(&err);
    if (request.help)
        return cmd_mark_help();
    if (first < argc) {
        err_set(&err, ERR_USAGE, EINVAL, "\"%.100s\": mark takes no operands", argv[first]);
        return cli_fail(&err);
    }
    if (request.from && (request.file || request.root)) {
        err_set(&err, ERR_USAGE, EINVAL, "--from is instead of a history: --file and --root name one");
        return cli_fail(&err);
    }
    if (!request.from && feed_history(&request, &err) < 0)
        return cli_fail(&err);
    args[n++] = request.marker;
    args[n++] = "--from";
    args[n++] = request.from ? request.from : "-";
    if (request.write)
        args[n++] = "--write";
    args[n] = NULL;
    source_tool_exec(request.python, args, &err);
    return cli_fail(&err);
}
