/* What borg writes on stderr, line by line: each line goes the way of a job's messages, into
 * progress and verdict. Whatever the bytes, texts stay bounded and are valid JSON. */
#include "backup/create/progress.h"
#include "backup/create/verdict.h"
#include "backup/repo/resolve_record.h"
#include "backup/run/borgmatic_words.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { OUTPUT_MAX = 512 * 1024 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_json(const struct buf *b)
{
    must(!b->failed);
    json_t *j = json_parse(buf_str(b), b->n, NULL);
    must(json_is_object(j));
    json_decref(j);
}

static void check_progress(const struct progress *p)
{
    struct buf b;
    buf_init(&b, OUTPUT_MAX);
    progress_json(p, "/srv/repo", "main", &b);
    check_json(&b);
    buf_reset(&b);
    progress_text(p, &b);
    must(!b.failed && utf8_valid(buf_str(&b), b.n));
    must(p->percent <= 100);
    buf_done(&b);
}

static void check_verdict(struct verdict *v, int code)
{
    struct verdict_result r;
    struct buf b;
    json_t *archive = code & 1 ? json_pack("{s:s}", "name", "a") : NULL;
    verdict_exit(v, code, 0);
    (void)verdict_wants_probe(v);
    verdict_archive(v, (code & 2) != 0, (code & 4) != 0, archive, "because");
    verdict_result(v, &r);
    must(r.word[0] != '\0' && r.sentence[0] != '\0');
    must((r.state == VERDICT_FAILED) == (r.api != ERR_NONE));
    buf_init(&b, OUTPUT_MAX);
    verdict_json(v, &b);
    check_json(&b);
    buf_done(&b);
    json_decref(archive);
}

static void hear(struct verdict *v, struct progress *p, const char *line, size_t n, uint64_t now)
{
    json_t *m = json_parse(line, n, NULL);
    if (json_is_object(m)) {
        (void)progress_feed(p, m, now);
        verdict_message(v, m);
    } else {
        verdict_text(v, line, n);
    }
    json_decref(m);
}

static void check_words(const char *text)
{
    char words[64];
    char program[32];
    struct resolve_scan scan;
    borgmatic_words(text, words, sizeof words);
    must(strlen(words) < sizeof words);
    (void)borgmatic_words_config(text);
    (void)borgmatic_words_hook(text);
    (void)borgmatic_words_soft_failure(text);
    (void)resolve_program_of(text, program, sizeof program);
    resolve_scan_text(text, &scan);
}

/* The first byte is borg's exit code. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct verdict *v = verdict_new();
    char *text = mem_strndup((const char *)data + 1, n - 1);
    struct progress p;
    must(v && text);
    progress_start(&p, 0, 1000000);
    const char *at = (const char *)data + 1;
    size_t left = n - 1;
    for (uint64_t now = 0; left > 0; now += 700) {
        const char *end = memchr(at, '\n', left);
        size_t k = end ? (size_t)(end - at) : left;
        hear(v, &p, at, k, now);
        check_progress(&p);
        k += end != NULL;
        at += k;
        left -= k;
    }
    check_verdict(v, data[0]);
    check_words(text);
    mem_free(text);
    verdict_free(v);
    return 0;
}
