/* A host that no configuration names, as a place for ssh_test. */
#include "backup/ssh/ssh_test.h"
#include "base/mem.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static bool name_ok(const char *s, const char *more)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (*s == '-' || *s == '\0')
        return false;
    for (; *s; s++)
        if (!strchr(letters, *s) && !strchr(more, *s))
            return false;
    return true;
}

char *ssh_test_place(const char *host, int port, const char *user, struct err *e)
{
    if (!name_ok(host, ".-_:")) {
        (void)err_field(e, ERR_BAD_REQUEST, "host",
                        "must be a host's name or address, without user, port or brackets");
        return NULL;
    }
    if (user && !name_ok(user, ".-_+")) {
        (void)err_field(e, ERR_BAD_REQUEST, "user", "must be the name of an account");
        return NULL;
    }
    bool six = strchr(host, ':') != NULL;
    char number[16] = "";
    if (port)
        (void)snprintf(number, sizeof number, ":%d", port);
    char *place = mem_printf("ssh://%s%s%s%s%s%s/./borgmatic-api-test-%08x", user ? user : "",
                             user ? "@" : "", six ? "[" : "", host, six ? "]" : "", number,
                             randombytes_random());
    if (!place)
        (void)err_set(e, ERR_NO_MEMORY, "no memory for the place to try");
    return place;
}

char *ssh_test_rsh(const char *ssh_dir, struct err *e)
{
    if (!name_ok(ssh_dir, "/.-_+=:@,")) {
        (void)err_set(
            e, ERR_UNAVAILABLE,
            "ssh cannot be told to use %.200s: its name has other characters than letters, "
            "digits and /.-_+=:@,",
            ssh_dir);
        return NULL;
    }
    char *rsh = mem_printf("ssh -F none -o UserKnownHostsFile=%s/known_hosts", ssh_dir);
    if (!rsh)
        (void)err_set(e, ERR_NO_MEMORY, "no memory for ssh's command line");
    return rsh;
}
