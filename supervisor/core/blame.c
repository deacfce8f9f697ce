/* SPDX-License-Identifier: MIT */
#include "supervisor/core/blame.h"

const char *blame_confidence_name(enum blame_confidence confidence)
{
    static const char *const names[] = {"none", "direct", "window", "suspect"};

    return names[confidence];
}

static void add_suspect(struct blame *blame, size_t test)
{
    for (size_t i = 0; i < blame->nsuspects; i++)
        if (blame->suspects[i] == test)
            return;
    if (blame->nsuspects < BLAME_SUSPECTS)
        blame->suspects[blame->nsuspects++] = test;
}

/* The worker's word alone could name anybody. */
static bool is_believed(const struct blame_view *view)
{
    if (view->exit_test == BLAME_NO_TEST || view->exit_test == view->just_ended || !view->survivors_known)
        return view->exit_test != BLAME_NO_TEST;
    for (size_t i = 0; i < view->nsurvivors; i++)
        if (view->survivors[i].test == view->exit_test)
            return true;
    return false;
}

void blame_death(const struct blame_view *view, struct blame *ret)
{
    bool by_main = view->exit_task ? view->exit_task == view->main_task : view->fault_main;

    *ret = (struct blame){.test = view->test,
                          .confidence = view->test == BLAME_NO_TEST  ? BLAME_NONE
                                        : by_main || view->exit_task ? BLAME_DIRECT
                                                                     : BLAME_WINDOW};
    if (by_main)
        return;
    for (size_t i = 0; i < view->nsurvivors; i++)
        if (view->exit_task && view->survivors[i].task == view->exit_task) {
            *ret = (struct blame){.test = view->survivors[i].test, .confidence = BLAME_DIRECT};
            return;
        }
    if (view->exit_task && view->exit_test != view->test && is_believed(view)) {
        *ret = (struct blame){.test = view->exit_test, .confidence = BLAME_DIRECT};
        return;
    }
    if (view->exit_task && view->test != BLAME_NO_TEST)
        return; /* a thread that this test started */
    for (size_t i = view->nsurvivors; i-- > 0;)
        if (view->survivors[i].test != view->test)
            add_suspect(ret, view->survivors[i].test);
    if (!ret->nsuspects && view->test == BLAME_NO_TEST && view->just_ended != BLAME_NO_TEST)
        add_suspect(ret, view->just_ended); /* it may have died before what lived was listed */
    if (ret->nsuspects) {
        ret->test = BLAME_NO_TEST;
        ret->confidence = BLAME_SUSPECT;
    } else if (!view->survivors_known && view->used && view->test != BLAME_NO_TEST) {
        *ret = (struct blame){.test = BLAME_NO_TEST, .confidence = BLAME_NONE, .unseen = true};
    }
}
