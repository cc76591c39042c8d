#include "backup/locks/lock_state.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* All of s is digits of the base, and the value fits. */
static bool number(const char *s, int base, int64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(s);
    if (n < 1 || n > 15)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!memchr(digits, s[i], (size_t)base))
            return false;
    *out = strtoll(s, NULL, base);
    return true;
}

void lock_entry_of_name(const char *name, struct lock_entry *out)
{
    *out = (struct lock_entry){0};
    (void)snprintf(out->host, sizeof out->host, "%s", name);
    char *dash = strrchr(out->host, '-');
    char *dot = NULL;
    out->malformed = true;
    if (!dash || strlen(name) > LOCK_HOST_MAX)
        return;
    *dash = '\0';
    dot = strrchr(out->host, '.');
    if (!dot || dot == out->host || !number(dot + 1, 10, &out->pid) ||
        !number(dash + 1, 16, &out->thread)) {
        *dash = '-';
        out->pid = out->thread = 0;
        return;
    }
    *dot = '\0';
    out->malformed = false;
}

/* ["HOST@NODE", PID, THREAD] */
static void of_json(const json_t *one, struct lock_entry *out)
{
    const char *host = json_string_value(json_array_get(one, 0));
    const json_t *pid = json_array_get(one, 1);
    const json_t *thread = json_array_get(one, 2);
    *out = (struct lock_entry){0};
    (void)snprintf(out->host, sizeof out->host, "%s", host ? host : "");
    out->malformed =
        !host || strlen(host) > LOCK_HOST_MAX || !json_is_integer(pid) || !json_is_integer(thread);
    if (out->malformed)
        return;
    out->pid = json_integer_value(pid);
    out->thread = json_integer_value(thread);
}

static bool same(const struct lock_entry *a, const struct lock_entry *b)
{
    return !a->malformed && !b->malformed && a->pid == b->pid && a->thread == b->thread &&
           strcmp(a->host, b->host) == 0;
}

bool lock_roster_read(const char *text, size_t n, struct lock_state *out,
                      const struct lock_entry *exclusive)
{
    json_t *roster = json_parse(text, n, NULL);
    const json_t *one;
    size_t i;
    struct lock_entry e;
    bool found = false;
    out->shared_count = 0;
    json_array_foreach(json_object_get(roster, "shared"), i, one)
    {
        if (out->shared_count == LOCK_ENTRIES)
            out->more = true;
        else
            of_json(one, &out->shared[out->shared_count++]);
    }
    json_array_foreach(json_object_get(roster, "exclusive"), i, one)
    {
        of_json(one, &e);
        found = found || (exclusive && same(&e, exclusive));
    }
    json_decref(roster);
    return found;
}

/* ---- judging ---- */

static bool any(const struct lock_state *s, enum lock_life life)
{
    for (size_t i = 0; i < s->exclusive_count; i++)
        if (s->exclusive[i].life == life)
            return true;
    for (size_t i = 0; i < s->shared_count; i++)
        if (s->shared[i].life == life)
            return true;
    return false;
}

bool lock_all_dead(const struct lock_state *s)
{
    return s->word == LOCK_LOCKED && s->readers_seen && !s->more &&
           s->exclusive_count + s->shared_count > 0 && !any(s, LOCK_ALIVE) && !any(s, LOCK_UNKNOWN);
}

enum lock_ruling lock_rule(const struct lock_state *s, bool force)
{
    if (s->word == LOCK_FREE)
        return LOCK_NOTHING_TO_BREAK;
    if (force || lock_all_dead(s))
        return LOCK_MAY_BREAK;
    return any(s, LOCK_ALIVE) ? LOCK_IN_USE : LOCK_UNPROVEN;
}

enum err_code lock_ruling_error(enum lock_ruling r)
{
    if (r == LOCK_IN_USE)
        return ERR_LOCK_IN_USE;
    return r == LOCK_UNPROVEN ? ERR_LOCK_HOLDER_UNKNOWN : ERR_NONE;
}

static bool among(const struct lock_entry *e, const struct lock_entry *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].host, e->host) == 0 && v[i].pid == e->pid && v[i].thread == e->thread)
            return true;
    return false;
}

bool lock_taken_anew(const struct lock_state *before, const struct lock_state *after)
{
    for (size_t i = 0; i < after->exclusive_count; i++)
        if (!among(&after->exclusive[i], before->exclusive, before->exclusive_count))
            return true;
    for (size_t i = 0; i < after->shared_count; i++)
        if (!among(&after->shared[i], before->shared, before->shared_count))
            return true;
    return false;
}

/* ---- showing ---- */

void lock_entry_write(const struct lock_entry *e, struct jsonw *w)
{
    static const char *const lives[] = {
        [LOCK_UNKNOWN] = "unknown", [LOCK_ALIVE] = "alive", [LOCK_DEAD] = "stale"};
    const char *at = strrchr(e->host, '@');
    jsonw_begin_object(w);
    jsonw_key(w, "host");
    jsonw_strn(w, e->host, at ? (size_t)(at - e->host) : strlen(e->host));
    jsonw_kstr(w, "node", at ? at + 1 : NULL);
    if (e->malformed) {
        jsonw_kbool(w, "malformed", true);
    } else {
        jsonw_kint(w, "pid", e->pid);
        jsonw_kint(w, "thread", e->thread);
    }
    jsonw_key(w, "since");
    if (e->since)
        jsonw_int(w, e->since);
    else
        jsonw_null(w);
    jsonw_kstr(w, "holder", lives[e->life]);
    jsonw_end_object(w);
}

static void list(struct jsonw *w, const char *key, const struct lock_entry *e, size_t n)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (size_t i = 0; i < n; i++)
        lock_entry_write(&e[i], w);
    jsonw_end_array(w);
}

void lock_state_write(const struct lock_state *s, struct jsonw *w)
{
    static const char *const words[] = {
        [LOCK_NOT_KNOWN] = "unknown", [LOCK_FREE] = "free", [LOCK_LOCKED] = "locked"};
    jsonw_kstr(w, "state", words[s->word]);
    if (s->readers_seen || s->word == LOCK_FREE)
        list(w, "exclusive", s->exclusive, s->exclusive_count);
    else
        jsonw_kraw(w, "exclusive", NULL);
    if (s->readers_seen)
        list(w, "shared", s->shared, s->shared_count);
    else
        jsonw_kraw(w, "shared", NULL);
    if (s->more)
        jsonw_kbool(w, "more_holders", true);
    if (s->word == LOCK_LOCKED)
        jsonw_kbool(w, "stale", lock_all_dead(s));
    jsonw_kstr(w, "detection_method", s->method);
    jsonw_kstr(w, "problem", s->problem[0] ? s->problem : NULL);
}
