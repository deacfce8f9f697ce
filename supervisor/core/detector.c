/* SPDX-License-Identifier: MIT */
#include "supervisor/core/detector.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "supervisor/core/timing.h"

static void conclude(struct detector_result *ret, enum verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void conclude(struct detector_result *ret, enum verdict verdict, const char *fmt, ...)
{
    va_list ap;

    ret->verdict = verdict;
    va_start(ap, fmt);
    vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
    va_end(ap);
}

static uint64_t refused(const struct detector_view *view)
{
    return view->counters_valid && view->now.tasks_refused > view->at_start.tasks_refused
               ? view->now.tasks_refused - view->at_start.tasks_refused
               : 0;
}

/*
 * Was this leaf at its own limit? The kernel never lets the count pass it, so an exact peak below the limit says no. A
 * sampled peak may have missed the moment: tasks that were refused leave quickly. At half the limit or more, and with
 * nobody around us at theirs, the leaf's own limit is what remains.
 */
static bool at_own_limit(const struct detector_view *view)
{
    uint64_t peak = view->now.tasks_peak > view->now.tasks_now ? view->now.tasks_peak : view->now.tasks_now;

    if (!view->limits.tasks)
        return false;
    if (peak >= view->limits.tasks)
        return true;
    return !view->now.tasks_peak_exact && !view->pressure && peak >= view->limits.tasks / 2;
}

static bool judge_tasks(const struct detector_view *view, struct detector_result *ret)
{
    uint64_t n = refused(view);

    if (!n)
        return false;
    if (at_own_limit(view)) {
        if (view->counted)
            conclude(ret, VERDICT_TASKS, "%" PRIu64 " of %" PRIu64 " tasks (counted)", view->limits.tasks,
                     view->limits.tasks);
        else
            conclude(ret, VERDICT_TASKS, "%" PRIu64 " of %" PRIu64 " tasks, %" PRIu64 " more refused",
                     view->limits.tasks, view->limits.tasks, n);
        return true;
    }
    ret->is_void = true;
    conclude(ret, VERDICT_EXTERNAL, "%" PRIu64 " tasks refused by a limit around it, not its own%s%s", n,
             view->pressure_text && *view->pressure_text ? ": " : "",
             view->pressure_text ? view->pressure_text : "");
    return true;
}

static void print_size(char *buf, size_t size, uint64_t bytes)
{
    if (bytes >= 10ULL << 30)
        snprintf(buf, size, "%.0f GiB", (double)bytes / (double)(1ULL << 30));
    else if (bytes >= 1ULL << 30)
        snprintf(buf, size, "%.1f GiB", (double)bytes / (double)(1ULL << 30));
    else
        snprintf(buf, size, "%.0f MiB", (double)bytes / (double)(1ULL << 20));
}

/* The kernel kills for a leaf's own limit when the leaf is at it, give or take what it charges at once. */
static bool killed_below_its_limit(const struct detector_view *view)
{
    return view->limits.memory_bytes && view->now.memory_peak_bytes && view->now.memory_peak_exact &&
           view->now.memory_peak_bytes < view->limits.memory_bytes / 4 * 3;
}

static bool judge_memory(const struct detector_view *view, struct detector_result *ret)
{
    char limit[32], peak[32];
    bool exact = view->now.memory_peak_exact;

    if (!view->counters_valid || view->now.oom_kills <= view->at_start.oom_kills)
        return false;
    print_size(limit, sizeof(limit), view->limits.memory_bytes);
    print_size(peak, sizeof(peak), view->now.memory_peak_bytes);
    if (killed_below_its_limit(view)) {
        ret->is_void = true;
        conclude(ret, VERDICT_EXTERNAL,
                 "killed by an OOM killer at %s of its %s: not for its own limit, but for that of the machine or of a cgroup "
                 "around it", peak, limit);
        return true;
    }
    if (view->limits.memory_bytes && view->now.memory_peak_bytes)
        conclude(ret, VERDICT_MEMORY, "killed by the kernel for memory: %s%s of %s, oom_kill %" PRIu64, exact ? "" : "≥",
                 peak, limit, view->now.oom_kills - view->at_start.oom_kills);
    else
        conclude(ret, VERDICT_MEMORY, "killed by the kernel for memory");
    return true;
}

static bool judge_clock(const struct detector_view *view, struct detector_result *ret)
{
    const struct timing timing = {.elapsed_ns = view->elapsed_ns,
                                  .limit_ns = view->limits.timeout_ns,
                                  .cpu_known = view->own_cpu_known,
                                  .cpu_ns = view->own_cpu_ns};
    char text[100];

    if ((view->in_test || view->session_end) && view->limits.timeout_ns && view->elapsed_ns >= view->limits.timeout_ns) {
        timing_numbers(&timing, text, sizeof(text));
        conclude(ret, VERDICT_TIMEOUT, "%s", text);
        return true;
    }
    if (view->limits.stall_ns && view->stalled_ns >= view->limits.stall_ns) {
        timing_seconds(view->stalled_ns, text, sizeof(text));
        conclude(ret, VERDICT_STALL, "no progress for %s: %s", text,
                 view->stall_text ? view->stall_text : "all its tasks wait for each other");
        return true;
    }
    return false;
}

/* Real-time signals have no name. */
static void print_signal(char *buf, size_t size, int number)
{
    const char *name = sigabbrev_np(number);

    if (name)
        snprintf(buf, size, "SIG%s", name);
    else
        snprintf(buf, size, "signal %d", number);
}

static void judge_death(const struct detector_view *view, struct detector_result *ret)
{
    const char *where = view->in_test       ? "in the middle of the test"
                        : view->session_end ? "at its session's end"
                                            : "between two tests";
    int status = view->wait_status;
    char text[32];

    if (!view->wait_status_valid) {
        conclude(ret, VERDICT_EXIT, "gone %s, and nobody saw how", where);
    } else if (view->timeout_plugin) {
        conclude(ret, VERDICT_TIMEOUT, "ended by pytest-timeout (its thread method exits with status 1)");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        conclude(ret, VERDICT_DENIED, "killed by SIGSYS %s: a filter of system calls answered %s with death", where,
                 view->denied_name ? view->denied_name : "an unknown call");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !view->killed_by_us) {
        /* The counter is of all processes of the cgroup that any OOM killer has killed (cgroup-v2.rst). */
        if (view->counters_valid && !view->oom_unknown)
            conclude(ret, VERDICT_EXTERNAL, "killed by SIGKILL %s: not by an OOM killer (oom_kill %" PRIu64 "), not by shunt",
                     where, view->now.oom_kills - view->at_start.oom_kills);
        else
            conclude(ret, VERDICT_EXTERNAL,
                     "killed by SIGKILL %s, not by shunt; an OOM killer is not excluded: no cgroup counts for it", where);
    } else if (WIFSIGNALED(status)) {
        print_signal(text, sizeof(text), WTERMSIG(status));
        conclude(ret, VERDICT_SIGNAL, "died of %s %s%s", text, where,
                 WCOREDUMP(status) ? " (core dumped)" : "");
    } else {
        conclude(ret, VERDICT_EXIT, "exited with status %d %s", WEXITSTATUS(status), where);
    }
}

void detector_judge(const struct detector_view *view, struct detector_result *ret)
{
    *ret = (struct detector_result){.verdict = VERDICT_NONE};
    if (view->protocol_text) {
        conclude(ret, VERDICT_PROTOCOL, "its worker %s", view->protocol_text);
        return;
    }
    if (judge_tasks(view, ret) || judge_memory(view, ret))
        return;
    if (view->moment == DETECTOR_BUSY)
        judge_clock(view, ret);
    else if (view->moment == DETECTOR_DEATH)
        judge_death(view, ret);
}
