#!/bin/bash
# SPDX-License-Identifier: MIT
# The escape suite on pure cgroup v2, in user-mode Linux: as root, and as an ordinary user to whom each attempt's cgroup
# is delegated. One machine: the runner is root in the root cgroup, and makes a cgroup for each attempt. It has one slow
# processor, so only what differs by kernel or by version of cgroup is tried (IN_VM in tests/escape/table.py).
#
#   tests/vm/check_escape.sh [OPTIONS of tests/escape/run]      SHUNT, PYTHON; VM=required
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${SHUNT:=$root/build/shunt}" "${PYTHON:=/usr/bin/python3}"
export SHUNT PYTHON

if ! command -v linux.uml >/dev/null; then
    echo "check-escape: nothing was run on v2: linux.uml is missing (apt-get install user-mode-linux)" >&2
    [ "${VM-}" != required ]
    exit
fi
SHUNT_VM_ENV="SHUNT PYTHON" exec "$here/boot" --place root --timeout "${ESCAPE_TIMEOUT-340}" --mem 2G -- \
    "$PYTHON" "$root/tests/escape/run" --attack "$(dirname "$SHUNT")/tests/escape/attack" -j 1 --vm "$@"
