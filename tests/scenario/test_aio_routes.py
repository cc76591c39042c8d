"""AIO's workflow over the API: what is answered in the reference API's shapes when it succeeds, when
it fails and when the caller does not wait so long; two at once; and its events."""

import json
import time

import pytest

from fixtures.aio.installation import BORG, FLAGS
from fixtures.harness import Daemon, wait_for

SEED = {"with_stop": True, "automatic_updates": False, "daily_backup": True, "check_backup": False,
        "stop_containers": True, "start_containers": True}


@pytest.fixture(scope="module")
def house(engine, module_folder):
    """An AIO that serves, and a daemon beside it."""
    from fixtures.aio import Aio
    with Aio(engine, module_folder / "aio") as aio:
        aio.install()
        with Daemon(module_folder / "d", **aio.settings(AIO_STALL_MINUTES="1440")) as daemon:
            yield aio, daemon


@pytest.fixture
def aio(house):
    """The stack is up, nothing runs, and nothing is switched."""
    one = house[0]
    one.wait_idle()
    one.now.clear()
    one.switch()
    if not one.stack_up():
        one.php("StartContainers")
        one.wait_serving()
    one.forget()
    yield one
    one.now.clear()
    one.switch()


@pytest.fixture
def daemon(house):
    return house[1]


def run(daemon, **body):
    return daemon.write.post("/nextcloud/daily-backup/run", body)


def status_lines(daemon, job_id):
    return [json.loads(e["line"]) for e in daemon.events(job_id) if e["kind"] == "status"]


def assert_script(result, command="/daily-backup.sh"):
    """The reference API's result of the script."""
    assert result["command"] == command and result["returncode"] == 0
    assert result["stdout"].startswith("Daily backup script has started")
    assert "Daily backup script has finished" in result["stdout"]
    assert isinstance(result["stderr"], str)


def sent_flags(aio):
    """The flags of the daily script's calls, as its container saw them."""
    return [{name: call["env"][name] for name in FLAGS} for call in aio.execs()]


# ---- a run that is waited for ----

@pytest.mark.seconds(240)
def test_a_run_answers_with_the_seeds_shape_and_has_backed_up(aio, daemon):
    before = aio.archives()
    reply = run(daemon, **SEED)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    answer = reply.json
    assert_script(answer["result"])
    assert answer["env"]["DAILY_BACKUP"] == answer["env"]["START_CONTAINERS"] == "1"
    assert answer["env"] == answer["result"]["env"] and answer["env"]["CHECK_BACKUP"] == "0"
    assert answer["pre_stop"]["skipped"] is True and answer["pre_stop"]["reason"]
    borg = answer["borgbackup"]
    assert borg["container"] == BORG and borg["changed"] is True and borg["failed"] is False
    assert borg["after"]["ExitCode"] == 0 and borg["after"]["Running"] is False
    assert answer["downtime_seconds"] > 0 and answer["service"]["installed"] is True
    new = aio.archives()[len(before):]
    assert len(new) == 1 and answer["backups"][0]["archive"] == new[0]
    assert all(answer["backups"][0]["evidence"].values()), answer["backups"]
    assert aio.did("nextcloud-aio-database", "dumped") and aio.stack_up()
    (flags,) = sent_flags(aio)
    assert flags == {"DAILY_BACKUP": "1", "CHECK_BACKUP": "0", "STOP_CONTAINERS": "1",
                     "START_CONTAINERS": "1", "AUTOMATIC_UPDATES": "0"}
    job = daemon.job(answer["job_id"])
    assert job["state"] == "succeeded" and job["kind"] == "aio-run"
    stages = [s["stage"] for s in job["stages"]]
    assert stages[0] == "preflight" and stages[-1] == "done"
    assert "backing_up" in stages and "starting" in stages
    assert all(s["started"] and s["ended"] for s in job["stages"])


@pytest.mark.seconds(240)
def test_a_failed_backup_is_502_with_the_evidence_and_nextcloud_is_back(aio, daemon):
    aio.switch(borgbackup={"fails": True})
    reply = run(daemon)
    assert reply.status == 502 and reply.json["ok"] is False, reply
    assert reply.json["error"] == "backup_failed" and reply.json["message"]
    borg = reply.json["borgbackup"]
    assert borg["failed"] is True and borg["after"]["ExitCode"] == 1 and borg["message"]
    assert "Backup failed!" in borg["log_tail"]
    assert reply.json["result"]["returncode"] == 0 and reply.json["env"]["DAILY_BACKUP"] == "1"
    assert daemon.job(reply.json["job_id"])["state"] == "failed"
    assert aio.stack_up()


