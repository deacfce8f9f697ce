/* SPDX-License-Identifier: MIT */
#pragma once

/* The candidate (NULL ends the list) that was probably meant by a mistyped word; NULL when none is near. */
const char *nearest_word(const char *word, const char *const *candidates);
