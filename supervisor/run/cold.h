/* SPDX-License-Identifier: MIT */
#pragma once

/* Cold workers: the user's command once more, inside a cell, where it collects for itself. */
struct packet;
struct worker;

/* Starts it with these stdout and stderr. 0 or -errno; the run init answers later. */
int cold_spawn(struct worker *worker, const int output[2]);
/* What it collected must be what the controller collected; else the run ends with the difference. */
int cold_collected(struct worker *worker, struct packet *packet);
