/* lock_show: how answers show locks. Loop's thread. */
#ifndef API_LOCK_SHOW_H
#define API_LOCK_SHOW_H

#include "api/call.h"
#include "backup/locks/lock_survey.h"

/* Of one repository: true, false, or not known (LOCK_NOT_KNOWN). */
enum lock_word lock_word_of(const struct survey_config *c, size_t repo);
/* Of all that were asked for (repository: only this one, or NULL): locked when one is; free when
 * all are. */
enum lock_word lock_word_of_all(const struct survey_config *c, const char *repository);
void lock_show_word(struct jsonw *w, const char *key, enum lock_word word); /* true, false, null */
/* Why the word is not known, or NULL. */
const char *lock_problem(const struct survey_config *c, const char *repository);

bool lock_concerns(const struct survey_config *c, size_t repo, const char *repository);
/* True when the configuration has the repository that is asked for (NULL: always), or is not
 * understood; else answers the call with 400 on "repository_label". */
bool lock_repository_known(struct call *c, const struct survey_config *one, const char *repository);
/* The job of ours that works on the repository (the GETs' own questions left out), or NULL. */
const struct job *lock_job(struct app *app, const struct resolved_repo *repo);
/* Members of one repository: repository, label, locked, those of lock_state_write, job_id. */
void lock_show_repository(struct app *app, struct jsonw *w, const struct survey_config *c,
                          size_t repo);
/* "repositories": […] */
void lock_show_repositories(struct app *app, struct jsonw *w, const struct survey_config *c,
                            const char *repository);

#endif
