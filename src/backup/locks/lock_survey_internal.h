/* Shared by lock_survey.c (the course) and lock_survey_files.c (what is read on worker threads). */
#ifndef BACKUP_LOCKS_LOCK_SURVEY_INTERNAL_H
#define BACKUP_LOCKS_LOCK_SURVEY_INTERNAL_H

#include "backup/locks/lock_survey.h"

struct survey_item {
    struct survey_config c;
    struct lock_survey *s;
    size_t next;     /* the repository that is asked next */
    struct job *job; /* that asks it, watched */
    bool begun, done;
};

struct survey_slot {
    struct survey_item *item; /* stays where it is: callbacks know it */
};

struct lock_survey {
    struct backup_context context;
    struct borgmatic_tools tools;
    struct resolve *resolve;
    struct jobs *jobs;
    char *config_dir, *repository, *role, *address;
    bool look, probe;
    struct secret *borg_passphrase, *ssh_passphrase;
    void (*done)(void *arg, struct lock_survey *s);
    void *arg;

    struct survey_slot *slots;
    size_t count, begun, finished;
    bool cut;
    char problem[256];
    unsigned refs; /* the owner, the timer, what is under way */
    bool over;     /* nothing more is wanted */
    uv_timer_t timer;
};

bool survey_add(struct lock_survey *s, const char *label, const char *file);
void survey_unref(struct lock_survey *s);
bool survey_wants(const struct lock_survey *s, const struct resolved_repo *repo);

/* Each holds a reference meanwhile; the continuation runs only if the survey is still wanted. */
bool survey_list(struct lock_survey *s, void (*listed)(struct lock_survey *s));
bool survey_look(struct survey_item *it, void (*looked)(struct survey_item *it));

#endif
