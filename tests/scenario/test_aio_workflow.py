"""AIO's workflow when something goes on beside it: a mastercontainer that is replaced, an Engine that
restarts, a stream that is cut, a daemon that is killed; what is said of it, and what is left."""

import contextlib
import json
import signal
import socket
import threading
import time

import pytest

from fixtures.aio.installation import BORG, MASTER
from fixtures.harness import Daemon, wait_for

RUN = "/nextcloud/daily-backup/run"
TARGETS = "/nextcloud/daily-backup/run-for-target"


@pytest.fixture
def daemon(aio, folder):
    """Beside an AIO that the test installs; not started."""
    one = Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="1440"))
    yield one
    one.stop()


def start(daemon, path=RUN, **body):
    """Its job's id, while it runs."""
    reply = daemon.write.post(path + "/async", body)
    assert reply.status == 200, reply
    return reply.json["job_id"]


def held(aio, where="before_create"):
    """borg runs, and goes on when it is let."""
    aio.switch(borgbackup={"hold": where})


def let_go(aio):
    aio.switch(borgbackup={"hold": None})


def word(job):
    return job["verdict"]["word"]


def notices(daemon, job_id):
    """What the job was told beside its lines."""
    lines = [json.loads(e["line"]) for e in daemon.events(job_id) if e["kind"] == "status"]
    return [one["event"] for one in lines]


def wait_stage(daemon, job_id, stage, seconds=60):
    wait_for(lambda: stage in [s["stage"] for s in daemon.job(job_id)["stages"]], seconds, stage)


# ---- the mastercontainer ----

@pytest.mark.seconds(300)
def test_an_update_that_replaces_the_mastercontainer_gets_its_second_pass(aio, daemon):
    aio.install(watchtower={"update": True})
    master = aio.docker.inspect(MASTER)["Id"]
    daemon.start()
    job_id = start(daemon, automatic_updates=True)
    job = daemon.wait_job(job_id, 180)
    assert (job["state"], word(job)) == ("succeeded", "succeeded"), job
    assert aio.docker.inspect(MASTER)["Id"] != master
    assert "second_pass" in notices(daemon, job_id)
    assert len(aio.execs()) == 2 and len(aio.archives()) == 1 and aio.stack_up()
    first, second = ({k: v for k, v in one["env"].items()} for one in aio.execs())
    assert first == second


@pytest.mark.seconds(300)
def test_where_aio_goes_on_by_its_own_schedule_that_run_is_followed(aio, daemon):
    aio.install(watchtower={"update": True}, schedule=["03:33", ""])
    daemon.start()
    job_id = start(daemon, automatic_updates=True)
    job = daemon.wait_job(job_id, 180)
    assert (job["state"], word(job)) == ("succeeded", "succeeded"), job
    assert "taken_over" in notices(daemon, job_id)
    assert len([one for one in aio.execs() if one["env"].get("STOP_CONTAINERS")]) == 1
    assert len(aio.archives()) == 1 and aio.stack_up()


# ---- the Engine and its streams ----

class Cutter:
    """A proxy before the Engine that cuts a connection on which nothing has come for a while."""

    def __init__(self, path, seconds):
        self.path, self.seconds, self.cuts, self.open = str(path), seconds, 0, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self.path)
            ends = (client, engine)
            self.open.add(ends)
            for a, b in (ends, ends[::-1]):
                threading.Thread(target=self._pass, args=(a, b, a is engine), daemon=True).start()

    def _pass(self, a, b, answers):
        if answers:
            a.settimeout(self.seconds)
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except TimeoutError:
            self.cuts += 1
        except OSError:
            pass
        self._end(a, b)

    def _end(self, *ends):
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """All that is open."""
        for ends in list(self.open):
            self._end(*ends)

    def close(self):
        self.listener.close()


@pytest.mark.seconds(300)
def test_a_stream_that_is_cut_while_the_run_goes_on_changes_nothing(aio, folder):
    aio.install(borgbackup={"hold": "before_create"}, nextcloud={"start_seconds": 3})
    cutter = Cutter(aio.docker.socket, 3)
    settings = aio.settings(AIO_STALL_MINUTES="1440", DOCKER_HOST=f"tcp://127.0.0.1:{cutter.port}")
    with Daemon(folder / "d", **settings) as daemon:
        job_id = start(daemon)
        aio.wait_did(BORG, "started")
        wait_stage(daemon, job_id, "backing_up")
        cutter.cut()  # also the script's own, which is not silent
        wait_for(lambda: cutter.cuts, 60, "a silent stream is cut")
        let_go(aio)
        job = daemon.wait_job(job_id, 120)
        assert (job["state"], word(job)) == ("succeeded", "succeeded"), job
        assert len(aio.archives()) == 1 and aio.stack_up()
        lines = [e["line"] for e in daemon.events(job_id) if e["kind"] == "borg"]
        assert len([x for x in lines if x == "Performing backup..."]) == 1, lines
        assert any(x.startswith("Backup finished successfully") for x in lines)
    cutter.close()


@pytest.mark.seconds(300)
def test_an_engine_that_restarts_is_waited_for_and_the_run_is_judged_by_what_remains(aio, daemon):
    aio.install()
    held(aio)
    daemon.start()
    job_id = start(daemon)
    aio.wait_did(BORG, "started")
    wait_stage(daemon, job_id, "backing_up")
    aio.docker.restart()
    job = daemon.wait_job(job_id, 180)
    assert job["state"] == "failed" and word(job) in ("borg_killed", "service_down"), job
    assert not aio.archives()
    assert daemon.read.get("/health/public").status == 200


# ---- going down and coming back ----

