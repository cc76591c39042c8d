#include "backup/archives/archive_name.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

bool archive_name_ok(const char *name, const char *field, struct err *e)
{
    size_t n = strlen(name);
    bool ok = n >= 1 && n <= ARCHIVE_NAME_MAX && name[0] != '-' && name[0] != ' ' &&
              name[n - 1] != ' ' && !strchr(name, '/') && !strstr(name, "::");
    for (size_t i = 0; i < n; i++)
        ok = ok && (unsigned char)name[i] >= 0x20 && name[i] != 0x7f;
    return ok || err_field(e, ERR_BAD_REQUEST, field,
                           "must be an archive's name: 1 to %d bytes without '/', '::', control "
                           "characters, or '-' in front",
                           ARCHIVE_NAME_MAX);
}

void archive_name_glob(const char *name, struct buf *out)
{
    for (; *name; name++) {
        if (strchr("*?[", *name))
            (void)buf_printf(out, "[%c]", *name);
        else if (strchr("{}", *name))
            (void)buf_printf(out, "%c%c", *name, *name);
        else
            (void)buf_putc(out, *name);
    }
}

bool newest_archive_ask(struct operation *op, struct operation_repo *repo, struct err *e)
{
    static const char *const verb[] = {"list", "--json", "--last", "1", NULL};
    const struct operation_borg b = {.repo = repo, .verb = verb, .out = OPERATION_KEEP};
    return operation_borg(op, &b, e);
}

bool newest_archive_name(const struct operation_result *last, char *out, struct err *e)
{
    struct verdict_result v;
    verdict_result(last->verdict, &v);
    if (v.state == VERDICT_FAILED)
        return err_set(e, v.api == ERR_BACKUP_FAILED ? ERR_COMMAND_FAILED : v.api, "%s",
                       v.sentence);
    json_t *answer = json_parse(last->out, last->out_len, NULL);
    const json_t *archives = json_object_get(answer, "archives");
    const char *name = json_get_str(json_array_get(archives, 0), "name", NULL);
    bool found = name && strlen(name) <= ARCHIVE_NAME_MAX;
    if (found)
        (void)snprintf(out, ARCHIVE_NAME_MAX + 1, "%s", name);
    json_decref(answer);
    return found || err_set(e, ERR_ARCHIVE_NOT_FOUND, "the repository holds no archive");
}
