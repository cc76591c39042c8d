/* context: what every part of AIO's workflow needs to know; made from the settings once. Strings
 * outlive every use. Read by any thread. */
#ifndef AIO_CONTEXT_H
#define AIO_CONTEXT_H

#include "docker/whitelist.h"
#include "sys/log.h"

#include <stdbool.h>
#include <stddef.h>

#define AIO_MASTER_NAME "nextcloud-aio-mastercontainer"
#define AIO_BORG_NAME "nextcloud-aio-borgbackup"
#define AIO_WATCHTOWER_NAME "nextcloud-aio-watchtower"
#define AIO_APACHE_NAME "nextcloud-aio-apache"
#define AIO_NEXTCLOUD_NAME "nextcloud-aio-nextcloud"
#define AIO_DATABASE_NAME "nextcloud-aio-database"
#define AIO_NAME_PREFIX "nextcloud-aio-"

enum { AIO_ROOTS_MAX = 16, AIO_HOSTS_MAX = 16 };

struct aio_context {
    const char *docker_host;
    struct whitelist whitelist; /* master, daily, health */
    bool optional;           /* AIO_MASTER is unset: no Docker, or no such container, is no fault */
    const char *config_file; /* AIO_CONFIG_FILE, as we see it */
    const char *dump_dir;    /* AIO_DUMP_DIR: the volume nextcloud_aio_database_dump, or "" */
    const char *host_root;   /* AIO_HOST_ROOT: where the host's "/" is for us; "/" */
    const char *target_roots[AIO_ROOTS_MAX]; /* AIO_TARGET_ROOTS: where local targets may lie */
    size_t target_root_count;
    const char *hosts[AIO_HOSTS_MAX]; /* AIO_HOSTS: more hosts where Nextcloud's ports may answer */
    size_t host_count;
    const char *state_dir;
    unsigned stall_minutes;          /* AIO_STALL_MINUTES */
    unsigned schedule_guard_minutes; /* AIO_SCHEDULE_GUARD_MINUTES before AIO's own run */
    unsigned pace_percent;           /* AIO_PACE: waits of ours shortened for tests; 100 */
};

#endif
