/* SPDX-License-Identifier: MIT */
#pragma once

/* Docker's default fourteen capabilities, and no more. Source: capabilities(7). Async-signal-safe. */

/* Cuts bounding, ambient, inheritable, permitted and effective sets down to the fourteen. A process without
 * capabilities (an ordinary user) has nothing to lose: 0. Returns 0 or -errno. */
int caps_drop(void);
