#include "aio/preflight/host_path.h"

#include "aio/preflight/repo_size.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct mountinfo mounted(const char *device, const char *root, const char *point)
{
    struct mountinfo m = {0};
    (void)snprintf(m.device, sizeof m.device, "%s", device);
    (void)snprintf(m.root, sizeof m.root, "%s", root);
    (void)snprintf(m.point, sizeof m.point, "%s", point);
    return m;
}

static void where_the_host_is_seen_the_device_tells(void **state)
{
    struct mountinfo root = mounted("254:0", "/", "/");
    struct mountinfo drive = mounted("8:1", "/", "/mnt/usb");
    struct mountinfo bound = mounted("254:0", "/srv/x", "/mnt/usb");
    assert_int_equal(host_path_judge(true, "/mnt/usb", &drive, &root), HOST_DISK_OWN);
    assert_int_equal(host_path_judge(true, "/mnt/usb", &root, &root), HOST_DISK_ROOT);
    /* mounted, and the root disk all the same */
    assert_int_equal(host_path_judge(true, "/mnt/usb", &bound, &root), HOST_DISK_ROOT);
}

static void in_a_container_the_mounts_root_tells(void **state)
{
    struct mountinfo root = mounted("0:50", "/", "/");
    struct mountinfo drive = mounted("8:1", "/", "/mnt/usb");
    struct mountinfo part = mounted("8:1", "/backups", "/mnt/usb");
    struct mountinfo folder = mounted("254:0", "/mnt/usb", "/mnt/usb");
    struct mountinfo subvolume = mounted("0:30", "/@/mnt/usb", "/mnt/usb");
    assert_int_equal(host_path_judge(false, "/mnt/usb", &drive, &root), HOST_DISK_OWN);
    assert_int_equal(host_path_judge(false, "/mnt/usb", &part, &root), HOST_DISK_OWN);
    assert_int_equal(host_path_judge(false, "/mnt/usb", &folder, &root), HOST_DISK_ROOT);
    assert_int_equal(host_path_judge(false, "/mnt/usb", &subvolume, &root), HOST_DISK_ROOT);
    /* a folder of our own image is none of the host's */
    assert_int_equal(host_path_judge(false, "/mnt/usb", &root, &root), HOST_DISK_UNKNOWN);
}

static void folders_are_found_below_the_hosts_root(void **state)
{
    char top[] = "/tmp/host_path.XXXXXX", path[64];
    struct aio_context x = {.host_root = mkdtemp(top)};
    struct host_place p;
    assert_non_null(x.host_root);
    (void)snprintf(path, sizeof path, "%s/real", top);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/link", top);
    assert_int_equal(symlink("/real", path), 0); /* leads to the host's /real */

    host_path_open(&x, true, "/real", &p);
    assert_int_equal(p.sight, HOST_SEEN);
    assert_true(p.fd >= 0);
    host_path_close(&p);
    host_path_open(&x, true, "/link", &p);
    assert_int_equal(p.sight, HOST_SEEN);
    host_path_close(&p);
    host_path_open(&x, true, "/other", &p);
    assert_int_equal(p.sight, HOST_ABSENT);
    assert_int_equal(p.fd, -1);

    /* no proof that it is the host's: what is not there may only be hidden */
    host_path_open(&x, false, "/other", &p);
    assert_int_equal(p.sight, HOST_HIDDEN);
    host_path_open(&x, false, "/real", &p);
    assert_int_equal(p.sight, HOST_HIDDEN);
    assert_int_equal(p.fd, -1);

    assert_true(host_path_is_whole(&x, "/real"));
    assert_false(host_path_is_whole(&x, "/other"));
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/real", top);
    (void)rmdir(path);
    (void)rmdir(top);
}

static void segment(const char *top, const char *name, size_t n, time_t at)
{
    char path[128];
    const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
}

static void a_repositorys_size_and_what_is_new_of_it(void **state)
{
    char top[] = "/tmp/repo_size.XXXXXX", path[128];
    struct repo_size size;
    assert_non_null(mkdtemp(top));
    int repo = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_false(repo_size(repo, 0, 5000, &size)); /* no repository */
    static const char *const folders[] = {"data", "data/0", "data/1"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", top, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    segment(top, "data/0/1", 1000, 100);
    segment(top, "data/0/2", 200, 300);
    segment(top, "data/1/10001", 30, 200);
    segment(top, "data/README", 7, 300);
    assert_true(repo_size(repo, 200, 5000, &size));
    assert_int_equal(size.all, 1230);
    assert_int_equal(size.since, 230);
    assert_false(repo_size(repo, 200, 0, &size)); /* no time */
    (void)close(repo);
    static const char *const files[] = {"data/0/1", "data/0/2", "data/1/10001", "data/README",
                                        "data/0",   "data/1",   "data",         ""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", top, files[i]);
        (void)remove(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_the_host_is_seen_the_device_tells),
        cmocka_unit_test(in_a_container_the_mounts_root_tells),
        cmocka_unit_test(folders_are_found_below_the_hosts_root),
        cmocka_unit_test(a_repositorys_size_and_what_is_new_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
