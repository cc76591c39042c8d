"""The jobs of AIO's workflow over their whole life: cancelled, left when the daemon goes down, taken
up when it is back, and what stands still meanwhile."""

import json
import os
import time

import pytest

from fixtures.aio.installation import BORG
from fixtures.harness import SCALE, Daemon, wait_for

pytestmark = pytest.mark.seconds(240)


@pytest.fixture
def place(aio, folder):
    """A fresh AIO that serves, and a daemon of this test alone."""
    aio.install()
    with Daemon(folder / "d", DRAIN_TIMEOUT="0", AUDIT_LOG_PATH=str(folder / "audit"),
                **aio.settings(AIO_STALL_MINUTES="1440")) as daemon:
        yield aio, daemon


def begin(daemon, path="run/async", **body):
    reply = daemon.write.post(f"/nextcloud/daily-backup/{path}", body)
    assert reply.status == 200, reply
    return reply.json["job_id"]


def begin_held(aio, daemon, *args, **body):
    """A run whose borgbackup container waits before it does anything."""
    aio.switch(borgbackup={"hold": "before_create"})
    job_id = begin(daemon, *args, **body)
    aio.wait_did(BORG, "held")
    return job_id


def let_go(aio):
    aio.switch(borgbackup={"hold": None})


# ---- cancel ----

def test_a_cancel_of_what_cannot_be_stopped_is_recorded_and_the_run_ends_as_it_ends(place):
    aio, daemon = place
    job_id = begin_held(aio, daemon)
    reply = daemon.write.delete(f"/jobs/{job_id}")
    assert reply.status == 202 and reply.json["cancelling"] is True, reply
    wait_for(lambda: "cancel_requested" in daemon.notices(job_id), 20, "it is told")
    assert daemon.job(job_id)["state"] == "running"
    let_go(aio)
    job = daemon.wait_job(job_id)
    assert job["state"] == "succeeded", job
    assert len(aio.archives()) == 1 and aio.stack_up()


# ---- the daemon goes down ----

def test_a_run_is_left_when_the_daemon_goes_down_and_ended_when_it_is_back(place):
    aio, daemon = place
    other = aio.folder / "other"
    other.mkdir()
    job_id = begin_held(aio, daemon, "run-for-target/async", host_location=str(other))
    assert aio.config["borg_backup_host_location"] == str(other)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 15 * SCALE
    assert "job_left" in daemon.log() and "leaving_at_once" not in daemon.log()
    daemon.start(ready=False)
    job = daemon.job(job_id)
    assert job["state"] == "running" and job["recovering"] is True
    assert job["parameters"]["host_location"] == str(other)
    for path in ("daily-backup/run", "containers/stop"):
        reply = daemon.write.post(f"/nextcloud/{path}", {})
        assert reply.status == 409 and reply.json["error"] == "recovering", reply
        assert reply.json["job_id"] == job_id
    assert daemon.read.get("/ready").status == 200  # for all but AIO's work
    let_go(aio)
    job = daemon.wait_job(job_id)
    assert job["state"] == "interrupted" and job["verdict"]["word"] == "interrupted", job
    assert job["result"]["target"]["host_location"] == str(other)
    assert job["result"]["previous"]["host_location"] == str(aio.target)
    assert job["result"]["restored"]["host_location"] == str(aio.target)
    assert aio.config["borg_backup_host_location"] == str(aio.target)
    wait_for(aio.stack_up, 30, "the stack is up")
    last = [json.loads(e["line"]) for e in daemon.events(job_id) if e["kind"] == "status"][-1]
    assert last["event"] == "fail" and last["state"] == "interrupted"
    reply = daemon.write.post("/nextcloud/daily-backup/run", {})
    assert reply.status == 200, reply


def test_a_run_whose_daemon_was_killed_is_ended_by_the_next_one(place):
    aio, daemon = place
    other = aio.folder / "other"
    other.mkdir()
    job_id = begin_held(aio, daemon, "run-for-target/async", host_location=str(other))
    daemon.kill()
    daemon.start(ready=False)
    assert daemon.write.post("/nextcloud/daily-backup/run", {}).status == 409
    assert aio.config["borg_backup_host_location"] == str(other)  # borg still runs
    let_go(aio)
    job = daemon.wait_job(job_id)
    assert job["state"] == "interrupted", job
    assert aio.config["borg_backup_host_location"] == str(aio.target)
    assert not (daemon.state / "aio/run.json").exists()
    assert job["result"]["backups"][0]["archive"] and aio.stack_up(), job
    assert daemon.write.post("/nextcloud/daily-backup/run", {}).status == 200


def test_a_caller_who_waits_is_told_that_the_daemon_goes_down(place):
    aio, daemon = place
    import threading
    answers = []
    aio.switch(borgbackup={"hold": "before_create"})
    waits = threading.Thread(target=lambda: answers.append(
        daemon.write.post("/nextcloud/daily-backup/run", {})))
    waits.start()
    aio.wait_did(BORG, "held")
    assert daemon.stop() == 0
    waits.join()
    assert answers[0].status == 503 and answers[0].json["error"] == "interrupted", answers
    assert answers[0].json["job_id"]
    let_go(aio)


def test_a_stop_that_was_cut_by_our_death_is_ended_as_what_it_was(place):
    aio, daemon = place
    aio.switch(database={"dump_seconds": 3})
    reply = daemon.write.post("/nextcloud/containers/stop", {"timeout": 1})
    assert reply.json["pending"] is True, reply
    wait_for(aio.execs, 20, "the script runs")
    daemon.kill()
    daemon.start(ready=False)
    job = daemon.wait_job(reply.json["job_id"])
    assert job["state"] == "interrupted", job
    aio.wait_idle()
    assert aio.stack_down()  # it was to be stopped


def test_what_is_pending_without_a_job_gets_one(place):
    aio, daemon = place
    job_id = begin_held(aio, daemon)
    daemon.kill()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (daemon.state / name).unlink(missing_ok=True)
    daemon.start(ready=False)
    assert daemon.read.get(f"/jobs/{job_id}").status == 404
    (found,) = daemon.read.get("/jobs?kind=aio-recover").json["jobs"]
    reply = daemon.write.post("/nextcloud/daily-backup/run", {})
    assert reply.status == 409 and reply.json["error"] == "recovering", reply
    assert reply.json["job_id"] == found["id"]
    let_go(aio)
    job = daemon.wait_job(found["id"])
    assert job["verdict"]["word"] == "interrupted" and job["requested_by"]["role"] == "daemon"
    wait_for(aio.stack_up, 30, "the stack is up")


# ---- who did what ----

def test_each_exec_is_in_the_audit_trail_with_its_job(place):
    aio, daemon = place
    reply = daemon.write.post("/nextcloud/daily-backup/run", {"daily_backup": False})
    assert reply.status == 200, reply
    lines = [json.loads(x) for x in (daemon.folder.parent / "audit").read_text().splitlines()]
    (line,) = [x for x in lines if x["action"] == "docker_exec"]
    assert line["job"] == reply.json["job_id"] and "/daily-backup.sh" in json.dumps(line)
    assert "[SECURITY] docker exec validated: container=" in daemon.log()
    assert os.stat(daemon.folder.parent / "audit").st_mode & 0o777 == 0o600