@pytest.mark.seconds(240)
def test_past_its_time_the_answer_says_that_it_goes_on_and_a_second_run_is_refused(aio, daemon):
    aio.switch(borgbackup={"hold": "before_create"})
    reply = run(daemon, timeout=1)
    assert reply.status == 408 and reply.json["error"] == "timeout", reply
    assert reply.json["still_running"] is True and reply.json["state"] == "running"
    job_id = reply.json["job_id"]
    assert reply.json["sse"] and reply.json["poll"]
    for path, body in (("daily-backup/run", {}), ("daily-backup/run/async", {}),
                       ("daily-backup/stop", {}), ("containers/start", {}),
                       ("official-daily-backup", {}), ("check-integrity", {}),
                       ("daily-backup/run-for-target", {"host_location": str(aio.target)})):
        second = daemon.write.post(f"/nextcloud/{path}", body)
        assert second.status == 409 and second.json["error"] == "aio_busy", (path, second)
        assert second.json["job_id"] == job_id and job_id in second.json["message"]
    aio.switch(borgbackup={"hold": None})
    assert daemon.wait_job(job_id)["state"] == "succeeded"
    assert len(aio.execs()) == 1 and aio.stack_up()


# ---- a run that is followed ----

@pytest.mark.seconds(240)
def test_an_async_run_is_followed_to_its_terminal_status(aio, daemon):
    reply = daemon.write.post("/nextcloud/daily-backup/run/async", {})
    assert reply.status == 200 and reply.json["ok"] is True, reply
    job_id = reply.json["job_id"]
    assert job_id.startswith("aio-run:") and job_id in reply.json["sse"]
    assert reply.json["poll"].endswith(job_id)
    with daemon.stream(job_id) as stream:
        events = list(stream.events())
    assert [e.kind for e in events if e.kind == "stage"]
    assert any(e.kind == "borg" and e.line == "Performing backup..." for e in events)
    assert any(e.kind == "stdout" and e.line == "Daily backup script has finished" for e in events)
    lines = [json.loads(e.line) for e in events if e.kind == "status"]
    assert [s["event"] for s in lines] == ["queued", "start", "success"]
    assert lines[1]["env"]["DAILY_BACKUP"] == "1" and lines[1]["job_id"] == job_id
    last = lines[-1]
    assert last["borgbackup"]["failed"] is False and last["env"]["DAILY_BACKUP"] == "1"
    assert_script(last["result"])
    text = daemon.read.get(f"/jobs/{job_id}/log").text
    assert "Daily backup script has started" in text and "Performing backup..." in text


@pytest.mark.seconds(240)
def test_the_same_key_gives_the_same_job(aio, daemon):
    key = {"Idempotency-Key": "the-night-of-the-25th"}
    first = daemon.write.request("POST", "/nextcloud/daily-backup/run/async", {}, key)
    again = daemon.write.request("POST", "/nextcloud/daily-backup/run/async", {}, key)
    assert first.status == 200 and again.json["job_id"] == first.json["job_id"], again
    daemon.wait_job(first.json["job_id"])
    again = daemon.write.request("POST", "/nextcloud/daily-backup/run/async", {}, key)
    assert again.json["job_id"] == first.json["job_id"] and len(aio.execs()) == 1


@pytest.mark.seconds(240)
def test_prefer_respond_async_is_202(aio, daemon):
    reply = daemon.write.request("POST", "/nextcloud/check-integrity", {},
                                 {"Prefer": "respond-async"})
    assert reply.status == 202 and reply.headers["Location"].endswith(reply.json["job_id"])
    daemon.wait_job(reply.json["job_id"])


# ---- stop and start ----

@pytest.mark.seconds(240)
def test_stop_says_what_it_did_and_start_brings_it_back(aio, daemon):
    reply = daemon.write.post("/nextcloud/daily-backup/stop", {"timeout": 120})
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert_script(reply.json["result"], "/daily-backup.sh stop")
    assert reply.json["effect"] == "containers_stopped"
    assert "nextcloud-aio-database" in reply.json["stopped"]
    assert reply.json["dump"] == {"clean": True, "known": True, "problem": None}
    assert aio.stack_down()
    (call,) = aio.execs()
    assert call["argv"][-1] == "stop"
    assert sent_flags(aio)[0] == {"DAILY_BACKUP": "0", "CHECK_BACKUP": "0", "STOP_CONTAINERS": "1",
                                  "START_CONTAINERS": "0", "AUTOMATIC_UPDATES": "0"}
    reply = daemon.write.post("/nextcloud/containers/start", {})
    assert reply.status == 200 and reply.json["effect"] == "containers_started", reply
    assert reply.json["service"]["installed"] is True and aio.stack_up()
    reply = daemon.write.post("/nextcloud/containers/stop", {"timeout": 120})
    assert reply.status == 200 and reply.json["effect"] == "containers_stopped", reply
    assert aio.stack_down()


