/* The roster and the file names of borg's locks on any bytes: entries stay within their room, what
 * was understood is a name that borg could have written, and what is shown is JSON. */
#include "backup/locks/lock_state.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void look(const struct lock_entry *e)
{
    must(strlen(e->host) <= LOCK_HOST_MAX);
    must(e->life == LOCK_UNKNOWN);
    must(!e->malformed || (e->pid == 0 && e->thread == 0));
}

static void show(const struct lock_state *s)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    lock_state_write(s, &w);
    jsonw_end_object(&w);
    json_t *shown = json_parse(buf_str(&b), b.n, NULL);
    must(shown != NULL);
    json_decref(shown);
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct lock_state s;
    struct lock_entry name;
    if (n > LOCK_ROSTER)
        return 0;
    char *text = mem_strndup((const char *)data, n);
    must(text != NULL);
    lock_entry_of_name(text, &name);
    look(&name);
    must(name.malformed || (name.pid >= 0 && name.thread >= 0 && name.host[0] != '\0'));
    s = (struct lock_state){.word = LOCK_LOCKED, .readers_seen = true};
    s.exclusive[0] = name;
    s.exclusive_count = 1;
    (void)lock_roster_read((const char *)data, n, &s, &name);
    must(s.shared_count <= LOCK_ENTRIES && (!s.more || s.shared_count == LOCK_ENTRIES));
    for (size_t i = 0; i < s.shared_count; i++)
        look(&s.shared[i]);
    must(!lock_all_dead(&s) && lock_rule(&s, false) == LOCK_UNPROVEN);
    show(&s);
    mem_free(text);
    return 0;
}
