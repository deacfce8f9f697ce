/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "sandbox/base/err.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/explain.h"

/* ---- words ------------------------------------------------------------------------------- */

/* libcyaml's own booleans take every word that it does not know for true. */
static const cyaml_strval_t yes_no[] = {
    {"yes", RAW_YES}, {"no", RAW_NO}, {"true", RAW_YES}, {"false", RAW_NO}, {"on", RAW_YES}, {"off", RAW_NO},
};
static const cyaml_strval_t userns_words[] = {
    {"auto", SPEC_USERNS_AUTO + 1}, {"never", SPEC_USERNS_NEVER + 1}, {"always", SPEC_USERNS_ALWAYS + 1}};
static const cyaml_strval_t network_words[] = {
    {"host", SPEC_NET_HOST + 1}, {"loopback", SPEC_NET_LOOPBACK + 1}, {"none", SPEC_NET_NONE + 1}};
static const cyaml_strval_t tmp_words[] = {
    {"host", SPEC_TMP_HOST + 1}, {"overlay", SPEC_TMP_OVERLAY + 1}, {"fresh", SPEC_TMP_FRESH + 1}};
static const cyaml_strval_t workdir_words[] = {{"as-is", SPEC_WORKDIR_AS_IS + 1},
                                               {"read-only", SPEC_WORKDIR_READONLY + 1},
                                               {"overlay", SPEC_WORKDIR_OVERLAY + 1}};
static const cyaml_strval_t root_words[] = {{"as-is", RAW_NO}, {"read-only", RAW_YES}};
static const cyaml_strval_t shm_words[] = {{"host", RAW_NO}, {"private", RAW_YES}};
static const cyaml_strval_t dev_words[] = {{"host", RAW_NO}, {"minimal", RAW_YES}};
static const cyaml_strval_t kernel_words[] = {{"as-is", RAW_NO}, {"masked", RAW_YES}};
static const cyaml_strval_t terminal_words[] = {{"keep", RAW_YES}, {"none", RAW_NO}};
static const cyaml_strval_t denials_words[] = {{"named", RAW_YES}, {"unnamed", RAW_NO}};

/* ---- shorthands -------------------------------------------------------------------------- */

#define TEXT(key, type, member)                                                                                       \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, CYAML_UNLIMITED)
#define NEEDED_TEXT(key, type, member) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, CYAML_UNLIMITED)
#define WORD(key, type, member, words)                                                                                \
    CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, type, member, words, CYAML_ARRAY_LEN(words))
#define LIST(key, type, member)                                                                                       \
    CYAML_FIELD_SEQUENCE_COUNT(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member.items, member.n,           \
                               &text_item, 0, CYAML_UNLIMITED)
#define PART(key, type, member, fields) CYAML_FIELD_MAPPING(key, CYAML_FLAG_OPTIONAL, type, member, fields)

/* Parts of struct raw_policy are described with offsets from their own beginning. */
#define PART_TYPE(name, member) typedef __typeof__(((struct raw_policy *)NULL)->member) name
PART_TYPE(raw_namespaces, namespaces);
PART_TYPE(raw_files, files);
PART_TYPE(raw_environment, environment);
PART_TYPE(raw_user, user);

struct raw_rlimits {
    char *values[SPEC_RLIMIT_COUNT];
};

static const cyaml_schema_value_t text_item = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

/* ---- policies ---------------------------------------------------------------------------- */

static const cyaml_schema_field_t namespaces_fields[] = {
    WORD("pid", raw_namespaces, pid, yes_no),       WORD("mount", raw_namespaces, mount, yes_no),
    WORD("ipc", raw_namespaces, ipc, yes_no),       WORD("uts", raw_namespaces, uts, yes_no),
    WORD("cgroup", raw_namespaces, cgroup, yes_no), WORD("time", raw_namespaces, time, yes_no),
    WORD("user", raw_namespaces, user, userns_words), CYAML_FIELD_END,
};

static const cyaml_schema_field_t tmpfs_fields[] = {
    NEEDED_TEXT("path", struct raw_tmpfs, path),
    TEXT("size", struct raw_tmpfs, size),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t tmpfs_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_tmpfs, tmpfs_fields)};

