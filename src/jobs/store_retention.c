/* What is kept and what goes: a job's head and tail, the budget of all jobs, jobs past their time.
 * Everything goes in whole blocks and in small steps. */
#include "jobs/store_internal.h"

#include <time.h>

int64_t store_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Deletes the job's oldest block whose first id lies in [from, before). *gone is false when there
 * is none. */
static bool delete_block(struct store *s, struct job_log *log, int64_t from, int64_t before,
                         bool *gone)
{
    *gone = false;
    sqlite3_stmt *st = store_query(s, STMT_BLOCK_FROM, "ii", log->seq, from);
    if (!st)
        return s->rc == SQLITE_DONE;
    int64_t n = sqlite3_column_int64(st, 0), first = sqlite3_column_int64(st, 1);
    int64_t bytes = sqlite3_column_int64(st, 2), count = sqlite3_column_int64(st, 3);
    (void)sqlite3_reset(st);
    if (first >= before)
        return true;
    if (!store_run(s, STMT_BLOCK_DELETE, "i", n))
        return false;
    log->bytes -= bytes;
    log->events -= count;
    log->blocks--;
    s->numbers.bytes -= bytes;
    s->vacuum = true;
    *gone = true;
    return true;
}

/* The head is the first quarter of the budget; once it is full everything behind it is tail, of
 * which the oldest goes. The newest block always stays. */
static bool trim_job(struct store *s, struct job_log *log, int64_t newest)
{
    const struct store_settings *set = &s->set;
    if (log->tail < 0 && log->blocks > 1 &&
        (log->bytes > set->job_bytes / 4 || log->events > set->job_events / 4))
        log->tail = newest;
    bool gone = true;
    for (int k = 0; gone && k < STORE_TRIM; k++) {
        if (log->tail < 0 || (log->bytes <= set->job_bytes && log->events <= set->job_events))
            return true;
        if (!delete_block(s, log, log->tail, newest, &gone))
            return false;
    }
    return true;
}

/* Takes up to *steps blocks of one job, all but its last, until all fit into `budget`. */
static bool trim_one(struct store *s, struct job_log *log, int64_t newest, int64_t budget,
                     int *steps)
{
    bool gone = true;
    for (; gone && *steps > 0 && log->blocks > 1 && s->numbers.bytes > budget; --*steps) {
        if (!delete_block(s, log, 0, newest, &gone))
            return false;
    }
    return true;
}

/* Ended jobs give way first, of them the reading ones, then the oldest; each keeps its last block,
 * which tells how it ended. If that is not enough the job at hand gives its own. A little more goes
 * than must, so that this is not looked at with every block. */
static bool trim_all(struct store *s, struct job_log *log, int64_t newest)
{
    if (s->numbers.bytes <= s->set.all_bytes)
        return true;
    int64_t budget = s->set.all_bytes - s->set.all_bytes / 32;
    int steps = STORE_TRIM;
    while (steps > 0 && s->numbers.bytes > budget) {
        struct job_log ended;
        bool found;
        if (!log_find(s, STMT_TRIM_JOB, "", NULL, 0, &ended, &found))
            return false;
        if (!found)
            return trim_one(s, log, newest, s->set.all_bytes, &steps);
        bool same = ended.seq == log->seq;
        if (!trim_one(s, same ? log : &ended, INT64_MAX, budget, &steps) ||
            (!same && !log_write(s, &ended)) || (same && !log_write(s, log)))
            return false;
    }
    return true;
}

bool retention_block(struct store *s, struct job_log *log, int64_t newest)
{
    return trim_job(s, log, newest) && log_write(s, log) && trim_all(s, log, newest) &&
           log_write(s, log);
}

/* Up to STORE_TRIM blocks of a job, and the job itself once it has none left. */
static bool delete_job(struct store *s, int64_t seq)
{
    struct job_log log = {.seq = seq};
    bool found, gone = true;
    if (!log_find(s, STMT_LOG_BY_SEQ, "i", NULL, seq, &log, &found))
        return false;
    for (int k = 0; gone && k < STORE_TRIM; k++) {
        if (!delete_block(s, &log, 0, INT64_MAX, &gone))
            return false;
    }
    if (gone)
        return log_write(s, &log);
    return store_run(s, STMT_LOG_DELETE, "i", seq) && store_run(s, STMT_JOB_DELETE, "i", seq);
}

/* The next job that is past its time. */
static bool next_expired(struct store *s, int64_t now, bool *found, int64_t *seq)
{
    sqlite3_stmt *st =
        store_query(s, STMT_EXPIRED_READING, "i", now - (int64_t)s->set.read_job_keep_s * 1000);
    if (!st && s->rc == SQLITE_DONE)
        st = store_query(s, STMT_EXPIRED_OTHER, "i", (int64_t)s->set.jobs_keep);
    *found = st != NULL;
    if (!st)
        return s->rc == SQLITE_DONE;
    *seq = sqlite3_column_int64(st, 0);
    (void)sqlite3_reset(st);
    return true;
}

bool retention_sweep(struct store *s, bool *more)
{
    int64_t seq, now = store_now_ms();
    if (!store_run(s, STMT_KEY_EXPIRE, "i", now - (int64_t)IDEMPOTENCY_KEEP_S * 1000))
        return false;
    return next_expired(s, now, more, &seq) && (!*more || delete_job(s, seq));
}

bool retention_vacuum(struct store *s, bool *more)
{
    *more = false;
    sqlite3_stmt *st = store_query(s, STMT_FREE_PAGES, "");
    if (!st)
        return false;
    int64_t n = sqlite3_column_int64(st, 0);
    (void)sqlite3_reset(st);
    if (n <= STORE_FREE_PAGES)
        return true;
    *more = n > STORE_FREE_PAGES + STORE_VACUUM_PAGES;
    char sql[64];
    (void)sqlite3_snprintf(sizeof sql, sql, "PRAGMA incremental_vacuum(%d)", STORE_VACUUM_PAGES);
    return store_exec(s, sql);
}
