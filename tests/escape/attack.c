/* SPDX-License-Identifier: MIT */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void outcome_refused(struct outcome *out, int errnum)
{
    out->end = ATTACK_REFUSED;
    out->errnum = errnum;
}

void outcome_succeeded(struct outcome *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->detail, sizeof out->detail, format, args);
    va_end(args);
    out->end = ATTACK_SUCCEEDED;
}

void outcome_absent(struct outcome *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->detail, sizeof out->detail, format, args);
    va_end(args);
    out->end = ATTACK_ABSENT;
}

bool outcome_of(struct outcome *out, long result)
{
    if (result < 0)
        outcome_refused(out, errno);
    else
        outcome_succeeded(out, "%ld", result);
    return result >= 0;
}

void outcome_of_open(struct outcome *out, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    if (outcome_of(out, fd)) {
        outcome_succeeded(out, "opened %s", path);
        close(fd);
    }
}

long attack_read_file(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    long n = read(fd, buf, size - 1);
    int saved = errno;
    close(fd);
    errno = saved;
    if (n >= 0)
        buf[n] = '\0';
    return n;
}

long attack_number(const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 0);
    if (errno || end == text || *end) {
        fprintf(stderr, "attack: \"%s\" is no number\n", text);
        exit(4);
    }
    return number;
}

static const struct attack *const all[] = {
    attacks_cgroup,    attacks_files,      attacks_ipc,       attacks_lingering, attacks_namespaces, attacks_network,
    attacks_privileges, attacks_processes, attacks_resources, attacks_syscalls,  attacks_terminals,
};

static const struct attack *find_attack(const char *name)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct attack *attack = all[i]; attack->name; attack++)
            if (!strcmp(attack->name, name))
                return attack;
    return NULL;
}

static int list_attacks(FILE *to, int status)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct attack *attack = all[i]; attack->name; attack++)
            fprintf(to, "%s %s\n", attack->name, attack->args);
    return status;
}

/* One write, and straight to the descriptor: an attack may have made copies of this process. */
static int say(const char *name, const struct outcome *out)
{
    char line[400];
    int n;
    if (out->end == ATTACK_REFUSED) {
        const char *word = strerrorname_np(out->errnum);
        n = snprintf(line, sizeof line, "%s: refused %s\n", name, word ? word : "E?");
    } else {
        n = snprintf(line, sizeof line, "%s: %s %s\n", name, out->end == ATTACK_ABSENT ? "absent" : "succeeded",
                     out->detail);
    }
    if (write(STDOUT_FILENO, line, (size_t)n) != n)
        return 5;
    return out->end;
}

/* Only what provably lives in other namespaces than the host may change them; not knowing is no. */
static bool away_from_host(const char *host)
{
    unsigned long mnt, uts;
    struct stat own_mnt, own_uts;
    return host && sscanf(host, "%lu,%lu", &mnt, &uts) == 2 && !stat("/proc/self/ns/mnt", &own_mnt) &&
           !stat("/proc/self/ns/uts", &own_uts) && own_mnt.st_ino != mnt && own_uts.st_ino != uts;
}

int main(int argc, char **argv)
{
    const char *host = NULL;
    int at = 1;
    for (; at < argc && (!strncmp(argv[at], "--mark=", 7) || !strncmp(argv[at], "--host=", 7)); at++)
        if (argv[at][2] == 'h')
            host = argv[at] + 7;
    if (at >= argc)
        return list_attacks(stderr, 4);
    if (!strcmp(argv[at], "--list"))
        return list_attacks(stdout, 0);
    const struct attack *attack = find_attack(argv[at]);
    if (!attack || argc - at - 1 < attack->nargs) {
        fprintf(stderr, "attack: usage: %s %s\n", argv[at], attack ? attack->args : "is no attack; --list names them");
        return 4;
    }
    if (attack->changes_host && !geteuid() && !away_from_host(host)) {
        fprintf(stderr, "attack: %s would change the host: --host is missing, or these are its namespaces\n", attack->name);
        return 4;
    }
    struct outcome out = {.end = ATTACK_ABSENT, .detail = "said nothing"};
    attack->run(argv + at + 1, &out);
    return say(attack->name, &out);
}
