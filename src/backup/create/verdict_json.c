#include "backup/create/verdict_internal.h"
#include "base/json.h"
#include "base/jsonw.h"

static void write_archive(struct jsonw *w, const json_t *a)
{
    static const char *const strings[] = {"name", "id", "start", "end", "comment"};
    static const char *const sizes[] = {"original_size", "compressed_size", "deduplicated_size",
                                        "nfiles"};
    const json_t *stats = json_object_get(a, "stats");
    jsonw_key(w, "archive");
    jsonw_begin_object(w);
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        const char *s = json_get_str(a, strings[i], "");
        if (s[0] != '\0')
            jsonw_kstr(w, strings[i], s);
    }
    if (json_is_number(json_object_get(a, "duration")))
        jsonw_kseconds(w, "duration", json_get_num(a, "duration", 0));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (json_is_integer(json_object_get(stats, sizes[i])))
            jsonw_kint(w, sizes[i], json_get_int(stats, sizes[i], 0));
    jsonw_end_object(w);
}

static void write_evidence(struct jsonw *w, const struct verdict *v)
{
    if (v->exited) {
        jsonw_kint(w, "exit_code", v->code);
        if (v->signal != 0)
            jsonw_kint(w, "signal", v->signal);
    }
    jsonw_key(w, "messages");
    jsonw_begin_array(w);
    for (size_t i = 0; i < VERDICT_MESSAGES_MAX; i++)
        if (v->messages[i])
            jsonw_str(w, v->messages[i]);
    jsonw_end_array(w);
    if (v->message_count > VERDICT_MESSAGES_MAX)
        jsonw_kint(w, "messages_total", (int64_t)v->message_count);
    jsonw_key(w, "files");
    jsonw_begin_array(w);
    for (size_t i = 0; i < VERDICT_FILES_MAX && v->files[i].path; i++) {
        jsonw_begin_object(w);
        jsonw_kstr(w, "path", v->files[i].path);
        jsonw_kstr(w, "reason", v->files[i].reason);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    if (v->file_count > VERDICT_FILES_MAX)
        jsonw_kint(w, "files_total", (int64_t)v->file_count);
    if (v->archive)
        write_archive(w, v->archive);
}

void verdict_json(const struct verdict *v, struct buf *out)
{
    struct verdict_result r;
    struct jsonw w;
    verdict_result(v, &r);
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "word", r.word);
    jsonw_kstr(&w, "sentence", r.sentence);
    jsonw_key(&w, "evidence");
    jsonw_begin_object(&w);
    write_evidence(&w, v);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}
