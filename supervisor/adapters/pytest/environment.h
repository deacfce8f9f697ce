/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The environment that brings shunt's plugin into whichever pytest the command starts, directly or through
 * `uv run`, `coverage run -m pytest`, tox or a script. Returns a NULL-terminated list, to be freed with
 * pytest_environment_free().
 */
struct pytest_worker_identity { /* of a cold worker, which needs to know it while it imports */
    unsigned cell, workers;
    const char *name, *run_id;
};

/* `identity`: NULL for the command itself. */
char **pytest_environment(char *const base[], const char *plugin_dir, const char *socket_path,
                          const struct pytest_worker_identity *identity);
void pytest_environment_free(char **env);
