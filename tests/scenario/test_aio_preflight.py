"""What is looked at before a run, but for its target: the Engine, AIO, its configuration, runs that are
active and what an earlier one has left. Each check is seen failing by making that very trouble, and
passing again when it is mended. Nothing is touched by looking."""

import hashlib
import os
import re
import time

import pytest

from fixtures.aio.installation import BORG, MASTER
from fixtures.aio.preflight import a_file, backed_up, configured, moved_away, only_failed, preflight, result
from fixtures.docker_proxy import SocketProxy
from fixtures.harness import ROOT, Daemon, wait_for

NEXTCLOUD = "nextcloud-aio-nextcloud"


@pytest.fixture(scope="module")
def aio(engine, module_folder):
    with backed_up(engine, module_folder / "aio") as one:
        yield one


@pytest.fixture(scope="module")
def daemon(aio, module_folder):
    with Daemon(module_folder / "d", **aio.settings()) as one:
        yield one


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
