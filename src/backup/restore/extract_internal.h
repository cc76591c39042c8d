/* Shared by extract.c (the course) and extract_report.c (how it ends). */
#ifndef BACKUP_RESTORE_EXTRACT_INTERNAL_H
#define BACKUP_RESTORE_EXTRACT_INTERNAL_H

#include "backup/archives/archive_name.h"
#include "backup/archives/entry.h"
#include "backup/restore/asked_paths.h"
#include "backup/restore/extract.h"
#include "backup/restore/extract_look.h"

enum extract_phase { STEP_NEWEST, STEP_LIST, STEP_ROOM, STEP_EXTRACT, STEP_LEAVE };

struct extract {
    uv_loop_t *loop;
    uv_work_t work; /* one at a time; the plan is not freed meanwhile */
    struct operation *op;
    enum extract_phase phase;
    bool working, began;
    struct destination d;
    char archive[ARCHIVE_NAME_MAX + 1];
    struct asked_paths asked;
    int64_t strip;
    char *room; /* folder of ours that the destination is bound to */
    /* what is asked for, by borg's listing */
    struct entry_lines lines;
    int64_t files, bytes;
    /* what came of it */
    struct extract_look there;
    bool stands, left;
    bool borg_ended;
    struct verdict_result said; /* of borg's extract */
    struct err why;             /* of our own: it counts more */
};

/* Nothing runs any more: result, verdict, the job's end. */
void extract_finish(struct extract *x);

#endif
