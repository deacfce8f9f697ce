/* SPDX-License-Identifier: MIT */
#include "supervisor/run/budget_pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/plan/budget_account.h"

#define HOLDER_PREFIX "run-"
#define HOLDERS_MAX 4096
#define TOKEN '+' /* make's own */
#define OPEN_TRIES 20
#define LOCK_TRIES 400
#define LOCK_PAUSE_US 5000

struct budget_pool {
    int dir, fifo, lock, holder, watch;
    char name[64];         /* of the holder's file */
    volatile uint32_t *held; /* mapped from it: outlives SIGKILL */
    unsigned capacity;
};

/* --- the directory --- */

static char *pool_path(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime && *runtime == '/')
        return mem_printf("%s/shunt-budget", runtime);
    return mem_printf("/tmp/shunt-budget-%u", (unsigned)geteuid());
}

/* Anybody may have made it in /tmp: it must be a directory, ours, and closed to everybody else. */
static int open_directory(const char *path, struct err *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot make %s: %m", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot open %s: %m", path);
    if (st.st_uid != geteuid() || st.st_mode & 077) {
        err_set(err, ERR_SYSTEM, EPERM, "--budget host: %s is not a directory of this user alone (uid %u, mode %04o)", path,
                (unsigned)st.st_uid, st.st_mode & 07777);
        return err_hint(err, "remove it, or set XDG_RUNTIME_DIR to a directory of your own");
    }
    return take_fd(&fd);
}

