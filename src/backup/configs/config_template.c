#include "backup/configs/config_template.h"

#include "backup/configs/config_policy.h"
#include "base/json.h"
#include "base/yaml.h"

#include <inttypes.h>
#include <string.h>

struct template
{
    bool sections, labels;
    const json_t *given;
    struct buf *out;
};

static void section(struct template *t, const char *name)
{
    if (t->sections)
        (void)buf_printf(t->out, "%s:\n", name);
}

/* Everything below a section is two deeper. */
static void line(struct template *t, const char *text)
{
    (void)buf_printf(t->out, "%s%s\n", t->sections ? "    " : "", text);
}

static void quoted(struct template *t, const char *before, const char *value)
{
    (void)buf_printf(t->out, "%s%s", t->sections ? "    " : "", before);
    yaml_quote(value, strlen(value), t->out);
    (void)buf_putc(t->out, '\n');
}

static void write_location(struct template *t)
{
    size_t i;
    json_t *one;
    section(t, "location");
    line(t, "# What is backed up.");
    line(t, "source_directories:");
    json_array_foreach(json_object_get(t->given, "sources"), i, one)
        quoted(t, "    - ", json_string_value(one));
    (void)buf_putc(t->out, '\n');
    line(t, "# Where to: a path, or ssh://user@host/./path.");
    line(t, "repositories:");
    quoted(t, t->labels ? "    - path: " : "    - ", json_get_str(t->given, "repository", ""));
    if (t->labels && json_object_get(t->given, "repository_label"))
        quoted(t, "      label: ", json_get_str(t->given, "repository_label", ""));
    (void)buf_putc(t->out, '\n');
    line(t, "# Caches say of themselves that they need no backup.");
    line(t, "exclude_caches: true");
}

static void write_storage(struct template *t)
{
    (void)buf_putc(t->out, '\n');
    section(t, "storage");
    line(t, "# Fast, and of use for most data.");
    line(t, "compression: lz4");
    (void)buf_putc(t->out, '\n');
    line(t, "# The passphrase may come with each request instead, so that it stands in no file.");
    line(t, "# encryption_passphrase: \"\"");
    (void)buf_putc(t->out, '\n');
    line(t, "# Seconds to wait for a repository that is in use.");
    line(t, "lock_wait: 5");
}

static void write_retention(struct template *t)
{
    static const struct {
        const char *name;
        int64_t usual; /* 0: only when asked for */
    } kept[] = {{"keep_hourly", 0},
                {"keep_daily", 7},
                {"keep_weekly", 4},
                {"keep_monthly", 6},
                {"keep_yearly", 0}};
    (void)buf_putc(t->out, '\n');
    section(t, "retention");
    line(t, "# How many archives stay: the newest of each of so many days, weeks, months.");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        int64_t n = json_get_int(t->given, kept[i].name, kept[i].usual);
        if (n > 0)
            (void)buf_printf(t->out, "%s%s: %" PRId64 "\n", t->sections ? "    " : "", kept[i].name,
                             n);
    }
}

static void write_checks(struct template *t)
{
    (void)buf_putc(t->out, '\n');
    section(t, "consistency");
    line(t, "# What is checked after a backup, and how often.");
    line(t, "checks:");
    line(t, "    - name: repository");
    line(t, "      frequency: 2 weeks");
    line(t, "    - name: archives");
    line(t, "      frequency: 1 month");
}

static bool sound(const json_t *given, struct err *e)
{
    size_t i;
    json_t *one;
    if (!config_location_ok(json_get_str(given, "repository", "-")))
        return err_field(e, ERR_BAD_REQUEST, "repository",
                         "must be a path or an address whose host and user do not begin with '-'");
    json_array_foreach(json_object_get(given, "sources"), i, one)
    {
        if (json_string_value(one)[0] == '-')
            return err_field(e, ERR_BAD_REQUEST, "sources", "must not begin with '-'");
    }
    return true;
}

bool config_template(const struct borgmatic_version *v, const json_t *given, struct buf *out,
                     struct err *e)
{
    struct template t = {.sections = borgmatic_version_cmp(*v, 1, 8, 0) < 0,
                         .labels = borgmatic_version_cmp(*v, 1, 7, 10) >= 0,
                         .given = given,
                         .out = out};
    if (!sound(given, e))
        return false;
    (void)buf_printf(out, "# Configuration \"%s\" for borgmatic.\n",
                     json_get_str(given, "label", ""));
    write_location(&t);
    write_storage(&t);
    write_retention(&t);
    write_checks(&t);
    return !out->failed || err_field(e, ERR_BAD_REQUEST, "sources", "too long in all");
}
