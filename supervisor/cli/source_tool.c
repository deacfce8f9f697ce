/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/source_tool.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/config/paths.h"

#define HERE ".venv/bin/python"

struct interpreter {
    char *program;
    const char *why; /* for the message */
};

static struct interpreter find_interpreter(const char *given)
{
    const char *virtual_env = getenv("VIRTUAL_ENV");
    char *program;

    if (given)
        return (struct interpreter){mem_strdup(given), "--python"};
    if (virtual_env && *virtual_env) {
        program = mem_printf("%s/bin/python", virtual_env);
        if (access(program, X_OK) == 0)
            return (struct interpreter){program, "VIRTUAL_ENV"};
        free(program);
    }
    if (access(HERE, X_OK) == 0)
        return (struct interpreter){mem_strdup(HERE), "the project's virtual environment"};
    return (struct interpreter){mem_strdup("python3"), "PATH"};
}

int source_tool_exec(const char *python, const char *const *args, struct err *err)
{
    struct interpreter interpreter = find_interpreter(python);
    _cleanup_free_ char *program = interpreter.program;
    _cleanup_free_ char *tool = paths_find("python/shunt_mark");
    _cleanup_free_ const char **argv = NULL;
    size_t n = 0, at = 0;

    if (!tool) {
        err_set(err, ERR_INTERNAL, errno, "shunt's own files (python/shunt_mark) were not found");
        return err_hint(err, "build or install shunt anew, or set SHUNT_DATADIR");
    }
    while (args[n])
        n++;
    argv = mem_calloc(n + 6, sizeof(*argv));
    argv[at++] = program;
    argv[at++] = "-I";
    argv[at++] = "-S";
    argv[at++] = "-B";
    argv[at++] = tool;
    for (size_t i = 0; i < n; i++)
        argv[at++] = args[i];
    execvp(program, (char *const *)argv); /* execvp() takes what it does not change as if it did */
    err_set(err, ERR_USAGE, errno, "%.200s: cannot be started: %m (from %s)", program, interpreter.why);
    return err_hint(err, "name the interpreter that runs your tests: --python=/usr/bin/python3");
}
