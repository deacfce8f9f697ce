/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/project_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "supervisor/cli/options.h"

enum { NAMES_MAX = 64, PROFILES_MAX = sizeof(((struct project_file *)NULL)->profiles) / sizeof(char *) };

/* What says how a run is started, and no property of the project. */
static const char *const not_in_files[] = {"profile", "help", "learn", "sandbox", "adopt-cgroup", NULL};
/* shunt itself writes these: nobody's checkout says where outside of it. */
static const char *const paths[] = {"events", "junit", "history", NULL};

static bool is_one_of(const char *word, const char *const *list)
{
    while (*list && strcmp(*list, word) != 0)
        list++;
    return *list != NULL;
}

bool project_file_takes(const char *key)
{
    return !is_one_of(key, not_in_files);
}

/* --- profiles --- */

static int unknown_profile(const struct project_file *file, const struct place *profiles, const char *name, struct err *err)
{
    const char *names[NAMES_MAX + 1] = {NULL};
    const char *nearest;

    if (!file->doc) {
        err_set(err, ERR_USAGE, ENOENT, "--profile: \"%.60s\": there is no " PROJECT_FILE " here", name);
        return err_hint(err, "start shunt where the project's " PROJECT_FILE " is");
    }
    if (profiles->node->kind == DOCUMENT_MAP && strcmp(profiles->path, "profiles") == 0)
        for (size_t i = 0; i < profiles->node->n && i < NAMES_MAX; i++)
            names[i] = profiles->node->children[i].key;
    nearest = nearest_word(name, names);
    place_complain(profiles, err, "has no profile \"%.60s\"", name);
    return nearest ? err_hint(err, "did you mean %s?", nearest) : -EINVAL;
}

static int add_settings(struct project_file *file, const struct place *profile, struct err *err)
{
    for (size_t i = 0; i < profile->node->n; i++) {
        const struct document_node *child = &profile->node->children[i];

        if (strcmp(child->key, "inherits") == 0)
            continue;
        mem_grow(&file->settings, &file->room, file->n + 1, sizeof(*file->settings));
        file->settings[file->n++] = (struct project_setting){
            .key = child->key, .place = place_below(profile, child->key), .profile = profile->node->key};
    }
    (void)err;
    return 0;
}

/* Those of what it inherits from first. */
static int read_profile(struct project_file *file, const struct place *profiles, const char *name, struct err *err)
{
    const struct document_node *node = document_child(profiles->node, name);
    struct place profile, inherits;
    int r;

    if (!node)
        return unknown_profile(file, profiles, name, err);
    profile = (struct place){.doc = file->doc, .node = node};
    snprintf(profile.path, sizeof(profile.path), "profiles.%.60s", name);
    if (node->kind != DOCUMENT_MAP && !(node->kind == DOCUMENT_SCALAR && !*node->text))
        return place_complain(&profile, err, "found %s: expected options (timeout: 60s)", document_kind_name(node));
    if (file->nprofiles == PROFILES_MAX)
        return place_complain(&profile, err, "inherits from itself, or from more than %d others", PROFILES_MAX - 1);
    file->profiles[file->nprofiles++] = node->key;
    inherits = place_below(&profile, "inherits");
    if (document_child(node, "inherits")) {
        if (inherits.node->kind != DOCUMENT_SCALAR || !document_child(profiles->node, inherits.node->text))
            return place_complain(&inherits, err, "expected the name of a profile of this file");
        r = read_profile(file, profiles, inherits.node->text, err);
    } else {
        r = strcmp(name, PROJECT_PROFILE) != 0 && document_child(profiles->node, PROJECT_PROFILE)
                ? read_profile(file, profiles, PROJECT_PROFILE, err)
                : 0;
    }
    return r < 0 ? r : add_settings(file, &profile, err);
}

int project_file_open(struct project_file *file, const char *path, const char *name, struct err *err)
{
    struct place root, profiles;
    int r;

    *file = (struct project_file){0};
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return name ? unknown_profile(file, NULL, name, err) : 0;
    r = document_read(path, &file->doc, err);
    if (r < 0)
        return r;
    root = place_root(file->doc);
    profiles = place_below(&root, "profiles");
    if (!document_child(root.node, "profiles"))
        return name ? unknown_profile(file, &root, name, err) : 0;
    if (profiles.node->kind != DOCUMENT_MAP)
        return place_complain(&profiles, err, "found %s: expected profiles by name (ci: ...)",
                              document_kind_name(profiles.node));
    if (!name && !document_child(profiles.node, PROJECT_PROFILE))
        return 0;
    return read_profile(file, &profiles, name ? name : PROJECT_PROFILE, err);
}

