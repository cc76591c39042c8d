"""The emergency stop: what it counts, what it ends, what it leaves alone."""

import http.client
import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.emergency import (SHAPE, daemon_with_a_gate, real_mount, refused, resume,
                                shutdown, state)
from fixtures.harness import Daemon, marked_processes, own_reasons, own_status, wait_for
from fixtures.locks import held
from fixtures.mounts import mounted, mounted_below


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
def stranger(daemon):
    """A borg that is none of ours, at work on a repository of its own."""
    location = borg.make_repository(daemon.home, str(daemon.folder / "theirs"))
    with held(daemon.home, location) as process:
        yield process


@pytest.fixture
def place(folder):
    with daemon_with_a_gate(folder) as one:
        yield one


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
    return jobs, files, state(daemon)["hold"], mounted_below(daemon.folder)


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
