#!/bin/bash
# SPDX-License-Identifier: MIT
# What a sandbox sees of files, on the older kernel (6.1) of user-mode Linux: as root and as an ordinary user. There is no
# Landlock, hostfs as the root knows no idmapped mounts, and a tmpfs has no user attributes: the fallbacks are tested here.
#
#   tests/vm/check_mounts.sh TEST-PROGRAM...     paths below the repository's root
set -u
vm=$(dirname "$0")/boot
[ $# -gt 0 ] || { echo "usage: $0 TEST-PROGRAM..." >&2; exit 2; }
failed=0
for how in '' '--user'; do
    echo "== boot $how"
    # shellcheck disable=SC2086
    "$vm" $how --timeout 200 -- env SHUNT_TEST_MOUNTS=required \
        sh -c 'failed=0; for program; do "$program" || failed=1; done; exit $failed' sh "$@" || failed=1
done
exit $failed
