/* SPDX-License-Identifier: MIT */
#include "sandbox/learn/text.h"

#include <jansson.h>
#include <string.h>

/* Three bytes of UTF-8. */
static bool is_refused(const unsigned char *at)
{
    static const char *const refused[] = {
        "\xe2\x80\xa8", "\xe2\x80\xa9", /* line and paragraph separators */
        "\xef\xbb\xbf",                 /* byte order mark */
        "\xef\xbf\xbe", "\xef\xbf\xbf", /* no characters */
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (strncmp((const char *)at, refused[i], 3) == 0)
            return true;
    return false;
}

bool learn_text_fits(const char *text)
{
    json_t *utf8 = json_string(text); /* checks it */

    if (!utf8)
        return false;
    json_decref(utf8);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0) || is_refused(at))
            return false;
    return true;
}

void learn_text_word(FILE *out, const char *text)
{
    if (*text && !strpbrk(text, " \t\n\"'\\$`*?[]{}()<>|&;#~!")) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}
