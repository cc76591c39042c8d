"""AIO's workflow while something goes wrong around it: the stream is cut, the Engine is restarted,
others run, a target fails, Nextcloud does not come up."""

import time

import pytest

from fixtures.aio.installation import BORG, MASTER
from fixtures.engine_proxy import EngineProxy
from fixtures.harness import Daemon, wait_for

RUN = "/nextcloud/daily-backup/run"


def begin(daemon, **body):
    reply = daemon.write.post(f"{RUN}/async", body)
    assert reply.status == 200, reply
    return reply.json["job_id"]


def stalls(daemon, job):
    """What was said of standing still and of moving again."""
    return [e["line"] for e in daemon.events(job) if e["kind"] == "status"
            and ('"stalled"' in e["line"] or '"resumed"' in e["line"])]


def verdict(record):
    return record["state"], record["verdict"]["word"]


@pytest.mark.seconds(240)
def test_a_stream_that_is_cut_while_the_run_goes_on(aio, folder):
    """A proxy cuts after five seconds of silence; borg says nothing for longer."""
    aio.install()
    aio.switch(borgbackup={"before_create_seconds": 8}, php_seconds={"StopContainers": 6})
    with EngineProxy(folder / "p", aio.docker.socket, silence=5) as proxy:
        with Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as daemon:
            job = begin(daemon)
            record = daemon.wait_job(job, 120)
            events = daemon.events(job)
    assert proxy.cuts >= 1
    assert verdict(record) == ("succeeded", "succeeded"), record["verdict"]
    assert record["result"]["backups"][0]["ok"] is True
    assert len(aio.archives()) == 1 and aio.stack_up() and len(aio.execs()) == 1
    assert aio.did("mastercontainer", "left", code=0), "followed to its end"
    said = [e["line"] for e in events if e["kind"] == "borg"]
    assert said.count("Performing backup...") == 1, said
    assert any(line.startswith("Backup finished successfully") for line in said)
    execs = [body for method, path, body in proxy.requests if path.endswith("/exec")]
    assert len(execs) == 1 and '"/daily-backup.sh"' in execs[0]


@pytest.mark.seconds(300)
def test_the_engine_is_restarted_in_the_middle(aio, folder):
    """Its restart ends every container, the script and borg too; AIO's stack comes back by itself."""
    aio.install()
    aio.switch(borgbackup={"hold": "before_create"})
    with Daemon(folder / "d", **aio.settings()) as daemon:
        job = begin(daemon)
        aio.wait_did(BORG, "held")
        aio.docker.restart()
        aio.switch(borgbackup={"hold": None})
        record = daemon.wait_job(job, 200)
        assert daemon.read.get("/health/public").status == 200
    assert record["state"] == "failed" and record["verdict"]["word"] != "succeeded"
    assert aio.archives() == [] and aio.state(BORG)["Running"] is False
    # borg was killed: AIO's own marker keeps the database from starting, which must not go unseen
    assert (aio.dump_dir / "backup-is-running").exists()
    assert aio.status() is None and "service_down" in str(record["verdict"]), record["verdict"]


@pytest.mark.seconds(240)
def test_apache_never_comes_up(aio, folder):
    """AIO's script would wait without end: it is seen to stall, and a cancel is honoured."""
    aio.install()
    aio.switch(apache={"never_up": True})
    aio.docker.cli("restart", "nextcloud-aio-apache")
    aio.forget()
    settings = aio.settings(AIO_STALL_MINUTES="1", AIO_PACE="5")
    with Daemon(folder / "d", **settings) as daemon:
        job = begin(daemon)
        wait_for(lambda: any(e["kind"] == "stage" and e["line"] == "waiting_apache"
                             for e in daemon.events(job)), 30, "the stage")
        stalled = wait_for(lambda: [e for e in daemon.events(job) if '"stalled"' in e["line"]], 60,
                           "a stall")
        assert "apache" in stalled[0]["line"]
        assert daemon.write.delete(f"/jobs/{job}").status in (200, 202)
        record = daemon.wait_job(job, 60)
        assert verdict(record)[0] == "cancelled", record["verdict"]
        assert record["result"]["still_running"] is True
        assert "goes on" in record["verdict"]["sentence"] and aio.active() and aio.stack_up()
    assert not aio.did("php") and len(aio.execs()) == 1
    aio.docker.cli("kill", "nextcloud-aio-apache")