@pytest.mark.seconds(240)
def test_a_stop_that_takes_longer_than_the_answer_is_pending(aio, daemon):
    aio.switch(database={"dump_seconds": 5})
    reply = daemon.write.post("/nextcloud/daily-backup/stop", {"timeout": 1})
    assert reply.status == 200 and reply.json["pending"] is True, reply
    assert reply.json["result"]["returncode"] is None
    assert reply.json["result"]["command"] == "/daily-backup.sh stop"
    job = daemon.wait_job(reply.json["job_id"])
    assert job["state"] == "succeeded" and job["result"]["dump"]["clean"] is True, job
    assert aio.stack_down()


@pytest.mark.seconds(240)
def test_while_aio_runs_by_itself_nothing_is_begun_and_the_answer_says_what_runs(aio, daemon):
    aio.set_schedule(f"{(time.gmtime().tm_hour + 12) % 24:02}:00")
    aio.switch(borgbackup={"hold": "before_create"})
    aio.own_run()
    aio.wait_did(BORG, "held")
    for path in ("daily-backup/stop", "daily-backup/run", "containers/start", "check-integrity"):
        reply = daemon.write.post(f"/nextcloud/{path}", {})
        assert reply.status == 409 and reply.json["error"] == "aio_busy", (path, reply)
        assert "daily-backup.sh" in reply.json["message"] or BORG in reply.json["message"], reply
        assert reply.json["preflight"], reply
    aio.switch(borgbackup={"hold": None})
    aio.wait_idle()
    (aio.data / "daily_backup_time").unlink()
    assert len(aio.did(BORG, "started")) == 1 and aio.stack_up()


# ---- the other ways to run the script ----

@pytest.mark.seconds(240)
def test_the_official_backup_really_backs_up(aio, daemon):
    before = len(aio.archives())
    reply = daemon.write.post("/nextcloud/official-daily-backup", {"START_CONTAINERS": "1"})
    assert reply.status == 200, reply
    assert_script(reply.json)
    assert reply.json["env"]["DAILY_BACKUP"] == "1" and len(aio.archives()) == before + 1
    assert aio.stack_up()


@pytest.mark.seconds(240)
def test_start_and_update_without_updates_starts_and_stops_nothing_for_good(aio, daemon):
    reply = daemon.write.post("/nextcloud/start-and-update", {"AUTOMATIC_UPDATES": "0"})
    assert reply.status == 200, reply
    assert reply.json["env"]["AUTOMATIC_UPDATES"] == "0" and aio.stack_up()


@pytest.mark.seconds(240)
def test_start_and_update_updates(aio, daemon):
    reply = daemon.write.post("/nextcloud/start-and-update", {})
    assert reply.status == 200 and reply.json["env"]["AUTOMATIC_UPDATES"] == "1", reply
    assert "Starting and updating containers..." in reply.json["stdout"] and aio.stack_up()


@pytest.mark.seconds(240)
def test_a_check_is_followed_to_its_verdict(aio, daemon):
    assert run(daemon).status == 200
    aio.forget()
    reply = daemon.write.post("/nextcloud/check-integrity", {})
    assert reply.status == 200 and reply.json["borgbackup"]["failed"] is False, reply
    assert aio.did(BORG, "started", mode="check") and aio.did(BORG, "stopped", code=0)
    assert not aio.did("nextcloud-aio-database", "stopped")
    assert daemon.job(reply.json["job_id"])["kind"] == "aio-check"


# ---- another target ----

@pytest.mark.seconds(240)
def test_a_run_for_a_target_backs_up_there_and_puts_aios_own_back(aio, daemon):
    assert run(daemon).status == 200
    own, other = str(aio.target), aio.folder / "other"
    other.mkdir(exist_ok=True)
    kept = {p.name: p.read_bytes() for p in (aio.data / "borg.config",
                                             aio.data / "backup_archives.list")}
    reply = daemon.write.post("/nextcloud/daily-backup/run-for-target",
                              {"host_location": str(other), "with_stop": True})
    assert reply.status == 200, reply
    answer = reply.json
    assert_script(answer["result"])
    assert answer["target"]["host_location"] == str(other) and answer["target"]["mode"] == "local"
    assert answer["previous"]["host_location"] == own
    assert answer["restored"]["host_location"] == own and answer["pre_stop"]["skipped"] is True
    assert answer["borgbackup"]["failed"] is False and answer["env"]["DAILY_BACKUP"] == "1"
    assert (other / "borg/config").exists()
    assert aio.config["borg_backup_host_location"] == own
    assert {p: (aio.data / p).read_bytes() for p in kept} == kept
    assert aio.stack_up()


