/* SPDX-License-Identifier: MIT */
#include "sandbox/notify/notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/profile.h"

#define NO_PROGRAM SIZE_MAX

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

struct call { /* one line of the counts */
    uint32_t arch, nr;
    size_t program; /* that refused it; NO_PROGRAM */
    int errnum;
    uint64_t count;
    char name[40];
};

struct notify {
    struct notify_options options;
    struct seccomp_notif *request; /* of the kernel's sizes, which may be larger than ours */
    struct seccomp_notif_resp *response;
    size_t request_size, response_size;
    struct call calls[NOTIFY_CALLS_MAX + 1]; /* the last one: NOTIFY_OTHERS */
    size_t ncalls;
    char odd_name[40]; /* of a call that has no line */
    struct notify_count sorted[NOTIFY_CALLS_MAX + 1];
};

static int alloc_buffers(struct notify *notify)
{
    struct seccomp_notif_sizes sizes;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
        return -errno;
    notify->request_size = sizes.seccomp_notif > sizeof(*notify->request) ? sizes.seccomp_notif : sizeof(*notify->request);
    notify->response_size =
        sizes.seccomp_notif_resp > sizeof(*notify->response) ? sizes.seccomp_notif_resp : sizeof(*notify->response);
    notify->request = mem_zalloc(notify->request_size);
    notify->response = mem_zalloc(notify->response_size);
    return 0;
}

