/* SPDX-License-Identifier: MIT */
/*
 * supervisor/plan/lanes under random suites and random sequences of calls, against a plain model of what is promised.
 * A failure names its seed: SHUNT_TEST_SEED=<seed> runs that round alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/lanes.h"

#define ROUNDS 6000
#define TESTS_MAX 48
#define SLOTS_MAX 8
#define GROUPS 4
#define STEPS_MAX 20000
#define NONE (-1)

enum where { QUEUED, RUNNING, FINISHED, REROUTED, DROPPED };

struct model_slot {
    int running;
    int next;  /* what the coming take must give; NONE: not known */
    int after; /* what must be named as the one after it; NONE: not known */
};

struct model {
    uint64_t seed, random;
    struct suite suite;
    struct lanes *lanes;
    int ntests, nslots;
    enum where where[TESTS_MAX];
    int group[TESTS_MAX]; /* NONE: alone, or in the serial lane */
    int owner[GROUPS];    /* the slot that began it; NONE */
    int newest[GROUPS];   /* the last one of it that was started */
    struct model_slot slots[SLOTS_MAX];
    int serial[TESTS_MAX]; /* what the serial lane still has to do, in order */
    bool fresh[TESTS_MAX];
    int serial_left, serial_running, last_dropped;
};

#define CHECK(m, condition)                                                                         \
    do {                                                                                            \
        if (!(condition))                                                                           \
            fail_msg("%s (seed %llu, %d tests, %d slots)", #condition, (unsigned long long)(m)->seed, \
                     (m)->ntests, (m)->nslots);                                                     \
    } while (0)

/* --- the suite --- */

static unsigned below(struct model *m, unsigned n)
{
    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;
    return (unsigned)((m->random * 0x2545f4914f6cdd1dULL >> 33) % n);
}

static void make_suite(struct model *m)
{
    unsigned file = 0, groups_in_10 = below(m, 8), serials_in_10 = below(m, 4);

    for (int i = 0; i < m->ntests; i++) {
        struct test *test = suite_add(&m->suite);

        file += below(m, 5) == 0;
        test->file = mem_printf("f%u", file);
        m->group[i] = NONE;
        if (below(m, 10) < groups_in_10) {
            m->group[i] = (int)below(m, GROUPS);
            test->group = mem_printf("g%d", m->group[i]);
        }
        if (below(m, 10) < serials_in_10) {
            test->lane = LANE_SERIAL;
            m->group[i] = NONE;
            m->serial[m->serial_left++] = i;
        }
    }
}

static void begin(struct model *m, uint64_t seed)
{
    *m = (struct model){.seed = seed, .random = seed * 0x9e3779b97f4a7c15ULL + 1, .serial_running = NONE};
    m->ntests = (int)below(m, TESTS_MAX + 1);
    m->nslots = 1 + (int)below(m, SLOTS_MAX);
    make_suite(m);
    for (int g = 0; g < GROUPS; g++)
        m->owner[g] = m->newest[g] = NONE;
    for (int s = 0; s < m->nslots; s++)
        m->slots[s] = (struct model_slot){NONE, NONE, NONE};
    m->lanes = lanes_new(&m->suite, (unsigned)m->nslots);
}

static void end(struct model *m)
{
    lanes_free(m->lanes);
    suite_done(&m->suite);
}

/* --- the parallel lane --- */

static int count_parallel(const struct model *m, enum where where)
{
    int n = 0;

    for (int i = 0; i < m->ntests; i++)
        n += m->suite.tests[i].lane == LANE_PARALLEL && m->where[i] == where;
    return n;
}

static void check_group(struct model *m, int s, int test, bool again)
{
    int g = m->group[test];

    if (g == NONE)
        return;
    CHECK(m, m->owner[g] == NONE || m->owner[g] == s);
    CHECK(m, test > m->newest[g] || (again && test == m->newest[g]));
    m->owner[g] = s;
    m->newest[g] = test;
}

/* Returns whether there was something to take. */
static bool take(struct model *m, int s)
{
    struct model_slot *slot = &m->slots[s];
    size_t next, test = lanes_take(m->lanes, (unsigned)s, &next);
    int was_next = slot->next;

    if (test == LANES_NONE) {
        CHECK(m, next == LANES_NONE);
        CHECK(m, slot->next == NONE);
        CHECK(m, lanes_slot_queued(m->lanes, (unsigned)s) == 0);
        return false;
    }
    CHECK(m, test < (size_t)m->ntests);
    CHECK(m, m->suite.tests[test].lane == LANE_PARALLEL);
    CHECK(m, m->where[test] == QUEUED);
    CHECK(m, slot->next == NONE || slot->next == (int)test);
    CHECK(m, slot->after == NONE || slot->after == (int)next);
    CHECK(m, next == LANES_NONE || m->where[next] == QUEUED);
    m->where[test] = RUNNING;
    *slot = (struct model_slot){.running = (int)test, .next = (int)next, .after = NONE};
    check_group(m, s, (int)test, was_next == (int)test);
    return true;
}

static void reroute(struct model *m, int s)
{
    struct model_slot *slot = &m->slots[s];

    lanes_reroute(m->lanes, (unsigned)s);
    m->where[slot->running] = REROUTED;
    m->fresh[m->serial_left] = true;
    m->serial[m->serial_left++] = slot->running;
    slot->running = NONE;
}

static void retry(struct model *m, int s)
{
    struct model_slot *slot = &m->slots[s];

    lanes_retry(m->lanes, (unsigned)s);
    m->where[slot->running] = QUEUED;
    slot->after = slot->next;
    slot->next = slot->running;
    slot->running = NONE;
}

