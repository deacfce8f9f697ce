/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/rules_reader.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "supervisor/cli/values.h"
#include "supervisor/cli/verdict_set.h"
#include "supervisor/config/run_config.h"
#include "supervisor/core/filter.h"

enum { RULES_MAX = 512, LOCKS_MAX = 16, LOCK_NAME_MAX = 100, LOCK_LIMITS_MAX = 256, ENVIRONMENT_MAX = 1024, WEIGHT_MAX = 4096, NAMES_MAX = 32 };

/* --- values --- */

static int wrong_value(const struct place *place, struct err *err)
{
    return err_wrap(err, "%.120s:%u: %s: \"%.80s\"", place->doc->name, place->node->line, place->path, place->node->text);
}

static int set_match(struct rule *rule, const struct place *place, struct err *err)
{
    char what[200];

    snprintf(what, sizeof(what), "%.120s:%u: %.60s", place->doc->name, place->node->line, place->path);
    rule->match = mem_strdup(place->node->text);
    return filter_parse(place->node->text, what, &rule->filter, err);
}

static int set_profile(struct rule *rule, const struct place *place, struct err *err)
{
    (void)rule;
    (void)place;
    (void)err;
    return 0; /* looked at before */
}

static int set_lane(struct rule *rule, const struct place *place, struct err *err)
{
    static const char *const words[] = {"parallel", "serial", NULL};
    int i = cli_index_of(place->node->text, words);

    if (i < 0)
        return place_complain(place, err, "\"%.40s\": expected parallel or serial", place->node->text);
    rule->lane = i == 1 ? LANE_SERIAL : LANE_PARALLEL;
    rule->has |= RULE_BIT(RULE_LANE);
    return 0;
}

static int set_group(struct rule *rule, const struct place *place, struct err *err)
{
    (void)err;
    rule->group = mem_strdup(place->node->text);
    rule->has |= RULE_BIT(RULE_GROUP);
    return 0;
}

static int set_weight(struct rule *rule, const struct place *place, struct err *err)
{
    uint64_t value = WEIGHT_MAX;

    if (strcmp(place->node->text, "all") != 0 && cli_parse_count(place->node->text, 1, WEIGHT_MAX, &value, err) < 0)
        return place_complain(place, err, "\"%.40s\": expected a number of slots from 1 to 4096, or all", place->node->text);
    rule->weight = (unsigned)value;
    rule->has |= RULE_BIT(RULE_WEIGHT);
    return 0;
}

static int set_tasks(struct rule *rule, const struct place *place, struct err *err)
{
    if (cli_parse_tasks(place->node->text, &rule->tasks, err) < 0)
        return wrong_value(place, err);
    if (rule->tasks == RUN_CONFIG_AUTO)
        return place_complain(place, err, "expected a number: a rule without tasks leaves the lane's limit");
    rule->has |= RULE_BIT(RULE_TASKS);
    return 0;
}

static int set_memory(struct rule *rule, const struct place *place, struct err *err)
{
    if (cli_parse_memory(place->node->text, &rule->memory_bytes, err) < 0)
        return wrong_value(place, err);
    if (rule->memory_bytes == RUN_CONFIG_AUTO || !rule->memory_bytes)
        return place_complain(place, err, "expected a size: a rule without memory leaves the lane's limit");
    rule->has |= RULE_BIT(RULE_MEMORY);
    return 0;
}

static int set_time(struct rule *rule, const struct place *place, enum rule_key key, uint64_t *ret_ns, struct err *err)
{
    if (cli_parse_time(place->node->text, ret_ns, err) < 0)
        return wrong_value(place, err);
    if (!*ret_ns)
        return place_complain(place, err, "expected a time: a rule without this key leaves the run's");
    rule->has |= RULE_BIT(key);
    return 0;
}

static int set_timeout(struct rule *rule, const struct place *place, struct err *err)
{
    return set_time(rule, place, RULE_TIMEOUT, &rule->timeout_ns, err);
}

static int set_slow(struct rule *rule, const struct place *place, struct err *err)
{
    return set_time(rule, place, RULE_SLOW, &rule->slow_ns, err);
}

static int set_grace(struct rule *rule, const struct place *place, struct err *err)
{
    return set_time(rule, place, RULE_GRACE, &rule->grace_ns, err);
}

static int set_retries(struct rule *rule, const struct place *place, struct err *err)
{
    uint64_t value;

    if (cli_parse_count(place->node->text, 0, RETRY_MAX, &value, err) < 0)
        return wrong_value(place, err);
    rule->retry.retries = (unsigned)value;
    rule->has |= RULE_BIT(RULE_RETRIES);
    return 0;
}

