/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Standard output and standard error where shunt itself shows, so that a reader that stands still (^S, a pager) never holds
 * the loop: what cannot be written now waits here, in order, and is written when it can be. At most CONSOLE_MAX bytes wait;
 * what does not fit is left out, and that is said. At the bottom of a terminal there may be a status line.
 */
#include <stdbool.h>
#include <stddef.h>

struct console;
struct ev_loop;

#define CONSOLE_CONGESTED (8u << 20) /* so much waits: no new test is started */
#define CONSOLE_MAX (64u << 20)

struct console *console_new(struct ev_loop *loop);
/* Writes what waits. In a pipe for as long as its reader lives; to a terminal that takes nothing for a minute no more. */
void console_flush(struct console *console);
void console_free(struct console *console); /* after a flush; the status line goes */
/* `fd`: 1 or 2. NULL is allowed for `console`: then it is written at once. */
void console_text(struct console *console, int fd, const char *text, size_t size);
size_t console_pending(const struct console *console);

/* The width of the terminal that standard error is; 0: it is none, and no status line is drawn. */
unsigned console_width(const struct console *console);
/* Replaces the status line; "": takes it away. Printable text that fits. Nothing happens while something waits. */
void console_status(struct console *console, const char *line);
