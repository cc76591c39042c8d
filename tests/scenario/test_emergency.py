"""The emergency stop: what it counts, what it ends, what it leaves alone, and how it is undone."""

import json
import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes, own_reasons, own_status, wait_for
from fixtures.hooks import Gate
from fixtures.locks import held

SHAPE = ["umount", "kill_borgmatic", "stop_containers", "cache_cleanup"]


def mounted(point):
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [x for x in lines if x.split()[4] == str(point)]


def shutdown(daemon, status=200, path="/emergency/shutdown", **body):
    reply = daemon.write.post(path, body)
    assert reply.status == status, reply
    return reply.json


def resume(daemon, status=200, **body):
    reply = daemon.write.post("/emergency/resume", body)
    assert reply.status == status, reply
    return reply.json


def state(daemon):
    reply = daemon.read.get("/emergency/status")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return reply.json


def refused(daemon, label="one"):
    """A backup is refused with emergency_hold, by the route and by nothing else."""
    reply = daemon.write.post("/create-backup", {"repository": label})
    assert reply.status == 409 and reply.json["error"] == "emergency_hold", reply
    assert "/emergency/resume" in reply.json["message"]
    return True


@contextmanager
def bind_mount(folder):
    """A plain mount with "borg" in its name, as a cache volume is."""
    source, point = folder / "volume", folder / ".cache/borg"
    source.mkdir()
    point.mkdir(parents=True)
    (source / "file").write_text("stays")
    subprocess.run(["mount", "--bind", source, point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


@contextmanager
def real_mount(daemon, setup):
    point = daemon.folder / "mounted"
    reply = daemon.write.post("/archives/mount", {"repository": setup.label, "archive": "latest",
                                                  "mount_point": str(point)})
    assert reply.status == 200, reply
    try:
        yield point, reply.json["job_id"]
    finally:
        while mounted(point):
            subprocess.run(["umount", "-l", point], check=True)


@contextmanager
def stranger(daemon):
    """A borg that is none of ours, at work on a repository of its own."""
    location = borg.make_repository(daemon.home, str(daemon.folder / "theirs"))
    with held(daemon.home, location) as process:
        yield process


@pytest.fixture
def place(folder):
    """A daemon with a backup, whose next one waits at a gate."""
    with Daemon(folder / "d", EXTRACT_ROOTS=str(folder), AUDIT_LOG_PATH=str(folder / "audit")) as d:
        d.audit = folder / "audit"
        one = Setup(d, "one", files=3)
        assert d.run_backup("one")["state"] == "succeeded"
        d.gate = Gate(folder)
        gated = Setup(d, "gated", files=3, before_backup=[d.gate.command])
        yield d, one, gated


def test_nothing_is_wrong(place, folder):
    daemon, _, _ = place
    with bind_mount(folder):
        seen = state(daemon)
    assert own_status(seen) == "normal" and own_reasons(seen) == [], seen
    assert seen["active_borg_mounts"] == len(seen["mounts"])  # whoever made them
    there = [m["mount_point"] for m in seen["mounts"]]
    assert not [p for p in there if p.startswith((str(folder), str(daemon.folder)))], there
    assert seen["active_locks"] == [] and seen["unknown_locks"] == []
    assert seen["aio_containers_running"] is None and "AIO_MASTER" in seen["aio_problem"]
    assert seen["hold"] is None and seen["owes_start"] is False
    assert daemon.pid not in [p["pid"] for p in seen["processes"]]
    alias = daemon.read.get("/emergency-status").json
    assert alias.keys() == seen.keys()


def test_what_is_there_is_counted(place):
    daemon, one, _ = place
    with stranger(daemon) as theirs, real_mount(daemon, one) as (point, job):
        running = daemon.backup("gated")["job_id"]
        wait_for(daemon.gate.is_reached, what="the backup runs")
        seen = state(daemon)
        daemon.gate.open()
        daemon.wait_job(running)
    ours = {p["job_id"]: p["program"] for p in seen["processes"] if p["job_id"]}
    assert ours[running] == "borgmatic" and ours[job] == "borg"
    there = [p["program"] for p in seen["processes"]]  # whoever started them
    assert seen["active_borgmatic_processes"] == there.count("borgmatic")
    assert seen["active_borg_processes"] == there.count("borg")
    assert [p["job_id"] for p in seen["processes"] if p["pid"] == theirs.pid] == [None]
    assert seen["active_borg_mounts"] == len(seen["mounts"])
    assert [m for m in seen["mounts"] if m["job_id"]] == [
        {"mount_point": str(point), "job_id": job}]
    assert seen["jobs_running"] == 2


def test_a_lock_of_somebody_else_is_a_warning(place):
    daemon, one, _ = place
    with held(daemon.home, one.repository):
        seen = state(daemon)
    assert own_status(seen) == "warning" and seen["active_locks"] == ["one"], seen
    assert "locked" in own_reasons(seen)[0]
    text = daemon.read.get("/metrics?format=prometheus").text
    assert 'borgmatic_api_lock_held{target="one"} 1\n' in text, text
    assert 'borgmatic_api_lock_checked_timestamp_seconds{target="one"} 1' in text
    state(daemon)
    assert 'borgmatic_api_lock_held{target="one"} 0\n' in daemon.read.get(
        "/metrics?format=prometheus").text


def test_what_cannot_be_asked_is_null_and_says_why(folder):
    with Daemon(folder / "d", AIO_MASTER=None, DOCKER_HOST=f"unix://{folder}/none",
                BORGMATIC_CONFIG_DIR=str(folder / "nowhere")) as daemon:
        seen = state(daemon)
        assert seen["aio_containers_running"] is None and seen["aio_containers_total"] is None
        assert seen["aio_problem"], seen
        assert seen["active_locks"] is None and seen["locks_problem"], seen


def test_hold_stops_new_work_alone(place):
    daemon, one, _ = place
    with real_mount(daemon, one) as (point, _):
        running = daemon.backup("gated")["job_id"]
        wait_for(daemon.gate.is_reached, what="the backup runs")
        done = shutdown(daemon, level="hold", reason="the disk is ill")
        assert done["emergency_shutdown"] is True and done["level"] == "hold"
        assert list(done["results"]) == SHAPE and done["timestamp"] > 0
        assert all(part["skipped"] is True and part["reason"] for part in done["results"].values())
        assert done["hold"]["reason"] == "the disk is ill" and done["hold"]["job_id"] == done["job_id"]
        assert refused(daemon) and mounted(point)
        assert daemon.job(running)["state"] == "running"
        daemon.gate.open()
        assert daemon.wait_job(running)["state"] == "succeeded"
    reading = daemon.write.post("/repositories/one/archives/list", {})
    assert reading.status == 200, reading  # who only asks is answered
    assert own_status(state(daemon)) == "warning"
    resumed = resume(daemon)
    assert resumed["resumed"] is True and resumed["hold"] is None
    assert resumed["start_containers"]["skipped"] is True
    assert daemon.run_backup("one")["state"] == "succeeded"
    assert resume(daemon)["resumed"] is False
    said = [json.loads(x) for x in daemon.audit.read_text().splitlines()]
    said = [(x["action"], x["outcome"]) for x in said if x["action"].startswith("emergency")]
    assert said == [("emergency_shutdown", "allowed"), ("emergency_shutdown", "done"),
                    ("emergency_resume", "done")]


def test_every_route_that_starts_writing_work_is_refused(place):
    daemon, _, _ = place
    shutdown(daemon, level="hold")
    refusals = {}
    for path, body in (
            ("/create-backup", {"repository": "one"}),
            ("/create-backup/dry-run", {"repository": "one"}),
            ("/repositories/one/check", {}), ("/repositories/one/prune", {}),
            ("/repositories/one/compact", {}), ("/archives/extract", {
                "repository": "one", "archive": "latest", "destination": str(daemon.folder / "x")}),
            ("/archives/mount", {"repository": "one", "archive": "latest",
                                 "mount_point": str(daemon.folder / "m")}),
            ("/ssh-keys/new", {"ssh_passphrase": "a long enough one"})):
        reply = daemon.write.post(path, body)
        refusals[path] = (reply.status, reply.json.get("error"))
    assert set(refusals.values()) == {(409, "emergency_hold")}, refusals
    put = daemon.write.request("PUT", "/configs/new", {"config": {"source_directories": ["/x"]}})
    assert put.status == 409 and put.json["error"] == "emergency_hold", put
    unlock = daemon.write.post("/borgmatic-locks/break/one", {})
    assert unlock.status == 200, unlock  # a lock may be what the emergency is about


def test_jobs_ends_ours_and_touches_nobody_else(place, folder):
    daemon, one, _ = place
    with bind_mount(folder) as bound, stranger(daemon) as theirs, \
            real_mount(daemon, one) as (point, mount):
        running = daemon.backup("gated")["job_id"]
        wait_for(daemon.gate.is_reached, what="the backup runs")
        done = shutdown(daemon, level="jobs", timeout=60)
        assert (bound / "file").read_text() == "stays"
        assert theirs.poll() is None and borg.is_locked(daemon.folder / "theirs")
        results = done["results"]
        assert results["umount"]["released"] == [{"mount_point": str(point), "job_id": mount}]
        assert results["umount"]["rc"] == 0 and str(bound) not in results["umount"]["untouched"]
        assert results["kill_borgmatic"]["ok"] is True
        assert results["kill_borgmatic"]["cancelled"] == [{"job_id": running, "kind": "create"}]
        assert results["kill_borgmatic"]["still_running"] == []
        assert theirs.pid in [p["pid"] for p in results["kill_borgmatic"]["untouched"]]
        assert results["stop_containers"]["skipped"] and results["cache_cleanup"]["skipped"]
        assert not mounted(point) and not marked_processes(running) and not marked_processes(mount)
    assert daemon.job(running)["state"] == "cancelled"
    assert daemon.process.poll() is None and refused(daemon)
    record = daemon.job(done["job_id"])
    assert record["kind"] == "emergency-shutdown" and record["state"] == "succeeded"
    assert [s["stage"] for s in record["stages"]] == ["hold", "jobs"], record["stages"]
    assert Path(daemon.home, ".cache/borg").is_dir()
    resume(daemon)
    assert daemon.run_backup("one")["state"] == "succeeded"


def test_a_download_is_broken_off(place):
    daemon, one, _ = place
    large = daemon.folder / "source-one/large"
    large.write_bytes(os.urandom(30_000_000))
    assert daemon.run_backup("one")["state"] == "succeeded"
    import http.client
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    client.request("GET", f"/repositories/one/archives/latest/file?path={large}",
                   headers=daemon.write.headers)
    reply = client.getresponse()
    assert reply.status == 200 and reply.read(1)
    done = shutdown(daemon, level="jobs", timeout=60)
    assert [j["kind"] for j in done["results"]["kill_borgmatic"]["cancelled"]] == ["download"], done
    with suppress(http.client.IncompleteRead, ConnectionError):
        assert len(reply.read()) < 30_000_000
    client.close()


def test_all_without_aio_ends_the_jobs(place):
    daemon, _, _ = place
    done = shutdown(daemon)
    assert done["level"] == "all" and done["results"]["stop_containers"]["skipped"] is True
    assert "AIO_MASTER" in done["results"]["stop_containers"]["reason"]
    assert refused(daemon)


def test_no_docker_is_a_failure_only_where_it_is_expected(folder):
    host = {"DOCKER_HOST": f"unix://{folder}/none"}
    with Daemon(folder / "d", AIO_MASTER=None, **host) as daemon:
        done = shutdown(daemon)
        assert done["results"]["stop_containers"]["skipped"] is True, done
    with Daemon(folder / "e", AIO_MASTER="nextcloud-aio-mastercontainer", **host) as daemon:
        failed = shutdown(daemon, status=503)
        assert failed["error"] == "docker_connection_refused", failed
        assert failed["results"]["stop_containers"]["error"]["error"] == failed["error"]
        assert failed["results"]["kill_borgmatic"]["ok"] is True
        assert failed["hold"]["level"] == "all" and state(daemon)["hold"]


def picture(daemon):
    """What a dry run must not change."""
    jobs = [(j["id"], j["state"]) for j in daemon.read.get("/jobs?limit=500").json["jobs"]]
    files = sorted(str(p) for p in daemon.folder.rglob("*") if "state.db" not in p.name)
    return jobs, files, state(daemon)["hold"], Path("/proc/self/mountinfo").read_text()


def test_a_dry_run_leaves_everything(place):
    daemon, one, _ = place
    with stranger(daemon) as theirs, real_mount(daemon, one) as (point, mount):
        running = daemon.backup("gated")["job_id"]
        wait_for(daemon.gate.is_reached, what="the backup runs")
        before = picture(daemon)
        plans = {level: shutdown(daemon, level=level, dry_run=True)
                 for level in ("hold", "jobs", "all")}
        assert picture(daemon) == before
        assert theirs.poll() is None and mounted(point)
        for level, plan in plans.items():
            assert plan["dry_run"] is True and plan["emergency_shutdown"] is False
            assert plan["level"] == level and list(plan["results"]) == SHAPE and "job_id" not in plan
        results = plans["jobs"]["results"]
        assert results["umount"]["would_release"] == [{"mount_point": str(point), "job_id": mount}]
        assert results["kill_borgmatic"]["would_cancel"] == [{"job_id": running, "kind": "create"}]
        assert theirs.pid in [p["pid"] for p in results["kill_borgmatic"]["untouched"]]
        assert plans["hold"]["results"]["umount"]["skipped"] is True
        daemon.gate.open()
        assert daemon.wait_job(running)["state"] == "succeeded"
    assert daemon.run_backup("one")["state"] == "succeeded"


def test_the_hold_survives_a_crash_and_a_restart(place):
    daemon, _, _ = place
    held_by = shutdown(daemon, level="hold", reason="stays")["job_id"]
    for end in (daemon.kill, daemon.stop):
        end()
        daemon.start()
        assert refused(daemon)
        hold = state(daemon)["hold"]
        assert hold["job_id"] == held_by and hold["reason"] == "stays" and hold["level"] == "hold"
    resume(daemon)
    daemon.kill()
    daemon.start()
    assert state(daemon)["hold"] is None
    assert daemon.run_backup("one")["state"] == "succeeded"


def test_a_crash_in_the_middle_keeps_the_hold(place):
    daemon, _, _ = place
    stubborn = Path(daemon.folder, "stubborn")
    Setup(daemon, "slow", files=3,
          before_backup=[f"touch {stubborn}; trap '' TERM INT; /bin/sleep 600 & wait; wait"])
    running = daemon.backup("slow")["job_id"]
    wait_for(stubborn.exists, what="the backup runs")
    late = shutdown(daemon, level="jobs", timeout=1)
    assert late["pending"] is True and late["emergency_shutdown"] is True
    assert late["state"] == "running" and list(late["results"]) == SHAPE
    again = shutdown(daemon, status=409, level="hold")
    assert again["error"] == "job_running" and again["job_id"] == late["job_id"]
    not_yet = resume(daemon, status=409)
    assert not_yet["error"] == "job_running" and not_yet["job_id"] == late["job_id"]
    daemon.kill()
    daemon.start()
    assert refused(daemon, "slow")
    assert daemon.wait_job(late["job_id"])["state"] == "interrupted"
    assert daemon.wait_job(running, 90)["state"] == "interrupted"
    resume(daemon)


def test_the_limits(folder):
    with Daemon(folder / "d", RATE_LIMIT_SCALE="1") as daemon:
        for _ in range(3):
            shutdown(daemon, level="hold", dry_run=True)
        shutdown(daemon, level="hold")
        shutdown(daemon, level="hold", path="/emergency-shutdown")
        limited = daemon.write.post("/emergency/shutdown", {"level": "hold"})
        assert limited.status == 429 and int(limited.headers["Retry-After"]) > 500
        assert daemon.write.post("/emergency-shutdown", {"level": "hold"}).status == 429
        shutdown(daemon, level="all", dry_run=True)
        for _ in range(5):
            resume(daemon)
        assert daemon.write.post("/emergency/resume", {}).status == 429


def test_who_may(folder):
    secrets = {role: os.urandom(16).hex() for role in ("ADMIN", "ACTION", "READ")}
    tokens = {f"API_{role}_TOKEN": value for role, value in secrets.items()}
    with Daemon(folder / "d", SECURE_MODE="true", API_TOKEN=None, APP_FROM_HEADER=None,
                **tokens) as daemon:
        for path in ("/emergency/shutdown", "/emergency-shutdown", "/emergency/resume"):
            admin = {"Authorization": f"Bearer {secrets['ADMIN']}"}
            reply = daemon.anyone.post(path, {"dry_run": True} if "shut" in path else {}, admin)
            assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply
            for role in ("ACTION", "READ"):
                reply = daemon.anyone.post(path, {}, {"Authorization": f"Bearer {secrets[role]}"})
                assert reply.status == 403 and reply.json["error"] == "insufficient_role", reply


def test_a_record_that_cannot_be_read_holds(place):
    daemon, _, _ = place
    daemon.stop()
    (daemon.state / "emergency.json").write_text("{")
    daemon.start()
    assert refused(daemon)
    seen = state(daemon)
    assert seen["hold"]["level"] == "hold" and any("cannot be read" in r for r in seen["reasons"])
    resume(daemon)
    assert not (daemon.state / "emergency.json").exists()
    assert daemon.run_backup("one")["state"] == "succeeded"


def test_one_shutdown_for_one_idempotency_key(place):
    daemon, _, _ = place
    key = {"Idempotency-Key": "one"}
    first = daemon.write.post("/emergency/shutdown", {"level": "hold"}, key)
    resume(daemon)
    again = daemon.write.post("/emergency/shutdown", {"level": "hold"}, key)
    assert first.json["job_id"] == again.json["job_id"] and again.status == 200
    assert state(daemon)["hold"] is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_foreign_borgmatic_is_left_alone(place, how):
    """One with our daemon's own words in its arguments, as the daemon itself has them."""
    daemon, _, _ = place
    script = daemon.folder / "borgmatic"
    script.write_text("import time\ntime.sleep(600)\n")
    process = subprocess.Popen(["/usr/bin/python3", script, "borgmatic-api"])
    try:
        wait_for(lambda: process.pid in [p["pid"] for p in state(daemon)["processes"]])
        shutdown(daemon, level="jobs")
        assert process.poll() is None and daemon.process.poll() is None
    finally:
        os.kill(process.pid, how)
        process.wait()