static void finish(struct model *m, int s)
{
    lanes_finish(m->lanes, (unsigned)s);
    m->where[m->slots[s].running] = FINISHED;
    m->slots[s].running = NONE;
}

/* One event on a random slot. */
static void step_parallel(struct model *m)
{
    int s = (int)below(m, (unsigned)m->nslots);
    unsigned what = below(m, 20);
    size_t next;

    if (m->slots[s].running == NONE)
        take(m, s);
    else if (what < 12)
        finish(m, s);
    else if (what < 15)
        reroute(m, s);
    else if (what < 17)
        retry(m, s);
    else
        CHECK(m, lanes_take(m->lanes, (unsigned)s, &next) == LANES_NONE); /* one at a time */
    if (what % 4 == 0)
        lanes_release(m->lanes, (unsigned)s); /* its worker is gone */
}

static void check_numbers(struct model *m)
{
    int queued = count_parallel(m, QUEUED), running = count_parallel(m, RUNNING);
    int serial_queued = m->serial_left - (m->serial_running != NONE);
    size_t sum = 0;
    bool fresh;
    size_t next;

    for (int s = 0; s < m->nslots; s++)
        sum += lanes_slot_queued(m->lanes, (unsigned)s);
    CHECK(m, sum == (size_t)queued);
    CHECK(m, lanes_queued(m->lanes) == (size_t)queued);
    CHECK(m, lanes_serial_queued(m->lanes) == (size_t)serial_queued);
    CHECK(m, lanes_parallel_done(m->lanes) == (queued + running == 0));
    if (queued + running > 0)
        CHECK(m, lanes_serial_take(m->lanes, &next, &fresh) == LANES_NONE);
}

/* --- the serial lane --- */

static void serial_take(struct model *m)
{
    bool fresh = false;
    size_t next, test = lanes_serial_take(m->lanes, &next, &fresh);
    bool has_next = m->serial_left > 1 && !m->fresh[0] && !m->fresh[1];

    CHECK(m, test == (size_t)m->serial[0]);
    CHECK(m, fresh == m->fresh[0]);
    CHECK(m, next == (has_next ? (size_t)m->serial[1] : LANES_NONE));
    m->serial_running = (int)test;
}

static void step_serial(struct model *m)
{
    if (m->serial_running == NONE) {
        serial_take(m);
    } else if (below(m, 4) == 0) {
        lanes_serial_retry(m->lanes);
        m->serial_running = NONE;
    } else {
        lanes_serial_finish(m->lanes);
        m->where[m->serial_running] = FINISHED;
        m->serial_running = NONE;
        m->serial_left--;
        memmove(m->serial, m->serial + 1, (size_t)m->serial_left * sizeof(*m->serial));
        memmove(m->fresh, m->fresh + 1, (size_t)m->serial_left * sizeof(*m->fresh));
    }
    CHECK(m, lanes_serial_done(m->lanes) == (m->serial_left == 0));
}

/* --- the end --- */

static void note_dropped(void *arg, size_t test)
{
    struct model *m = arg;

    CHECK(m, (int)test > m->last_dropped);
    CHECK(m, m->where[test] == QUEUED || m->where[test] == REROUTED);
    CHECK(m, (int)test != m->serial_running);
    m->where[test] = DROPPED;
    m->last_dropped = (int)test;
}

/* Everything queued goes; what runs ends as it likes. */
static void drop(struct model *m)
{
    m->last_dropped = NONE;
    lanes_drop(m->lanes, note_dropped, m);
    CHECK(m, lanes_queued(m->lanes) + lanes_serial_queued(m->lanes) == 0);
    m->serial_left = 0;
    for (int s = 0; s < m->nslots; s++) {
        m->slots[s].next = m->slots[s].after = NONE;
        if (m->slots[s].running != NONE && below(m, 3) == 0) {
            retry(m, s);
            CHECK(m, take(m, s));
        }
        if (m->slots[s].running != NONE)
            finish(m, s);
        CHECK(m, !take(m, s));
    }
    if (m->serial_running != NONE) {
        lanes_serial_finish(m->lanes);
        m->where[m->serial_running] = FINISHED;
    }
}

static void check_end(struct model *m)
{
    CHECK(m, lanes_parallel_done(m->lanes));
    CHECK(m, lanes_serial_done(m->lanes));
    for (int i = 0; i < m->ntests; i++)
        CHECK(m, m->where[i] == FINISHED || m->where[i] == DROPPED);
}

static void round_of(uint64_t seed)
{
    struct model m;
    unsigned drop_at;
    int steps = 0;

    begin(&m, seed);
    drop_at = below(&m, 5) == 0 ? below(&m, 100) : STEPS_MAX;
    while (!lanes_parallel_done(m.lanes) || !lanes_serial_done(m.lanes)) {
        CHECK(&m, ++steps < STEPS_MAX);
        if (steps > (int)drop_at) {
            drop(&m);
            break;
        }
        check_numbers(&m);
        if (lanes_parallel_done(m.lanes))
            step_serial(&m);
        else
            step_parallel(&m);
    }
    check_end(&m);
    end(&m);
}

static void random_rounds(void **state)
{
    const char *only = getenv("SHUNT_TEST_SEED");

    (void)state;
    if (only)
        round_of(strtoull(only, NULL, 10));
    for (uint64_t seed = 1; !only && seed <= ROUNDS; seed++)
        round_of(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
