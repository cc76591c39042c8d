"""The emergency stop where there is a Nextcloud AIO: the stack goes in AIO's order, with its graces,
and comes back."""

import json
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures import emergency
from fixtures.aio.installation import BORG, MASTER, STACK
from fixtures.borg import Setup
from fixtures.emergency import state
from fixtures.harness import Daemon, own_reasons, own_status, wait_for
from fixtures.hooks import Gate

COLLABORA, COMMUNITY = "nextcloud-aio-collabora", "nextcloud-aio-vaultwarden"
ORDER = [COLLABORA, "nextcloud-aio-apache", COMMUNITY, "nextcloud-aio-nextcloud",
         "nextcloud-aio-database", "nextcloud-aio-redis"]


def shutdown(daemon, status=200, **body):
    """The answer is waited for until the stack is down."""
    return emergency.shutdown(daemon, status, **{"timeout": 60, **body})


def more_containers(aio):
    """What an installation may have beside the four that the stand-in has; and one that only looks
    as if it belonged to it."""
    image = aio.docker.inspect("nextcloud-aio-redis")["Config"]["Image"]
    for name in (COLLABORA, COMMUNITY, "my-nextcloud-aio-friend"):
        aio.docker.cli("run", "-d", "--name", name, "--network=none", "--entrypoint=/bin/sleep",
                       "-v", "/usr:/usr:ro", "--stop-signal=SIGKILL", image, "infinity")


@pytest.fixture
def place(aio, folder):
    aio.install()
    more_containers(aio)
    with Daemon(folder / "d", **aio.settings()) as daemon:
        yield daemon, aio


@pytest.mark.seconds(300)
def test_the_stack_goes_in_order_and_comes_back(place):
    daemon, aio = place
    seen = state(daemon)
    assert own_status(seen) == "normal" and seen["aio_containers_running"] == 7, seen
    assert seen["aio_containers_total"] >= 7 and seen["aio_run"] is None
    plan = shutdown(daemon, dry_run=True)
    steps = plan["results"]["stop_containers"]["would_stop"]
    assert [s["name"] for s in steps] == ORDER
    graces = {s["name"]: s["grace_seconds"] for s in steps}
    assert graces["nextcloud-aio-nextcloud"] >= 600 and graces["nextcloud-aio-database"] >= 1800
    assert aio.stack_up()

    watch = Watch(aio)
    done = shutdown(daemon)
    stopped = done["results"]["stop_containers"]
    assert [s["name"] for s in stopped["stopped"]] == ORDER and stopped["failed"] == []
    assert stopped["rc"] == 0 and stopped["stdout"].split() == ORDER
    assert MASTER in stopped["untouched"]
    assert watch.ended(len(ORDER)) == ORDER
    assert aio.stack_down() and "my-nextcloud-aio-friend" in every_name(aio)
    assert aio.did("nextcloud-aio-database", "dumped")  # it was given its time
    assert {s["exit_code"] for s in stopped["stopped"] if s["name"] in STACK} == {0}, stopped
    assert aio.state(MASTER)["Running"] and not aio.execs()  # AIO's script was not asked
    assert [s["stage"] for s in daemon.job(done["job_id"])["stages"]] == ["hold", "jobs", "stack"]
    lines = [e["line"] for e in daemon.events(done["job_id"]) if e["kind"] == "stdout"]
    assert f"stopping {COLLABORA}" == lines[0] and f"stopped {ORDER[-1]}" in lines

    assert metric(daemon, "emergency_hold") == 1 and metric(daemon, "aio_stack_up") == 0
    seen = state(daemon)
    assert own_status(seen) == "warning" and seen["owes_start"] is True, seen
    assert seen["hold"]["level"] == "all" and len(own_reasons(seen)) == 2
    daemon.kill()
    daemon.start()
    assert state(daemon)["owes_start"] is True and aio.stack_down()

    reply = daemon.write.post("/emergency/resume", {"timeout": 120})
    assert reply.status == 200 and reply.json["resumed"] is True, reply
    assert reply.json["hold"] is None and reply.json["start_containers"]["state"] == "succeeded"
    assert aio.stack_up() and aio.wait_serving()
    seen = state(daemon)
    assert seen["owes_start"] is False and seen["hold"] is None, seen
    assert metric(daemon, "emergency_hold") == 0 and metric(daemon, "aio_stack_up") == 1
    again = daemon.write.post("/emergency/resume", {})
    assert again.json["resumed"] is False and again.json["start_containers"]["skipped"] is True


def metric(daemon, name):
    """Of the records alone: no value when none says it."""
    text = daemon.read.get("/metrics?format=prometheus").text
    found = re.search(rf"^borgmatic_api_{name} (\S+)$", text, re.M)
    return found and float(found.group(1))


def every_name(aio):
    _, found = aio.docker.call("GET", "/containers/json")
    return [one["Names"][0].removeprefix("/") for one in found]


class Watch:
    """The names of the containers that end from now on, in that order, as the Engine tells them."""

    def __init__(self, aio):
        from fixtures.dockerd import Socket
        self.names = []
        self.connection = Socket(aio.docker.socket, 120)
        self.connection.request("GET", '/events?filters={"event":["die"]}')
        self.reply = self.connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while line := self.reply.readline():
            self.names.append(json.loads(line)["Actor"]["Attributes"]["name"])

    def ended(self, count):
        wait_for(lambda: len(self.names) >= count, what="the events")
        self.connection.sock.shutdown(2)
        return self.names


