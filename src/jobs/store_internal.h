/* store_internal: what the files of the store share. Nobody else includes it.
 *
 * store.c         opening, closing, the queue, callbacks (loop's thread)
 * store_op.c      operations as values: copies in, answers out
 * store_thread.c  the thread: batches, transactions, what is tried again
 * store_schema.c  the file: settings, schema, migrations
 * store_sql.c     statements; one function per operation on jobs
 * store_events.c  blocks written and read
 * store_retention.c  what is kept and what goes
 * store_space.c   the reserve of disk space
 *
 * The database handle and everything marked [db] belongs to whoever holds db_lock: the thread while
 * it works, the loop's thread before the loop runs. [q] is guarded by lock. */
#ifndef JOBS_STORE_INTERNAL_H
#define JOBS_STORE_INTERNAL_H

#include "jobs/store.h"

#include "limits.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum op_kind {
    OP_CREATE,
    OP_UPDATE,
    OP_END,
    OP_RESERVE,
    OP_RESERVE_GID,
    OP_APPEND,
    OP_GET,
    OP_LIST,
    OP_EVENTS,
    OP_EVENTS_ALL,
    OP_KEY,
};

struct op {
    struct op *next;
    enum op_kind kind;
    bool write, durable;
    bool critical; /* tried again until it lands */
    bool urgent;   /* may use the reserve of disk space; never refused for its number */
    bool spare;    /* one of the store's own: goes back there */
    union {
        store_done done;
        store_got_job job;
        store_got_jobs jobs;
        store_got_events events;
        store_got_key key;
    } call;
    void *arg;

    /* what is asked; the strings of `in` live in `mem` */
    struct store_job in;
    char *mem;
    struct block *block;
    uint64_t from; /* mark, id or gid */
    size_t max;
    struct store_filter filter; /* its strings are in.state, in.kind, in.label */

    /* the answer; the strings of row k live in row_mem[k] */
    enum err_code failed;
    const char *why; /* static text */
    struct store_job *rows;
    char **row_mem;
    size_t rows_n;
    int64_t next_cursor;
    struct buf out;
    size_t cost; /* bytes of the answer */
};

struct op_list {
    struct op *first, **end;
    size_t n;
};

/* What an operation came to. */
enum op_rc {
    OP_OK,
    OP_NO,    /* refused, nothing was changed: op->failed says why */
    OP_BROKEN /* the database failed: the transaction is void */
};

enum stmt {
#define X(name, sql) STMT_##name,
#include "jobs/store_stmt.def"
#undef X
    STMTS
};

/* Numbers about the whole store. Kept in the table `number`, written with each transaction that
 * changes them, read again after a rollback. */
struct numbers {
    int64_t bytes;   /* of all blocks kept */
    int64_t span;    /* widest last_gid - first_gid of any block ever */
    int64_t gid;     /* gids below it may have been shown */
    int64_t last_ms; /* highest n of any job id */
};
enum { NUMBERS = 4 };

/* What is kept of one job's events. */
struct job_log {
    int64_t seq; /* of the job */
    int64_t bytes, events, blocks;
    int64_t tail; /* first id behind the head; -1 while the head grows */
};

struct store {
    struct store_settings set; /* set.dir is dir */
    char *dir;
    uv_async_t async;
    uv_thread_t thread;
    int lock_fd;
    void (*closed)(void *arg);
    void *closed_arg;

    uv_mutex_t lock;
    uv_cond_t wake;
    struct op_list queue; /* [q] */
    struct op_list done;  /* [q] carried out, callbacks due */
    size_t replies;       /* [q] bytes of answers not yet handed over */
    size_t waiting;       /* [q] operations whose callback is still due */
    bool closing, ended;  /* [q] */
    struct op spare[STORE_SPARE];
    struct op *spares;           /* loop's thread */
    const struct err *answering; /* loop's thread: see store_read_error */

