/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Starts shunt anew in a systemd scope of its own, where others live in our cgroup v2 and a scope
 * can be had. `argv` is that of the subcommand ("run", ...), NULL at the end. Returns only if there
 * is nothing to gain or it cannot be done; nothing may have been started or opened before. The
 * environment variable SHUNT_SCOPE ends the asking; whoever made use of its absence or presence
 * unsets it before a command of the user starts.
 */
void scope_enter(char **argv);
