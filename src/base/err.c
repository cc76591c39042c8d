#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    int status;
    const char *word;
} codes[ERR_CODES] = {
    [ERR_NONE] = {200, ""},
#define X(code, status, word) [ERR_##code] = {status, word},
#include "base/err.def"
#undef X
};

__attribute__((format(printf, 4, 0))) static bool
fill(struct err *e, enum err_code code, const char *field, const char *fmt, va_list ap)
{
    if (!e)
        return false;
    e->code = code;
    (void)snprintf(e->field, sizeof e->field, "%s", field);
    (void)vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    return false;
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fill(e, code, "", fmt, ap);
    va_end(ap);
    return false;
}

bool err_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fill(e, code, field, fmt, ap);
    va_end(ap);
    return false;
}

int err_status(enum err_code code)
{
    return codes[code].status;
}

const char *err_word(enum err_code code)
{
    return codes[code].word;
}
