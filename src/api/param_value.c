#include "api/param_value.h"

#include "api/params.h"
#include "base/utf8.h"
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool params_is_label(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= LIMIT_LABEL && strchr(alnum, *s) &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

/* Any text that could be an id; whether there is such a job is for others to say. */
static bool is_job_id(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < 128 &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") == n;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return true;
    return false;
}

static bool bad(struct err *e, const struct param *p, const char *what)
{
    return err_field(e, ERR_BAD_REQUEST, p->name, "%s", what);
}

static bool string_ok(const struct param *p, const char *s, struct err *e)
{
    int64_t max = p->max ? p->max : 1024;
    if ((int64_t)strlen(s) > max)
        return err_field(e, ERR_BAD_REQUEST, p->name, "must be at most %" PRId64 " bytes long",
                         max);
    if ((int64_t)strlen(s) < p->min)
        return err_field(e, ERR_BAD_REQUEST, p->name, "must be at least %" PRId64 " bytes long",
                         p->min);
    if (has_control(s))
        return bad(e, p, "must not hold control characters");
    return true;
}

/* Lines and tabs may stand in it, other control characters not. */
static bool long_text_ok(const struct param *p, const char *s, struct err *e)
{
    if ((int64_t)strlen(s) < p->min || (int64_t)strlen(s) > p->max)
        return err_field(e, ERR_BAD_REQUEST, p->name,
                         "must be %" PRId64 " to %" PRId64 " bytes long", p->min, p->max);
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && !strchr("\n\r\t", *s)) || *s == 0x7F)
            return bad(e, p, "must not hold control characters but tabs and line ends");
    return true;
}

bool param_bytes_ok(const struct param *p, const char *bytes, struct err *e)
{
    int64_t n = (int64_t)strlen(bytes);
    return (n >= p->min && n <= p->max) ||
           err_field(e, ERR_BAD_REQUEST, p->name, "must be %" PRId64 " to %" PRId64 " bytes long",
                     p->min, p->max);
}

static bool choice_ok(const struct param *p, const char *s, struct err *e)
{
    size_t n = strlen(s);
    for (const char *w = p->words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
        if (n > 0 && strcspn(w, "|") == n && strncmp(w, s, n) == 0)
            return true;
    return err_field(e, ERR_BAD_REQUEST, p->name, "must be one of %s", p->words);
}

static bool list_ok(const struct param *p, const json_t *v, struct err *e)
{
    size_t i;
    json_t *one;
    if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > LIMIT_LIST)
        return err_field(e, ERR_BAD_REQUEST, p->name, "must be an array of 1 to %d strings",
                         LIMIT_LIST);
    json_array_foreach(v, i, one)
    {
        const char *s = json_string_value(one);
        if (!s || !*s || (int64_t)strlen(s) > p->max || has_control(s))
            return err_field(
                e, ERR_BAD_REQUEST, p->name,
                "each must be text of 1 to %" PRId64 " bytes without control characters", p->max);
    }
    return true;
}

static bool secret_ok(const struct param *p, const char *s, struct err *e)
{
    size_t n = strlen(s), min = p->min ? (size_t)p->min : SECRET_MIN;
    if (n > LIMIT_SECRET)
        return err_field(e, ERR_INVALID_SECRETS, p->name, "must be at most %d bytes long",
                         LIMIT_SECRET);
    if (n < min)
        return err_field(e, ERR_INVALID_SECRETS, p->name, "must be at least %zu bytes long", min);
    if (has_control(s))
        return err_field(e, ERR_INVALID_SECRETS, p->name, "must not hold control characters");
    return true;
}

static bool text_ok(const struct param *p, const char *s, struct err *e)
{
    if (p->type == PARAM_LABEL && !params_is_label(s))
        return bad(e, p,
                   "Invalid label format: letters, digits, '.', '_' and '-', the first a letter or "
                   "digit, at most 64");
    if (p->type == PARAM_JOB_ID && !is_job_id(s))
        return bad(e, p, "must be a job id such as create:1700000000000");
    if (p->type == PARAM_WORDS && !*s)
        return bad(e, p, "must be text, or an array of texts");
    if (p->type == PARAM_STRING || p->type == PARAM_WORDS)
        return string_ok(p, s, e);
    if (p->type == PARAM_SECRET)
        return secret_ok(p, s, e);
    if (p->type == PARAM_TEXT)
        return long_text_ok(p, s, e);
    if (p->type == PARAM_CHOICE)
        return choice_ok(p, s, e);
    return true;
}