static int set_retry_delay(struct rule *rule, const struct place *place, struct err *err)
{
    if (cli_parse_time(place->node->text, &rule->retry.delay_ns, err) < 0)
        return wrong_value(place, err);
    rule->has |= RULE_BIT(RULE_RETRY_DELAY);
    return 0;
}

static int set_retry_backoff(struct rule *rule, const struct place *place, struct err *err)
{
    static const char *const words[] = {"fixed", "exponential", NULL};
    int i = cli_index_of(place->node->text, words);

    if (i < 0)
        return place_complain(place, err, "\"%.40s\": expected fixed or exponential", place->node->text);
    rule->retry.exponential = i == 1;
    rule->has |= RULE_BIT(RULE_RETRY_BACKOFF);
    return 0;
}

static int set_retry_on(struct rule *rule, const struct place *place, struct err *err)
{
    if (verdict_set_retry(place->node->text, &rule->retry.on, err) < 0)
        return wrong_value(place, err);
    rule->has |= RULE_BIT(RULE_RETRY_ON);
    return 0;
}

static int add_lock(struct rule *rule, const struct place *place, size_t n, struct err *err)
{
    if (place->node->kind != DOCUMENT_SCALAR || !*place->node->text || strlen(place->node->text) > LOCK_NAME_MAX)
        return place_complain(place, err, "expected the name of a lock");
    rule->locks[n] = mem_strdup(place->node->text);
    return 0;
}

static int set_locks(struct rule *rule, const struct place *place, struct err *err)
{
    size_t n = place->node->kind == DOCUMENT_LIST ? place->node->n : 1;
    int r = 0;

    if (n == 0 || n > LOCKS_MAX)
        return place_complain(place, err, "expected a name, or a list of at most %d", LOCKS_MAX);
    rule->locks = mem_zalloc((n + 1) * sizeof(*rule->locks));
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct place item = place->node->kind == DOCUMENT_LIST ? place_item(place, i) : *place;

        r = add_lock(rule, &item, i, err);
    }
    rule->has |= RULE_BIT(RULE_LOCKS);
    return r;
}

static bool is_variable(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    return *name && !isdigit((unsigned char)*name);
}

/* "environment: {MODE: fast, DISPLAY: null}" */
static int set_environment(struct rule *rule, const struct place *place, struct err *err)
{
    size_t bytes = 0;

    if (place->node->kind != DOCUMENT_MAP || !place->node->n)
        return place_complain(place, err, "found %s: expected variables (NAME: value; null takes one away)",
                              document_kind_name(place->node));
    rule->environment = mem_zalloc((place->node->n + 1) * sizeof(*rule->environment));
    for (size_t i = 0; i < place->node->n; i++) {
        const struct document_node *child = &place->node->children[i];
        struct place below = place_below(place, child->key);

        if (child->kind != DOCUMENT_SCALAR || !is_variable(child->key))
            return place_complain(&below, err, "expected the name of a variable, and a value");
        rule->environment[i] = strcmp(child->text, "null") == 0 || strcmp(child->text, "~") == 0
                                   ? mem_strdup(child->key)
                                   : mem_printf("%s=%s", child->key, child->text);
        bytes += strlen(rule->environment[i]) + 8;
    }
    if (bytes > ENVIRONMENT_MAX)
        return place_complain(place, err, "is too long: expected at most 1 KiB in all");
    rule->has |= RULE_BIT(RULE_ENVIRONMENT);
    return 0;
}

const struct rule_row rule_rows[] = {
    {"match", "EXPR", "which tests it is about: a filter expression (docs/filters.md)", set_match},
    {"profile", "NAME", "only in runs with this profile, or with one that inherits from it", set_profile},
    {"lane", "parallel|serial", "where they run", set_lane},
    {"group", "NAME", "they share one worker and keep their order", set_group},
    {"weight", "N|all", "slots that each takes", set_weight},
    {"locks", "NAMES", "semaphores that each holds while it runs", set_locks},
    {"environment", "VARIABLES", "set while each runs; null takes one away", set_environment},
    {"tasks", "N", "own limit of each on threads and processes", set_tasks},
    {"memory", "SIZE", "own limit of each on memory", set_memory},
    {"timeout", "TIME", "wall time of each", set_timeout},
    {"slow", "TIME", "when to say that one takes long", set_slow},
    {"grace", "TIME", "between SIGTERM and SIGKILL at its timeout", set_grace},
    {"retries", "N", "how often one that ends badly runs again", set_retries},
    {"retry-delay", "TIME", "before a retry", set_retry_delay},
    {"retry-backoff", "fixed|exponential", "how that delay grows", set_retry_backoff},
    {"retry-on", "LIST", "what is retried: failed, error, verdicts", set_retry_on},
    {.name = NULL},
};

/* --- rules --- */

