/* What a start after our death is told of the job's wants. */
#include "aio/job/report.h"

#include "base/json.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *key;
    size_t at;
} flags[] = {
    {"daily_backup", offsetof(struct aio_wants, daily_backup)},
    {"check_backup", offsetof(struct aio_wants, check_backup)},
    {"stop_containers", offsetof(struct aio_wants, stop_containers)},
    {"start_containers", offsetof(struct aio_wants, start_containers)},
    {"automatic_updates", offsetof(struct aio_wants, automatic_updates)},
    {"send_success_notifications", offsetof(struct aio_wants, send_notifications)},
    {"strict", offsetof(struct aio_wants, strict)},
    {"restore_after", offsetof(struct aio_wants, restore_after)},
};
enum { FLAGS = sizeof flags / sizeof *flags };

void aio_report_private(const struct aio_report *r, struct buf *out)
{
    const struct aio_wants *a = r->wants;
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    for (size_t i = 0; i < FLAGS; i++)
        jsonw_kbool(&w, flags[i].key, *(const bool *)((const char *)a + flags[i].at));
    jsonw_key(&w, "targets");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < a->target_count; i++)
        aio_target_write(&a->targets[i], &w); /* to be shown: the journal has what is put back */
    jsonw_end_array(&w);
    if (r->previous) {
        jsonw_key(&w, "previous");
        aio_target_write(r->previous, &w);
    }
    jsonw_end_object(&w);
}

static void parse_target(const json_t *o, struct aio_target *t)
{
    (void)snprintf(t->host_location, sizeof t->host_location, "%s",
                   json_get_str(o, "host_location", ""));
    (void)snprintf(t->remote_repo, sizeof t->remote_repo, "%s", json_get_str(o, "remote_repo", ""));
}

bool aio_report_parse_private(const char *json, struct aio_wants *wants,
                              struct aio_target *previous, bool *previous_known)
{
    *wants = (struct aio_wants){0};
    *previous_known = false;
    json_t *o = json ? json_parse(json, strlen(json), NULL) : NULL;
    if (!json_is_object(o)) {
        json_decref(o);
        return false;
    }
    for (size_t i = 0; i < FLAGS; i++)
        *(bool *)((char *)wants + flags[i].at) = json_get_bool(o, flags[i].key, false);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(o, "targets"), i, one)
    {
        if (wants->target_count < AIO_TARGETS_MAX)
            parse_target(one, &wants->targets[wants->target_count++]);
    }
    const json_t *before = json_object_get(o, "previous");
    if (before) {
        parse_target(before, previous);
        *previous_known = true;
    }
    json_decref(o);
    return true;
}
