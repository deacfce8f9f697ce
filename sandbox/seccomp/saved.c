/* SPDX-License-Identifier: MIT */
/*
 * Programs that were compiled when shunt was built: NAME.bpf beside NAME.json. Compiling takes milliseconds, this takes
 * tens of microseconds.
 *
 * An entry is used only if everything that it was made of is the same; whatever else is the matter, the profile is
 * compiled as if there was no file. The sum finds what is stale or damaged. It is no defence against somebody who
 * writes a false program: the .bpf lies in the directory of the JSON, belongs to the same owner and is no more
 * writable, so who could forge it could as well have changed the profile.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/internal.h"

#define MAGIC "shuntBPF"
#define FORMAT 1
#define ENTRIES_MAX 64

enum { WITH_NOTIFY = 1, ASKS_CAPS = 2, ASKS_KERNEL = 4 };

struct saved_head {
    char magic[8];
    uint32_t format, entries;
};

struct saved_entry {
    uint64_t key;  /* over the files' content, permit, and shunt's version (the gate and the merging are its) */
    uint64_t sum;  /* over the instructions */
    uint64_t caps; /* counts with ASKS_CAPS */
    uint32_t arch, flags;
    uint32_t kernel;     /* counts with ASKS_KERNEL */
    uint32_t offset, len; /* in instructions, behind the entries */
    uint32_t unused;
};

/* FNV-1a, but eight bytes at a step: hashing byte by byte would be a third of the whole loading. */
static uint64_t add_bytes(uint64_t sum, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        size_t rest = size - i;
        uint64_t word = 0;

        memcpy(&word, (const char *)data + i, rest < sizeof(word) ? rest : sizeof(word));
        sum = (sum ^ word) * 0x100000001b3ULL;
        sum ^= sum >> 32; /* a difference in high bits must not stay there */
    }
    return sum;
}

static uint64_t add_text(uint64_t sum, const char *text) /* with its length: "ab" "c" is not "a" "bc" */
{
    size_t size = strlen(text);

    return add_bytes(add_bytes(sum, &size, sizeof(size)), text, size);
}

static int read_whole(const char *path, char **ret, size_t *ret_size, struct stat *st)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    _cleanup_free_ char *data = NULL;
    ssize_t n;

    if (fd < 0 || fstat(fd, st) < 0)
        return -errno;
    if (!S_ISREG(st->st_mode) || st->st_size > SECCOMP_FILE_MAX)
        return -EINVAL;
    data = malloc((size_t)st->st_size + 1);
    if (!data)
        return -ENOMEM;
    n = pread(fd, data, (size_t)st->st_size, 0);
    if (n < 0)
        return -errno;
    *ret = take_ptr(data);
    *ret_size = (size_t)n;
    return 0;
}

static uint32_t kernel_version(void)
{
    unsigned major = 0, minor = 0;
    struct utsname uts;

    if (uname(&uts) < 0 || sscanf(uts.release, "%5u.%5u", &major, &minor) != 2)
        return 0;
    return major << 16 | minor;
}

/* `ret_st` is that of the first file. */
static int make_key(const struct seccomp_request *request, uint64_t *ret, struct stat *ret_st)
{
    const char *paths[SECCOMP_PATHS_MAX];
    int n = seccomp_request_paths(request, paths, NULL);
    uint64_t key = add_text(0xcbf29ce484222325ULL, SHUNT_VERSION);

    if (n <= 0)
        return -ENOENT;
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;
        int r = read_whole(paths[i], &text, &size, i == 0 ? ret_st : &st);

        if (r < 0)
            return r;
        key = add_bytes(key, &size, sizeof(size));
        key = add_bytes(key, text, size);
    }
    for (const char *const *name = request->permit; name && *name; name++)
        key = add_text(key, *name);
    *ret = key;
    return 0;
}

/* NAME.json -> NAME.bpf, else NULL: files of other names have none. */
static char *saved_path(const struct seccomp_request *request)
{
    const char *paths[SECCOMP_PATHS_MAX];
    size_t length;

    if (seccomp_request_paths(request, paths, NULL) <= 0)
        return NULL;
    length = strlen(paths[0]);
    if (length < 5 || strcmp(paths[0] + length - 5, ".json") != 0)
        return NULL;
    return mem_printf("%.*s.bpf", (int)length - 5, paths[0]);
}

/* --- loading --- */

static bool is_trusted(const struct stat *bpf, const struct stat *json)
{
    return bpf->st_uid == json->st_uid && (bpf->st_mode & 022 & ~json->st_mode) == 0;
}

static bool fits(const struct saved_entry *entry, const struct seccomp_request *request, uint64_t key)
{
    return entry->key == key && entry->arch == seccomp_native_arch() &&
           !!(entry->flags & WITH_NOTIFY) == request->notify &&
           (!(entry->flags & ASKS_CAPS) || entry->caps == request->caps) &&
           (!(entry->flags & ASKS_KERNEL) || entry->kernel == kernel_version());
}

static int take_program(const struct saved_entry *entry, const char *insns, size_t size, struct sock_fprog *ret)
{
    size_t room = size / sizeof(struct sock_filter), bytes = entry->len * sizeof(struct sock_filter);
    const char *from = insns + entry->offset * sizeof(struct sock_filter);
    struct sock_filter *code;

    if (entry->len == 0 || entry->len > BPF_MAXINSNS || entry->offset > room || entry->len > room - entry->offset ||
        add_bytes(0, from, bytes) != entry->sum)
        return -EINVAL;
    code = malloc(bytes);
    if (!code)
        return -ENOMEM;
    memcpy(code, from, bytes);
    *ret = (struct sock_fprog){.len = (unsigned short)entry->len, .filter = code};
    return 0;
}

