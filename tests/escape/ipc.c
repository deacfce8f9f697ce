/* SPDX-License-Identifier: MIT */
/* What processes share without files: System V memory and POSIX queues that the runner made outside. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static void system_v_memory(char *const args[], struct outcome *out)
{
    int id = shmget((key_t)attack_number(args[0]), 0, 0);
    if (!outcome_of(out, id))
        return;
    char *at = shmat(id, NULL, 0);
    if (at == (void *)-1) {
        outcome_refused(out, errno);
        return;
    }
    strcpy(at, "written inside");
    outcome_succeeded(out, "wrote into segment %d", id);
    shmdt(at);
}

static void message_queue(char *const args[], struct outcome *out)
{
    mqd_t queue = mq_open(args[0], O_WRONLY | O_NONBLOCK);
    if (outcome_of(out, queue))
        outcome_of(out, mq_send(queue, "x", 1, 0));
}

const struct attack attacks_ipc[] = {
    {"sysv-memory", "KEY", 1, system_v_memory, false},
    {"message-queue", "NAME", 1, message_queue, false},
    {0},
};
