"""The target is switched while others write configuration.json, and while its disk is full."""

import json
import os
import threading

import pytest

from fixtures.harness import Daemon

RUN = "/nextcloud/daily-backup/run-for-target"
KEYS = ("borg_backup_host_location", "borg_remote_repo")


class OtherWriter(threading.Thread):
    """PHP, again and again: reads the whole file, changes a key of its own, writes the whole file.
    Notes what it could not read, and whose the file was."""

    def __init__(self, aio):
        super().__init__()
        self.aio, self.ending = aio, threading.Event()
        self.count, self.broken, self.owners = 0, [], set()

    def run(self):
        while not self.ending.wait(0.02):
            try:
                content = self.aio.config
            except (ValueError, OSError) as problem:
                self.broken.append(str(problem))
                continue
            found = self.aio.config_path.stat()
            self.owners.add((found.st_uid, found.st_gid))
            self.count += 1
            content["other_writer"] = str(self.count)
            self.aio.write_config(content)

    def stop(self):
        self.ending.set()
        self.join()


@pytest.mark.seconds(240)
def test_another_writer_at_the_same_moment(aio, folder):
    aio.install()
    other = folder / "aio/other"
    other.mkdir()
    before = aio.config
    writer = OtherWriter(aio)
    writer.start()
    try:
        with Daemon(folder / "d", **aio.settings()) as daemon:
            reply = daemon.write.post(RUN, {"host_location": str(other)})
    finally:
        writer.stop()
    assert writer.broken == [] and writer.owners == {(33, 33)} and writer.count > 20
    assert [aio.config[k] for k in KEYS] == [before[k] for k in KEYS], reply
    assert int(aio.config["other_writer"]) >= writer.count - 1, "the other's change is kept"
    if reply.status != 200:
        assert reply.json["error"] in ("config_conflict", "backup_failed"), reply
    else:
        assert (other / "borg/config").exists() and not (aio.target / "borg").exists()
    assert aio.stack_up()


@pytest.mark.seconds(240)
def test_the_disk_of_the_configuration_is_full(aio, folder):
    aio.install(disk_kib=200)
    other = folder / "aio/other"
    other.mkdir()
    before = aio.config_path.read_bytes()
    left = os.statvfs(aio.data)
    (aio.data / "filler").write_bytes(b"x" * (left.f_bavail * left.f_frsize))
    with Daemon(folder / "d", **aio.settings()) as daemon:
        reply = daemon.write.post(RUN, {"host_location": str(other)})
        assert reply.status >= 400 and reply.json["ok"] is False, reply
    assert aio.config_path.read_bytes() == before and json.loads(before)
    assert aio.execs() == [] and aio.stack_up() and aio.status()
    assert sorted(p.name for p in aio.data.iterdir() if "configuration" in p.name) == [
        "configuration.json"]