static int open_files(struct budget_pool *pool, const char *path, struct err *err)
{
    struct stat st;

    pool->lock = openat(pool->dir, "lock", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (pool->lock < 0)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot open %s/lock: %m", path);
    if (mkfifoat(pool->dir, "tokens", 0600) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot make %s/tokens: %m", path);
    /* Both ways: whoever lives keeps the bytes. */
    pool->fifo = openat(pool->dir, "tokens", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (pool->fifo < 0 || fstat(pool->fifo, &st) < 0)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot open %s/tokens: %m", path);
    if (!S_ISFIFO(st.st_mode))
        return err_set(err, ERR_SYSTEM, EINVAL, "--budget host: %s/tokens is no fifo; remove it", path);
    pool->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (pool->watch < 0 || inotify_add_watch(pool->watch, path, IN_CLOSE_WRITE | IN_ONLYDIR | IN_DONT_FOLLOW) < 0)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot watch %s: %m", path);
    return 0;
}

/* Born locked, as the pool's lock is held: nobody takes it for one of a dead run. */
static int make_holder(struct budget_pool *pool, struct err *err)
{
    void *map = MAP_FAILED;

    snprintf(pool->name, sizeof(pool->name), HOLDER_PREFIX "%d-%llu", (int)getpid(), (unsigned long long)clock_now_ns());
    pool->holder = openat(pool->dir, pool->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (pool->holder >= 0 && ftruncate(pool->holder, sizeof(uint32_t)) == 0 && flock(pool->holder, LOCK_EX | LOCK_NB) == 0)
        map = mmap(NULL, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, pool->holder, 0);
    if (map == MAP_FAILED)
        return err_set(err, ERR_SYSTEM, errno, "--budget host: cannot keep a record of tokens: %m");
    pool->held = map;
    return 0;
}

/* --- who lives --- */

static bool read_record(int dir, const char *name, struct budget_record *ret)
{
    /* Read-only: a file that was open for writing would wake everybody when it is closed. */
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    uint32_t held = 0;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    *ret = (struct budget_record){.alive = flock(fd, LOCK_SH | LOCK_NB) < 0};
    if (!ret->alive && pread(fd, &held, sizeof(held), 0) == sizeof(held))
        ret->tokens = held;
    if (!ret->alive)
        unlinkat(dir, name, 0);
    return true;
}

/* With the pool's lock held, so that one alone counts each of the dead. */
static struct budget_account take_stock(struct budget_pool *pool)
{
    struct budget_record *records = mem_calloc(HOLDERS_MAX, sizeof(*records));
    int fd = openat(pool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct budget_account account;
    struct dirent *entry;
    size_t n = 0;

    while (dir && n < HOLDERS_MAX && (entry = readdir(dir)))
        if (strncmp(entry->d_name, HOLDER_PREFIX, strlen(HOLDER_PREFIX)) == 0 && strcmp(entry->d_name, pool->name) != 0)
            n += read_record(pool->dir, entry->d_name, &records[n]);
    if (pool->held && n < HOLDERS_MAX)
        records[n++] = (struct budget_record){.alive = true};
    account = budget_account(records, n, pool->capacity);
    free(records);
    return account;
}

static void put_back(struct budget_pool *pool, const struct budget_account *account)
{
    const char token = TOKEN;
    char old[256];

    while (account->fresh && read(pool->fifo, old, sizeof(old)) > 0)
        ;
    for (unsigned i = 0; i < account->put_back; i++)
        if (write(pool->fifo, &token, 1) != 1)
            break; /* the pipe is full: somebody else put bytes there */
}

void budget_pool_reclaim(struct budget_pool *pool)
{
    struct budget_account account;

    if (flock(pool->lock, LOCK_EX | LOCK_NB) < 0)
        return; /* another run is at it */
    account = take_stock(pool);
    put_back(pool, &account);
    flock(pool->lock, LOCK_UN);
}

/* --- for the budget --- */

/* The last one that uses the pool removes it, with the lock held. Who opened that lock before, and gets it now, has one that nobody
 * else will find. */
static bool is_current(const struct budget_pool *pool)
{
    struct stat ours, now;

    return fstat(pool->lock, &ours) == 0 && fstatat(pool->dir, "lock", &now, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_ino == now.st_ino && ours.st_dev == now.st_dev;
}

static bool nobody_else(struct budget_pool *pool)
{
    int fd = openat(pool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct budget_record record;
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (strncmp(entry->d_name, HOLDER_PREFIX, strlen(HOLDER_PREFIX)) == 0 && strcmp(entry->d_name, pool->name) != 0 &&
            read_record(pool->dir, entry->d_name, &record) && record.alive)
            return false;
    return dir != NULL;
}

static void remove_unused(struct budget_pool *pool)
{
    _cleanup_free_ char *path = pool_path();

    if (flock(pool->lock, LOCK_EX | LOCK_NB) < 0)
        return; /* somebody comes or goes: that one, or the next, does it */
    if (is_current(pool) && nobody_else(pool)) {
        unlinkat(pool->dir, "tokens", 0);
        unlinkat(pool->dir, "lock", 0);
        rmdir(path); /* not where somebody has just made a new lock in it */
    }
    flock(pool->lock, LOCK_UN);
}

static int join(struct budget_pool *pool, struct err *err)
{
    struct budget_account account;
    int r = -1;

    for (int i = 0; i < LOCK_TRIES && r < 0; i++) {
        r = flock(pool->lock, LOCK_EX | LOCK_NB);
        if (r < 0)
            usleep(LOCK_PAUSE_US);
    }
    if (r < 0)
        return err_set(err, ERR_SYSTEM, EBUSY, "--budget host: another run has held the pool's lock for 2 s");
    if (!is_current(pool)) {
        flock(pool->lock, LOCK_UN);
        return err_set(err, ERR_SYSTEM, ESTALE, "--budget host: the pool is removed and made over and over");
    }
    account = take_stock(pool);
    put_back(pool, &account);
    r = make_holder(pool, err);
    flock(pool->lock, LOCK_UN);
    return r;
}

static int open_pool(unsigned capacity, struct budget_pool **ret, struct err *err)
{
    struct budget_pool *pool = mem_zalloc(sizeof(*pool));
    _cleanup_free_ char *path = pool_path();
    int r;

    pool->fifo = pool->lock = pool->holder = pool->watch = -1;
    pool->capacity = capacity;
    pool->dir = r = open_directory(path, err);
    if (r >= 0)
        r = open_files(pool, path, err);
    if (r >= 0)
        r = join(pool, err);
    if (r < 0) {
        budget_pool_free(pool);
        return r;
    }
    *ret = pool;
    return 0;
}

int budget_pool_open(unsigned capacity, struct budget_pool **ret, struct err *err)
{
    int r = -ESTALE;

    for (int i = 0; i < OPEN_TRIES && (r == -ESTALE || r == -ENOENT); i++) {
        *err = (struct err)ERR_INIT;
        r = open_pool(capacity, ret, err); /* the last user may be removing it this very moment */
    }
    return r;
}

void budget_pool_free(struct budget_pool *pool)
{
    if (!pool)
        return;
    if (pool->held)
        munmap((void *)(uintptr_t)pool->held, sizeof(uint32_t));
    if (pool->holder >= 0)
        unlinkat(pool->dir, pool->name, 0);
    close_fd(&pool->holder);
    if (pool->held)
        remove_unused(pool);
    close_fd(&pool->watch);
    close_fd(&pool->fifo);
    close_fd(&pool->lock);
    close_fd(&pool->dir);
    free(pool);
}

int budget_pool_fd(const struct budget_pool *pool)
{
    return pool->fifo;
}

int budget_pool_watch_fd(const struct budget_pool *pool)
{
    return pool->watch;
}

void budget_pool_record(struct budget_pool *pool, unsigned held)
{
    *pool->held = held;
}

void budget_pool_drain_watch(struct budget_pool *pool)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    while (read(pool->watch, events, sizeof(events)) > 0)
        ;
}
