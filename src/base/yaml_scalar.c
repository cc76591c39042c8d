/* What a plain scalar means: PyYAML's resolver (YAML 1.1), without dates. */
#include "base/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_MAX = 64 }; /* longer ones are text: no setting needs them */

static bool one_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(s, *words) == 0)
            return true;
    return false;
}

static bool is_null(const char *s)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
    return one_of(s, words);
}

static bool is_bool(const char *s, int64_t *i)
{
    static const char *const yes[] = {"yes",  "Yes", "YES", "true", "True",
                                      "TRUE", "on",  "On",  "ON",   NULL};
    static const char *const no[] = {"no",    "No",  "NO",  "false", "False",
                                     "FALSE", "off", "Off", "OFF",   NULL};
    *i = one_of(s, yes);
    return *i || one_of(s, no);
}

/* Digits of a base with underscores between; false for others and for what does not fit. */
static bool digits(const char *s, int base, int64_t *out)
{
    char clean[NUMBER_MAX];
    size_t n = 0;
    char *end;
    for (; *s; s++)
        if (*s != '_')
            clean[n++] = *s;
    clean[n] = '\0';
    if (n == 0 || strchr("-+ ", clean[0]) || (n > 1 && strchr("xX", clean[1])) ||
        (base == 2 && n > 1 && strchr("bB", clean[1])))
        return false; /* signs and prefixes that strtoll would take a second time */
    errno = 0;
    *out = strtoll(clean, &end, base);
    return *end == '\0' && errno == 0;
}

/* "1:30:05" is 5405: sixty to the next. */
static bool sixties(const char *s, int64_t *out)
{
    int64_t sum = 0;
    for (bool first = true;; first = false) {
        size_t n = strspn(s, "0123456789");
        if (n == 0 || n > (first ? 9 : 2) || (!first && n == 2 && s[0] > '5'))
            return false;
        if (first && s[0] == '0')
            return false;
        sum = sum * 60 + strtoll(s, NULL, 10);
        if (sum > INT64_MAX / 3600)
            return false;
        s += n;
        if (*s == '\0')
            break;
        if (*s++ != ':')
            return false;
    }
    *out = sum;
    return true;
}

static bool is_int(const char *s, int64_t *i)
{
    bool minus = *s == '-';
    bool ok;
    s += *s == '-' || *s == '+';
    if (*s < '0' || *s > '9')
        return false;
    if (s[0] == '0' && s[1] == 'b')
        ok = digits(s + 2, 2, i);
    else if (s[0] == '0' && s[1] == 'x')
        ok = digits(s + 2, 16, i);
    else if (s[0] == '0' && s[1] != '\0')
        ok = digits(s + 1, 8, i);
    else
        ok = strchr(s, ':') ? sixties(s, i) : digits(s, 10, i);
    if (ok && minus)
        *i = -*i;
    return ok;
}

/* A dot is needed, and a sign in the exponent, as PyYAML has it. */
static bool is_float(const char *s, double *d)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const none[] = {".nan", ".NaN", ".NAN", NULL};
    const char *p = s + (*s == '-' || *s == '+');
    if (one_of(p, infinite) || one_of(s, none)) {
        *d = one_of(s, none) ? (double)NAN : *s == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if ((*p < '0' || *p > '9') && (*s != '.' || s[1] < '0' || s[1] > '9'))
        return false; /* "-.5" is text there, as is "_1.5" */
    char clean[NUMBER_MAX];
    size_t n = 0, dots = 0, figures = 0;
    for (const char *c = s; *c; c++)
        if (*c != '_')
            clean[n++] = *c;
    clean[n] = '\0';
    for (; *p && *p != 'e' && *p != 'E'; p++) {
        if (!strchr("0123456789._", *p))
            return false;
        dots += *p == '.';
        figures += *p >= '0' && *p <= '9';
    }
    if (dots != 1 || figures == 0)
        return false;
    if (*p && ((p[1] != '-' && p[1] != '+') || p[2 + strspn(p + 2, "0123456789")] || !p[2]))
        return false;
    *d = strtod(clean, NULL);
    return true;
}

enum yaml_type yaml_resolve(const char *s, size_t n, int64_t *i, double *d)
{
    *i = 0;
    *d = 0;
    if (strlen(s) != n || n >= NUMBER_MAX)
        return YAML_TEXT;
    if (is_null(s))
        return YAML_NULL;
    if (is_bool(s, i))
        return YAML_BOOL;
    if (is_int(s, i))
        return YAML_INT;
    return is_float(s, d) ? YAML_FLOAT : YAML_TEXT;
}
