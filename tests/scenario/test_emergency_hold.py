"""The hold of an emergency stop: what it refuses, that it outlives the daemon, who may set it and undo it."""

import json
import os
from pathlib import Path

import pytest

from fixtures.borg import Setup
from fixtures.emergency import (SHAPE, daemon_with_a_gate, real_mount, refused, resume,
                                shutdown, state)
from fixtures.harness import Daemon, own_status, wait_for
from fixtures.mounts import mounted


@pytest.fixture
def place(folder):
    with daemon_with_a_gate(folder) as one:
        yield one


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
