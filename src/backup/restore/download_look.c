#include "backup/archives/archive_path.h"
#include "backup/restore/download_internal.h"
#include "base/mem.h"

#include <string.h>

static void on_entry(void *arg, const struct entry *e)
{
    struct download *d = arg;
    if (d->stage == DOWNLOAD_ALONE && d->type == '-' && e->type == '-')
        d->skip += (uint64_t)d->size;
    else
        d->skip = 0;
    d->entries++;
    d->type = e->type;
    d->hard_link = e->hard_link;
    d->size = e->size;
    if (d->stage != DOWNLOAD_ALONE)
        return;
    mem_free(d->target);
    d->target = e->hard_link ? mem_strdup(e->target) : NULL;
}

static void on_bytes(void *data, const char *p, size_t n)
{
    struct download *d = data;
    entry_lines_feed(&d->lines, p, n);
}

bool download_look(struct download *d, struct err *e)
{
    static const char *const verb[] = {"list", "--format", ENTRY_FORMAT, NULL};
    bool alone = d->stage != DOWNLOAD_BENEATH;
    AUTO_FREE char *pattern = archive_path_pattern(d->source ? d->source : d->path, alone);
    const char *const tail[] = {pattern, NULL};
    if (!pattern)
        return err_set(e, ERR_NO_MEMORY, "no memory for a path");
    d->entries = 0;
    entry_lines_done(&d->lines);
    entry_lines_init(&d->lines, on_entry, d);
    const struct operation_borg b = {.repo = operation_repo(d->op, 0),
                                     .verb = verb,
                                     .archive = d->archive,
                                     .tail = tail,
                                     .out = OPERATION_STREAM,
                                     .on_stdout = on_bytes};
    return operation_borg(d->op, &b, e);
}

static bool none(struct download *d, struct err *e)
{
    return err_field(e, ERR_NOT_FOUND, "path", "the archive \"%s\" holds nothing there",
                     d->archive);
}

static bool looked_alone(struct download *d, struct err *e)
{
    if (d->entries == 0) {
        d->stage = DOWNLOAD_BENEATH;
        return true;
    }
    d->tar = d->type == 'd';
    if (!d->tar && d->type != '-')
        return err_field(e, ERR_BAD_REQUEST, "path",
                         "this is a %s; only files and folders can be downloaded",
                         entry_type_word(d->type));
    d->stage = d->hard_link && !d->tar ? DOWNLOAD_MASTER : DOWNLOAD_SEND;
    if (d->stage == DOWNLOAD_MASTER)
        d->source = TAKE(d->target);
    return d->stage == DOWNLOAD_SEND || d->source ||
           err_set(e, ERR_NO_MEMORY, "no memory for a path");
}

bool download_looked(struct download *d, struct err *e)
{
    if (!entry_lines_sound(&d->lines))
        return err_set(e, ERR_COMMAND_FAILED, "borg's listing cannot be understood");
    if (d->stage == DOWNLOAD_ALONE)
        return looked_alone(d, e);
    if (d->stage == DOWNLOAD_BENEATH) {
        d->tar = true;
        d->stage = DOWNLOAD_SEND;
        return d->entries > 0 || none(d, e);
    }
    d->stage = DOWNLOAD_SEND;
    return (d->entries > 0 && d->type == '-') ||
           err_field(e, ERR_BAD_REQUEST, "path",
                     "this is a hard link to a file whose name is no text; download that one");
}
