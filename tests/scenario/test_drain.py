"""Going down: politely, at once, and never leaving a child behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import SCALE, Daemon, children_of, marked_processes, wait_for
from fixtures.hooks import Gate


@pytest.fixture
def slow(folder):
    """A daemon whose backup is in its hook, waiting for the gate."""
    with Daemon(folder / "d", DRAIN_TIMEOUT="30") as d:
        d.gate = Gate(folder)
        d.one = Setup(d, "one", before_backup=[d.gate.command])
        Setup(d, "two")
        d.job_id = d.backup("one")["job_id"]
        wait_for(d.gate.is_reached, 30, "the backup runs")
        yield d


def ended(daemon, seconds=30):
    code = daemon.process.wait(seconds * SCALE)
    daemon.process = None
    return code


def test_an_idle_daemon_ends_at_once_with_0(folder):
    with Daemon(folder / "d") as d:
        started = time.monotonic()
        assert d.stop() == 0
        assert time.monotonic() - started < 2 * SCALE


def test_sigterm_lets_the_running_job_end_and_takes_no_new_work(slow):
    keep = slow.read
    with keep as client:  # connected before: no new connection is taken later
        client.get("/status")
        os.kill(slow.pid, signal.SIGTERM)

        def draining():
            with slow.write as writer:
                try:
                    reply = writer.post("/create-backup", {"repository": "two"})
                except OSError:
                    return True
                assert reply.status == 503 and reply.json["error"] == "draining", reply
                assert int(reply.headers["Retry-After"]) > 0
                return True

        wait_for(draining, 5, "new work is refused")
        slow.gate.open()
    assert ended(slow, 60) == 0
    slow.start()
    assert slow.job(slow.job_id)["state"] == "succeeded"
    assert len(slow.one.archives()) == 1


def test_streams_are_told_and_end_when_their_job_does(slow):
    with slow.stream(slow.job_id) as stream:
        os.kill(slow.pid, signal.SIGTERM)
        slow.gate.open()
        kinds = [e.kind for e in stream.events(60 * SCALE)]
    assert kinds[-1] == "status"
    assert ended(slow, 60) == 0


def test_past_the_drain_timeout_the_job_is_interrupted_and_its_children_gone(folder):
    with Daemon(folder / "d", DRAIN_TIMEOUT="1") as d:
        gate = Gate(folder)
        Setup(d, "one", before_backup=[gate.command])
        job = d.backup("one")["job_id"]
        wait_for(gate.is_reached, 30, "the backup runs")
        os.kill(d.pid, signal.SIGTERM)
        assert ended(d, 60) == 0
        assert marked_processes(job) == []
        d.start()
        assert d.job(job)["state"] == "interrupted"
        gate.open()
        assert d.run_backup("one")["state"] == "succeeded"


def test_a_borg_under_way_is_interrupted_with_its_lock_free(folder):
    with Daemon(folder / "d", DRAIN_TIMEOUT="1") as d:
        one = Setup(d, "one", files=80, size=1_000_000, compression="lzma,9")
        job = d.backup("one")["job_id"]
        wait_for(lambda: any(e["kind"] == "progress" and e["data"].get("files")
                             for e in d.events(job)), 40, "borg reads files")
        os.kill(d.pid, signal.SIGTERM)
        assert ended(d, 60) == 0
        assert marked_processes(job) == [] and not borg.is_locked(one.repository)
        d.start()
        assert d.job(job)["state"] == "interrupted"


def test_a_second_sigterm_ends_it_at_once(slow):
    os.kill(slow.pid, signal.SIGTERM)
    wait_for(lambda: "drain" in slow.log(), 5, "it says that it drains")
    started = time.monotonic()
    os.kill(slow.pid, signal.SIGTERM)
    ended(slow)
    assert time.monotonic() - started < 5 * SCALE
    slow.start(ready=False)
    assert slow.wait_job(slow.job_id)["state"] == "interrupted"
    assert marked_processes(slow.job_id) == []


def test_no_child_of_any_sort_outlives_an_orderly_end(slow):
    slow.gate.open()
    slow.wait_job(slow.job_id)
    pid = slow.pid
    assert slow.stop() == 0
    assert children_of(pid) == {} and marked_processes(slow.job_id) == []


def test_sigint_does_as_sigterm(folder):
    with Daemon(folder / "d") as d:
        os.kill(d.pid, signal.SIGINT)
        assert ended(d) == 0


def test_a_daemon_whose_test_ran_out_of_time_is_not_left_behind(folder):
    """The deadline may strike while the harness waits for a daemon that does not end."""
    with pytest.raises(TimeoutError), Daemon(folder / "d") as d:
        pid, wait = d.pid, d.process.wait
        os.kill(pid, signal.SIGSTOP)

        def late(*_):
            d.process.wait = wait
            raise TimeoutError

        d.process.wait = late
    left = Path(f"/proc/{pid}").exists()
    if left:
        os.kill(pid, signal.SIGKILL)
    assert not left
