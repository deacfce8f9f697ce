/* SPDX-License-Identifier: MIT */
/* The table: guarantee, how it is met here, what would be better. Commands stand below it, whole, so that they can be
 * copied; rows that want the same command share its number. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/probe/probe.h"
#include "supervisor/doctor/doctor.h"
#include "supervisor/report/text.h"

#define BOLD "\x1b[1m"
#define RED "\x1b[31m"
#define YELLOW "\x1b[33m"
#define GREEN "\x1b[32m"
#define PLAIN "\x1b[0m"

enum { WIDTH_LEAST = 80, WIDTH_MOST = 100, STATUS = 6, NAME = 11, GAP = 2, CELL_MAX = 1024, LABEL = 14 };

struct note { /* one command and the guarantees that it is for */
    struct probe_advice advice;
    char who[200];
};

struct table {
    FILE *out;
    const struct doctor *doctor;
    bool color;
    unsigned width, middle, right;
    struct note notes[SPEC_GUARANTEE_COUNT];
    char why[SPEC_GUARANTEE_COUNT][600]; /* said already, so that it need not be said again */
    int nnotes;
};

static const char *paint(const struct table *table, const char *code)
{
    return table->color ? code : "";
}

/* How much of `text` fits into `width`, broken at a blank where there is one; *ret_skip is where the next line begins. */
static size_t line_length(const char *text, size_t width, size_t *ret_skip)
{
    size_t length = strlen(text), cut = width;

    if (length <= width) {
        *ret_skip = length;
        return length;
    }
    while (cut > 0 && text[cut] != ' ')
        cut--;
    if (cut == 0) { /* one long word; never cut a character of several bytes in two */
        for (cut = width; cut > 1 && ((unsigned char)text[cut] & 0xc0) == 0x80;)
            cut--;
        *ret_skip = cut;
        return cut;
    }
    *ret_skip = cut + strspn(text + cut, " ");
    return cut;
}

/* The paragraph from column `indent` on; the first line is already there. */
static void print_wrapped(const struct table *table, unsigned indent, const char *text)
{
    size_t skip;

    for (;;) {
        fprintf(table->out, "%.*s\n", (int)line_length(text, table->width - indent, &skip), text);
        text += skip;
        if (!*text)
            break;
        fprintf(table->out, "%*s", (int)indent, "");
    }
}

static int note_of(struct table *table, enum spec_guarantee g, char *better, size_t size)
{
    struct probe_advice advice;
    struct note *note;
    size_t length;
    int i = 0;

    *better = '\0';
    if (!probe_advise(table->doctor->result, g, &advice))
        return 0;
    while (i < table->nnotes && strcmp(table->notes[i].advice.command, advice.command) != 0)
        i++;
    note = &table->notes[i];
    if (i == table->nnotes) {
        table->nnotes++;
        note->advice = advice;
        note->who[0] = '\0';
    }
    length = strlen(note->who);
    snprintf(note->who + length, sizeof(note->who) - length, "%s%s", length ? ", " : "", spec_guarantee_name(g));
    snprintf(better, size, "%s [%d]", advice.better, i + 1);
    return i + 1;
}

/* Why not, once: "as for pid" where a row above said the same. */
static void say_why(struct table *table, enum spec_guarantee g, char *buf, size_t size)
{
    const struct probe_result *result = table->doctor->result;
    bool limit = g == SPEC_TASKS || g == SPEC_MEMORY || g == SPEC_CPU;
    char *why = table->why[g];

    if (limit && *result->cgroup_problem)
        snprintf(why, sizeof(table->why[g]), "no cgroup, see above");
    else
        probe_reason(result, g, why, sizeof(table->why[g]));
    for (int above = 0; above < (int)g && !limit; above++)
        if (strcmp(table->why[above], why) == 0) {
            snprintf(buf, size, "as for %s", spec_guarantee_name(above));
            return;
        }
    snprintf(buf, size, "%s", why);
}