@pytest.mark.seconds(240)
def test_an_async_run_for_a_target_has_the_reference_apis_events(aio, daemon):
    aio.switch(borgbackup={"fails": True})
    other = aio.folder / "third"
    other.mkdir(exist_ok=True)
    reply = daemon.write.post("/nextcloud/daily-backup/run-for-target/async",
                              {"host_location": str(other)})
    assert reply.status == 200, reply
    job_id = reply.json["job_id"]
    assert job_id.startswith("aio-run-for-target:")
    job = daemon.wait_job(job_id)
    assert job["state"] == "failed"
    queued, start, fail = status_lines(daemon, job_id)
    assert (queued["event"], start["event"], fail["event"]) == ("queued", "start", "fail")
    for one in (start, fail):
        assert one["target"]["host_location"] == str(other)
        assert one["previous"]["host_location"] == str(aio.target)
        assert one["env"]["DAILY_BACKUP"] == "1"
    assert fail["restored"]["host_location"] == str(aio.target) and fail["message"]
    assert fail["borgbackup"]["failed"] is True and fail["result"]["returncode"] == 0
    assert aio.config["borg_backup_host_location"] == str(aio.target)


# ---- refusals ----

@pytest.mark.parametrize("body,status,error,field", [
    ({"daily_backup": True, "check_backup": True}, 400, "bad_request", "check_backup"),
    ({"daily_backup": False, "start_containers": False}, 400, "bad_request", "daily_backup"),
    ({"dry_run": True}, 400, "bad_request", "/nextcloud/preflight"),
    ({"extra_env": {"BASH_ENV": "$(id)"}}, 403, "exec_forbidden", "BASH_ENV"),
    ({"extra_env": {"APACHE_PORT": "11000"}}, 403, "exec_forbidden", "APACHE_PORT"),
    ({"extra_env": {"DAILY_BACKUP": "true"}}, 403, "exec_forbidden", "DAILY_BACKUP"),
])
def test_what_is_refused_does_nothing(aio, daemon, body, status, error, field):
    before = daemon.read.get("/jobs?limit=500").json["jobs"]
    for path in ("run", "run/async"):
        reply = run(daemon, **body) if path == "run" else daemon.write.post(
            "/nextcloud/daily-backup/run/async", body)
        assert reply.status == status and reply.json["error"] == error, reply
        assert field in reply.text
    assert daemon.read.get("/jobs?limit=500").json["jobs"] == before and aio.execs() == []


def test_a_password_that_aio_does_not_take_is_said_to_be_in_vain_and_kept_nowhere(aio, daemon):
    reply = run(daemon, backup_restore_password="very-secret-word", daily_backup=False)
    assert reply.status == 200, reply
    assert "no effect" in reply.json["warnings"][0]
    assert "very-secret-word" not in reply.text + daemon.log()
    assert "very-secret-word" not in json.dumps(daemon.job(reply.json["job_id"]))


def test_wrong_targets_are_refused(aio, daemon):
    for body in ({}, {"host_location": "/a", "remote_repo": "u@h:r"},
                 {"remote_repo": "-oProxyCommand=x@y:z"}, {"targets": ["/a", "/a"]}):
        for path in ("run-for-target", "run-for-target/async"):
            reply = daemon.write.post(f"/nextcloud/daily-backup/{path}", body)
            assert reply.status == 400 and reply.json["errors"][0]["field"] in (
                "host_location", "remote_repo", "targets"), reply
    assert aio.execs() == []


ROUTES = {"daily-backup/run": {}, "daily-backup/run/async": {}, "daily-backup/stop": {},
          "containers/stop": {}, "containers/start": {}, "official-daily-backup": {},
          "start-and-update": {}, "check-integrity": {}}


def test_without_an_aio_nothing_is_said_to_have_been_done(folder):
    with Daemon(folder / "d", ENABLE_ARBITRARY_TARGETS="false") as daemon:
        for path, body in ROUTES.items():
            reply = daemon.write.post(f"/nextcloud/{path}", body)
            assert reply.status == 404 and reply.json["error"] == "container_not_found", reply
        for path in ("run-for-target", "run-for-target/async"):
            reply = daemon.write.post(f"/nextcloud/daily-backup/{path}", {"host_location": "/a"})
            assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply


def test_without_docker_it_is_503(folder):
    with Daemon(folder / "d", AIO_MASTER="nextcloud-aio-mastercontainer",
                DOCKER_HOST=f"unix://{folder}/none") as daemon:
        for path, body in ROUTES.items():
            if path.endswith("async"):
                continue
            reply = daemon.write.post(f"/nextcloud/{path}", body)
            assert reply.status == 503, (path, reply)
            assert reply.json["error"] == "docker_connection_refused" and reply.json["message"]
            assert reply.json["proxy_mode"] is False and "hint" in reply.json
            assert daemon.job(reply.json["job_id"])["state"] == "failed"
