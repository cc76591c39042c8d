/* What drills that were interrupted left. */
#include "backup/restore/drill.h"
#include "base/mem.h"
#include "sys/tree.h"

void drill_sweep(const char *state_dir)
{
    AUTO_FREE char *folder = mem_printf("%s/drill", state_dir);
    if (folder)
        (void)tree_remove(folder);
}

struct removing {
    uv_work_t work;
    char *folder;
};

static void remove_it(uv_work_t *w)
{
    struct removing *r = w->data;
    (void)tree_remove(r->folder);
}

static void removed(uv_work_t *w, int status)
{
    struct removing *r = w->data;
    mem_free(r->folder);
    mem_free(r);
}

void drill_remove_later(uv_loop_t *loop, const char *state_dir, const char *job_id)
{
    struct removing *r = mem_zalloc(sizeof *r);
    if (!r)
        return; /* the next start tries again */
    r->work.data = r;
    r->folder = mem_printf("%s/drill/%s", state_dir, job_id);
    if (r->folder && uv_queue_work(loop, &r->work, remove_it, removed) == 0)
        return;
    mem_free(r->folder);
    mem_free(r);
}