static void how_met(struct table *table, enum spec_guarantee g, char *buf, size_t size)
{
    const struct probe_rung *best = probe_best(table->doctor->result, g);
    char why[600];

    if (!best || !best->exact)
        say_why(table, g, why, sizeof(why));
    if (!best)
        snprintf(buf, size, "nothing: %s", why);
    else if (!best->exact)
        snprintf(buf, size, "%s (%s)", best->name, why);
    else if (*best->detail && strncmp(best->detail, "tried", 5) != 0)
        snprintf(buf, size, "%s (%s)", best->name, best->detail);
    else
        snprintf(buf, size, "%s", best->name);
}

static void print_cells(const struct table *table, const char *middle, const char *right)
{
    size_t skip_middle, skip_right;

    for (bool first = true; first || *middle || *right; first = false) {
        int n = (int)line_length(middle, table->middle, &skip_middle);
        int m = (int)line_length(right, table->right, &skip_right);

        if (!first)
            fprintf(table->out, "%*s", STATUS + NAME, "");
        if (m)
            fprintf(table->out, "%-*.*s%*s%.*s\n", (int)table->middle, n, middle, GAP, "", m, right);
        else
            fprintf(table->out, "%.*s\n", n, middle);
        middle += skip_middle;
        right += skip_right;
    }
}

static void print_row(struct table *table, enum spec_guarantee g)
{
    const struct probe_rung *best = probe_best(table->doctor->result, g);
    bool wanted = table->doctor->wants & SPEC_BIT(g), missing = table->doctor->unmet & SPEC_BIT(g);
    const char *status = !best ? "no" : best->exact ? "yes" : "part";
    const char *color = missing ? RED : !best || !best->exact ? YELLOW : GREEN;
    char middle[CELL_MAX], better[128];
    _cleanup_free_ char *clean = NULL;

    how_met(table, g, middle, sizeof(middle));
    note_of(table, g, better, sizeof(better));
    clean = text_clean(middle, strlen(middle), 0);
    fprintf(table->out, "%s%-*s%s%c%-*s", paint(table, color), STATUS - 1, status, paint(table, PLAIN),
            wanted ? '*' : ' ', NAME, spec_guarantee_name(g));
    print_cells(table, clean, better);
}

static const char *user_of(const struct probe_result *result, char *buf, size_t size)
{
    if (result->uid == 0)
        return result->in_userns ? "root of a user namespace" : result->sysadmin ? "root" : "root with few capabilities";
    snprintf(buf, size, "user %u", result->uid);
    return buf;
}

static void print_head(const struct table *table)
{
    const struct doctor *doctor = table->doctor;
    const struct probe_result *result = doctor->result;
    char user[32], names[256] = "", line[1024];
    _cleanup_free_ char *container = text_clean(result->container, strlen(result->container), 0);

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (doctor->unmet & SPEC_BIT(g))
            snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? ", " : "",
                     spec_guarantee_name(g));
    snprintf(line, sizeof(line), "shunt: Linux %s, %s, cgroup %s%s%s%s%s: policy \"%s\" is %s%s", result->kernel,
             user_of(result, user, sizeof(user)), result->cgroup_mode,
             doctor->scope ? " (in a systemd scope of its own)" : "", result->in_container ? ", " : "", container,
             result->in_container ? " container" : "",
             doctor->spec->name, doctor->unmet ? "NOT met, missing: " : "met", names);
    fputs(paint(table, doctor->unmet ? RED : BOLD), table->out);
    print_wrapped(table, 0, line);
    fputs(paint(table, PLAIN), table->out);
    if (result->in_container && strcmp(result->container, "docker") == 0 && result->sysadmin && !result->filtered)
        fputs("  (/.dockerenv says Docker; nothing of Docker's confinement is in force)\n", table->out);
}

