/* The settings as text: the redacted dump, --help, docs/settings.md. */
#include "config.h"
#include "config_table.h"

#include <string.h>

static const char *level_word(enum log_level l)
{
    static const char *const words[] = {"debug", "info", "notice", "warning", "error"};
    return words[l];
}

static void dump_one(const struct config *c, const struct setting *row, struct buf *out)
{
    const void *member = (const char *)c + row->offset;
    (void)buf_printf(out, "%s=", row->name);
    switch (row->type) {
    case SETTING_STRING:
    case SETTING_PATH:
    case SETTING_ADDRESS:
    case SETTING_URL:
    case SETTING_NAMES:
        (void)buf_puts(out, *(char *const *)member);
        break;
    case SETTING_LEVEL:
        (void)buf_puts(out, level_word(*(const enum log_level *)member));
        break;
    case SETTING_INT:
        (void)buf_printf(out, "%d", *(const int *)member);
        break;
    case SETTING_FACTOR:
        (void)buf_printf(out, "%g", *(const double *)member);
        break;
    case SETTING_BOOL:
    case SETTING_FLAG:
        (void)buf_puts(out, *(const bool *)member ? "true" : "false");
        break;
    case SETTING_TOKEN:
        (void)buf_puts(out, *(struct secret *const *)member ? "***" : "");
        break;
    }
    (void)buf_putc(out, '\n');
}

void config_dump(const struct config *c, struct buf *out)
{
    for (size_t i = 0; i < config_table_rows; i++)
        dump_one(c, &config_table[i], out);
}

void config_help(struct buf *out)
{
    (void)buf_puts(out, "Settings come from the environment; an empty one counts as unset. Each "
                        "token may be\ngiven as NAME_FILE instead, the path of a file that holds "
                        "it.\n");
    for (size_t i = 0; i < config_table_rows; i++) {
        const struct setting *row = &config_table[i];
        if (row->group)
            (void)buf_printf(out, "\n%s\n", row->group);
        (void)buf_printf(out, "  %-26s %s", row->name, row->help);
        if (*row->fallback)
            (void)buf_printf(out, " [%s]", row->fallback);
        (void)buf_putc(out, '\n');
    }
}

static void markdown_row(const struct setting *row, struct buf *out)
{
    (void)buf_printf(out, "| `%s` | %s | ", row->name, config_type_words(row->type));
    if (row->type == SETTING_FLAG)
        (void)buf_puts(out, "`true`; `false` in secure mode");
    else if (*row->fallback)
        (void)buf_printf(out, "`%s`", row->fallback);
    (void)buf_printf(out, " | %s", row->help);
    if (row->type == SETTING_INT)
        (void)buf_printf(out, " %d to %d.", row->min, row->max);
    (void)buf_puts(out, " |\n");
}

void config_markdown(struct buf *out)
{
    (void)buf_puts(
        out,
        "# Settings\n\n"
        "Settings come from the environment and are read once at start; an empty one counts as "
        "unset. Each secret may be given as `NAME_FILE` instead, the path of a file whose text it "
        "is. What is wrong is listed all at once and nothing is started (exit status 78); "
        "`borgmatic-api --check-config` does only that, and also refuses names it does not know.\n");
    for (size_t i = 0; i < config_table_rows; i++) {
        const struct setting *row = &config_table[i];
        if (row->group)
            (void)buf_printf(out,
                             "\n## %s\n\n| name | type | default | meaning |\n|---|---|---|---|\n",
                             row->group);
        markdown_row(row, out);
    }
    (void)buf_puts(out, "\n## Other names\n\nThese names of example files are read too:\n\n"
                        "| name | read as |\n|---|---|\n");
    for (size_t i = 0; i < config_alias_count; i++)
        (void)buf_printf(out, "| `%s` | `%s` |\n", config_aliases[i].name, config_aliases[i].means);
    (void)buf_puts(out, "\nAccepted and without effect:");
    for (const char *const *p = config_without_effect; *p; p++)
        (void)buf_printf(out, "%s `%s`", p == config_without_effect ? "" : ",", *p);
    (void)buf_puts(out, ".\n");
}
