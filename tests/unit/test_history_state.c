/* SPDX-License-Identifier: MIT */
/* supervisor/history/state: who is an offender, and when the evidence expires. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "supervisor/history/state.h"

struct play {
    struct history_state state;
    struct test test;
    char why[256];
};

static void play_init(struct play *play)
{
    *play = (struct play){.state = {.verdict = VERDICT_NONE},
                          .test = {.outcome = OUTCOME_PASSED, .call_us = 1000, .peak_tasks = 3, .peak_tasks_exact = true}};
}

/* One run in the parallel lane; VERDICT_NONE: it simply passed. `alone`: its peak in the serial lane thereafter. */
static void parallel(struct play *play, enum verdict verdict, uint64_t limit, uint64_t alone)
{
    struct history_result result = {.verdict = verdict,
                                    .serial_verdict = VERDICT_NONE,
                                    .text = "64 of 64 tasks, 3 more refused",
                                    .limit_tasks = limit,
                                    .limit_memory_bytes = limit,
                                    .serial = verdict != VERDICT_NONE};

    play->test.peak_tasks = play->test.peak_memory_bytes = alone;
    play->test.outcome = verdict == VERDICT_NONE ? OUTCOME_PASSED : OUTCOME_PASSED_SERIAL;
    history_state_update(&play->state, &result, &play->test);
}

/* One run in the serial lane from the start. */
static void serial(struct play *play, enum verdict verdict, uint64_t limit, uint64_t peak)
{
    struct history_result result = {.verdict = VERDICT_NONE,
                                    .serial_verdict = verdict,
                                    .limit_tasks = limit,
                                    .limit_memory_bytes = limit,
                                    .serial = true};

    play->test.peak_tasks = play->test.peak_memory_bytes = peak;
    play->test.outcome = verdict == VERDICT_NONE ? OUTCOME_PASSED_SERIAL : OUTCOME_KILLED;
    history_state_update(&play->state, &result, &play->test);
}

static bool offends(struct play *play, uint64_t limit)
{
    return history_offends(&play->state, limit, limit, play->why, sizeof(play->why));
}

static void one_break_out_is_enough(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    assert_false(offends(&play, 64));
    parallel(&play, VERDICT_NONE, 64, 3);
    assert_false(offends(&play, 64));
    parallel(&play, VERDICT_TASKS, 64, 402);
    assert_true(offends(&play, 64));
    assert_string_equal(play.why, "history: 64 of 64 tasks in 1 of 1 run");
}

static void other_limits_other_judgement(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_TASKS, 64, 402);
    assert_true(offends(&play, 402));
    assert_false(offends(&play, 403));
    assert_false(offends(&play, 0)); /* no limit here */
    play_init(&play);
    parallel(&play, VERDICT_MEMORY, 512, 700);
    assert_true(offends(&play, 600));
    assert_false(offends(&play, 800));
}

/* The peak alone was looked at now and then: it hit 64, so it needs more, whatever was seen. */
static void what_it_hit_counts_where_the_peak_is_not_exact(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    play.test.peak_tasks_exact = false;
    parallel(&play, VERDICT_TASKS, 64, 10);
    assert_true(offends(&play, 64));
    for (int i = 0; i < 5; i++)
        serial(&play, VERDICT_NONE, 64, 40); /* not half of it: proves nothing */
    assert_true(offends(&play, 64));
    for (int i = 0; i < 3; i++)
        serial(&play, VERDICT_NONE, 64, 10);
    assert_false(offends(&play, 64));
}

static void a_large_need_never_expires(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_TASKS, 64, 402);
    for (int i = 0; i < 100; i++)
        serial(&play, VERDICT_NONE, 64, 402);
    assert_true(offends(&play, 64));
}

static void three_runs_below_the_limit_end_it(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_TASKS, 64, 402);
    serial(&play, VERDICT_NONE, 64, 20);
    serial(&play, VERDICT_NONE, 64, 20);
    serial(&play, VERDICT_NONE, 64, 64); /* not below */
    serial(&play, VERDICT_NONE, 64, 20);
    serial(&play, VERDICT_NONE, 64, 20);
    assert_true(offends(&play, 64));
    serial(&play, VERDICT_NONE, 64, 20);
    assert_false(offends(&play, 64));
}

