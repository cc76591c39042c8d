"""Everything that is looked at before a run: each check seen failing by making that very trouble, and
passing again when it is mended. Nothing is touched by looking."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from fixtures.aio import Aio
from fixtures.aio.installation import BORG, MASTER
from fixtures.docker_proxy import SocketProxy
from fixtures.harness import ROOT, Daemon, wait_for

NEXTCLOUD = "nextcloud-aio-nextcloud"


@pytest.fixture(scope="module")
def aio(engine, module_folder):
    """One that has been backed up once, for all tests: each puts back what it changes."""
    with Aio(engine, module_folder / "aio") as one:
        one.install()
        one.run(DAILY_BACKUP="1", START_CONTAINERS="1")
        one.wait_serving()
        one.wait_idle()
        yield one


@pytest.fixture(scope="module")
def daemon(aio, module_folder):
    with Daemon(module_folder / "d", **aio.settings()) as one:
        yield one


def preflight(daemon, **body):
    reply = daemon.write.post("/nextcloud/preflight", body)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    checks = {c["id"]: c for c in reply.json["checks"]}
    assert len(checks) == len(reply.json["checks"])
    for one in checks.values():
        if one["result"] in ("failed", "warning", "unknown"):
            assert one["finding"] and one["remedy"], one
    failed = [i for i, c in checks.items() if c["result"] == "failed"]
    if not body.get("strict"):
        assert reply.json["passed"] is not bool(failed), reply
    return checks


def result(daemon, name, **body):
    return preflight(daemon, **body)[name]["result"]


def only_failed(daemon, **body):
    """Ids of what failed."""
    return [i for i, c in preflight(daemon, **body).items() if c["result"] == "failed"]


@contextlib.contextmanager
def a_file(path, content=""):
    path.write_text(content)
    try:
        yield path
    finally:
        path.unlink()


@contextlib.contextmanager
def moved_away(path):
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


@contextlib.contextmanager
def configured(aio, **keys):
    before = aio.config
    aio.write_config({**before, **keys})
    try:
        yield
    finally:
        aio.write_config(before)


@contextlib.contextmanager
def disk(path, *options):
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


# ---- nothing is touched ----

def picture(aio):
    seen = {}
    for top in (aio.docker.folder / "data/volumes", aio.target, aio.shared):
        for path in sorted(top.rglob("*")):
            st = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            seen[str(path)] = (content, st.st_mode, st.st_uid, st.st_mtime_ns)
    _, found = aio.docker.call("GET", "/containers/json?all=1")
    for one in found:
        state = aio.docker.inspect(one["Id"])
        seen[one["Id"]] = (one["Names"], state["State"]["Status"], state["State"]["StartedAt"])
    return seen


def done_to_containers(aio, since):
    """What the Engine did to any container since then, but for its own health checks and the reading
    of a process list."""
    said = aio.docker.cli("events", "--since", f"{since:.9f}", "--until", f"{time.time():.9f}",
                          "--filter", "type=container", "--format", "{{.Action}}").stdout
    own = re.compile(r"top|health_status: .*|exec_(create|start): .*/healthcheck\.sh|exec_die")
    return [action for action in said.splitlines() if not own.fullmatch(action.strip())]


def test_it_passes_and_touches_nothing(aio, daemon):
    before, since = picture(aio), time.time()
    checks = preflight(daemon)
    assert preflight(daemon, strict=True).keys() == checks.keys()
    preflight(daemon, targets=[str(aio.folder / "other"), "ssh://u@127.0.0.1:1/./x"])
    assert picture(aio) == before
    assert done_to_containers(aio, since) == []
    told = (ROOT / "docs/nextcloud-aio.md").read_text()
    told = told.partition("## What is looked at before a run")[2].partition("\n## ")[0]
    assert list(checks) == re.findall(r"^\| `(\w+)` \| ", told, re.M)
    results = {i: c["result"] for i, c in checks.items()}
    skipped = {i for i, r in results.items() if r == "skipped"}
    assert skipped == {"target_reachable", "target_host_key"}, results
    assert {i for i, r in results.items() if r != "ok"} - skipped <= {"target_mounted"}, results


def test_what_a_run_does_not_do_is_not_checked(aio, daemon):
    check = preflight(daemon, check_backup=True)
    assert check["schedule"]["result"] == check["export_failed"]["result"] == "skipped"
    assert check["borg_lock"]["result"] == "ok"
    stop = preflight(daemon, daily_backup=False, start_containers=False)
    assert stop["target"]["result"] == stop["borg_lock"]["result"] == "skipped"
    assert stop["schedule"]["result"] == stop["idle"]["result"] == "ok"


# ---- the Engine ----

def test_no_engine(aio, folder):
    settings = aio.settings(DOCKER_HOST=f"unix://{folder}/none")
    with Daemon(folder / "d", **settings) as d:
        checks = preflight(d)
        assert checks["engine"]["result"] == "failed"
        assert checks["idle"]["result"] == checks["mastercontainer"]["result"] == "unknown"
        assert checks["configuration"]["result"] == "ok"


def test_a_proxy_that_forbids(aio, folder):
    with SocketProxy(aio.docker, folder / "p", ("PING", "CONTAINERS", "EVENTS", "VOLUMES")) as proxy:
        with Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as d:
            found = preflight(d)["engine_rights"]
            assert found["result"] == "failed" and "POST" in found["remedy"], found
    with SocketProxy(aio.docker, folder / "q", ("PING", "CONTAINERS", "POST", "EXEC")) as proxy:
        with Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as d:
            checks = preflight(d)
            assert checks["engine_rights"]["result"] == "warning", checks["engine_rights"]
            # without volumes it is not known that the host's tree is seen
            assert checks["target_mounted"]["result"] == "unknown"
            assert checks["update_failed"]["result"] == "unknown"
            strict = d.write.post("/nextcloud/preflight", {"strict": True})
            assert strict.status == 200 and strict.json["passed"] is False


# ---- the mastercontainer ----

def test_no_mastercontainer(aio, folder):
    with Daemon(folder / "d", **aio.settings(AIO_MASTER="no-such-one")) as d:
        assert only_failed(d)[0] == "mastercontainer"
    with Daemon(folder / "d", **aio.settings(AIO_MASTER="")) as d:
        assert only_failed(d)[0] == "mastercontainer"


def test_a_mastercontainer_that_does_not_run(aio, daemon):
    aio.docker.cli("stop", "-t", "1", MASTER)
    try:
        found = preflight(daemon)
        assert found["mastercontainer"]["result"] == "failed"
        assert found["idle"]["result"] == "ok"  # what does not run runs no script
    finally:
        aio.docker.cli("start", MASTER)
    if aio.state(MASTER)["Health"]["Status"] != "healthy":
        assert result(daemon, "mastercontainer") in ("failed", "ok")
    aio.wait_healthy()
    assert only_failed(daemon) == []


# ---- is a run active? ----

def test_a_run_is_active(aio, daemon):
    aio.switch(borgbackup={"hold": "before_create"})
    aio.docker.cli("exec", "-d", "--env", "DAILY_BACKUP=1", "--env", "START_CONTAINERS=1", MASTER,
                   "/daily-backup.sh")
    try:
        wait_for(aio.active, what="the run")
        assert "idle" in only_failed(daemon)
        wait_for(lambda: (aio.state(BORG) or {}).get("Running"), what="borgbackup")
        found = preflight(daemon)
        assert found["idle"]["result"] == "failed" and "runs" in found["idle"]["finding"]
        assert found["restore"]["result"] == "ok"
        with configured(aio, **{"backup-mode": "restore"}):
            found = preflight(daemon)["restore"]
            assert found["result"] == "failed" and "restores" in found["finding"], found
    finally:
        aio.switch(borgbackup={"hold": None})
        aio.wait_idle()
        aio.wait_serving()
    assert only_failed(daemon) == []


def test_a_journal_stands(daemon):
    folder = daemon.state / "aio"
    folder.mkdir(mode=0o700, exist_ok=True)
    with a_file(folder / "journal.json", "{"):
        assert only_failed(daemon) == ["target_switched"]
    assert only_failed(daemon) == []


@pytest.mark.parametrize("version,expected", [
    ("12.6.0", "failed"), ("12.6.1", "warning"), ("v12.9.0", "warning"), ("13.0.0", "ok"),
    ("", "unknown")])
def test_versions(aio, daemon, version, expected):
    image = aio.docker.inspect(NEXTCLOUD)["Config"]["Image"]
    aio.docker.cli("rename", NEXTCLOUD, "aside")
    try:
        aio.docker.cli("create", "--name", NEXTCLOUD, "-e", f"NC_AIO_VERSION={version}", image)
        assert result(daemon, "version") == expected
    finally:
        aio.docker.cli("rm", "-f", NEXTCLOUD)
        aio.docker.cli("rename", "aside", NEXTCLOUD)
    assert result(daemon, "version") == "ok"


# ---- the configuration ----

def test_a_broken_configuration(aio, daemon):
    good = aio.config_path.read_bytes()
    try:
        aio.config_path.write_bytes(good[:100])
        checks = preflight(daemon)
        assert checks["configuration"]["result"] == "failed"
        assert checks["wizard"]["result"] == checks["target"]["result"] == "unknown"
    finally:
        aio.config_path.write_bytes(good)
    with moved_away(aio.config_path):
        assert only_failed(daemon) == ["configuration"]
    assert only_failed(daemon) == []


def test_a_configuration_that_is_not_mounted(aio, folder):
    with Daemon(folder / "d", **aio.settings(AIO_CONFIG_FILE="/no/such/configuration.json")) as d:
        checks = preflight(d)
        for name in ("configuration", "configuration_owner", "configuration_leftover", "wizard",
                     "schedule", "lock_file", "target", "restore_password"):
            assert checks[name]["result"] == "unknown", checks[name]
        strict = d.write.post("/nextcloud/preflight", {"strict": True})
        assert strict.json["passed"] is False


@pytest.mark.parametrize("uid,mode,expected", [
    (0, 0o600, "failed"), (0, 0o644, "warning"), (33, 0o600, "ok")])
def test_its_owner(aio, daemon, uid, mode, expected):
    try:
        os.chown(aio.config_path, uid, uid)
        aio.config_path.chmod(mode)
        assert result(daemon, "configuration_owner") == expected
    finally:
        os.chown(aio.config_path, 33, 33)
        aio.config_path.chmod(0o644)


def test_a_leftover_of_a_writer(aio, daemon):
    with a_file(aio.data / "configuration.json.tmp") as left:
        assert only_failed(daemon) == ["configuration_leftover"]
        os.chown(left, 33, 33)
        assert only_failed(daemon) == []


@pytest.mark.parametrize("keys", [
    {"wasStartButtonClicked": False}, {"domain": ""}, {"wasStartButtonClicked": 0}])
def test_the_wizard_is_not_done(aio, daemon, keys):
    with configured(aio, **keys):
        assert only_failed(daemon) == ["wizard"]


def test_the_schedule_is_near(aio, daemon):
    soon = time.strftime("%H:%M", time.gmtime(time.time() + 600))
    later = time.strftime("%H:%M", time.gmtime(time.time() + 7200))
    try:
        aio.set_schedule(soon)
        assert only_failed(daemon) == ["schedule"]
        assert soon in preflight(daemon)["schedule"]["finding"]
        assert result(daemon, "schedule", check_backup=True) == "skipped"
        aio.set_schedule(later)
        assert only_failed(daemon) == []
        (aio.data / "daily_backup_time").write_text("half past four\n")
        assert result(daemon, "schedule") == "unknown"
    finally:
        (aio.data / "daily_backup_time").unlink()


def test_a_lock_file_is_left_over(aio, daemon):
    with a_file(aio.lock):
        assert result(daemon, "lock_file") == "warning"
    assert result(daemon, "lock_file") == "ok"


def test_another_passphrase(aio, daemon):
    with configured(aio, borg_restore_password="other"):
        assert result(daemon, "restore_password") == "warning"


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


# ---- what an earlier run has left ----

@pytest.mark.parametrize("volume,name,check", [
    ("database_dump", "export.failed", "export_failed"),
    ("database_dump", "backup-is-running", "backup_is_running"),
    ("nextcloud_data", "update.failed", "update_failed")])
def test_what_is_left_over(aio, daemon, volume, name, check):
    with a_file(aio.volume(volume) / name):
        assert only_failed(daemon) == [check]
    assert only_failed(daemon) == []


def test_without_a_dump_folder_the_engine_says_where_it_is(aio, folder):
    with Daemon(folder / "d", **aio.settings(AIO_DUMP_DIR="")) as d:
        with a_file(aio.volume("database_dump") / "export.failed"):
            assert only_failed(d) == ["export_failed"]


def test_no_secret_is_told(aio, daemon):
    text = daemon.write.post("/nextcloud/preflight", {}).text + daemon.log()
    for value in aio.secrets.values():
        assert value not in text
