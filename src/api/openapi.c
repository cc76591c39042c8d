#include "api/openapi.h"

#include "api/route.h"
#include "limits.h"

#include <inttypes.h>
#include <string.h>

static const char *method_word(enum http_method m)
{
    static const char *const words[] = {"get", "head", "post", "put", "delete", "options", "other"};
    return words[m];
}

static const char *in_word(enum param_in in)
{
    return in == PARAM_PATH ? "path" : "query";
}

/* A YAML scalar in double quotes; the texts of the table are plain ASCII without control bytes. */
static void quoted(struct buf *b, const char *s)
{
    (void)buf_putc(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            (void)buf_putc(b, '\\');
        (void)buf_putc(b, *s);
    }
    (void)buf_putc(b, '"');
}

static void key(struct buf *b, int indent, const char *name, const char *text)
{
    (void)buf_printf(b, "%*s%s: ", indent, "", name);
    quoted(b, text);
    (void)buf_putc(b, '\n');
}

static void string_bounds(struct buf *b, int indent, int64_t min, int64_t max)
{
    if (min > 0)
        (void)buf_printf(b, "%*sminLength: %" PRId64 "\n", indent, "", min);
    (void)buf_printf(b, "%*smaxLength: %" PRId64 "\n", indent, "", max);
}

