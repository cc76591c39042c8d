/* survey_call: a request that wants to know what configurations mean and how their repositories are
 * locked (backup/locks/lock_survey). Loop's thread. */
#ifndef API_SURVEY_CALL_H
#define API_SURVEY_CALL_H

#include "api/call.h"
#include "backup/locks/lock_survey.h"

struct survey_question {
    const char *label;      /* NULL: all configurations */
    const char *repository; /* only this one of its repositories, or NULL */
    bool look, probe;       /* as in lock_survey_spec */
    unsigned deadline_ms;   /* 0: the usual one */
    /* Answers the call, and frees the survey then or later. */
    void (*known)(struct call *c, struct lock_survey *s);
    /* Told instead why nothing could be asked, and answers; NULL: the call is answered with it. */
    void (*failed)(struct call *c, const struct err *e);
};

/* Asks, or answers the call itself (404, 503, …). The call's passphrases go with a probe. */
void survey_call(struct call *c, const struct survey_question *q);

#endif