@pytest.mark.seconds(300)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_whose_daemon_is_gone_is_ended_by_the_next_one(aio, daemon, how):
    aio.install()
    other = aio.folder / "other"
    other.mkdir()
    held(aio)
    daemon.start()
    job_id = start(daemon, TARGETS, host_location=str(other))
    aio.wait_did(BORG, "started")
    wait_stage(daemon, job_id, "backing_up")
    if how == signal.SIGKILL:
        daemon.kill()
    else:
        daemon.stop()
    assert aio.config["borg_backup_host_location"] == str(other)
    daemon.start(ready=False)
    assert daemon.write.post(RUN, {}).status in (409, 503)
    assert aio.config["borg_backup_host_location"] == str(other)  # borg still runs
    let_go(aio)
    job = daemon.wait_job(job_id, 120)
    assert job["state"] == "interrupted", job
    assert aio.config["borg_backup_host_location"] == str(aio.target)
    assert not (daemon.state / "aio/run.json").exists()
    assert job["result"]["backups"][0]["archive"] and aio.stack_up(), job
    assert daemon.write.post(RUN, {}).status == 200  # and the next one may


# ---- several targets ----

@pytest.mark.seconds(300)
def test_three_targets_in_one_downtime_and_the_second_fails(aio, daemon):
    aio.install()
    places = [aio.folder / name for name in ("one", "two", "three")]
    for place in places:
        place.mkdir()
    (places[1] / "borg").mkdir()
    (places[1] / "borg/aio-lockfile").touch()
    daemon.start()
    job_id = start(daemon, TARGETS, targets=[str(p) for p in places])
    job = daemon.wait_job(job_id, 200)
    assert job["state"] == "failed" and word(job) == "borg_failed", job
    words = [one["verdict"]["word"] if "verdict" in one else one["word"]
             for one in job["result"]["backups"]]
    assert words == ["succeeded", "borg_failed", "succeeded"]
    assert (places[0] / "borg/config").exists() and (places[2] / "borg/config").exists()
    assert len(aio.did("nextcloud-aio-database", "stopped")) >= 1
    assert aio.config["borg_backup_host_location"] == str(aio.target) and aio.stack_up()
    assert not aio.archives()  # AIO's own list is its own target's


# ---- waiting ----

@pytest.mark.seconds(300)
def test_a_run_that_does_not_move_says_so_once_and_what_it_waits_for(aio, folder):
    aio.install()
    held(aio)
    with Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="3")) as daemon:
        job_id = start(daemon)
        wait_for(lambda: "stalled" in notices(daemon, job_id), 60, "stalled")
        time.sleep(3)
        assert notices(daemon, job_id).count("stalled") == 1
        let_go(aio)
        daemon.wait_job(job_id, 120)
        assert "resumed" in notices(daemon, job_id)


@pytest.mark.seconds(300)
def test_a_cancel_while_borg_runs_is_recorded_and_the_run_goes_on(aio, daemon):
    aio.install()
    held(aio)
    daemon.start()
    job_id = start(daemon)
    aio.wait_did(BORG, "started")
    daemon.write.request("DELETE", f"/jobs/{job_id}")
    wait_for(lambda: "cancel_requested" in notices(daemon, job_id), 30, "cancel_requested")
    let_go(aio)
    job = daemon.wait_job(job_id, 120)
    assert word(job) == "succeeded" and len(aio.archives()) == 1 and aio.stack_up(), job


@pytest.mark.seconds(300)
def test_a_cancel_while_the_script_waits_for_apache_leaves_it_waiting(aio, daemon):
    aio.install()
    aio.docker.cli("restart", "nextcloud-aio-apache")
    aio.switch(apache={"never_up": True})
    aio.docker.cli("restart", "nextcloud-aio-apache")
    daemon.start()
    job_id = start(daemon)
    wait_stage(daemon, job_id, "waiting_apache")
    daemon.write.request("DELETE", f"/jobs/{job_id}")
    job = daemon.wait_job(job_id, 60)
    assert (job["state"], word(job)) == ("cancelled", "cancelled"), job
    assert "goes on" in job["verdict"]["sentence"]
    assert aio.active() and aio.stack_up()


# ---- nothing that was not so ----

@pytest.mark.seconds(300)
def test_an_old_container_that_ended_well_is_no_backup(aio, daemon):
    aio.install()
    daemon.start()
    assert daemon.write.post(RUN, {}).status == 200
    aio.switch(php_fails=["CreateBackup"])
    reply = daemon.write.post(RUN, {})
    assert reply.status == 502 and reply.json["ok"] is False, reply
    assert word(daemon.job(reply.json["job_id"])) == "stale_container", reply
    assert len(aio.archives()) == 1 and aio.stack_up()


@pytest.mark.seconds(300)
def test_a_nextcloud_that_is_not_back_is_said_to_be_down(aio, daemon):
    aio.install()
    daemon.start()
    aio.switch(nextcloud={"maintenance": True})
    reply = daemon.write.post(RUN, {})
    assert reply.status == 502, reply
    job = daemon.job(reply.json["job_id"])
    assert word(job) == "service_down" and "maintenance" in job["verdict"]["sentence"], job
    assert len(aio.archives()) == 1 and len(aio.execs()) == 2  # started once more


@pytest.mark.seconds(300)
def test_a_warning_of_borg_is_named_as_what_deleted_the_archive(aio, daemon):
    aio.install(borgbackup={"warns": True})
    daemon.start()
    reply = daemon.write.post(RUN, {})
    assert reply.status == 502 and not aio.archives(), reply
    job = daemon.job(reply.json["job_id"])
    assert word(job) == "borg_warned", job
