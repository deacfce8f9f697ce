/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The project's own directory of shunt, ".shunt" below the directory in which a run was started: evidence of incidents, and
 * what later runs learn from earlier ones. Everything in it may be deleted at any time.
 */
struct err;

/* Opens it, made where it is missing (with a .gitignore for all that is in it). A link, a directory of somebody else, and
 * one that everybody may write to are refused: whoever owns it could lead what we write to anywhere. Returns a descriptor or
 * -errno. */
int state_dir_open(const char *root, struct err *err);
