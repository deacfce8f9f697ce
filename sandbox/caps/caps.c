/* SPDX-License-Identifier: MIT */
#include "sandbox/caps/caps.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Dropping needs CAP_SETPCAP; who lacks it cannot gain by exec with no_new_privs either. */
int caps_bound(uint64_t mask)
{
    for (unsigned cap = 0; cap < 64; cap++) {
        if (mask & CAPS_BIT(cap) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        if (errno == EPERM || errno == EINVAL) /* not allowed to, or beyond the last one */
            return 0;
        return -errno;
    }
    return 0;
}

int caps_keep(uint64_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    uint64_t permitted;
    int r = caps_bound(mask);

    if (r < 0)
        return r;
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    permitted = ((uint64_t)data[1].permitted << 32 | data[0].permitted) & mask;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    data[0] = (struct __user_cap_data_struct){.effective = (uint32_t)permitted, .permitted = (uint32_t)permitted};
    data[1] = (struct __user_cap_data_struct){.effective = (uint32_t)(permitted >> 32),
                                              .permitted = (uint32_t)(permitted >> 32)};
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
