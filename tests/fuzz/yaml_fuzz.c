/* YAML on any bytes: whatever is accepted stands where it says in the text, is written as JSON
 * within the bounds, and means the same when it is written as YAML and read again. As a
 * configuration, its masked text is YAML, masks to itself, and shows none of its secrets. */
#include "backup/configs/config_mask.h"
#include "backup/configs/config_policy.h"
#include "base/yaml.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void look(const struct yaml_node *n, size_t size, size_t depth)
{
    must(depth <= LIMIT_YAML_DEPTH && n->start <= n->end && n->end <= size);
    must(n->kind != YAML_ALIAS || (n->target && n->target->kind != YAML_ALIAS));
    must(n->kind != YAML_SCALAR || n->text[n->len] == '\0');
    for (const struct yaml_node *k = n->first; k; k = k->next)
        look(k, size, depth + 1);
}

static void as_configuration(const char *text, size_t n)
{
    struct err e = {0};
    struct buf once, twice;
    struct config_mask *m = config_mask_new(text, n, &e);
    if (!m)
        return;
    buf_init(&once, 8 * LIMIT_YAML);
    buf_init(&twice, 8 * LIMIT_YAML);
    must(config_mask_text(m, &once));
    struct config_mask *again =
        once.n > LIMIT_YAML ? NULL : config_mask_new(buf_str(&once), once.n, &e);
    if (again)
        must(config_mask_text(again, &twice));
    must(again || once.n > LIMIT_YAML || e.code == ERR_INVALID_CONFIG);
    (void)config_policy(config_mask_root(m), false, &e);
    config_mask_free(again);
    config_mask_free(m);
    buf_wipe(&once);
    buf_wipe(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {0};
    const char *text = (const char *)data;
    struct yaml *y = yaml_doc_parse(text, n, &e);
    if (!y) {
        must(e.code == ERR_INVALID_CONFIG);
        return 0;
    }
    if (yaml_doc_root(y))
        look(yaml_doc_root(y), n, 0);
    struct buf out;
    buf_init(&out, 64 * LIMIT_YAML);
    json_t *v = yaml_to_json(yaml_doc_root(y), NULL);
    if (v && yaml_from_json(v, &out) && out.n <= LIMIT_YAML) {
        struct yaml *again = yaml_doc_parse(buf_str(&out), out.n, &e);
        json_t *same = again ? yaml_to_json(yaml_doc_root(again), NULL) : NULL;
        must(!again || (same && json_equal(v, same)));
        json_decref(same);
        yaml_doc_free(again);
    }
    json_decref(v);
    buf_done(&out);
    yaml_doc_free(y);
    as_configuration(text, n);
    return 0;
}
