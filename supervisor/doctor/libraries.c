/* SPDX-License-Identifier: MIT */
#include <cyaml/cyaml.h>
#include <ev.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/capability.h>

#include "supervisor/doctor/doctor.h"

void doctor_libraries(void (*visit)(void *arg, const char *name, const char *version), void *arg)
{
    const struct scmp_version *seccomp = seccomp_version();
    char text[32];

    snprintf(text, sizeof(text), "%u.%u.%u", seccomp->major, seccomp->minor, seccomp->micro);
    visit(arg, "libseccomp", text);
#ifdef LIBCAP_MAJOR
    snprintf(text, sizeof(text), "%d.%d", LIBCAP_MAJOR, LIBCAP_MINOR);
    visit(arg, "libcap", text);
#endif
    snprintf(text, sizeof(text), "%d.%d", ev_version_major(), ev_version_minor());
    visit(arg, "libev", text);
    visit(arg, "jansson", jansson_version_str());
    visit(arg, "libcyaml", cyaml_version_str);
    visit(arg, "glibc", gnu_get_libc_version());
}