    uv_mutex_t db_lock;
    sqlite3 *db;                     /* [db] */
    sqlite3_stmt *stmt[STMTS];       /* [db] */
    int rc;                          /* [db] why the last statement failed */
    sqlite3_int64 changes;           /* [db] rows changed up to the last commit */
    bool full_sync;                  /* [db] synchronous=FULL is on */
    struct numbers numbers, written; /* [db] now; as they stand in the file */
    struct op_list retry;            /* [db] critical ones that have not landed */
    uint64_t retry_at;               /* [db] uv_hrtime when that is due */
    uint64_t retake_at, sweep_at;    /* [db] the same for the reserve, for expired jobs */
    uint64_t give_up_at;             /* [db] while closing; 0 before */
    bool sweep;                      /* [db] something to expire, look now */
    bool vacuum;                     /* [db] pages may be given back */
    bool dirty;                      /* [db] written since memory was last given back */
    int ballast_fd;                  /* [db] */
    bool reserve;                    /* [db] the ballast is held */

    atomic_size_t backlog;
    atomic_bool full;
    atomic_ullong commits, failures, since; /* since: uv_hrtime of the present batch, 0 idle */
};

/* ---- store_op.c (any thread) ---- */
void op_init(struct op *op, enum op_kind kind, void *arg);
/* Copies the strings of *in behind *out; returns their memory (never NULL on success). */
char *row_copy(const struct store_job *in, struct store_job *out);
void op_forget_answer(struct op *op); /* before it is tried again */
void op_done(struct op *op);          /* frees what it holds, not itself */
void op_answer(struct store *s, struct op *op);
enum op_rc op_no(struct op *op, enum err_code code, const char *why);
void op_list_init(struct op_list *l);
void op_list_add(struct op_list *l, struct op *op);
struct op *op_list_take(struct op_list *l); /* NULL when empty */
void op_list_move(struct op_list *from, struct op_list *to);

/* ---- store_thread.c ---- */
void store_thread_main(void *arg);

/* ---- store_schema.c ---- */
bool store_db_open(struct store *s, const char *path, struct err *e);
void store_db_close(struct store *s);
bool store_exec(struct store *s, const char *sql); /* false: s->rc says why */

/* ---- store_sql.c ---- */
/* A statement ready to be bound; NULL and s->rc when it could not be had. */
sqlite3_stmt *store_stmt(struct store *s, enum stmt which);
/* Binds in order by the letters of `types` (i int64, u uint64, s text or NULL) and runs a
 * statement that gives no rows. */
bool store_run(struct store *s, enum stmt which, const char *types, ...);
/* The same for a query: the statement standing on its first row, else NULL and s->rc
 * (SQLITE_DONE: no row). The caller resets it. */
sqlite3_stmt *store_query(struct store *s, enum stmt which, const char *types, ...);
bool numbers_load(struct store *s);
bool numbers_save(struct store *s);
enum op_rc op_create(struct store *s, struct op *op);
enum op_rc op_update(struct store *s, struct op *op);
enum op_rc op_reserve(struct store *s, struct op *op);
enum op_rc op_reserve_gid(struct store *s, struct op *op);
enum op_rc op_get(struct store *s, struct op *op);
enum op_rc op_jobs(struct store *s, struct op *op);
enum op_rc op_key(struct store *s, struct op *op);
/* Fills a row from a statement of the JOB columns; strings are the statement's. */
bool row_read(sqlite3_stmt *st, struct store_job *row);

/* ---- store_events.c ---- */
/* Runs a query for the columns of a struct job_log. types: "s" with id, "i" with seq, "" with
 * neither. False when the database failed. */
bool log_find(struct store *s, enum stmt which, const char *types, const char *id, int64_t seq,
              struct job_log *log, bool *found);
bool log_write(struct store *s, const struct job_log *log);
enum op_rc op_append(struct store *s, struct op *op);
enum op_rc op_events(struct store *s, struct op *op);
enum op_rc op_events_all(struct store *s, struct op *op);

/* ---- store_retention.c ---- */
int64_t store_now_ms(void);
/* After a block, first id `newest`, was added to the job: its own budget, then that of all. */
bool retention_block(struct store *s, struct job_log *log, int64_t newest);
/* One step of expiring jobs and keys, in the caller's transaction; *more: call again. */
bool retention_sweep(struct store *s, bool *more);
/* Gives free pages back, a step of it; *more as above. Outside a transaction. */
bool retention_vacuum(struct store *s, bool *more);

/* ---- store_space.c ---- */
bool space_open(struct store *s, struct err *e);
void space_close(struct store *s);
void space_release(struct store *s);
void space_take(struct store *s); /* tries to hold the reserve again */

#endif