void project_file_done(struct project_file *file)
{
    document_free(file->doc);
    free(file->settings);
    *file = (struct project_file){0};
}

/* --- settings --- */

static const struct option_row *find_row(const struct option_row *table, const char *key)
{
    for (; table->name; table++)
        if (strcmp(table->name, key) == 0)
            return is_one_of(key, not_in_files) ? NULL : table;
    return NULL;
}

static int unknown_key(const struct option_row *table, const struct project_setting *setting, struct err *err)
{
    const char *names[NAMES_MAX + 1] = {NULL};
    const char *nearest;
    size_t n = 0;

    if (is_one_of(setting->key, not_in_files)) {
        place_complain(&setting->place, err, "belongs on the command line: expected another option");
        return err_hint(err, "shunt run --%s", setting->key);
    }
    for (; table->name && n < NAMES_MAX; table++)
        if (!is_one_of(table->name, not_in_files))
            names[n++] = table->name;
    nearest = nearest_word(setting->key, names);
    place_complain(&setting->place, err, "is no option of shunt run");
    return nearest ? err_hint(err, "did you mean %s?", nearest)
                   : err_hint(err, "keys of a profile are the long options, without the dashes: \"shunt run --help\"");
}

/* Is the text of a switch, and which. */
static int read_switch(const struct place *place, bool *ret, struct err *err)
{
    static const char *const yes[] = {"true", "yes", "on", NULL}, *const no[] = {"false", "no", "off", NULL};
    const char *text = place->node->kind == DOCUMENT_SCALAR ? place->node->text : "";

    if (!is_one_of(text, yes) && !is_one_of(text, no))
        return place_complain(place, err, "expected true or false");
    *ret = is_one_of(text, yes);
    return 0;
}

static int check_path(const struct place *place, const char *key, struct err *err)
{
    const char *text = place->node->text;

    if (!is_one_of(key, paths) || (*text != '/' && !strstr(text, "..")))
        return 0;
    place_complain(place, err, "\"%.80s\": expected a path below the project's directory", text);
    return err_hint(err, "elsewhere is named on the command line: --%s", key);
}

static int set_scalar(const struct option_row *row, const struct place *place, void *target, struct err *err)
{
    int r;

    if (place->node->kind != DOCUMENT_SCALAR || !*place->node->text)
        return place_complain(place, err, "found %s: expected a value, e.g. %s: %s", document_kind_name(place->node), row->name,
                              row->value);
    r = check_path(place, row->name, err);
    if (r < 0)
        return r;
    r = row->set(target, place->node->text, err);
    return r < 0 ? err_wrap(err, "%.120s:%u: %s: \"%.80s\"", place->doc->name, place->node->line, place->path, place->node->text)
                 : 0;
}

static int apply_setting(const struct option_row *table, const struct project_setting *setting, void *target, struct err *err)
{
    const struct option_row *row = find_row(table, setting->key);
    bool on = false;
    int r = 0;

    if (!row)
        return unknown_key(table, setting, err);
    if (!row->value) {
        r = read_switch(&setting->place, &on, err);
        return r == 0 && on ? row->set(target, NULL, err) : r;
    }
    if (setting->place.node->kind != DOCUMENT_LIST)
        return set_scalar(row, &setting->place, target, err);
    for (size_t i = 0; r == 0 && i < setting->place.node->n; i++) {
        struct place item = place_item(&setting->place, i);

        r = set_scalar(row, &item, target, err);
    }
    return r;
}

int project_file_apply(const struct project_file *file, const struct option_row *table, void *target, struct err *err)
{
    for (size_t i = 0; i < file->n; i++) {
        bool overridden = false;
        int r;

        for (size_t k = i + 1; k < file->n; k++)
            overridden |= strcmp(file->settings[k].key, file->settings[i].key) == 0;
        if (overridden)
            continue;
        r = apply_setting(table, &file->settings[i], target, err);
        if (r < 0)
            return r;
    }
    return 0;
}
