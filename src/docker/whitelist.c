#include "docker/whitelist.h"

#include <stdio.h>
#include <string.h>

enum { FLAG_STOP = 2, NUMBER_DIGITS = 9 };

static const struct whitelist_env table[] = {
    {"DAILY_BACKUP", "0|1"},
    {"CHECK_BACKUP", "0|1"},
    {"STOP_CONTAINERS", "0|1"}, /* FLAG_STOP */
    {"START_CONTAINERS", "0|1"},
    {"AUTOMATIC_UPDATES", "0|1"},
    {"SEND_SUCCESS_NOTIFICATIONS", "0|1"},
    {"LOCK_FILE_PRESENT", "0|1"},
    {"NEXTCLOUD_DRI_GID", NULL},
    {NULL, NULL},
};

const struct whitelist_env *whitelist_env_table(void)
{
    return table;
}

/* ---- the environment ---- */

static bool value_allowed(const struct whitelist_env *row, const char *value)
{
    size_t n = strlen(value);
    if (!row->values)
        return n > 0 && n <= NUMBER_DIGITS && strspn(value, "0123456789") == n;
    for (const char *v = row->values; v; v = strchr(v, '|') ? strchr(v, '|') + 1 : NULL)
        if (strcspn(v, "|") == n && strncmp(v, value, n) == 0)
            return true;
    return false;
}

/* Index of the row of "KEY=value", or −1. */
static int row_of(const char *entry)
{
    size_t n = strcspn(entry, "=");
    for (int i = 0; entry[n] == '=' && table[i].key; i++)
        if (strlen(table[i].key) == n && strncmp(table[i].key, entry, n) == 0)
            return i;
    return -1;
}

/* What the flags are: a bit of `given` and of `set` (to 1) for each row. */
static bool read_env(const char *const *env, unsigned *given, unsigned *set, struct err *e)
{
    *given = *set = 0;
    for (; env && *env; env++) {
        int i = row_of(*env);
        if (i < 0)
            return err_field(e, ERR_EXEC_FORBIDDEN, "env",
                             "a variable that is not in the whitelist's table");
        const char *value = strchr(*env, '=') + 1;
        if (*given & 1U << i)
            return err_field(e, ERR_EXEC_FORBIDDEN, "env", "%s is given twice", table[i].key);
        if (!value_allowed(&table[i], value))
            return err_field(e, ERR_EXEC_FORBIDDEN, "env", "%s must be %s", table[i].key,
                             table[i].values ? "0 or 1" : "a number");
        *given |= 1U << i;
        if (strcmp(value, "1") == 0)
            *set |= 1U << i;
    }
    return true;
}

static bool flags_allowed(const char *const *env, bool stop, struct err *e)
{
    const unsigned flags = (1U << WHITELIST_FLAGS) - 1;
    unsigned given, set;
    if (!read_env(env, &given, &set, e))
        return false;
    for (unsigned i = 0; i < WHITELIST_FLAGS; i++)
        if (!(given & 1U << i))
            return err_field(e, ERR_EXEC_FORBIDDEN, "env", "%s must be given as 0 or 1",
                             table[i].key);
    if ((set & flags) == 0)
        return err_field(
            e, ERR_EXEC_FORBIDDEN, "env",
            "one of the five flags must be 1: without any the script stops everything");
    if (stop && (set & flags) != 1U << FLAG_STOP)
        return err_field(e, ERR_EXEC_FORBIDDEN, "env",
                         "with \"stop\" STOP_CONTAINERS must be 1 and the other four flags 0");
    return true;
}

/* ---- the command ---- */

enum command { NONE, DAILY, DAILY_STOP, HEALTH };

static enum command command_of(const struct whitelist *w, const char *const *argv)
{
    bool one = argv[0] && !argv[1];
    bool stop = argv[0] && argv[1] && !argv[2] && strcmp(argv[1], "stop") == 0;
    if ((one || stop) && strcmp(argv[0], w->daily) == 0)
        return one ? DAILY : DAILY_STOP;
    return one && strcmp(argv[0], w->health) == 0 ? HEALTH : NONE;
}

bool whitelist_command(const struct whitelist *w, const char *container, const char *const *argv,
                       struct err *e)
{
    if (!*w->master || strcmp(container, w->master) != 0)
        return err_field(e, ERR_EXEC_FORBIDDEN, "container",
                         "nothing may be executed in this container");
    return command_of(w, argv) != NONE ||
           err_field(e, ERR_EXEC_FORBIDDEN, "command",
                     "this command may not be executed in this container");
}

bool whitelist_allows(const struct whitelist *w, const char *container, const char *const *argv,
                      const char *const *env, struct err *e)
{
    if (!whitelist_command(w, container, argv, e))
        return false;
    enum command c = command_of(w, argv);
    if (c != HEALTH)
        return flags_allowed(env, c == DAILY_STOP, e);
    return !env || !*env ||
           err_field(e, ERR_EXEC_FORBIDDEN, "env", "this command takes no variables");
}

/* ---- for readers ---- */

static void write_env(struct jsonw *out)
{
    jsonw_key(out, "env");
    jsonw_begin_object(out);
    for (const struct whitelist_env *row = table; row->key; row++)
        jsonw_kstr(out, row->key, row->values ? row->values : "number");
    jsonw_end_object(out);
}

void whitelist_write(const struct whitelist *w, struct jsonw *out)
{
    jsonw_begin_object(out);
    if (*w->master) {
        jsonw_key(out, w->master);
        jsonw_begin_object(out);
        jsonw_key(out, "commands");
        jsonw_begin_array(out);
        jsonw_str(out, w->daily);
        char stop[512];
        (void)snprintf(stop, sizeof stop, "%s stop", w->daily);
        jsonw_str(out, stop);
        jsonw_str(out, w->health);
        jsonw_end_array(out);
        jsonw_kbool(out, "no_shell", true);
        jsonw_kstr(out, "description", "Nextcloud AIO's mastercontainer");
        write_env(out);
        jsonw_end_object(out);
    }
    jsonw_end_object(out);
}