static void choices(struct buf *b, int indent, const char *words)
{
    (void)buf_printf(b, "%*senum: [", indent, "");
    for (const char *w = words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
        (void)buf_printf(b, "%s\"%.*s\"", w == words ? "" : ", ", (int)strcspn(w, "|"), w);
    (void)buf_puts(b, "]\n");
}

static void numbers(struct buf *b, int indent, const struct param *p)
{
    (void)buf_printf(b, "%*stype: array\n%*sminItems: 1\n%*smaxItems: %d\n", indent, "", indent, "",
                     indent, "", LIMIT_NUMBERS);
    (void)buf_printf(b, "%*sitems: { type: integer, minimum: %" PRId64 ", maximum: %" PRId64 " }\n",
                     indent, "", p->min, p->max);
}

static void schema(struct buf *b, int indent, const struct param *p)
{
    switch (p->type) {
    case PARAM_BOOL:
        (void)buf_printf(b, "%*stype: boolean\n", indent, "");
        return;
    case PARAM_INT:
        (void)buf_printf(b, "%*stype: integer\n%*sminimum: %" PRId64 "\n", indent, "", indent, "",
                         p->min);
        if (p->max < INT64_MAX - 1)
            (void)buf_printf(b, "%*smaximum: %" PRId64 "\n", indent, "", p->max);
        return;
    case PARAM_CHOICE:
        (void)buf_printf(b, "%*stype: string\n", indent, "");
        choices(b, indent, p->words);
        return;
    case PARAM_WORDS:
        (void)buf_printf(
            b,
            "%*soneOf:\n%*s- { type: string, minLength: 1, maxLength: %" PRId64
            " }\n%*s- { type: array, minItems: 1, maxItems: %d, items: { type: string, "
            "minLength: 1, maxLength: %" PRId64 " } }\n",
            indent, "", indent + 2, "", p->max, indent + 2, "", LIMIT_LIST, p->max);
        return;
    case PARAM_LIST:
        (void)buf_printf(b, "%*stype: array\n%*sminItems: 1\n%*smaxItems: %d\n", indent, "", indent,
                         "", indent, "", LIMIT_LIST);
        (void)buf_printf(b, "%*sitems: { type: string, minLength: 1, maxLength: %" PRId64 " }\n",
                         indent, "", p->max);
        return;
    case PARAM_NUMBERS:
        numbers(b, indent, p);
        return;
    case PARAM_SECONDS:
        (void)buf_printf(b, "%*stype: number\n%*sminimum: %g\n%*smaximum: %g\n", indent, "", indent,
                         "", (double)p->min / 1000, indent, "", (double)p->max / 1000);
        return;
    case PARAM_OBJECT:
        (void)buf_printf(b, "%*stype: object\n", indent, "");
        return;
    case PARAM_BYTES: /* percent-encoded in an address, also where they are no UTF-8 */
        (void)buf_printf(b, "%*stype: string\n", indent, "");
        key(b, indent, "pattern", "^[^\\x00]*$");
        string_bounds(b, indent, p->min, p->max);
        return;
    case PARAM_TEXT:
    case PARAM_STRING:
        (void)buf_printf(b, "%*stype: string\n", indent, "");
        string_bounds(b, indent, p->min, p->max ? p->max : 1024);
        return;
    case PARAM_LABEL:
        (void)buf_printf(b, "%*stype: string\n", indent, "");
        key(b, indent, "pattern", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$");
        return;
    case PARAM_JOB_ID:
        (void)buf_printf(b, "%*stype: string\n", indent, "");
        key(b, indent, "pattern", "^[A-Za-z0-9._:-]{1,127}$");
        return;
    case PARAM_SECRET:
        (void)buf_printf(b, "%*stype: string\n%*sformat: password\n", indent, "", indent, "");
        string_bounds(b, indent, p->min ? p->min : SECRET_MIN, LIMIT_SECRET);
        return;
    }
}

static bool has_param(const struct route *r, bool body)
{
    for (const struct param *p = r->params; p && p->name; p++)
        if ((p->in == PARAM_BODY) == body)
            return true;
    return false;
}

/* Headers that every route takes which starts a job. */
static const char start_headers[] =
    "        - name: Idempotency-Key\n"
    "          in: header\n"
    "          description: \"The same key with the same request gives the same job, for a day.\"\n"
    "          schema: { type: string, minLength: 1, maxLength: 128 }\n"
    "        - name: Prefer\n"
    "          in: header\n"
    "          description: \"respond-async: 202 with the job. wait=N: the answer comes when the "
    "job has ended, or after N seconds. handling=strict: unknown fields are refused.\"\n"
    "          schema: { type: string }\n";

static void parameters(struct buf *b, const struct route *r)
{
    if (!has_param(r, false) && !r->starts_job)
        return;
    (void)buf_puts(b, "      parameters:\n");
    for (const struct param *p = r->params; p && p->name; p++) {
        if (p->in == PARAM_BODY)
            continue;
        (void)buf_printf(b, "        - name: %s\n          in: %s\n", p->name, in_word(p->in));
        if (p->required)
            (void)buf_puts(b, "          required: true\n");
        key(b, 10, "description", p->help);
        (void)buf_puts(b, "          schema:\n");
        schema(b, 12, p);
    }
    if (r->starts_job)
        (void)buf_puts(b, start_headers);
}

static void request_body(struct buf *b, const struct route *r)
{
    bool required = false;
    if (!has_param(r, true))
        return;
    (void)buf_puts(b, "      requestBody:\n        content:\n          application/json:\n"
                      "            schema:\n              type: object\n");
    for (const struct param *p = r->params; p->name; p++) {
        if (p->in != PARAM_BODY || !p->required)
            continue;
        (void)buf_printf(b, "%s%s", required ? ", " : "              required: [", p->name);
        required = true;
    }
    (void)buf_printf(b, "%s              properties:\n", required ? "]\n" : "");
    for (const struct param *p = r->params; p->name; p++) {
        if (p->in != PARAM_BODY)
            continue;
        (void)buf_printf(b, "                %s:\n", p->name);
        schema(b, 18, p);
        key(b, 18, "description", p->help);
    }
}

static void security(struct buf *b, const struct route *r)
{
    static const char token_and_header[] = "        - bearer: []\n          fromHeader: []\n";
    static const char progress[] = "        - progressToken: []\n          fromHeader: []\n";
    if (r->access == ACCESS_PUBLIC) {
        (void)buf_puts(b, "      security: []\n");
        return;
    }
    (void)buf_puts(b, "      security:\n");
    (void)buf_puts(b, r->no_header ? "        - bearer: []\n" : token_and_header);
    if (r->access == ACCESS_READ || r->access == ACCESS_READ_OR_TICKET)
        (void)buf_puts(b, r->no_header ? "        - progressToken: []\n" : progress);
    if (r->access == ACCESS_READ_OR_TICKET)
        (void)buf_puts(b, "        - ticket: []\n");
}

static void operation(struct buf *b, const struct route *r)
{
    (void)buf_printf(b, "    %s:\n      operationId: %s\n", method_word(r->method), r->operation);
    key(b, 6, "summary", r->summary);
    if (r->rate_max)
        (void)buf_printf(b, "      x-rate-limit: { calls: %d, seconds: %d }\n", r->rate_max,
                         r->rate_s);
    if (r->flag)
        (void)buf_printf(b, "      x-flag: %s\n", r->flag);
    security(b, r);
    parameters(b, r);
    request_body(b, r);
    (void)buf_puts(b, "      responses:\n        \"200\": { $ref: "
                      "\"#/components/responses/ok\" }\n");
    if (r->starts_job)
        (void)buf_puts(b, "        \"202\": { $ref: \"#/components/responses/started\" }\n");
    (void)buf_puts(b, "        default: { $ref: \"#/components/responses/failed\" }\n");
}

static const char head[] = "# Made from the route table by: borgmatic-api openapi\n"
                           "openapi: \"3.1.0\"\n"
                           "info:\n"
                           "  title: borgmatic-api\n"
                           "  version: \"" VERSION "\"\n"
                           "  license: { name: MIT, identifier: MIT }\n"
                           "paths:\n";

static const char components[] =
    "components:\n"
    "  securitySchemes:\n"
    "    bearer: { type: http, scheme: bearer }\n"
    "    progressToken: { type: apiKey, in: header, name: X-Progress-Token }\n"
    "    fromHeader: { type: apiKey, in: header, name: X-From-NodeRed }\n"
    "    ticket: { type: apiKey, in: query, name: ticket }\n"
    "  responses:\n"
    "    ok:\n"
    "      description: Done.\n"
    "      content:\n"
    "        application/json: { schema: { $ref: \"#/components/schemas/ok\" } }\n"
    "    started:\n"
    "      description: A job was started.\n"
    "      content:\n"
    "        application/json: { schema: { $ref: \"#/components/schemas/started\" } }\n"
    "    failed:\n"
    "      description: Not done; the status and the word say why.\n"
    "      content:\n"
    "        application/json: { schema: { $ref: \"#/components/schemas/failed\" } }\n"
    "  schemas:\n"
    "    ok:\n"
    "      type: object\n"
    "      required: [ok]\n"
    "      properties: { ok: { const: true } }\n"
    "    started:\n"
    "      type: object\n"
    "      required: [ok, job_id, sse, poll]\n"
    "      properties:\n"
    "        ok: { const: true }\n"
    "        job_id: { type: string }\n"
    "        pid: { type: [integer, \"null\"] }\n"
    "        sse: { type: string, format: uri }\n"
    "        poll: { type: string, format: uri }\n"
    "    failed:\n"
    "      type: object\n"
    "      required: [ok, error, message, request_id]\n"
    "      properties:\n"
    "        ok: { const: false }\n"
    "        error: { type: string, enum: [";

static void error_words(struct buf *b)
{
    size_t column = 0;
    for (int code = 1; code < ERR_CODES; code++) {
        bool seen = false;
        for (int before = 1; before < code; before++)
            seen =
                seen || strcmp(err_word((enum err_code)before), err_word((enum err_code)code)) == 0;
        if (seen)
            continue;
        (void)buf_printf(b, "%s%s%s", code == 1 ? "" : ",", column % 6 == 0 ? "\n          " : " ",
                         err_word((enum err_code)code));
        column++;
    }
    (void)buf_puts(b,
                   "] }\n"
                   "        message: { type: string }\n"
                   "        request_id: { type: string }\n"
                   "        job_id: { type: string }\n"
                   "        errors:\n"
                   "          type: array\n"
                   "          items:\n"
                   "            type: object\n"
                   "            required: [field, message]\n"
                   "            properties: { field: { type: string }, message: { type: string } "
                   "}\n");
}

/* The first row with the pattern of row i. */
static size_t first_of(size_t i)
{
    size_t k = 0;
    while (strcmp(routes[k].pattern, routes[i].pattern) != 0)
        k++;
    return k;
}

/* All rows of one pattern, wherever they stand. */
static void path_item(struct buf *out, size_t first)
{
    (void)buf_printf(out, "  %s:\n", routes[first].pattern);
    for (size_t i = first; i < route_count; i++)
        if (first_of(i) == first)
            operation(out, &routes[i]);
}

void openapi_document(struct buf *out)
{
    (void)buf_puts(out, head);
    for (size_t i = 0; i < route_count; i++)
        if (first_of(i) == i)
            path_item(out, i);
    (void)buf_puts(out, components);
    error_words(out);
}

/* ---- the README's table ---- */

static const char *access_word(const struct route *r)
{
    switch (r->access) {
    case ACCESS_PUBLIC:
        return "anyone";
    case ACCESS_READ:
        return "read";
    case ACCESS_READ_OR_TICKET:
        return "read, ticket";
    case ACCESS_WRITE:
        return "write";
    case ACCESS_ADMIN:
        return "admin";
    }
    return "";
}

void openapi_markdown(struct buf *out)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    (void)buf_puts(out, "| route | who | limit | what it does |\n|---|---|---|---|\n");
    for (size_t i = 0; i < route_count; i++) {
        const struct route *r = &routes[i];
        (void)buf_printf(out, "| `%s %s` | %s | ", methods[r->method], r->pattern, access_word(r));
        if (r->rate_max)
            (void)buf_printf(out, "%d in %d s", r->rate_max, r->rate_s);
        (void)buf_printf(out, " | %s |\n", r->summary);
    }
}