int notify_new(const struct notify_options *options, struct notify **ret, struct err *err)
{
    struct notify *notify = mem_zalloc(sizeof(*notify));
    uint64_t nobody = 0;
    int r;

    notify->options = *options;
    r = alloc_buffers(notify);
    if (r < 0) {
        notify_free(notify);
        err_set(err, ERR_SANDBOX, -r, "this kernel has no seccomp notifications: %s", strerror(-r));
        return err_hint(err, "refused calls stay unnamed here; Linux 5.5 or later has them");
    }
    /* A listener says ENOENT for an id that nobody has; anything else says that it does not know the request. */
    if (ioctl(options->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &nobody) < 0 && errno != ENOENT) {
        r = err_set(err, ERR_INTERNAL, EINVAL, "descriptor %d is no seccomp listener", options->listener);
        notify_free(notify);
        return r;
    }
    /* Question and answer alternate, so both sides do best on one CPU: 14 us a call instead of 25 (measured). Older kernels
     * do not know it, and nothing is lost. */
    (void)ioctl(options->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    *ret = notify;
    return 0;
}

void notify_free(struct notify *notify)
{
    if (!notify)
        return;
    close_fd(&notify->options.listener);
    free(notify->request);
    free(notify->response);
    free(notify);
}

int notify_fd(const struct notify *notify)
{
    return notify->options.listener;
}

bool notify_waits(const struct notify *notify, const struct notify_denial *denial)
{
    uint64_t id = denial->id;

    return ioctl(notify->options.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* --- what a call gets --- */

/* As the kernel orders actions: the more negative or smaller, the stricter. */
static int32_t strictness(uint32_t answer)
{
    return (int32_t)(answer & SECCOMP_RET_ACTION_FULL);
}

/* What the refusing forms say together; *ret_program says who refuses. KILL and TRAP cannot be answered; a profile with them
 * kills without asking, so this is about programs that disagree: refused all the same. */
static int errno_of(const struct notify *notify, const struct seccomp_data *data, size_t *ret_program)
{
    uint32_t strictest = SECCOMP_RET_ALLOW;
    uint64_t args[6];

    memcpy(args, data->args, sizeof(args));
    *ret_program = NO_PROGRAM;
    for (size_t i = 0; i < notify->options.nprograms; i++) {
        uint32_t answer =
            seccomp_evaluate(&notify->options.programs[i], (uint32_t)data->arch, (uint32_t)data->nr, args);

        if (strictness(answer) < strictness(strictest)) {
            strictest = answer;
            *ret_program = i;
        }
    }
    if (strictness(strictest) > (int32_t)SECCOMP_RET_ERRNO) { /* LOG, TRACE, a notification: nobody refuses */
        *ret_program = NO_PROGRAM;
        return 0;
    }
    return strictness(strictest) == (int32_t)SECCOMP_RET_ERRNO ? (int)(strictest & SECCOMP_RET_DATA) : EPERM;
}

static struct call *call_of(struct notify *notify, const struct seccomp_data *data, size_t program, int errnum)
{
    struct call *call;

    for (size_t i = 0; i < notify->ncalls; i++) {
        call = &notify->calls[i];
        if (call->nr == (uint32_t)data->nr && call->arch == data->arch && call->program == program &&
            call->errnum == errnum)
            return call;
    }
    if (notify->ncalls >= NOTIFY_CALLS_MAX)
        return NULL;
    call = &notify->calls[notify->ncalls++];
    *call = (struct call){.arch = data->arch, .nr = (uint32_t)data->nr, .program = program, .errnum = errnum};
    /* Kept in the line: the library looks names up in a list. */
    snprintf(call->name, sizeof(call->name), "%s",
             seccomp_syscall_name(call->arch, call->nr, notify->odd_name, sizeof(notify->odd_name)));
    return call;
}

static const char *profile_of(const struct notify *notify, size_t program)
{
    return program < notify->options.nprograms ? notify->options.names[program] : NULL;
}

/* --- answering --- */

/* 1: a call is in notify->request. 0: none waits (or it has died meanwhile: *ret_gone). -EPIPE, -errno. */
static int receive(struct notify *notify, bool *ret_gone)
{
    struct pollfd poll_fd = {.fd = notify->options.listener, .events = POLLIN};
    int n;

    *ret_gone = false;
    /* NOTIF_RECV blocks whatever O_NONBLOCK says; after POLLIN it does not, also when the caller has died since. */
    while ((n = poll(&poll_fd, 1, 0)) < 0)
        if (errno != EINTR)
            return -errno;
    if (n == 0)
        return 0;
    if (!(poll_fd.revents & POLLIN))
        return poll_fd.revents & POLLNVAL ? -EBADF : -EPIPE;
    memset(notify->request, 0, notify->request_size); /* else EINVAL */
    while (ioctl(notify->options.listener, SECCOMP_IOCTL_NOTIF_RECV, notify->request) < 0) {
        if (errno == ENOENT) {
            *ret_gone = true;
            return 0;
        }
        if (errno != EINTR)
            return -errno;
    }
    return 1;
}

/* True when the kernel took the answer. ENOENT: the caller died, or left its call for a signal's handler. */
static int respond(struct notify *notify, uint64_t id, enum notify_answer answer, int errnum)
{
    memset(notify->response, 0, notify->response_size);
    notify->response->id = id;
    if (answer == NOTIFY_CONTINUE)
        notify->response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else
        notify->response->error = -errnum;
    while (ioctl(notify->options.listener, SECCOMP_IOCTL_NOTIF_SEND, notify->response) < 0)
        if (errno != EINTR)
            return errno == ENOENT ? 0 : -errno;
    return 1;
}

static int answer_one(struct notify *notify)
{
    const struct seccomp_notif *request = notify->request;
    const struct notify_options *options = &notify->options;
    struct notify_denial denial = {.id = request->id, .tid = (pid_t)request->pid, .arch = request->data.arch,
                                   .nr = (uint32_t)request->data.nr};
    enum notify_answer answer;
    struct call *call;
    size_t program;
    int r;

    memcpy(denial.args, request->data.args, sizeof(denial.args));
    denial.errnum = errno_of(notify, &request->data, &program);
    denial.profile = profile_of(notify, program);
    call = call_of(notify, &request->data, program, denial.errnum);
    denial.name = call ? call->name
                       : seccomp_syscall_name(denial.arch, denial.nr, notify->odd_name, sizeof(notify->odd_name));
    answer = denial.profile ? NOTIFY_REFUSE : NOTIFY_CONTINUE;
    if (options->decide)
        answer = options->decide(options->arg, &denial);
    if (options->learn)
        answer = NOTIFY_CONTINUE;
    r = respond(notify, request->id, answer, denial.errnum);
    if (r <= 0)
        return r;
    if (answer == NOTIFY_CONTINUE && !options->learn)
        return 1;
    if (call)
        call->count++;
    else
        notify->calls[NOTIFY_CALLS_MAX].count++;
    if (options->answered)
        options->answered(options->arg, &denial);
    return 1;
}

int notify_handle(struct notify *notify, unsigned most)
{
    int answered = 0;

    for (unsigned i = 0; i < most; i++) {
        bool gone;
        int r = receive(notify, &gone);

        if (r == 0 && !gone)
            break;
        if (r > 0)
            r = answer_one(notify);
        if (r < 0)
            return answered ? answered : r; /* it will be said again */
        answered += r;
    }
    return answered;
}

/* --- counts --- */

static int by_count(const void *a, const void *b)
{
    const struct notify_count *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->name, y->name);
}

size_t notify_counts(struct notify *notify, const struct notify_count **ret)
{
    size_t n = 0;

    for (size_t i = 0; i < notify->ncalls; i++) {
        const struct call *call = &notify->calls[i];

        if (call->count)
            notify->sorted[n++] =
                (struct notify_count){call->name, profile_of(notify, call->program), call->count, call->errnum};
    }
    qsort(notify->sorted, n, sizeof(notify->sorted[0]), by_count);
    if (notify->calls[NOTIFY_CALLS_MAX].count)
        notify->sorted[n++] = (struct notify_count){.name = NOTIFY_OTHERS, .count = notify->calls[NOTIFY_CALLS_MAX].count};
    *ret = notify->sorted;
    return n;
}
