/* askpass: ssh runs it to ask for a passphrase. It hands the question to the job's control socket
 * and prints the answer, if there is one; it never asks anybody and never says yes to a host key.
 */
#include "backup/control/control.h"
#include "backup/control/control_link.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool print_answer(int fd)
{
    static char secret[LIMIT_SECRET + 1];
    (void)sodium_mlock(secret, sizeof secret);
    size_t n = 0;
    ssize_t r;
    while (n < LIMIT_SECRET && (r = read(fd, secret + n, LIMIT_SECRET - n)) != 0) {
        if (r > 0)
            n += (size_t)r;
        else if (errno != EINTR)
            break;
    }
    secret[n] = '\n';
    bool ok = fsafe_write_all(STDOUT_FILENO, secret, n + 1);
    (void)sodium_munlock(secret, sizeof secret); /* wipes */
    return ok;
}

int askpass_main(int argc, char **argv)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    struct control_link link;
    struct control_orders orders;
    if (argc != 2 || !control_link_open(&link))
        return 1;
    const char *const question[] = {argv[1], NULL};
    struct control_msg hello = {.type = CONTROL_HELLO, .kind = CONTROL_KIND_ASKPASS};
    bool ok = control_link_send_strings(&link, hello, question) &&
              control_link_orders(&link, &orders) && orders.mode == CONTROL_RUN && orders.fd >= 0 &&
              print_answer(orders.fd);
    control_link_close(&link);
    return ok ? 0 : 1;
}