static int find_entry(const char *data, size_t size, const struct seccomp_request *request, uint64_t key,
                      struct sock_fprog *ret)
{
    struct saved_head head;
    size_t entries_size;

    if (size < sizeof(head))
        return -EINVAL;
    memcpy(&head, data, sizeof(head));
    if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 || head.format != FORMAT || head.entries > ENTRIES_MAX)
        return -EINVAL;
    entries_size = head.entries * sizeof(struct saved_entry);
    if (size - sizeof(head) < entries_size)
        return -EINVAL;
    for (uint32_t i = 0; i < head.entries; i++) {
        const char *behind = data + sizeof(head) + entries_size;
        struct saved_entry entry;

        memcpy(&entry, data + sizeof(head) + i * sizeof(entry), sizeof(entry));
        if (fits(&entry, request, key))
            return take_program(&entry, behind, size - sizeof(head) - entries_size, ret);
    }
    return -ENOENT;
}

int seccomp_profile_load_saved(const struct seccomp_request *request, struct sock_fprog *ret)
{
    _cleanup_free_ char *path = saved_path(request), *data = NULL;
    struct stat bpf, json;
    uint64_t key;
    size_t size;
    int r;

    if (!path || request->log_all)
        return -ENOENT;
    r = read_whole(path, &data, &size, &bpf);
    if (r == 0)
        r = make_key(request, &key, &json);
    if (r == 0 && is_trusted(&bpf, &json))
        r = find_entry(data, size, request, key, ret);
    else
        r = -ENOENT;
    return r < 0 ? -ENOENT : 0;
}

/* --- saving --- */

struct sheaf { /* of programs, as they will be written */
    struct saved_entry entries[ENTRIES_MAX];
    struct sock_filter *insns;
    size_t n, ninsns, room;
};

static int add_request(struct sheaf *sheaf, const struct seccomp_request *request, struct err *err)
{
    struct saved_entry *entry = &sheaf->entries[sheaf->n];
    struct seccomp_set set = {0};
    struct sock_fprog program = {0};
    struct stat st;
    int r = seccomp_set_read(request, &set, err);

    if (r == 0)
        r = seccomp_set_compile(request, &set, &program, err);
    if (r == 0 && (r = make_key(request, &entry->key, &st)) < 0)
        err_set(err, ERR_SYSTEM, -r, "%s: %m", set.files[0].path);
    for (size_t i = 0; r == 0 && i < set.n; i++)
        entry->flags |= (set.files[i].asks_caps ? ASKS_CAPS : 0u) | (set.files[i].asks_kernel ? ASKS_KERNEL : 0u);
    seccomp_set_done(&set);
    if (r < 0)
        return r;
    entry->flags |= request->notify ? WITH_NOTIFY : 0u;
    entry->caps = request->caps;
    entry->kernel = kernel_version();
    entry->arch = seccomp_native_arch();
    entry->offset = (uint32_t)sheaf->ninsns;
    entry->len = program.len;
    entry->sum = add_bytes(0, program.filter, program.len * sizeof(*program.filter));
    mem_grow(&sheaf->insns, &sheaf->room, sheaf->ninsns + program.len, sizeof(*sheaf->insns));
    memcpy(sheaf->insns + sheaf->ninsns, program.filter, program.len * sizeof(*program.filter));
    sheaf->ninsns += program.len;
    sheaf->n++;
    seccomp_profile_done(&program);
    return 0;
}

static int write_sheaf(const struct sheaf *sheaf, int fd)
{
    struct saved_head head = {.magic = MAGIC, .format = FORMAT, .entries = (uint32_t)sheaf->n};
    int r = io_write_all(fd, &head, sizeof(head));

    if (r == 0)
        r = io_write_all(fd, sheaf->entries, sheaf->n * sizeof(sheaf->entries[0]));
    if (r == 0)
        r = io_write_all(fd, sheaf->insns, sheaf->ninsns * sizeof(sheaf->insns[0]));
    return r;
}

static int write_aside(const struct sheaf *sheaf, const char *path)
{
    _cleanup_free_ char *aside = mem_printf("%s.XXXXXX", path);
    _cleanup_close_ int fd = mkostemp(aside, O_CLOEXEC);
    mode_t mask = umask(0);
    int r;

    umask(mask);
    if (fd < 0)
        return -errno;
    r = write_sheaf(sheaf, fd);
    if (r == 0 && (fchmod(fd, 0644 & ~mask) < 0 || rename(aside, path) < 0))
        r = -errno;
    if (r < 0)
        unlink(aside);
    return r;
}

int seccomp_profile_save(const struct seccomp_request *requests, size_t n, struct err *err)
{
    _cleanup_free_ struct sheaf *sheaf = mem_zalloc(sizeof(*sheaf));
    _cleanup_free_ char *path = n ? saved_path(&requests[0]) : NULL;
    int r = 0;

    if (!path || n > ENTRIES_MAX)
        return err_set(err, ERR_INTERNAL, EINVAL, "seccomp programs can be saved for NAME.json only, %d of them",
                       ENTRIES_MAX);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_request(sheaf, &requests[i], err);
    if (r == 0) {
        r = write_aside(sheaf, path);
        if (r < 0)
            err_set(err, ERR_SYSTEM, -r, "%s: %m", path);
    }
    free(sheaf->insns);
    return r;
}
