#include "backup/run/borgmatic_words.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 12, LINE_MAX_ = 300 };

/* Decoration: it says that something failed, never what. */
static const char *const noise[] = {
    "summary:",
    "Need some help?",
    "Error running configuration file",
    "Error running actions for repository",
    "No valid configuration files found",
    "Error parsing configuration file",
    "An error occurred",
    "Configuration sections (like location:",
    "The --override flag is deprecated",
    "Remote repository paths without ssh:// syntax",
};

/* Copies one line without escape sequences and control characters; its length. */
static size_t clean_line(char *to, size_t size, const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < size; i++) {
        if (s[i] == '\033') {
            i++;
            while (i < n && !((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z')))
                i++;
            continue;
        }
        if ((unsigned char)s[i] >= 0x20 && s[i] != 0x7f)
            to[k++] = s[i];
    }
    while (k > 0 && to[k - 1] == ' ')
        k--;
    to[k] = '\0';
    size_t lead = strspn(to, " ");
    memmove(to, to + lead, k - lead + 1);
    return k - lead;
}

/* "At 'storage.x': VALUE is not of type 'string'": the value may be a secret, so it is left out.
 * What borgmatic says without quoting a value stays. */
static void hide_value(char *line, size_t size)
{
    static const char *const safe[] = {"Additional properties are not allowed", "False schema"};
    static const char *const marks[] = {
        " is not of type ",   " is not one of ", " is not valid under ", " does not match ",
        " is too long",       " is too short",   " is less than ",       " is greater than ",
        " has non-unique ",   " should be ",     " is a required ",      " should not be valid ",
        " does not contain ", " was expected",   " is a dependency of ", " is not a multiple of ",
    };
    const char *at = strncmp(line, "At ", 3) == 0 ? strstr(line, ": ") : NULL;
    if (!at)
        return;
    size_t from = (size_t)(at - line) + 2;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strncmp(line + from, safe[i], strlen(safe[i])) == 0)
            return;
    const char *tail = NULL;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        for (const char *p = line + from; (p = strstr(p, marks[i])) != NULL; p++)
            tail = !tail || p > tail ? p : tail;
    if (tail && strncmp(tail, " is a required ", 15) == 0)
        return; /* quotes the key that is missing */
    char kept[LINE_MAX_];
    (void)snprintf(kept, sizeof kept, "%s", tail ? tail : " is not valid");
    (void)snprintf(line + from, size - from, "the value%s", kept);
}

static bool is_noise(const char *line)
{
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (strstr(line, noise[i]))
            return true;
    return line[0] == '\0';
}

/* A Python traceback tells the caller nothing and may quote a value: only the kind of the
 * exception, which begins the last line that is not indented, is passed on. */
static bool crash_words(const char *text, char *out, size_t size)
{
    const char *trace = strstr(text, "Traceback (most recent call last)");
    const char *last = NULL;
    for (const char *p = trace; p && *p;) {
        if (*p != ' ' && *p != '\n')
            last = p;
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    if (!last || last == trace)
        return false;
    (void)snprintf(out, size,
                   "borgmatic crashed on it (%.*s): is it empty, or a list instead of settings?",
                   (int)strcspn(last, ": \r\n"), last);
    return true;
}

void borgmatic_words(const char *stderr_text, char *out, size_t size)
{
    if (crash_words(stderr_text, out, size))
        return;
    char lines[LINES_MAX][LINE_MAX_]; /* a ring of the last ones */
    size_t seen = 0;
    for (const char *p = stderr_text; *p;) {
        size_t n = strcspn(p, "\n");
        char *line = lines[seen % LINES_MAX];
        (void)clean_line(line, LINE_MAX_, p, n);
        hide_value(line, LINE_MAX_);
        bool known = is_noise(line);
        for (size_t i = seen > LINES_MAX - 1 ? seen - (LINES_MAX - 1) : 0; i < seen && !known; i++)
            known = strcmp(lines[i % LINES_MAX], line) == 0;
        if (!known)
            seen++;
        p += n + (p[n] == '\n');
    }
    out[0] = '\0';
    size_t first = seen > LINES_MAX - 1 ? seen - (LINES_MAX - 1) : 0;
    size_t need = 0;
    for (size_t i = seen; i > first; i--) { /* as many of the last lines as fit */
        need += strlen(lines[(i - 1) % LINES_MAX]) + (i < seen ? 2 : 0);
        if (need >= size && i < seen) {
            first = i;
            break;
        }
    }
    size_t used = 0;
    for (size_t i = first; i < seen && used + 1 < size; i++) {
        int k =
            snprintf(out + used, size - used, "%s%s", used > 0 ? "; " : "", lines[i % LINES_MAX]);
        used += k > 0 ? (size_t)k : 0;
    }
    if (used >= size)
        out[utf8_cut(out, size - 1, size - 2)] = '\0';
}

bool borgmatic_words_config(const char *s)
{
    return strstr(s, "Error parsing configuration file") ||
           strstr(s, "No valid configuration files found") ||
           strstr(s, "Insufficient permissions to read configuration file") ||
           strstr(s, "An error occurred while parsing a configuration file");
}

bool borgmatic_words_soft_failure(const char *s)
{
    return strstr(s, "soft failure exit code") != NULL;
}

bool borgmatic_words_hook(const char *s)
{
    static const char mark[] = "Command '";
    for (const char *p = s; (p = strstr(p, mark)) != NULL;) {
        p += sizeof mark - 1;
        const char *end = strstr(p, "' returned non-zero exit status");
        const char *line = strchr(p, '\n');
        if (!end || (line && line < end))
            continue;
        const char *word_end = p + strcspn(p, " '\n");
        const char *base = word_end;
        while (base > p && base[-1] != '/')
            base--;
        if (word_end - base != 4 || strncmp(base, "borg", 4) != 0)
            return true;
    }
    return strstr(s, "-everything hook") || strstr(s, "Error running pre-") ||
           strstr(s, "Error running post-") || strstr(s, "Error running before ") ||
           strstr(s, "Error running after ");
}
