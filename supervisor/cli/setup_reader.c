/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/setup_reader.h"

#include <errno.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/cli/values.h"
#include "supervisor/core/filter.h"

enum { SCRIPTS_MAX = 32 };
#define TIMEOUT_NS (60 * NS_PER_SEC)

/* A list is the words of a command; a text is for the shell. */
static int read_command(const struct place *place, char ***ret, struct err *err)
{
    const struct document_node *node = place->node;
    size_t n = node->kind == DOCUMENT_LIST ? node->n : 3;
    char **words;

    if (node->kind == DOCUMENT_MAP || n == 0 || (node->kind == DOCUMENT_SCALAR && !*node->text))
        return place_complain(place, err, "found %s: expected a command, as a list of words or as a text for the shell",
                              document_kind_name(node));
    *ret = words = mem_zalloc((n + 1) * sizeof(*words));
    if (node->kind == DOCUMENT_SCALAR) {
        words[0] = mem_strdup("/bin/sh");
        words[1] = mem_strdup("-c");
        words[2] = mem_strdup(node->text);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct place item = place_item(place, i);

        if (item.node->kind != DOCUMENT_SCALAR || (i == 0 && !*item.node->text))
            return place_complain(&item, err, "found %s: expected a word", document_kind_name(item.node));
        words[i] = mem_strdup(item.node->text);
    }
    return 0;
}

static int read_text(const struct place *place, const char **ret, struct err *err)
{
    if (place->node->kind != DOCUMENT_SCALAR || !*place->node->text)
        return place_complain(place, err, "found %s: expected a value", document_kind_name(place->node));
    *ret = place->node->text;
    return 0;
}

static int read_key(struct setup_script *script, const char *key, const struct place *place, struct err *err)
{
    const char *text = "";
    char what[200];
    int r;

    if (strcmp(key, "command") == 0)
        return read_command(place, &script->command, err);
    if (strcmp(key, "teardown") == 0)
        return read_command(place, &script->teardown, err);
    if (strcmp(key, "name") != 0 && strcmp(key, "match") != 0 && strcmp(key, "timeout") != 0) {
        place_complain(place, err, "is no key of a setup");
        return err_hint(err, "keys are name, match, command, teardown, timeout");
    }
    r = read_text(place, &text, err);
    if (r < 0)
        return r;
    if (strcmp(key, "name") == 0) {
        script->name = mem_printf("%.60s", text);
        return 0;
    }
    if (strcmp(key, "match") == 0) {
        snprintf(what, sizeof(what), "%.120s:%u: %.60s", place->doc->name, place->node->line, place->path);
        return filter_parse(text, what, &script->filter, err);
    }
    if (cli_parse_time(text, &script->timeout_ns, err) < 0)
        return err_wrap(err, "%.120s:%u: %s: \"%.80s\"", place->doc->name, place->node->line, place->path, text);
    return script->timeout_ns ? 0 : place_complain(place, err, "expected a time: a setup that hangs must not hold the run");
}

static int read_script(const struct place *place, struct setup_script *script, struct err *err)
{
    int r = 0;

    if (place->node->kind != DOCUMENT_MAP)
        return place_complain(place, err, "found %s: expected a mapping (name, command, ...)", document_kind_name(place->node));
    for (size_t i = 0; r == 0 && i < place->node->n; i++) {
        struct place below = place_below(place, place->node->children[i].key);

        r = read_key(script, place->node->children[i].key, &below, err);
    }
    if (r == 0 && !script->command)
        return place_complain(place, err, "has no command: expected what is to run before the tests");
    if (r == 0 && !script->name)
        return place_complain(place, err, "has no name: expected one, for messages");
    return r == 0 && !script->filter ? filter_parse("all()", "match", &script->filter, err) : r;
}

int setup_read(const struct project_file *file, struct setup_scripts *ret, struct err *err)
{
    struct place root, list;
    int r = 0;

    *ret = (struct setup_scripts){0};
    if (!file->doc)
        return 0;
    root = place_root(file->doc);
    list = place_below(&root, "setup");
    if (!document_child(root.node, "setup"))
        return 0;
    if (list.node->kind != DOCUMENT_LIST || list.node->n > SCRIPTS_MAX)
        return place_complain(&list, err, "found %s: expected a list of at most %d setups", document_kind_name(list.node), SCRIPTS_MAX);
    for (size_t i = 0; r == 0 && i < list.node->n; i++) {
        struct place item = place_item(&list, i);

        mem_grow(&ret->items, &ret->room, ret->n + 1, sizeof(*ret->items));
        ret->items[ret->n] = (struct setup_script){.timeout_ns = TIMEOUT_NS};
        r = read_script(&item, &ret->items[ret->n++], err);
    }
    return r; /* what was read is the caller's to free */
}