static bool range_ok(const struct param *p, int64_t v, struct err *e)
{
    if (v >= p->min && v <= p->max)
        return true;
    return err_field(e, ERR_BAD_REQUEST, p->name,
                     "must be a whole number from %" PRId64 " to %" PRId64, p->min, p->max);
}

static json_t *int_from_text(const struct param *p, const char *text, struct err *e)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    bool digits = (*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0');
    if (errno == ERANGE || !digits || *end)
        (void)range_ok(p, p->max == INT64_MAX ? INT64_MIN : p->max + 1, e);
    else if (range_ok(p, v, e))
        return json_integer(v);
    return NULL;
}

static json_t *list_from_text(const struct param *p, const char *text, struct err *e)
{
    json_t *v = json_pack("[s]", text);
    if (v && list_ok(p, v, e))
        return v;
    json_decref(v);
    return NULL;
}

json_t *param_from_text(const struct param *p, const char *text, struct err *e)
{
    switch (p->type) {
    case PARAM_INT:
        return int_from_text(p, text, e);
    case PARAM_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
            return json_true();
        if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
            return json_false();
        (void)bad(e, p, "must be true or false");
        return NULL;
    case PARAM_STRING:
    case PARAM_LABEL:
    case PARAM_JOB_ID:
    case PARAM_CHOICE:
    case PARAM_TEXT:
        return text_ok(p, text, e) ? json_string(text) : NULL;
    case PARAM_LIST:
        return list_from_text(p, text, e);
    case PARAM_BYTES: /* no text */
    case PARAM_NUMBERS:
    case PARAM_SECONDS:
    case PARAM_OBJECT:
    case PARAM_WORDS:
    case PARAM_SECRET:
        break; /* an address is logged by others: no secret belongs there */
    }
    (void)bad(e, p, "must not be given in the address");
    return NULL;
}

static bool bool_ok(const struct param *p, const json_t *v, struct err *e)
{
    if (json_is_boolean(v))
        return true;
    const char *s = json_string_value(v);
    if (s && (strcmp(s, "true") == 0 || strcmp(s, "false") == 0))
        return err_field(e, ERR_BAD_REQUEST, p->name,
                         "must be true or false, without quotes: \"%s\" is text", s);
    return bad(e, p, "must be true or false");
}

static bool int_ok(const struct param *p, const json_t *v, struct err *e)
{
    if (json_is_integer(v))
        return range_ok(p, json_integer_value(v), e);
    if (json_is_string(v))
        return err_field(e, ERR_BAD_REQUEST, p->name,
                         "must be a whole number from %" PRId64 " to %" PRId64 ", without quotes",
                         p->min, p->max);
    return range_ok(p, p->max == INT64_MAX ? INT64_MIN : p->max + 1, e);
}

static bool numbers_ok(const struct param *p, const json_t *v, struct err *e)
{
    size_t i, n = json_array_size(v);
    json_t *one;
    bool fits = n > 0 && n <= LIMIT_NUMBERS;
    json_array_foreach(v, i, one) fits = fits && json_is_integer(one) &&
                                         json_integer_value(one) >= p->min &&
                                         json_integer_value(one) <= p->max;
    return fits ||
           err_field(e, ERR_BAD_REQUEST, p->name,
                     "must be an array of 1 to %d whole numbers from %" PRId64 " to %" PRId64,
                     LIMIT_NUMBERS, p->min, p->max);
}

static bool seconds_ok(const struct param *p, const json_t *v, struct err *e)
{
    double ms = json_number_value(v) * 1000;
    return (json_is_number(v) && ms >= (double)p->min && ms <= (double)p->max) ||
           err_field(e, ERR_BAD_REQUEST, p->name,
                     "must be a number of seconds from %g to %g, without quotes",
                     (double)p->min / 1000, (double)p->max / 1000);
}

bool param_json_ok(const struct param *p, const json_t *v, struct err *e)
{
    if (p->type == PARAM_NUMBERS)
        return numbers_ok(p, v, e);
    if (p->type == PARAM_SECONDS)
        return seconds_ok(p, v, e);
    if (p->type == PARAM_BOOL)
        return bool_ok(p, v, e);
    if (p->type == PARAM_INT)
        return int_ok(p, v, e);
    if (p->type == PARAM_LIST || (p->type == PARAM_WORDS && json_is_array(v)))
        return list_ok(p, v, e);
    if (p->type == PARAM_OBJECT)
        return json_is_object(v) || bad(e, p, "must be an object");
    if (!json_is_string(v))
        return err_field(e, p->type == PARAM_SECRET ? ERR_INVALID_SECRETS : ERR_BAD_REQUEST,
                         p->name, "must be text");
    return text_ok(p, json_string_value(v), e);
}
