/* The checks of what an earlier run left in the volumes of Nextcloud and its database. */
#include "aio/preflight/preflight_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DUMP_VOLUME "nextcloud_aio_database_dump"
#define DATA_VOLUME "nextcloud_aio_nextcloud_data"

static void open_dump(struct preflight_state *s, struct host_place *out)
{
    if (!s->x->dump_dir[0]) {
        preflight_volume(s, DUMP_VOLUME, out, NULL);
        return;
    }
    *out = (struct host_place){.fd = open(s->x->dump_dir, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    out->sight = out->fd >= 0 ? HOST_SEEN : HOST_HIDDEN;
}

static void open_data(struct preflight_state *s, struct host_place *out)
{
    const char *where = s->p->settings_read ? s->p->settings.datadir : "";
    if (where[0] == '/')
        host_path_open(s->x, s->whole, where, out);
    else
        preflight_volume(s, where[0] ? where : DATA_VOLUME, out, NULL);
}

/* 1 there, 0 not there, −1 cannot be seen. */
static int look_for(struct host_place *place, const char *name)
{
    int there = place->fd >= 0                ? preflight_file_there(place->fd, name)
                : place->sight == HOST_ABSENT ? 0
                                              : -1;
    host_path_close(place);
    return there;
}

static void no_dump_seen(struct preflight_state *s)
{
    preflight_trouble(s, PREFLIGHT_UNKNOWN,
                      "mount the volume " DUMP_VOLUME " for the daemon and set AIO_DUMP_DIR",
                      "the folder of the database's dump cannot be seen");
}

void check_export_failed(struct preflight_state *s)
{
    struct host_place place;
    open_dump(s, &place);
    int there = look_for(&place, "export.failed");
    if (there < 0)
        no_dump_seen(s);
    else if (there)
        preflight_trouble(
            s, PREFLIGHT_FAILED,
            "see the log of nextcloud-aio-database for the reason; remove export.failed "
            "once a dump has worked",
            "the database's last dump failed (export.failed): AIO refuses to back up");
    else
        preflight_say(s, PREFLIGHT_OK, "the database's last dump did not fail");
}

void check_backup_is_running(struct preflight_state *s)
{
    struct host_place place;
    open_dump(s, &place);
    int there = look_for(&place, "backup-is-running");
    if (there < 0)
        no_dump_seen(s);
    else if (there && !s->p->look.borg_running)
        preflight_trouble(
            s, PREFLIGHT_FAILED,
            "docker exec --user root nextcloud-aio-database rm "
            "/mnt/data/backup-is-running",
            "a backup that was cut off left backup-is-running: the database would wait "
            "for its end for ever");
    else
        preflight_say(s, PREFLIGHT_OK, "no backup-is-running is left over");
}

/* Nextcloud does not start any more then, and AIO's script waits for it without an end. */
void check_update_failed(struct preflight_state *s)
{
    struct host_place place;
    open_data(s, &place);
    int there = look_for(&place, "update.failed");
    if (there < 0)
        preflight_trouble(s, PREFLIGHT_UNKNOWN,
                          "mount the host's / read-only for the daemon and set AIO_HOST_ROOT",
                          "Nextcloud's data folder cannot be seen");
    else if (there)
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "restore a backup, or remove update.failed from Nextcloud's data folder",
                          "an update of Nextcloud failed (update.failed): it does not start");
    else
        preflight_say(s, PREFLIGHT_OK, "no update of Nextcloud has failed");
}
