"""kill -9 of the daemon at random moments of a backup: nothing acknowledged is lost."""

import random
import time

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import FULL, SEED, Daemon, marked_processes, wait_for
from fixtures.hooks import Lines

KILLS = 50 if FULL else 10
LOST_AT_MOST = 0.2  # seconds before the kill whose lines need not be durable


def kept_lines(daemon, job_id):
    """The hook's lines as the events have them, and what was stated to be missing."""
    items = daemon.events(job_id)
    ids = [e["id"] for e in items]
    assert ids == sorted(set(ids)), "an id twice or out of order"
    return [e["line"] for e in items if e["kind"] == "stderr" and e["line"].startswith("line ")]


def assert_lines_survived(written, kept, killed_at):
    """kept is a beginning of what the source wrote, whole up to LOST_AT_MOST before the kill."""
    expected = [line for _, stamp, line in written if stamp < killed_at - LOST_AT_MOST]
    assert kept[:len(expected)] == expected
    assert kept == [line for _, _, line in written][:len(kept)]


@pytest.fixture(scope="module")
def place(module_folder):
    """A daemon that is killed over and over, on one state folder."""
    with Daemon(module_folder / "d") as daemon:
        one = Setup(daemon, "crash", files=40, size=400_000, compression="zlib,6")
        yield daemon, one


@pytest.mark.parametrize("turn", range(KILLS))
def test_what_was_written_before_a_kill_is_there_after_it(place, turn):
    daemon, one = place
    chance = random.Random(SEED + turn)
    during_borg = turn % 3 == 2  # every third time while borg writes, else while the hook does
    lines = Lines(daemon.folder, 0.7 if during_borg else 20, 0.002, name=f"turn{turn}")
    one.write(before_backup=[lines.command])
    before = set(one.archives())
    job = daemon.backup("crash")["job_id"]
    wait_for(lambda: lines.written(), 20, "the hook writes")
    if during_borg:
        wait_for(lambda: borg.is_locked(one.repository) or daemon.job(job)["state"] != "running",
                 20, "borg has the lock")
    time.sleep(chance.uniform(0.0, 1.0))  # the moment is the point
    killed_at = time.time()
    daemon.kill()
    daemon.start(ready=False)  # the port opens at once, recovery goes on behind it
    record = daemon.wait_job(job)
    daemon.wait_answer("/ready")
    assert marked_processes(job) == []
    assert_lines_survived(lines.written(), kept_lines(daemon, job), killed_at)

    after = set(one.archives())
    if record["state"] == "succeeded":  # it had ended before the kill
        assert len(after - before) == 1
    else:
        assert record["state"] == "interrupted", record
        assert record["verdict"]["word"] == "interrupted" and record["verdict"]["sentence"]
        named = [r["archive"]["name"] for r in (record["result"] or {}).get("repositories", [])
                 if r.get("archive")]
        assert set(named) == after - before
    one.write(before_backup=None)
    record = daemon.run_backup("crash")
    assert record["state"] == "succeeded", record
    assert not borg.is_locked(one.repository)


def test_job_numbers_go_on_above_those_of_the_former_life(place):
    daemon, _ = place
    ids = [j["id"] for j in daemon.read.get("/jobs?kind=create&limit=500").json["jobs"]]
    numbers = [int(i.rsplit(":", 1)[1]) for i in ids]
    assert len(set(numbers)) == len(numbers) and numbers == sorted(numbers, reverse=True)


def test_a_queued_job_is_interrupted_too_and_its_reader_learns_it(place):
    daemon, one = place
    lines = Lines(daemon.folder, 20, 0.01, name="queued")
    one.write(before_backup=[lines.command])
    running = daemon.backup("crash")["job_id"]
    queued = daemon.backup("crash", queue=True)["job_id"]
    wait_for(lines.written, 20, "the hook writes")
    daemon.kill()
    daemon.start()
    assert daemon.wait_job(running)["state"] == "interrupted"
    assert daemon.wait_job(queued)["state"] == "interrupted"
    with daemon.stream(queued) as stream:
        last = [e for e in stream.events(20) if e.kind == "status"][-1]
    assert '"state":"interrupted"' in last.line.replace(" ", "")
    one.write(before_backup=None)


def test_work_under_recovery_is_refused_and_everything_else_served(place):
    """borg of the former life is still ending: its repository is in the way, nothing else is."""
    daemon, one = place
    stubborn = Setup(daemon, "stubborn", before_backup=[
        "trap '' INT TERM; touch " + str(daemon.folder / "stubborn")
        + "; for i in $(seq 400); do /bin/sleep 0.1; done"])
    job = daemon.backup("stubborn")["job_id"]
    wait_for((daemon.folder / "stubborn").exists, 20, "the hook runs")
    daemon.kill()
    daemon.start(ready=False)
    ready = daemon.read.get("/ready")
    assert ready.status == 503 and ready.json["error"] == "recovering"
    assert daemon.read.get("/health/public").status == 200
    assert daemon.read.get("/jobs").status == 200
    reply = daemon.write.post("/create-backup", {"repository": "stubborn"})
    assert reply.status == 409 and reply.json["error"] in ("recovering", "job_running"), reply
    assert daemon.run_backup("crash")["state"] == "succeeded"
    assert daemon.wait_job(job, 90)["state"] == "interrupted"
    assert marked_processes(job) == []
    stubborn.write(before_backup=None)
    assert daemon.run_backup("stubborn")["state"] == "succeeded"
