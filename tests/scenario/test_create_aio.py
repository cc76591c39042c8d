"""A backup of ours where there is a Nextcloud AIO: its containers are down meanwhile and up again
afterwards, whatever becomes of the backup. Seen by what the containers did."""

import signal

import pytest

from fixtures.borg import Setup
from fixtures.harness import Daemon, wait_for
from fixtures.hooks import Gate

BORG_TIME = 120


class Place:
    """An AIO that serves, our daemon beside it, and a configuration whose backup waits at a gate."""

    def __init__(self, aio, folder, gate="before_backup", settings=None, **switches):
        self.aio = aio.install(**switches)
        self.daemon = Daemon(folder / "d", **aio.settings(**(settings or {})))
        self.daemon.start()
        self.gate = Gate(folder, "gate") if gate else None
        options = {gate: [self.gate.command]} if gate else {}
        self.one = Setup(self.daemon, "one", **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.gate:
            self.gate.open()
        self.daemon.stop()

    def backup(self, **body):
        return self.daemon.write.post("/create-backup", {"repository": "one", **body})

    def at_the_gate(self):
        wait_for(self.gate.is_reached, BORG_TIME, "the backup is at its gate")

    def ended(self, reply):
        return self.daemon.wait_job(reply.json["job_id"], BORG_TIME)

    def assert_made_good(self, reply):
        """The next start ends the job and says who brings the stack back."""
        self.daemon.start(ready=False)
        record = self.ended(reply)
        assert record["state"] == "interrupted", record
        by = record["result"]["aio"]["recovered_by"]
        assert by.startswith("aio-recover:") and by in record["verdict"]["sentence"], record
        recovery = self.daemon.wait_job(by, 120)
        assert recovery["parameters"] == {"job_id": record["id"]}, recovery
        assert recovery["result"]["service"]["problem"] is None, recovery
        self.assert_up()

    def assert_up(self):
        self.aio.wait_serving(60)
        wait_for(self.aio.stack_up, 60, "the stack is up")


@pytest.mark.seconds(240)
def test_down_during_the_backup_and_up_after_it(aio, folder):
    with Place(aio, folder) as at:
        reply = at.backup(stop_timeout=120)
        assert reply.status == 200 and reply.json["pid"] > 0, reply
        stop = reply.json["official_daily_stop"]
        assert stop["returncode"] == 0 and "Stopping containers..." in stop["stdout"], stop
        assert stop["command"] == "/daily-backup.sh stop" and isinstance(stop["stderr"], str)
        at.at_the_gate()
        assert aio.stack_down() and aio.did("nextcloud-aio-database", "dumped")
        busy = at.backup()
        assert busy.status == 409 and busy.json["job_id"] == reply.json["job_id"], busy
        at.gate.open()
        record = at.ended(reply)
        assert record["state"] == "succeeded", record
        told = record["result"]["aio"]
        assert told["stopped"] is True and told["started"] is True and told["start"] == "started"
        assert told["down_ms"] > 0 and told["service"]["problem"] is None, told
        assert len(at.one.archives()) == 1
        at.assert_up()
        execs = aio.execs()
        assert [e["env"]["STOP_CONTAINERS"] for e in execs] == ["1", "0"], execs
        assert [e["env"]["START_CONTAINERS"] for e in execs] == ["0", "1"]
        assert {e["env"]["DAILY_BACKUP"] for e in execs} == {"0"}


@pytest.mark.seconds(240)
def test_up_again_after_a_failure(aio, folder):
    with Place(aio, folder, gate=None) as at:
        at.one.write(before_backup=["exit 3"])
        record = at.ended(at.backup(stop_timeout=120))
        assert record["state"] == "failed", record
        assert record["result"]["aio"]["started"] is True, record
        at.assert_up()


@pytest.mark.seconds(240)
def test_up_again_after_a_cancel(aio, folder):
    with Place(aio, folder) as at:
        reply = at.backup(stop_timeout=120)
        at.at_the_gate()
        assert aio.stack_down()
        assert at.daemon.write.delete(f"/jobs/{reply.json['job_id']}").status in (200, 202)
        record = at.ended(reply)
        assert record["state"] == "cancelled", record
        assert record["result"]["aio"]["started"] is True, record
        at.assert_up()


@pytest.mark.seconds(240)
def test_up_again_after_the_deadline(aio, folder):
    """The time is over while the stack is being stopped: no backup is begun."""
    timeout = 10  # seconds: the stop has begun by then, on a busy machine too
    with Place(aio, folder, database={"dump_seconds": 3 * timeout}) as at:
        record = at.ended(at.backup(stop_timeout=120, timeout=timeout))
        assert record["state"] == "timed_out", record
        assert not at.gate.is_reached() and at.one.archives() == []
        assert record["result"]["aio"]["started"] is True, record
        at.assert_up()


@pytest.mark.seconds(240)
def test_up_again_after_a_deadline_in_the_backup(aio, folder):
    with Place(aio, folder) as at:
        reply = at.backup(stop_timeout=120, timeout=20)
        at.at_the_gate()
        record = at.ended(reply)
        assert record["state"] == "timed_out", record
        assert at.one.archives() == []
        assert record["result"]["aio"]["started"] is True, record
        at.assert_up()


@pytest.mark.seconds(240)
def test_told_to_stop_in_the_downtime(aio, folder):
    """It goes when Nextcloud is up again: the backup is ended, and the stack started."""
    with Place(aio, folder, settings={"DRAIN_TIMEOUT": "1"}) as at:
        reply = at.backup(stop_timeout=120)
        at.at_the_gate()
        assert at.daemon.stop() == 0
        at.assert_up()
        at.daemon.start()
        record = at.daemon.job(reply.json["job_id"])
        assert record["state"] == "interrupted", record
        assert record["result"]["aio"]["start"] == "started", record


@pytest.mark.seconds(240)
def test_an_unclean_dump_is_not_backed_up(aio, folder):
    with Place(aio, folder, database={"dump_fails": True}) as at:
        reply = at.backup(stop_timeout=120)
        assert reply.status == 502 and reply.json["error"] == "backup_failed", reply
        assert "dump" in reply.json["message"]
        assert reply.json["official_daily_stop"]["dump"]["clean"] is False, reply
        wait_for(lambda: len(aio.execs()) == 2, 60, "the stack is started")
        assert aio.execs()[1]["env"]["START_CONTAINERS"] == "1"
        assert not at.gate.is_reached() and at.one.archives() == []


@pytest.mark.seconds(240)
def test_left_down_when_that_is_wanted(aio, folder):
    with Place(aio, folder, gate=None) as at:
        record = at.ended(at.backup(stop_timeout=120, start_containers=False))
        assert record["state"] == "succeeded", record
        told = record["result"]["aio"]
        assert (told["stopped"], told["started"], told["start"]) == (True, False, "not_wanted")
        assert aio.stack_down() and len(aio.execs()) == 1
        again = at.ended(at.backup(stop_timeout=120))  # there is nothing to be stopped any more
        assert again["state"] == "succeeded" and len(aio.execs()) == 1
        assert again["result"]["aio"]["official_daily_stop"]["skipped"] is True
        assert aio.stack_down()


@pytest.mark.seconds(240)
def test_a_slow_stop_is_pending(aio, folder):
    with Place(aio, folder, gate=None, database={"dump_seconds": 6}) as at:
        reply = at.backup(stop_timeout=1)
        assert reply.status == 200 and reply.json["pid"] is None, reply
        assert reply.json["official_daily_stop"] == {"pending": True}
        record = at.ended(reply)
        assert record["state"] == "succeeded", record
        assert record["result"]["aio"]["official_daily_stop"]["returncode"] == 0
        at.assert_up()


@pytest.mark.seconds(240)
def test_what_is_wrong_stops_nothing(aio, folder):
    with Place(aio, folder, gate=None) as at:
        assert at.backup(repository_label="none").status == 400
        assert at.backup(start_containers="no").status == 400
        assert at.daemon.write.post("/create-backup", {"repository": "absent"}).status == 404
        dry = at.daemon.write.post("/create-backup/dry-run", {"repository": "one"})
        assert dry.status == 200, dry
        assert aio.execs() == [] and aio.stack_up()


@pytest.mark.seconds(240)
def test_no_mastercontainer(aio, folder):
    """Named: it has to be there. Not named: a host without AIO is none of our business."""
    with Place(aio, folder, gate=None, stack=False) as at:
        aio.docker.cli("rm", "-f", "nextcloud-aio-mastercontainer")
        reply = at.backup()
        assert reply.status == 503 and reply.json["error"] == "docker_error", reply
        assert at.one.archives() == []
        with Daemon(folder / "e", DOCKER_HOST=aio.docker.host, AIO_MASTER=None) as other:
            Setup(other, "two")
            reply = other.write.post("/create-backup", {"repository": "two"})
            assert reply.status == 200 and reply.json["pid"] > 0, reply
            assert reply.json["official_daily_stop"]["skipped"] is True
            assert reply.json["official_daily_stop"]["reason"]
            assert other.wait_job(reply.json["job_id"])["state"] == "succeeded"


@pytest.mark.seconds(300)
@pytest.mark.parametrize("phase", ["stopping", "backing_up", "starting"])
def test_killed_and_started_again(aio, folder, phase):
    slow = {"stopping": {"database": {"dump_seconds": 5}},
            "starting": {"nextcloud": {"start_seconds": 5}}}.get(phase, {})
    with Place(aio, folder, **slow) as at:
        if phase == "starting":
            at.gate.open()
        reply = at.backup(stop_timeout=1)
        assert reply.status == 200, reply
        if phase == "backing_up":
            at.at_the_gate()
        else:
            wait_for(lambda: len(aio.execs()) == (1 if phase == "stopping" else 2), 60, phase)
        at.daemon.kill()
        at.assert_made_good(reply)
        assert at.daemon.process.poll() is None and at.daemon.process.returncode != -signal.SIGKILL


@pytest.mark.seconds(300)
def test_the_engine_is_away_when_the_backup_ends(aio, folder):
    """It is waited for, and the stack started as soon as it is there."""
    with Place(aio, folder) as at:
        reply = at.backup(stop_timeout=120)
        at.at_the_gate()
        aio.docker.stop()
        at.gate.open()
        wait_for(lambda: at.one.archives(), BORG_TIME, "the archive is there")
        assert at.daemon.job(reply.json["job_id"])["state"] == "running"
        aio.docker.start()
        record = at.ended(reply)
        assert record["state"] == "succeeded", record
        assert record["result"]["aio"]["start"] == "started", record
        at.assert_up()


@pytest.mark.seconds(300)
def test_the_engine_is_restarted_while_the_stack_starts(aio, folder):
    """Its restart ends AIO's script in the middle: the stack is started once more."""
    with Place(aio, folder, gate=None, nextcloud={"start_seconds": 8}) as at:
        reply = at.backup(stop_timeout=120)
        wait_for(lambda: len(aio.execs()) == 2, BORG_TIME, "the start")
        aio.docker.restart()
        aio.switch(nextcloud={"start_seconds": 0})
        record = at.ended(reply)
        assert record["state"] == "succeeded", record
        assert record["result"]["aio"]["start"] == "started", record
        at.assert_up()