def break_all(daemon):
    reply = daemon.write.post("/borgmatic-locks/emergency-break-all", {})
    assert reply.status == 200, reply
    return reply.json["nextcloud_restart"]


def test_breaking_locks_never_restarts_nextcloud(place):
    daemon, aio = place
    up = break_all(daemon)
    assert up["skipped"] is True and "Nextcloud runs" in up["reason"], up
    assert aio.stack_up() and not aio.execs()
    aio.docker.cli("stop", "nextcloud-aio-apache")
    down = break_all(daemon)
    assert down["skipped"] is True and "did not stop it" in down["reason"], down
    shutdown(daemon)
    ours = break_all(daemon)
    assert ours["skipped"] is True and "/emergency/resume" in ours["reason"], ours
    aio.docker.stop(signal.SIGKILL)
    try:
        daemon.write.post("/emergency/resume", {"timeout": 1})
        (daemon.state / "emergency.json").unlink(missing_ok=True)
        daemon.kill()
        daemon.start()
        away = break_all(daemon)
    finally:
        aio.docker.start()
    assert away["error"] == "docker_connection_refused" and away["message"], away
    assert aio.stack_down() and not aio.execs()


def test_jobs_leaves_the_stack_alone(place):
    daemon, aio = place
    done = shutdown(daemon, level="jobs")
    assert done["results"]["stop_containers"]["skipped"] is True and aio.stack_up()
    assert daemon.write.post("/emergency/resume", {}).json["start_containers"]["skipped"] is True
    assert aio.stack_up() and not aio.execs()


def test_what_aio_runs_itself_is_named_and_not_ended(place):
    daemon, aio = place
    aio.switch(borgbackup={"before_create_seconds": 20})
    threading.Thread(target=aio.run, kwargs={"DAILY_BACKUP": "1"}, daemon=True).start()
    aio.wait_did(BORG, "started")
    done = shutdown(daemon)
    assert done["state"] == "warning" and done["results"]["stop_containers"]["aio_run"], done
    assert BORG in done["results"]["stop_containers"]["untouched"]
    assert aio.state(BORG)["Running"]
    aio.wait_idle()
    assert aio.state(BORG)["ExitCode"] == 0 and len(aio.archives()) == 1


def test_a_container_that_does_not_stop_is_no_success(place):
    """The Engine goes away in the middle: what was reached is said, and the hold stays."""
    daemon, aio = place
    aio.switch(nextcloud={"stop_seconds": 5})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(daemon.write.post, "/emergency/shutdown", {"timeout": 60})
        wait_for(lambda: "apache" not in aio.running(), what="apache is stopped")
        aio.docker.stop(signal.SIGKILL)
        try:
            failed = asked.result().json
            seen = state(daemon)
        finally:
            aio.docker.start()
    assert failed["ok"] is False and failed["error"].startswith("docker_"), failed
    containers = failed["results"]["stop_containers"]
    assert containers["error"]["error"] == failed["error"]
    assert "nextcloud-aio-redis" in [s["name"] for s in containers["failed"]]
    assert seen["aio_containers_running"] is None and seen["aio_problem"] and seen["owes_start"]
    assert seen["hold"]["level"] == "all"


def test_a_crash_in_the_middle_is_made_good(place):
    daemon, aio = place
    aio.switch(nextcloud={"stop_seconds": 3})
    reply = daemon.write.post("/emergency/shutdown", {"timeout": 1})
    assert reply.json["pending"] is True, reply
    wait_for(lambda: "apache" not in aio.running(), what="apache is stopped")
    daemon.kill()
    daemon.start()
    seen = state(daemon)
    assert seen["owes_start"] is True and seen["hold"]["level"] == "all", seen
    assert daemon.wait_job(reply.json["job_id"])["state"] == "interrupted"
    resumed = daemon.write.post("/emergency/resume", {"timeout": 120})
    assert resumed.status == 200 and resumed.json["start_containers"]["state"] == "succeeded", resumed
    assert aio.stack_up() and state(daemon)["owes_start"] is False


@pytest.mark.seconds(300)
def test_a_backup_with_the_stack_down_ends_and_the_stack_stays_down(place):
    """Its end starts the stack again as always; only then is the stack stopped, in order."""
    daemon, aio = place
    gate = Gate(daemon.folder)
    Setup(daemon, "one", files=3, before_backup=[gate.command])
    backup = daemon.backup("one", stop_timeout=120)["job_id"]
    wait_for(gate.is_reached, 60, "the backup runs")
    assert aio.stack_down()
    done = shutdown(daemon, timeout=200)
    assert done["state"] == "succeeded", done
    assert daemon.job(backup)["state"] == "cancelled" and aio.stack_down()
    resumed = daemon.write.post("/emergency/resume", {"timeout": 120})
    assert resumed.status == 200 and aio.stack_up(), resumed


def test_a_start_that_fails_stays_owed(place):
    daemon, aio = place
    shutdown(daemon)
    aio.switch(nextcloud={"never_up": True})
    failed = daemon.write.post("/emergency/resume", {"timeout": 170})
    assert failed.json.get("pending") or failed.status >= 500, failed
    seen = state(daemon)
    assert seen["hold"] is None and seen["owes_start"] is True
