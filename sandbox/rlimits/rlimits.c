/* SPDX-License-Identifier: MIT */
#include "sandbox/rlimits/rlimits.h"

#include <errno.h>
#include <sys/resource.h>

#include "sandbox/spec/spec.h"

_Static_assert(SPEC_RLIMIT_COUNT <= RLIM_NLIMITS, "the index of a limit is its number");
_Static_assert((rlim_t)UINT64_MAX == RLIM_INFINITY, "unlimited is the same word");

static int limit(int resource, uint64_t value)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return -errno;
    if (now.rlim_max > value)
        now.rlim_max = value;
    now.rlim_cur = now.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &now) < 0 ? -errno : 0;
}

int rlimits_apply(const struct sandbox_spec *spec, uint64_t nproc)
{
    int first = 0;

    for (int i = 0; i < SPEC_RLIMIT_COUNT; i++) {
        bool set = spec->rlimits[i].set;
        uint64_t value = set ? spec->rlimits[i].value : UINT64_MAX;
        int r;

        if (i == RLIMIT_NPROC && nproc < value) {
            value = nproc;
            set = true;
        }
        r = set ? limit(i, value) : 0;
        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}