static const cyaml_schema_field_t files_fields[] = {
    WORD("root", raw_files, root, root_words),
    LIST("read-only", raw_files, readonly),
    LIST("writable", raw_files, writable),
    LIST("hidden", raw_files, hidden),
    CYAML_FIELD_SEQUENCE_COUNT("tmpfs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, raw_files, tmpfs, ntmpfs,
                               &tmpfs_item, 0, CYAML_UNLIMITED),
    WORD("tmp", raw_files, tmp, tmp_words),
    WORD("shm", raw_files, shm, shm_words),
    TEXT("tmpfs-size", raw_files, tmpfs_size),
    WORD("dev", raw_files, dev, dev_words),
    WORD("kernel", raw_files, kernel, kernel_words),
    WORD("workdir", raw_files, workdir, workdir_words),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t environment_fields[] = {
    CYAML_FIELD_IGNORE("pass", CYAML_FLAG_OPTIONAL),
    LIST("drop", raw_environment, drop),
    LIST("set", raw_environment, set),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t user_fields[] = {
    TEXT("uid", raw_user, uid),
    TEXT("gid", raw_user, gid),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    TEXT("tasks", struct raw_limits, tasks),
    TEXT("memory", struct raw_limits, memory),
    TEXT("cpus", struct raw_limits, cpus),
    TEXT("timeout", struct raw_limits, timeout),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t rlimits_fields[] = {
#define X(id, name) TEXT(name, struct raw_rlimits, values[RLIMIT_##id]),
    SPEC_RLIMITS(X)
#undef X
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t policy_fields[] = {
    NEEDED_TEXT("policy", struct raw_policy, policy),
    TEXT("summary", struct raw_policy, summary),
    TEXT("extends", struct raw_policy, extends),
    LIST("clear", struct raw_policy, clear),
    WORD("observe", struct raw_policy, observe, yes_no),
    PART("namespaces", struct raw_policy, namespaces, namespaces_fields),
    WORD("network", struct raw_policy, network, network_words),
    PART("files", struct raw_policy, files, files_fields),
    WORD("landlock", struct raw_policy, landlock, yes_no),
    PART("environment", struct raw_policy, environment, environment_fields),
    CYAML_FIELD_IGNORE("capabilities", CYAML_FLAG_OPTIONAL),
    PART("user", struct raw_policy, user, user_fields),
    WORD("terminal", struct raw_policy, terminal, terminal_words),
    TEXT("umask", struct raw_policy, umask),
    TEXT("hostname", struct raw_policy, hostname),
    {.key = "rlimits",
     .data_offset = offsetof(struct raw_policy, rlimits),
     .value = {CYAML_VALUE_MAPPING(CYAML_FLAG_OPTIONAL, struct raw_rlimits, rlimits_fields)}},
    TEXT("seccomp", struct raw_policy, seccomp),
    WORD("denials", struct raw_policy, denials, denials_words),
    PART("limits", struct raw_policy, limits, limits_fields),
    TEXT("machine", struct raw_policy, machine),
    LIST("require", struct raw_policy, require),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t policy_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_policy, policy_fields)};
static const cyaml_schema_value_t policy_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_policy, policy_fields)};

/* ---- machines, projects ------------------------------------------------------------------ */

static const cyaml_schema_field_t machine_fields[] = {
    NEEDED_TEXT("machine", struct raw_machine, machine),
    TEXT("summary", struct raw_machine, summary),
    NEEDED_TEXT("source", struct raw_machine, source),
    TEXT("cpus", struct raw_machine, cpus),
    TEXT("memory", struct raw_machine, memory),
    TEXT("tasks", struct raw_machine, tasks),
    TEXT("shm", struct raw_machine, shm),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t machine_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_machine, machine_fields)};

static const cyaml_schema_field_t project_fields[] = {
    TEXT("policy", struct raw_project, policy),
    CYAML_FIELD_SEQUENCE_COUNT("policies", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_project, policies,
                               npolicies, &policy_item, 0, CYAML_UNLIMITED),
    /* Of shunt run; read and checked there. */
    CYAML_FIELD_IGNORE("profiles", CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_IGNORE("rules", CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_IGNORE("locks", CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_IGNORE("setup", CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t project_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_project, project_fields)};

static const cyaml_schema_value_t *schema_of(enum schema_kind kind)
{
    switch (kind) {
    case SCHEMA_POLICY:
        return &policy_schema;
    case SCHEMA_MACHINE:
        return &machine_schema;
    case SCHEMA_PROJECT:
        break;
    }
    return &project_schema;
}

/* ---- loading ----------------------------------------------------------------------------- */

struct log {
    char text[300]; /* libcyaml's first words about it */
};

static void log_note(cyaml_log_t level, void *ctx, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
static void log_note(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    struct log *log = ctx;

    (void)level;
    if (*log->text)
        return;
    vsnprintf(log->text, sizeof(log->text), fmt, args);
    log->text[strcspn(log->text, "\n")] = '\0';
}

static cyaml_config_t config_with(struct log *log)
{
    return (cyaml_config_t){.log_fn = log ? log_note : NULL,
                            .log_ctx = log,
                            .log_level = CYAML_LOG_ERROR,
                            .mem_fn = cyaml_mem,
                            .flags = CYAML_CFG_NO_ALIAS};
}

int schema_load(enum schema_kind kind, const struct document *doc, void **ret, struct err *err)
{
    struct log log = {0};
    cyaml_config_t config = config_with(&log);
    struct place root = place_root(doc);
    void *raw = NULL;
    cyaml_err_t status;
    int r;

    status = cyaml_load_data((const uint8_t *)doc->bytes, doc->size, &config, schema_of(kind), &raw, NULL);
    if (status == CYAML_OK && !raw && kind == SCHEMA_PROJECT && root.node->kind == DOCUMENT_MAP && root.node->n)
        raw = cyaml_mem(NULL, NULL, sizeof(struct raw_project)); /* nothing but keys of others */
    if (status == CYAML_OK && raw) {
        *ret = raw;
        return 0;
    }
    r = explain_mismatch(schema_of(kind), &root, err);
    if (r < 0)
        return r;
    if (status == CYAML_OK) /* nothing but optional keys, and none of them given: a NULL */
        return place_complain(&root, err, "is empty: expected keys and values");
    return place_complain(&root, err, "%s", *log.text ? log.text : cyaml_strerror(status));
}

void schema_free(enum schema_kind kind, void *raw)
{
    cyaml_config_t config = config_with(NULL);

    cyaml_free(&config, schema_of(kind), raw, 0);
}

void schema_print(enum schema_kind kind, const char *word, FILE *out)
{
    explain_keys(schema_of(kind), word, "", out);
}