static void print_problem(const struct table *table)
{
    const struct probe_result *result = table->doctor->result;
    _cleanup_free_ char *clean = text_clean(result->cgroup_problem, strlen(result->cgroup_problem), 0);

    if (!*clean)
        return;
    fputs("  no cgroup: ", table->out);
    print_wrapped(table, 13, clean);
}

/* In a container the engine decides, so one start with all flags is worth more than the notes one by one. */
static void print_all_at_once(const struct table *table)
{
    char all[1024];

    if (table->nnotes > 1 && probe_advise_all(table->doctor->result, table->doctor->wants, all, sizeof(all)))
        fprintf(table->out, "[*] all that the policy wants\n    %s\n", all);
}

static void print_notes(const struct table *table)
{
    if (table->nnotes)
        fprintf(table->out, "\n%sTo get more:%s\n", paint(table, BOLD), paint(table, PLAIN));
    for (int i = 0; i < table->nnotes; i++) {
        const struct note *note = &table->notes[i];
        _cleanup_free_ char *clean = text_clean(note->advice.command, strlen(note->advice.command), 0);

        /* The command is one line, however long: a terminal wraps it, and copying it gives it back whole. */
        fprintf(table->out, "[%d] %s\n    %s\n", i + 1, note->who, clean);
    }
    print_all_at_once(table);
}

static void label(const struct table *table, const char *name)
{
    fprintf(table->out, "%-*s", LABEL, name);
}

struct join {
    char text[400];
};

static void join_library(void *arg, const char *name, const char *version)
{
    struct join *join = arg;
    size_t length = strlen(join->text);

    snprintf(join->text + length, sizeof(join->text) - length, "%s%s %s", length ? ", " : "", name, version);
}

static void print_abilities(const struct table *table)
{
    const struct probe_result *result = table->doctor->result;
    char yes[256] = "", no[256] = "", line[600];

    for (int i = 0; i < PROBE_RUNG_COUNT; i++) {
        const struct probe_rung *rung = &result->rungs[i];
        char *list = rung->works ? yes : no;

        if (rung->guarantee == PROBE_ABILITY)
            snprintf(list + strlen(list), sizeof(yes) - strlen(list), "%s%s", *list ? ", " : "", rung->name);
    }
    snprintf(line, sizeof(line), "%s%s%s", *yes ? yes : "nothing", *no ? "; not here: " : "", no);
    label(table, "also here");
    print_wrapped(table, LABEL, line);
}

static void print_foot(const struct table *table)
{
    const struct probe_rung *denials = probe_best(table->doctor->result, SPEC_DENIALS);
    struct join join = {""};
    char line[160];

    fputc('\n', table->out);
    label(table, "denials");
    if (denials)
        snprintf(line, sizeof(line), "named by %s", denials->name);
    else
        snprintf(line, sizeof(line), "reported as \"unknown call\"");
    print_wrapped(table, LABEL, line);
    print_abilities(table);
    label(table, "policies");
    fprintf(table->out, "%s\n", table->doctor->policies ? table->doctor->policies : "not found");
    doctor_libraries(join_library, &join);
    label(table, "libraries");
    print_wrapped(table, LABEL, join.text);
}

void doctor_print_table(FILE *out, const struct doctor *doctor, unsigned width, bool color)
{
    struct table table = {.out = out, .doctor = doctor, .color = color};
    unsigned cells;

    table.width = width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH_MOST ? WIDTH_MOST : width;
    cells = table.width - STATUS - NAME - GAP;
    table.middle = cells * 11 / 20;
    table.right = cells - table.middle;
    print_head(&table);
    print_problem(&table);
    fprintf(out, "\n%s%*s%-*s%-*s%*s%s%s\n", paint(&table, BOLD), STATUS, "", NAME, "guarantee", (int)table.middle,
            "how it is met here", GAP, "", "what would be better", paint(&table, PLAIN));
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        print_row(&table, g);
    fprintf(out, "%*s* wanted by the policy\n", STATUS - 1, "");
    print_notes(&table);
    print_foot(&table);
}
