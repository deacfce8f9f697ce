/* SPDX-License-Identifier: MIT */
#include "sandbox/mounts/masks.h"

#include <stddef.h>

const struct mask masks_proc[] = {
    {MASK_HIDE, "/proc/acpi", false},
    {MASK_HIDE, "/proc/asound", false},
    {MASK_HIDE, "/proc/kcore", false},
    {MASK_HIDE, "/proc/keys", false},
    {MASK_HIDE, "/proc/latency_stats", false},
    {MASK_HIDE, "/proc/sched_debug", false},
    {MASK_HIDE, "/proc/scsi", false},
    {MASK_HIDE, "/proc/timer_list", false},
    {MASK_HIDE, "/proc/timer_stats", false},
    {MASK_FREEZE, "/proc/bus", true},
    {MASK_FREEZE, "/proc/fs", true},
    {MASK_FREEZE, "/proc/irq", true},
    {MASK_FREEZE, "/proc/sys", true},
    {MASK_FREEZE, "/proc/sysrq-trigger", true},
    {MASK_HIDE, NULL, false},
};

const struct mask masks_sys[] = {
    {MASK_HIDE, "/sys/firmware", false},
    {MASK_HIDE, "/sys/devices/virtual/powercap", false},
    {MASK_HIDE, "/sys/fs/bpf", false},
    {MASK_HIDE, "/sys/fs/cgroup", false},
    {MASK_HIDE, "/sys/fs/pstore", false},
    {MASK_HIDE, "/sys/kernel/debug", false},
    {MASK_HIDE, "/sys/kernel/security", false},
    {MASK_HIDE, "/sys/kernel/tracing", false},
    {MASK_HIDE, NULL, false},
};

const struct mask masks_net[] = {
    {MASK_HIDE, "/sys/class/net", false},
    {MASK_HIDE, "/sys/devices/virtual/net", false},
    {MASK_HIDE, NULL, false},
};
