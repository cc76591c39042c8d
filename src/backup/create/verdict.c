#include "backup/create/verdict.h"

#include "backup/create/verdict_cause.h"
#include "backup/create/verdict_file.h"
#include "backup/create/verdict_internal.h"
#include "backup/ssh/ssh_probe.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 1000, MESSAGE_HEAD = 400 };

struct verdict *verdict_new(void)
{
    return mem_zalloc(sizeof(struct verdict));
}

void verdict_free(struct verdict *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < VERDICT_MESSAGES_MAX; i++)
        mem_free(v->messages[i]);
    for (size_t i = 0; i < VERDICT_FILES_MAX; i++)
        mem_free(v->files[i].path);
    json_decref(v->archive);
    mem_free(v->lock);
    mem_free(v);
}

/* One printable line of `s`, cut: control characters become spaces. */
static void one_line(char *to, size_t size, const char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = utf8_cut(s, strlen(s), size - 1);
    while (n > 0 && strchr(" \t\r\n.", s[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i];
    to[n] = '\0';
}

static void keep_message(struct verdict *v, const char *text)
{
    text += strspn(text, " \t\r\n");
    if (text[0] == '\0')
        return;
    size_t k = v->message_count++;
    if (k >= VERDICT_MESSAGES_MAX)
        return;
    size_t n = strlen(text);
    if (n <= MESSAGE_MAX) {
        v->messages[k] = mem_strdup(text);
        return;
    }
    /* Of a traceback the end tells most; jsonw replaces a character that the cut halves. */
    size_t head = utf8_cut(text, n, MESSAGE_HEAD);
    v->messages[k] = mem_printf("%.*s … %s", (int)head, text, text + n - (MESSAGE_MAX - head));
}

static void keep_cause(struct verdict *v, const struct verdict_cause *c, const char *text)
{
    if (!c || (v->cause && v->cause->rank >= c->rank))
        return;
    v->cause = c;
    one_line(v->detail, sizeof v->detail, text);
}

static void keep_file(struct verdict *v, const char *path, size_t n, const char *reason)
{
    for (size_t i = 0; i < VERDICT_FILES_MAX && v->files[i].path; i++)
        if (strncmp(v->files[i].path, path, n) == 0 && v->files[i].path[n] == '\0')
            return; /* a warning and a status of the same file */
    size_t k = v->file_count++;
    if (k >= VERDICT_FILES_MAX)
        return;
    v->files[k].path = mem_strndup(path, n);
    v->files[k].reason = reason;
}

/* What ssh said, if these are its words. */
static bool ssh_said(struct verdict *v, const char *text)
{
    const struct verdict_cause *c = verdict_cause_of_word(ssh_probe_word(text, 255));
    if (!c || strcmp(c->word, "ssh_failed") == 0)
        return false;
    keep_cause(v, c, text);
    return true;
}

/* The line that names the exception, before borg's facts about the system. */
static bool last_of_traceback(const char *text, char *out, size_t size)
{
    const char *end = strstr(text, "\n\nPlatform:");
    const char *from = end;
    if (!end)
        return false;
    while (from > text && from[-1] != '\n')
        from--;
    size_t n = utf8_cut(from, (size_t)(end - from), size - 1);
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

/* "Failed to create/acquire the lock PATH (timeout)." */
static void keep_lock(struct verdict *v, const char *text)
{
    static const char mark[] = "the lock /";
    const char *from = strstr(text, mark);
    const char *end = from ? strstr(from, " (timeout)") : NULL;
    if (!end || v->lock)
        return;
    from += sizeof mark - 2;
    v->lock = mem_strndup(from, (size_t)(end - from));
}

static void hear_error(struct verdict *v, const char *msgid, const char *text)
{
    const struct verdict_cause *c = verdict_cause_of_msgid(msgid);
    const struct verdict_cause *t = verdict_cause_of_text(text);
    keep_message(v, text);
    if (c && strcmp(c->word, "repository_locked") == 0) {
        keep_lock(v, text);
        if (verdict_lock_is_cache(text))
            c = verdict_cause_of_word("cache_locked");
    }
    if (c && strcmp(c->word, "connection_closed") == 0)
        v->closed = true;
    if (!c || strcmp(c->word, "lock_failed") == 0)
        c = t ? t : c;
    if (!c && strcmp(msgid, "Exception") != 0) /* "Local Exception": the traceback follows */
        c = verdict_cause_unknown();
    char last[DETAIL_MAX + 1];
    if (c == verdict_cause_unknown() && last_of_traceback(text, last, sizeof last))
        text = last;
    keep_cause(v, c, text);
}

static void hear_warning(struct verdict *v, const char *name, const char *text)
{
    size_t n = 0;
    const char *reason = verdict_file_reason(text, &n);
    keep_message(v, text);
    if (strncmp(text, "Remote:", 7) == 0 && ssh_said(v, text + 7))
        return;
    if (reason && strcmp(name, "borg.archiver") == 0)
        keep_file(v, text, n, reason);
    /* A read cannot run out of space: it is the repository that did. */
    const struct verdict_cause *c = verdict_cause_of_text(text);
    if (c && strcmp(c->word, "disk_full") == 0)
        keep_cause(v, c, text);
}

static void hear_log(struct verdict *v, const json_t *m)
{
    const char *level = json_get_str(m, "levelname", "");
    const char *text = json_get_str(m, "message", "");
    if (strcmp(level, "ERROR") == 0 || strcmp(level, "CRITICAL") == 0)
        hear_error(v, json_get_str(m, "msgid", ""), text);
    else if (strcmp(level, "WARNING") == 0)
        hear_warning(v, json_get_str(m, "name", ""), text);
}

static void hear_status(struct verdict *v, const json_t *m)
{
    const char *status = json_get_str(m, "status", "");
    const char *path = json_get_str(m, "path", "");
    if (strcmp(status, "C") == 0)
        keep_file(v, path, strlen(path), "changed");
    else if (strcmp(status, "E") == 0)
        keep_file(v, path, strlen(path), "error");
}

void verdict_message(struct verdict *v, const json_t *message)
{
    const char *type = json_get_str(message, "type", "");
    if (strcmp(type, "log_message") == 0)
        hear_log(v, message);
    else if (strcmp(type, "file_status") == 0)
        hear_status(v, message);
    else if (strncmp(type, "question_", 9) == 0)
        keep_message(v, json_get_str(message, "message", ""));
}

void verdict_text(struct verdict *v, const char *line, size_t n)
{
    AUTO_FREE char *text = mem_strndup(line, utf8_cut(line, n, MESSAGE_MAX * 4));
    if (!text || text[strspn(text, " \t\r\n")] == '\0')
        return;
    const char *glued = strstr(text, "{\"type\": "); /* behind a prompt that nobody answers */
    json_t *message = glued ? json_parse(glued, strlen(glued), NULL) : NULL;
    if (message) {
        verdict_message(v, message);
        json_decref(message);
        return;
    }
    keep_message(v, text);
    if (ssh_said(v, text))
        return;
    keep_cause(v, verdict_cause_of_text(text), text);
}

void verdict_exit(struct verdict *v, int code, int signal)
{
    v->exited = true;
    v->code = code;
    v->signal = signal;
}

const char *verdict_lock(const struct verdict *v)
{
    return v->lock;
}

void verdict_lock_holder(struct verdict *v, const char *words)
{
    one_line(v->holder, sizeof v->holder, words);
}

bool verdict_wants_probe(const struct verdict *v)
{
    return v->closed && v->cause && v->cause->rank <= CAUSE_RANK_CONNECTION;
}

void verdict_probe(struct verdict *v, const char *word, const char *sentence)
{
    const struct verdict_cause *c = verdict_cause_of_word(word);
    char said[DETAIL_MAX + 1];
    one_line(said, sizeof said, sentence ? sentence : "");
    if (c)
        keep_cause(v, c, said);
    if (said[0] != '\0') {
        AUTO_FREE char *line = mem_printf("ssh: %s", said);
        if (line)
            keep_message(v, line);
    }
}

void verdict_archive(struct verdict *v, bool expected, bool read, const json_t *archive,
                     const char *why)
{
    v->told = true;
    v->expected = expected;
    v->read = read;
    json_decref(v->archive);
    v->archive = json_is_object(archive) ? json_deep_copy(archive) : NULL;
    /* An interrupted borg leaves NAME.checkpoint: that is no archive of this run. */
    const char *name = json_get_str(v->archive, "name", "");
    const char *mark = strstr(name, ".checkpoint");
    if (mark && (mark[11] == '\0' || mark[11] == '.')) {
        json_decref(v->archive);
        v->archive = NULL;
    }
    one_line(v->why, sizeof v->why, why ? why : "");
}

void verdict_expect(struct verdict *v, const char *word, const char *sentence)
{
    v->done_word = word;
    v->done_sentence = sentence;
}

void verdict_faults(struct verdict *v, const struct verdict_faults *f)
{
    v->faults = f;
}

void verdict_closed(struct verdict *v, const char *word, enum err_code api, const char *why)
{
    (void)snprintf(v->closed_word, sizeof v->closed_word, "%s", word);
    v->closed_api = api;
    one_line(v->why, sizeof v->why, why);
}

void verdict_say(struct verdict_result *out, enum verdict_state state, const char *word,
                 enum err_code api, const char *fmt, ...)
{
    va_list ap;
    out->state = state;
    out->api = api;
    (void)snprintf(out->word, sizeof out->word, "%s", word);
    va_start(ap, fmt);
    int n = vsnprintf(out->sentence, sizeof out->sentence, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof out->sentence) /* cut: not inside a character */
        out->sentence[utf8_cut(out->sentence, sizeof out->sentence - 1, sizeof out->sentence - 2)] =
            '\0';
}

static void say_failed(const struct verdict *v, struct verdict_result *out)
{
    const struct verdict_cause *c = v->cause ? v->cause : verdict_cause_unknown();
    const char *made = v->archive ? "; an archive was made nevertheless" : "";
    if (v->lock && v->holder[0] != '\0' && c->api == ERR_REPOSITORY_LOCKED)
        verdict_say(out, VERDICT_FAILED, c->word, c->api, "%s (%s, %s)%s", c->sentence, v->lock,
                    v->holder, made);
    else if (c == verdict_cause_unknown() && v->detail[0] == '\0')
        verdict_say(out, VERDICT_FAILED, c->word, c->api, "borg failed with exit code %d%s",
                    v->code, made);
    else if (c->quote && v->detail[0] != '\0')
        verdict_say(out, VERDICT_FAILED, c->word, c->api, "%s (%s)%s", c->sentence, v->detail,
                    made);
    else
        verdict_say(out, VERDICT_FAILED, c->word, c->api, "%s%s", c->sentence, made);
}

static void say_ended_well(const struct verdict *v, bool warned, struct verdict_result *out)
{
    const char *name = json_get_str(v->archive, "name", "?");
    if (v->closed_word[0] != '\0') {
        verdict_say(out, VERDICT_FAILED, v->closed_word, v->closed_api,
                    "the files can be read, but the repository cannot be opened: %s", v->why);
    } else if (v->done_word || (v->told && !v->expected)) {
        if (warned)
            verdict_say(out, VERDICT_WARNING, "ended_with_warnings", ERR_NONE,
                        "borg ended with warnings (exit code %d)%s%s", v->code,
                        v->detail[0] ? ": " : "", v->detail);
        else if (v->done_word)
            verdict_say(out, VERDICT_SUCCEEDED, v->done_word, ERR_NONE, "%s", v->done_sentence);
        else
            verdict_say(out, VERDICT_SUCCEEDED, "dry_run_ok", ERR_NONE,
                        "the dry run ended without fault");
    } else if (!v->told || !v->read) {
        verdict_say(out, VERDICT_WARNING, "unverified", ERR_NONE,
                    "borg reports success, but the archive could not be read back%s%s",
                    v->why[0] ? ": " : "", v->why);
    } else if (!v->archive) {
        verdict_say(out, VERDICT_FAILED, "archive_missing", ERR_BACKUP_FAILED,
                    "borg ended with code %d, but the repository holds no archive of this run",
                    v->code);
    } else if (!warned) {
        verdict_say(out, VERDICT_SUCCEEDED, "archive_created", ERR_NONE, "archive %s was made",
                    name);
    } else if (v->file_count > 0) {
        verdict_say(out, VERDICT_WARNING, "created_with_warnings", ERR_NONE,
                    "archive %s was made; %zu file%s changed meanwhile or could not be read", name,
                    v->file_count, v->file_count == 1 ? "" : "s");
    } else {
        verdict_say(out, VERDICT_WARNING, "created_with_warnings", ERR_NONE,
                    "archive %s was made with warnings (exit code %d)", name, v->code);
    }
}

/* A check's findings: by its exit code, or by what it says and mends. */
static bool say_faults(const struct verdict *v, bool warned, struct verdict_result *out)
{
    const struct verdict_faults *f = v->faults;
    if (!f || (!warned && !v->cause))
        return false;
    const char *colon = v->detail[0] ? ": " : "";
    if (warned)
        verdict_say(out, VERDICT_FAILED, f->found_word, ERR_COMMAND_FAILED, "%s%s%s",
                    f->found_sentence, colon, v->detail);
    else
        verdict_say(out, VERDICT_WARNING, f->mended_word, ERR_NONE, "%s%s%s", f->mended_sentence,
                    colon, v->detail);
    return true;
}

void verdict_result(const struct verdict *v, struct verdict_result *out)
{
    bool warned = v->code == 1 || v->code >= 100;
    *out = (struct verdict_result){0};
    if (!v->exited)
        verdict_say(out, VERDICT_FAILED, "exit_unknown", ERR_BACKUP_FAILED,
                    "it is not known how borg ended");
    else if (v->signal != 0 || v->code >= 128 || v->code < 0)
        verdict_say(out, VERDICT_FAILED, "borg_killed", ERR_BACKUP_FAILED,
                    "borg was ended by a signal (exit code %d) before it was done%s", v->code,
                    v->archive ? "; an archive was made nevertheless" : "");
    else if ((v->code == 0 || warned) && say_faults(v, warned, out))
        return;
    else if (v->code == 0 || warned)
        say_ended_well(v, warned, out);
    else
        say_failed(v, out);
}
