#include "aio/look/container.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SHORT_ID = 12 }; /* as docker shows it */

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

int64_t aio_time_read(const char *text)
{
    struct tm at = {0};
    int millis = 0, used = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &at.tm_year, &at.tm_mon, &at.tm_mday, &at.tm_hour,
               &at.tm_min, &at.tm_sec, &used) != 6 ||
        at.tm_year < 1970)
        return 0;
    const char *rest = text + used;
    if (*rest == '.') {
        int scale = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            millis += (*rest - '0') * scale;
    }
    if (strcmp(rest, "Z") != 0) /* the Engine says UTC always */
        return 0;
    at.tm_year -= 1900;
    at.tm_mon -= 1;
    return (int64_t)timegm(&at) * 1000 + millis;
}

bool aio_container_read(const json_t *inspect, struct aio_container *out)
{
    const json_t *state = json_object_get(inspect, "State");
    const char *name = json_get_str(inspect, "Name", "");
    *out = (struct aio_container){0};
    if (!json_is_object(state) || name[0] == '\0')
        return false;
    copy(out->name, sizeof out->name, name[0] == '/' ? name + 1 : name);
    copy(out->id, sizeof out->id, json_get_str(inspect, "Id", ""));
    copy(out->image, sizeof out->image,
         json_get_str(json_object_get(inspect, "Config"), "Image", ""));
    copy(out->state, sizeof out->state, json_get_str(state, "Status", ""));
    const char *health = json_get_str(json_object_get(state, "Health"), "Status", "");
    copy(out->health, sizeof out->health, strcmp(health, "none") == 0 ? "" : health);
    out->restarting = json_get_bool(state, "Restarting", false);
    out->running = strcmp(out->state, "running") == 0 && !out->restarting;
    out->started_ms = aio_time_read(json_get_str(state, "StartedAt", ""));
    out->finished_ms = aio_time_read(json_get_str(state, "FinishedAt", ""));
    out->exit_code = (int)json_get_int(state, "ExitCode", 0);
    return true;
}

bool aio_container_active(const struct aio_container *c)
{
    return c->running || c->restarting || strcmp(c->state, "paused") == 0;
}

void aio_container_write(const struct aio_container *c, struct jsonw *w)
{
    int64_t since = c->running ? c->started_ms : c->finished_ms ? c->finished_ms : c->started_ms;
    jsonw_begin_object(w);
    jsonw_key(w, "id");
    jsonw_strn(w, c->id, strnlen(c->id, SHORT_ID));
    jsonw_kstr(w, "name", c->name);
    jsonw_kstr(w, "image", c->image);
    jsonw_kstr(w, "status", c->status);
    jsonw_kbool(w, "running", c->running);
    jsonw_kstr(w, "state", c->state);
    jsonw_kstr(w, "health", c->health[0] ? c->health : NULL);
    jsonw_kbool(w, "restarting", c->restarting);
    jsonw_key(w, "since");
    if (since)
        jsonw_seconds(w, (double)since / 1000);
    else
        jsonw_null(w);
    jsonw_key(w, "exit_code");
    if (c->running || !c->finished_ms)
        jsonw_null(w);
    else
        jsonw_int(w, c->exit_code);
    jsonw_end_object(w);
}

const char *aio_container_env(const json_t *inspect, const char *name)
{
    const json_t *env = json_object_get(json_object_get(inspect, "Config"), "Env");
    size_t n = strlen(name), i;
    const json_t *one;
    json_array_foreach(env, i, one)
    {
        const char *entry = json_string_value(one);
        if (entry && strncmp(entry, name, n) == 0 && entry[n] == '=')
            return entry + n + 1;
    }
    return NULL;
}

void aio_version_read(const json_t *inspect, char out[AIO_VERSION])
{
    const char *found = aio_container_env(inspect, "NC_AIO_VERSION");
    if (found && found[0] == 'v')
        found++;
    copy(out, AIO_VERSION, found ? found : "");
}

/* The column of the command line: "CMD" or "COMMAND", as the system's ps names it. */
static bool command_column(const json_t *titles, size_t *column)
{
    size_t i;
    const json_t *one;
    json_array_foreach(titles, i, one)
    {
        const char *title = json_string_value(one);
        if (title && (strcmp(title, "CMD") == 0 || strcmp(title, "COMMAND") == 0)) {
            *column = i;
            return true;
        }
    }
    return false;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = strstr(text, word); n && at; at = strstr(at + 1, word))
        if ((at == text || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
            return true;
    return false;
}

bool aio_top_names(const json_t *top, const char *script, bool *named)
{
    const json_t *processes = json_object_get(top, "Processes"), *one;
    size_t column, i;
    *named = false;
    if (!command_column(json_object_get(top, "Titles"), &column))
        return false;
    json_array_foreach(processes, i, one)
    {
        const char *command = json_string_value(json_array_get(one, column));
        if (command && has_word(command, script))
            *named = true;
    }
    return true;
}