static const struct rule_row *find_row(const char *key)
{
    for (const struct rule_row *row = rule_rows; row->name; row++)
        if (strcmp(row->name, key) == 0)
            return row;
    return NULL;
}

static int unknown_key(const struct place *place, const char *key, struct err *err)
{
    const char *names[NAMES_MAX + 1] = {NULL};
    const char *nearest;

    for (size_t i = 0; rule_rows[i].name && i < NAMES_MAX; i++)
        names[i] = rule_rows[i].name;
    nearest = nearest_word(key, names);
    place_complain(place, err, "is no key of a rule");
    return nearest ? err_hint(err, "did you mean %s?", nearest)
                   : err_hint(err, "keys are match, profile, lane, group, weight, tasks, memory, timeout, ... "
                                   "(docs/configuration.md)");
}

static bool has_profile(const struct project_file *file, const char *name)
{
    for (size_t i = 0; i < file->nprofiles; i++)
        if (strcmp(file->profiles[i], name) == 0)
            return true;
    return strcmp(name, PROJECT_PROFILE) == 0;
}

static int read_rule(const struct place *place, struct rule *rule, struct err *err)
{
    if (place->node->kind != DOCUMENT_MAP)
        return place_complain(place, err, "found %s: expected a mapping (match: ...)", document_kind_name(place->node));
    rule->where = mem_printf("%s:%u", place->doc->name, place->node->line);
    for (size_t i = 0; i < place->node->n; i++) {
        struct place below = place_below(place, place->node->children[i].key);
        const struct rule_row *row = find_row(place->node->children[i].key);
        int r;

        if (!row)
            return unknown_key(&below, place->node->children[i].key, err);
        if (row->set != set_locks && row->set != set_environment && (below.node->kind != DOCUMENT_SCALAR || !*below.node->text))
            return place_complain(&below, err, "found %s: expected %s", document_kind_name(below.node), row->value);
        r = row->set(rule, &below, err);
        if (r < 0)
            return r;
    }
    if (!rule->filter)
        return place_complain(place, err, "has no match: expected a filter expression (match: marker(db))");
    if (!rule->has)
        return place_complain(place, err, "gives nothing: expected lane, weight, timeout or another key beside match");
    return 0;
}

/* "locks: {database: 2}" */
static int read_limits(const struct place *root, struct rules *rules, struct err *err)
{
    struct place list = place_below(root, "locks");
    uint64_t most;

    if (!document_child(root->node, "locks"))
        return 0;
    if (list.node->kind != DOCUMENT_MAP || list.node->n > LOCK_LIMITS_MAX)
        return place_complain(&list, err, "found %s: expected at most %d locks and how many may hold each (database: 2)",
                              document_kind_name(list.node), LOCK_LIMITS_MAX);
    for (size_t i = 0; i < list.node->n; i++) {
        const struct document_node *child = &list.node->children[i];
        struct place below = place_below(&list, child->key);

        if (child->kind != DOCUMENT_SCALAR || cli_parse_count(child->text, 1, WEIGHT_MAX, &most, err) < 0)
            return place_complain(&below, err, "expected how many tests may hold it at a time, 1 to %d", WEIGHT_MAX);
        mem_grow(&rules->limits, &rules->limits_room, rules->nlimits + 1, sizeof(*rules->limits));
        rules->limits[rules->nlimits++] = (struct lock_limit){.name = mem_strdup(child->key), .most = (unsigned)most};
    }
    return 0;
}

static int read_list(const struct project_file *file, const struct place *root, struct rules *ret, struct err *err)
{
    struct place list = place_below(root, "rules");
    int r = 0;

    if (!document_child(root->node, "rules"))
        return 0;
    if (list.node->kind != DOCUMENT_LIST || list.node->n > RULES_MAX)
        return place_complain(&list, err, "found %s: expected a list of at most %d rules", document_kind_name(list.node),
                              RULES_MAX);
    for (size_t i = 0; r == 0 && i < list.node->n; i++) {
        struct place item = place_item(&list, i);
        const struct document_node *profile = document_child(item.node, "profile");
        struct rules unused = {0};
        struct rules *rules = profile && profile->text && !has_profile(file, profile->text) ? &unused : ret;

        mem_grow(&rules->items, &rules->room, rules->n + 1, sizeof(*rules->items));
        rules->items[rules->n] = (struct rule){.has = 0};
        r = read_rule(&item, &rules->items[rules->n++], err);
        rules_done(&unused);
    }
    return r;
}

int rules_read(const struct project_file *file, struct rules *ret, struct err *err)
{
    struct place root;
    int r;

    *ret = (struct rules){0};
    if (!file->doc)
        return 0;
    root = place_root(file->doc);
    r = read_limits(&root, ret, err);
    if (r == 0)
        r = read_list(file, &root, ret, err);
    if (r < 0)
        rules_done(ret);
    return r;
}