@pytest.mark.seconds(240)
def test_a_run_that_does_not_move_says_so_once_and_what_it_waits_for(aio, folder):
    aio.install(borgbackup={"hold": "before_create"})
    with Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="3")) as daemon:
        job = begin(daemon)
        aio.wait_did(BORG, "held")
        wait_for(lambda: "borgbackup" in (stalls(daemon, job) or [""])[-1], 60, "borg is seen to stall")
        time.sleep(3)  # as long again as it took: a second word would have come
        said = [name for name in daemon.notices(job) if name in ("stalled", "resumed")]
        assert said[-1] == "stalled" and all(a != b for a, b in zip(said, said[1:])), said
        aio.switch(borgbackup={"hold": None})
        daemon.wait_job(job, 120)
        assert "resumed" in daemon.notices(job)


@pytest.mark.seconds(240)
def test_three_targets_in_one_downtime_and_the_second_fails(aio, folder):
    aio.install()
    places = [aio.folder / name for name in ("one", "two", "three")]
    for place in places:
        place.mkdir()
    (places[1] / "borg").mkdir()
    (places[1] / "borg/stranger").touch()  # borg makes no repository beside it
    with Daemon(folder / "d", **aio.settings()) as daemon:
        reply = daemon.write.post("/nextcloud/daily-backup/run-for-target/async",
                                  {"targets": [str(p) for p in places]})
        assert reply.status == 200, reply
        record = daemon.wait_job(reply.json["job_id"], 200)
    assert verdict(record) == ("failed", "borg_failed"), record
    words = [one["verdict"]["word"] if "verdict" in one else one["word"]
             for one in record["result"]["backups"]]
    assert words == ["succeeded", "borg_failed", "succeeded"]
    assert (places[0] / "borg/config").exists() and (places[2] / "borg/config").exists()
    assert len(aio.did("nextcloud-aio-database", "stopped")) == 1, "one downtime"
    assert aio.config["borg_backup_host_location"] == str(aio.target) and aio.stack_up()
    assert not aio.archives()  # AIO's own list is its own target's


@pytest.mark.seconds(240)
def test_aios_own_run_is_in_progress(aio, folder):
    aio.install(schedule=("04:00",))
    aio.switch(borgbackup={"hold": "before_create"})
    aio.own_run()
    aio.wait_did(BORG, "held")
    with Daemon(folder / "d", **aio.settings()) as daemon:
        for path in (RUN, "/nextcloud/daily-backup/stop", "/nextcloud/containers/start"):
            reply = daemon.write.post(path, {})
            assert reply.status == 409 and reply.json["error"] == "aio_busy", reply
        assert len(aio.execs()) == 1, "only AIO's own"
        aio.switch(borgbackup={"hold": None})
        aio.wait_idle()
        assert aio.stack_up() and len(aio.archives()) == 1


@pytest.mark.seconds(240)
def test_a_mastercontainer_that_goes_on_by_its_schedule_is_not_run_again(aio, folder):
    aio.install(schedule=("04:00", "automaticUpdatesAreNotEnabled"))
    aio.switch(watchtower={"update": True})
    before = aio.docker.inspect(MASTER)["Id"]
    with Daemon(folder / "d", **aio.settings(AIO_SCHEDULE_GUARD_MINUTES="0")) as daemon:
        job = begin(daemon, automatic_updates=True)
        record = daemon.wait_job(job, 150)
        assert "taken_over" in daemon.notices(job)
    assert aio.docker.inspect(MASTER)["Id"] != before and aio.did(MASTER, "own run")
    calls = aio.execs()
    assert len(calls) == 2 and "LOCK_FILE_PRESENT" in calls[1]["env"], "ours, then AIO's own"
    assert verdict(record)[0] in ("succeeded", "warning"), record["verdict"]
    assert len(aio.archives()) == 1 and aio.stack_up()


@pytest.mark.seconds(240)
def test_nextcloud_comes_back_in_maintenance(aio, folder):
    aio.install()
    aio.switch(nextcloud={"maintenance": True})
    with Daemon(folder / "d", **aio.settings()) as daemon:
        reply = daemon.write.post(RUN, {})
        assert reply.status == 502 and reply.json["service"]["maintenance"] is True, reply
        record = daemon.job(reply.json["job_id"])
        assert verdict(record) == ("failed", "service_down")
        assert "maintenance" in record["verdict"]["sentence"]
    assert len(aio.archives()) == 1 and len(aio.execs()) == 2


@pytest.mark.seconds(240)
def test_a_restore_that_begins_after_the_look(aio, folder):
    """Only AIO's script sees it, and says so with exit code 0."""
    aio.install()
    with EngineProxy(folder / "p", aio.docker.socket) as proxy:
        with Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as daemon:
            proxy.hold(r"POST .*/exec$")
            job = begin(daemon)
            assert proxy.held.wait(60)
            aio.restore(seconds=8)
            proxy.release.set()
            record = daemon.wait_job(job, 120)
            assert verdict(record) == ("failed", "nothing_done"), record["verdict"]
    assert not aio.did("php", "StopContainers") and not aio.did("php", "CreateBackup")
    assert aio.stack_up()
