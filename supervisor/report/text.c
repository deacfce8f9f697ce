/* SPDX-License-Identifier: MIT */
#include "supervisor/report/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/mem.h"

struct builder {
    char *data;
    size_t size, room;
};

static void add(struct builder *b, const char *data, size_t size)
{
    mem_grow(&b->data, &b->room, b->size + size + 1, 1);
    memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

/* Decodes one character. Returns its length, 0 when the bytes are no UTF-8. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    uint32_t c = n == 1 ? s[0] : n ? s[0] & (0x7fu >> n) : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return n;
}

char *text_clean(const char *data, size_t size, int lines)
{
    struct builder b = {0};

    add(&b, "", 0);
    for (size_t at = 0; at < size;) {
        uint32_t c;
        size_t n = decode((const unsigned char *)data + at, size - at, &c);
        char hex[8];

        if (n == 0) {
            add(&b, "\xef\xbf\xbd", 3);
            at++;
            continue;
        }
        if (c < 0x20 ? !(lines && (c == '\n' || c == '\t')) : (c >= 0x7f && c < 0xa0))
            add(&b, hex, (size_t)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)c));
        else
            add(&b, data + at, n);
        at += n;
    }
    return b.data;
}

static bool xml_holds(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c != 0x7f && c != 0xfffe && c != 0xffff);
}

char *text_xml(const char *data, size_t size)
{
    struct builder b = {0};

    add(&b, "", 0);
    for (size_t at = 0; at < size;) {
        uint32_t c;
        size_t n = decode((const unsigned char *)data + at, size - at, &c);
        char hex[12];

        if (n == 0) {
            c = (unsigned char)data[at];
            n = 1;
        }
        if (c == '<')
            add(&b, "&lt;", 4);
        else if (c == '>')
            add(&b, "&gt;", 4);
        else if (c == '&')
            add(&b, "&amp;", 5);
        else if (c == '"')
            add(&b, "&quot;", 6);
        else if (!xml_holds(c) || (n == 1 && c >= 0x80))
            add(&b, hex, (size_t)snprintf(hex, sizeof(hex), "#x%02X", (unsigned)c));
        else
            add(&b, data + at, n);
        at += n;
    }
    return b.data;
}

void units_print_time(char *buf, size_t size, uint64_t ns)
{
    double s = (double)ns / 1e9;
    uint64_t whole = (uint64_t)(s + 0.5);

    if (s < 0.0995)
        snprintf(buf, size, "%.0f ms", s * 1000 < 1 ? 1.0 : s * 1000);
    else if (s < 59.95)
        snprintf(buf, size, "%.1f s", s);
    else
        snprintf(buf, size, "%" PRIu64 " m %02" PRIu64 " s", whole / 60, whole % 60);
}

void units_print_size(char *buf, size_t size, uint64_t bytes)
{
    double gib = (double)bytes / (double)(1ULL << 30);

    if (bytes == 0)
        snprintf(buf, size, "none");
    else if (gib >= 10)
        snprintf(buf, size, "%.0f GiB", gib);
    else if (gib >= 1)
        snprintf(buf, size, "%.1f GiB", gib);
    else
        snprintf(buf, size, "%.0f MiB", gib * 1024);
}
