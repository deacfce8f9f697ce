#!/bin/bash
# SPDX-License-Identifier: MIT
# The cgroup tests on pure cgroup v2: as root and as a delegated user beside a shell, in the root cgroup,
# and from outside the delegation (where they must skip, with a reason).
#
#   tests/vm/check_cgroup.sh TEST-PROGRAM     a path below the repository's root
set -u
vm=$(dirname "$0")/boot
program=${1:?the built test program of tests/unit/test_cgroup_real.c}
failed=0
# Arguments of boot, one place a line; the last may find no cgroup.
for how in '' '--user' '--place root' '--user --place outside'; do
    echo "== boot $how"
    required=1
    case $how in *outside) required= ;; esac
    # shellcheck disable=SC2086
    "$vm" $how --timeout 120 -- env ${required:+SHUNT_TEST_CGROUP=required} "$program" || failed=1
done
exit $failed