static void each_relapse_doubles_the_row(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    for (int relapse = 0, wanted = 3; relapse < 8; relapse++, wanted = wanted < 48 ? wanted * 2 : 48) {
        parallel(&play, VERDICT_STALL, 64, 5);
        assert_int_equal(history_clean_wanted(&play.state), wanted);
        for (int i = 0; i < wanted; i++) {
            assert_true(offends(&play, 64));
            serial(&play, VERDICT_NONE, 64, 5);
        }
        assert_false(offends(&play, 64));
    }
}

static void who_breaks_out_alone_stays(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_STALL, 64, 5);
    for (int i = 0; i < 60; i++)
        serial(&play, VERDICT_STALL, 64, 5);
    assert_true(offends(&play, 64));
}

static void a_pass_beside_others_acquits(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_TASKS, 64, 402);
    parallel(&play, VERDICT_NONE, 512, 402); /* with wider limits: says nothing of 64 */
    assert_true(offends(&play, 64));
    parallel(&play, VERDICT_NONE, 64, 5); /* --relearn */
    assert_false(offends(&play, 64));
    parallel(&play, VERDICT_TASKS, 64, 402);
    assert_true(offends(&play, 64));
    assert_string_equal(play.why, "history: 64 of 64 tasks in 2 of 4 runs");
}

static void pressure_and_leaks_speak_against_nobody(void **arg)
{
    static const enum verdict verdicts[] = {VERDICT_LEAK, VERDICT_CPU, VERDICT_EXTERNAL, VERDICT_DENIED, VERDICT_PROTOCOL};
    struct play play;

    (void)arg;
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
        play_init(&play);
        parallel(&play, verdicts[i], 64, 5);
        assert_false(offends(&play, 64));
    }
}

static void a_skip_is_no_evidence(void **arg)
{
    struct history_result result = {.verdict = VERDICT_NONE, .serial_verdict = VERDICT_NONE, .limit_tasks = 64};
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_EXIT, 64, 5);
    play.test.outcome = OUTCOME_SKIPPED;
    for (int i = 0; i < 20; i++) {
        result.serial = i % 2;
        history_state_update(&play.state, &result, &play.test);
    }
    assert_true(offends(&play, 64));
}

static void times_are_averaged_and_kills_do_not_count(void **arg)
{
    struct play play;

    (void)arg;
    play_init(&play);
    parallel(&play, VERDICT_NONE, 64, 3);
    assert_int_equal(play.state.wall_us, 1000);
    play.test.call_us = 5000;
    parallel(&play, VERDICT_NONE, 64, 3);
    assert_int_equal(play.state.wall_us, 2000);
    play.test.call_us = 900000;
    serial(&play, VERDICT_STALL, 64, 3); /* killed: as long as shunt looked on */
    assert_int_equal(play.state.wall_us, 2000);
}

static void weights(void **arg)
{
    struct history_share share = {.slots = 4, .cpus = 1, .tasks = 100, .memory_bytes = 1000};
    struct history_state state = {.known = true, .wall_us = 1000000, .cpu_us = 900000};

    (void)arg;
    assert_int_equal(history_weight(&state, &share), 1);
    state.cpu_us = 1400000;
    assert_int_equal(history_weight(&state, &share), 1);
    state.cpu_us = 2400000;
    assert_int_equal(history_weight(&state, &share), 2);
    state.cpu_us = 64000000;
    assert_int_equal(history_weight(&state, &share), 4); /* never more than there are */
    state.wall_us = 20000;
    assert_int_equal(history_weight(&state, &share), 1); /* over before it matters */
    state = (struct history_state){.wall_us = 1000000, .peak_tasks = 250};
    assert_int_equal(history_weight(&state, &share), 3);
    state = (struct history_state){.wall_us = 1000000, .peak_memory_bytes = 1001};
    assert_int_equal(history_weight(&state, &share), 2);
    share = (struct history_share){.slots = 1, .cpus = 1};
    state.cpu_us = 9000000;
    assert_int_equal(history_weight(&state, &share), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_break_out_is_enough),
        cmocka_unit_test(other_limits_other_judgement),
        cmocka_unit_test(what_it_hit_counts_where_the_peak_is_not_exact),
        cmocka_unit_test(a_large_need_never_expires),
        cmocka_unit_test(three_runs_below_the_limit_end_it),
        cmocka_unit_test(each_relapse_doubles_the_row),
        cmocka_unit_test(who_breaks_out_alone_stays),
        cmocka_unit_test(a_pass_beside_others_acquits),
        cmocka_unit_test(pressure_and_leaks_speak_against_nobody),
        cmocka_unit_test(a_skip_is_no_evidence),
        cmocka_unit_test(times_are_averaged_and_kills_do_not_count),
        cmocka_unit_test(weights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
