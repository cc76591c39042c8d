"""What is looked at before a run at the target: its kind and bounds, the drive, the room, the repository
and who uses it, the remote host. Each check is seen failing by making that very trouble."""

import json
import os
import shutil
import socket

import pytest

from fixtures.aio.installation import BORG
from fixtures.aio.preflight import (a_file, backed_up, configured, disk, moved_away, only_failed,
                                    preflight, result)
from fixtures.harness import Daemon


@pytest.fixture(scope="module")
def aio(engine, module_folder):
    with backed_up(engine, module_folder / "aio") as one:
        yield one


@pytest.fixture(scope="module")
def daemon(aio, module_folder):
    with Daemon(module_folder / "d", **aio.settings()) as one:
        yield one


# ---- the target ----

def test_no_target_or_two(aio, daemon):
    with configured(aio, borg_backup_host_location=""):
        assert "target" in only_failed(daemon)
    with configured(aio, borg_remote_repo="ssh://u@127.0.0.1:1/./x"):
        assert "target" in only_failed(daemon)


def test_a_target_out_of_bounds(aio, daemon, folder):
    folder.joinpath("x").mkdir()
    assert "target" in only_failed(daemon, host_location=str(folder / "x"))
    assert "target" in only_failed(daemon, host_location="nextcloud_aio_backupdir")
    for body in ({"host_location": "relative"}, {"remote_repo": "nothing"}, {"targets": ["-x:y"]},
                 {"targets": ["/a/../b"]}, {"host_location": "/a", "remote_repo": "u@h:x"},
                 {"daily_backup": True, "check_backup": True}, {"strict": "yes"}, {"other": 1}):
        reply = daemon.write.post("/nextcloud/preflight", body)
        assert reply.status == 400, (body, reply)


def test_targets_may_be_forbidden(aio, folder):
    with Daemon(folder / "d", **aio.settings(ENABLE_ARBITRARY_TARGETS="false")) as d:
        reply = d.write.post("/nextcloud/preflight", {"host_location": "/mnt/x"})
        assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply
        preflight(d)
        assert d.read.post("/nextcloud/preflight", {}).status == 403


def test_the_drive_is_not_mounted(aio, daemon):
    there = preflight(daemon, host_location=str(aio.folder / "nowhere"))
    assert there["target_mounted"]["result"] == "failed"
    with disk(aio.folder / "drive") as drive:
        there = preflight(daemon, host_location=str(drive))
        assert there["target_mounted"]["result"] == "ok", there["target_mounted"]
        assert there["borg_config"]["result"] == "ok"
    # AIO has backed up to its own target: an empty folder in its place is no repository
    with moved_away(aio.target):
        aio.target.mkdir()
        assert "borg_config" in only_failed(daemon)
        aio.target.rmdir()


def test_a_folder_of_the_root_disk_where_drives_are_mounted(aio, folder):
    place = f"/mnt/ba-{os.urandom(4).hex()}"
    os.mkdir(place)
    try:
        with Daemon(folder / "d", **aio.settings(AIO_TARGET_ROOTS="/mnt")) as d:
            found = preflight(d, host_location=place)["target_mounted"]
            assert found["result"] == "failed" and "root disk" in found["finding"], found
    finally:
        os.rmdir(place)


def test_the_host_is_not_seen_from_a_container(aio, folder):
    """As from a container that has only some of the host's folders: at another root nothing is."""
    (folder / "root").mkdir()
    with Daemon(folder / "d", **aio.settings(AIO_HOST_ROOT=str(folder / "root"),
                                             AIO_TARGET_ROOTS="")) as d:
        checks = preflight(d)
        for name in ("target_mounted", "target_space", "aio_lockfile", "borg_lock",
                     "update_failed"):
            assert checks[name]["result"] == "unknown", checks[name]


def test_no_room(aio, daemon):
    with disk(aio.folder / "small", "-o", "size=8m") as small:
        assert only_failed(daemon, host_location=str(small)) == ["target_space"]


def test_a_volume(aio, daemon):
    aio.docker.call("POST", "/volumes/create", {"Name": "nextcloud_aio_backupdir"})
    try:
        checks = preflight(daemon, host_location="nextcloud_aio_backupdir")
        assert checks["target"]["result"] == checks["target_space"]["result"] == "ok"
        assert checks["target_mounted"]["result"] == "warning"
    finally:
        aio.docker.call("DELETE", "/volumes/nextcloud_aio_backupdir")


# ---- the repository ----

def test_borg_config(aio, daemon):
    with moved_away(aio.data / "borg.config"):
        assert only_failed(daemon) == ["borg_config"]
    text = (aio.data / "borg.config").read_text()
    with moved_away(aio.data / "borg.config"):
        with a_file(aio.data / "borg.config", text.replace("id = ", "id = 00")):
            assert only_failed(daemon) == ["borg_config"]
    other = aio.folder / "other"
    try:
        shutil.copytree(aio.target, other)
        assert only_failed(daemon, host_location=str(other)) == ["borg_config"]
    finally:
        shutil.rmtree(other)
    assert only_failed(daemon) == []


def test_others_use_the_repository(aio, daemon):
    repository = aio.target / "borg"
    with a_file(repository / "aio-lockfile"):
        assert only_failed(daemon) == ["aio_lockfile"]
        with moved_away(repository / "config"), moved_away(aio.data / "borg.config"):
            # Before there is any repository AIO looks for the file as well.
            assert "aio_lockfile" in only_failed(daemon)
    lock = repository / "lock.exclusive"
    lock.mkdir()
    try:
        with a_file(lock / "nextcloud-aio-borgbackup@0.17-0"):
            found = preflight(daemon)["borg_lock"]
            assert found["result"] == "failed" and BORG in found["finding"], found
    finally:
        shutil.rmtree(lock)
    with a_file(repository / "lock.roster", json.dumps({"shared": [["viewer@1", 7, 0]]})):
        assert only_failed(daemon) == ["borg_lock"]
    assert only_failed(daemon) == []


# ---- a remote target ----

def test_a_remote_host(aio, daemon):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        remote = f"ssh://u@127.0.0.1:{port}/./x"
        checks = preflight(daemon, remote_repo=remote)
        assert checks["target_reachable"]["result"] == "ok"
        assert checks["target_host_key"]["result"] == "warning"
        assert checks["target_mounted"]["result"] == checks["borg_lock"]["result"] == "skipped"
        folder = aio.volume("backup_cache") / ".ssh"
        made = not folder.exists()
        folder.mkdir(exist_ok=True)
        key = "AAAAC3NzaC1lZDI1NTE5AAAAIGJGdPB5uWUtPTpVw4uiAv2tU5DWaBK1FfqMa0UFl4gC"
        with a_file(folder / "known_hosts", f"[127.0.0.1]:{port} ssh-ed25519 {key}\n"):
            assert result(daemon, "target_host_key", remote_repo=remote) == "ok"
        if made:
            folder.rmdir()
    assert only_failed(daemon, remote_repo=remote) == ["target_reachable"]
