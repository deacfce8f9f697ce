/* SPDX-License-Identifier: MIT */
#pragma once

/* Texts of a run, in policies and on the terminal. Pure. */
#include <stdbool.h>
#include <stdio.h>

/* A policy can hold it, in double quotes: UTF-8, without control characters and what YAML takes for a line's end. */
bool learn_text_fits(const char *text);
/* As one word of a shell. */
void learn_text_word(FILE *out, const char *text);
