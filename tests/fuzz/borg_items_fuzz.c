/* borg's listing of an archive, and the kernel's of mounts, on any bytes: however it is cut, the
 * records are the same; what is taken for an item has a path; a pattern never is an option. */
#include "backup/archive_items.h"
#include "base/mem.h"
#include "sys/mountinfo.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

struct heard {
    size_t records, bytes;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void on_record(void *arg, const char *record)
{
    struct heard *h = arg;
    struct archive_item item;
    struct mountinfo mount;
    char hex[65];
    const char *path = "x";
    h->records++;
    h->bytes += strlen(record);
    if (archive_item_parse(record, &item))
        path = item.path;
    else if (!archive_item_hash(record, hex, &path))
        path = "x";
    must(path[0] != '\0');
    AUTO_FREE char *shown = archive_items_shown(path);
    AUTO_FREE char *pattern = archive_items_pattern(path);
    must(shown && strlen(shown) == strlen(path));
    must(!pattern || strncmp(pattern, "pp:", 3) == 0 || strncmp(pattern, "re:", 3) == 0);
    if (mountinfo_parse(record, &mount))
        must(mount.point[0] != '\0' && mount.type[0] != '\0');
}

static struct heard feed(const char *p, size_t n, size_t step)
{
    struct heard h = {0, 0};
    struct archive_items s;
    archive_items_init(&s, on_record, &h);
    for (size_t at = 0; at < n; at += step)
        archive_items_feed(&s, p + at, n - at < step ? n - at : step);
    archive_items_done(&s);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct heard whole = feed((const char *)data, n, n + 1);
    struct heard cut = feed((const char *)data, n, 3);
    must(whole.records == cut.records && whole.bytes == cut.bytes);
    return 0;
}
