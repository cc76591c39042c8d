"""What the Docker Engine has and what may be executed in it, against a real Engine; and an Engine that
is not there, hangs, or comes back."""

import io
import os
import signal
import tarfile
import threading
import time

import pytest

from fixtures.aio.images import import_image
from fixtures.client import connect
from fixtures.docker_proxy import Silent
from fixtures.dockerd import Dockerd
from fixtures.harness import HEADER, Daemon, wait_for

MASTER = "nextcloud-aio-mastercontainer"
SECRET = "5ec4e7-of-a-container"
FLAGS = {"DAILY_BACKUP": "0", "CHECK_BACKUP": "0", "STOP_CONTAINERS": "0", "START_CONTAINERS": "0",
         "AUTOMATIC_UPDATES": "0"}
TASKS_MAX = 16


def small_image(docker):
    """One program and nothing else."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox", recursive=False)
        link = tarfile.TarInfo("bin/sleep")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
    import_image(docker, "small", raw.getvalue(), ['CMD ["/bin/sleep","1000"]'])


@pytest.fixture(scope="module")
def docker(module_folder):
    with Dockerd(module_folder / "e") as engine:
        small_image(engine)
        run = ("run", "-d", "--network=host", "--stop-signal=SIGKILL")
        engine.cli(*run, "--name", MASTER, "-e", f"TOKEN={SECRET}", "small:latest")
        engine.cli(*run, "--name", "nextcloud-aio-apache", "small:latest")
        engine.cli(*run, "--name", "other", "-v", "their_volume:/v", "small:latest")
        engine.cli("stop", "nextcloud-aio-apache")
        engine.cli("volume", "create", "nextcloud_aio_database")
        (engine.folder / "data/volumes/their_volume/_data/f").write_bytes(b"x" * 100_000)
        yield engine


@pytest.fixture(scope="module")
def one(module_folder, docker):
    with Daemon(module_folder / "d", DOCKER_HOST=docker.host, AIO_MASTER=None) as daemon:
        yield daemon


def names(reply, what):
    assert reply.status == 200 and reply.json["ok"] is True, reply.text
    return sorted(x["name"] for x in reply.json[what])


# ---- reading ----

def test_containers_by_scope(one, docker):
    read = one.read
    assert names(read.get("/containers"), "containers") == [MASTER]
    assert names(read.get("/containers?scope=aio&all=true"), "containers") == [
        "nextcloud-aio-apache", MASTER]
    assert names(read.get("/containers?scope=all"), "containers") == [MASTER, "other"]
    everyone = read.get("/containers?scope=all&all=1")
    assert names(everyone, "containers") == ["nextcloud-aio-apache", MASTER, "other"]
    for shown in everyone.json["containers"]:
        assert list(shown) == ["id", "name", "image", "status", "running"]
        real = docker.inspect(shown["name"])
        assert real["Id"][:12] == shown["id"] and shown["image"] == "small:latest"
        assert shown["running"] is real["State"]["Running"] is shown["status"].startswith("Up ")
    assert SECRET not in everyone.text


def test_volumes_by_scope_and_their_sizes_only_when_asked(one):
    read = one.read
    mine = read.get("/volumes/status")
    assert names(mine, "volumes") == ["nextcloud_aio_database"]
    assert list(mine.json["volumes"][0]) == ["name", "mountpoint"]
    assert mine.json["volumes"][0]["mountpoint"].endswith("/nextcloud_aio_database/_data")
    assert names(read.get("/volumes/status?scope=all"), "volumes") == [
        "nextcloud_aio_database", "their_volume"]
    sizes = {v["name"]: v["size_bytes"]
             for v in read.get("/volumes/status?scope=all&compute_size=true").json["volumes"]}
    assert sizes == {"nextcloud_aio_database": 0, "their_volume": pytest.approx(100_000, abs=9000)}


def test_health_tells_the_version(one, docker):
    version = docker.call("GET", "/version")[1]
    health = wait_for(lambda: (h := one.read.get("/health").json)["checks"]["docker"] == "ok" and h,
                      20, "Docker was asked")
    assert health["checks"]["docker_details"] == \
        f"Docker {version['Version']} (API {version['ApiVersion']})"


def test_many_ask_at_once(one):
    answers = []

    def ask():
        for _ in range(5):
            answers.append(one.read.get("/containers?scope=all&all=true"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [a.status for a in answers] == [200] * 40
    assert len({a.text.split('"status"')[0] for a in answers}) == 1


# ---- the whitelist ----

def test_the_whitelist_is_shown(one):
    said = one.read.get("/security/exec-whitelist").json
    assert said["total_containers"] == 1 and "bash" in said["dangerous_commands_blocked"]
    assert list(said["whitelist"]) == [MASTER]
    entry = said["whitelist"][MASTER]
    assert entry["commands"] == ["/daily-backup.sh", "/daily-backup.sh stop", "/healthcheck.sh"]
    assert entry["no_shell"] is True and entry["env"]["DAILY_BACKUP"] == "0|1"
    assert one.read.get("/").json["security"]["allowed_containers"] == [MASTER]


@pytest.mark.parametrize("command, allowed", [
    ("/daily-backup.sh", True), (["/daily-backup.sh"], True), ("/daily-backup.sh stop", True),
    (["/daily-backup.sh", "stop"], True), ("/healthcheck.sh", True),
    ("/daily-backup.sh-evil;id", False), ("/daily-backup.sh;id", False), ("/daily-backup.sh  stop", False),
    ("/daily-backup.sh start", False), (["/daily-backup.sh stop"], False), ("bash -c id", False),
    ("/daily-backup.sh ", False), (["sh"], False), ("/healthcheck.sh stop", False)])
def test_a_command_is_judged_whole(one, command, allowed):
    said = one.read.post("/security/exec-whitelist/validate",
                         {"container": MASTER, "command": command})
    assert said.status == 200 and said.json["ok"] is True and said.json["allowed"] is allowed
    assert said.json["container"] == MASTER
    assert said.json["command"] == (command.split(" ") if isinstance(command, str) else command)
    assert ("message" if allowed else "reason") in said.json


def test_variables_are_judged_when_given(one):
    def allowed(env, command="/daily-backup.sh", container=MASTER):
        said = one.read.post("/security/exec-whitelist/validate",
                             {"container": container, "command": command, "env": env})
        assert said.status == 200, said.text
        assert said.json["allowed"] or SECRET not in said.text
        return said.json["allowed"]

    assert allowed({**FLAGS, "DAILY_BACKUP": "1"})
    assert allowed({**FLAGS, "STOP_CONTAINERS": "1"}, "/daily-backup.sh stop")
    assert not allowed({**FLAGS, "DAILY_BACKUP": "1"}, "/daily-backup.sh stop")
    assert not allowed({}) and not allowed(FLAGS) and not allowed({"DAILY_BACKUP": "1"})
    assert not allowed({**FLAGS, "DAILY_BACKUP": "true"})
    for name in ("BASH_ENV", "AIO_LOG_LEVEL", "APACHE_PORT", "LD_PRELOAD"):
        assert not allowed({**FLAGS, "DAILY_BACKUP": "1", name: SECRET})
    assert not allowed({**FLAGS, "DAILY_BACKUP": "1"}, container="other")
    assert allowed({}, "/healthcheck.sh") and not allowed({"A": "1"}, "/healthcheck.sh")


@pytest.mark.parametrize("body, field", [
    ({"command": "x"}, "container"), ({"container": "x"}, "command"),
    ({"container": "x", "command": "y", "env": {"A": 1}}, "env"),
    ({"container": "x", "command": "y", "env": {"A=B": "1"}}, "env"),
    ({"container": "x", "command": "y", "env": {f"A{n}": "1" for n in range(33)}}, "env")])
def test_a_bad_question_is_refused(one, body, field):
    said = one.read.post("/security/exec-whitelist/validate", body)
    assert said.status == 400 and said.json["errors"][0]["field"] == field


def test_an_empty_master_allows_nothing(folder, docker):
    with Daemon(folder / "d", DOCKER_HOST=docker.host, AIO_MASTER="") as daemon:
        assert daemon.read.get("/security/exec-whitelist").json["whitelist"] == {}
        said = daemon.read.post("/security/exec-whitelist/validate",
                                {"container": MASTER, "command": "/healthcheck.sh"})
        assert said.json["allowed"] is False


# ---- an Engine that is not as it should be ----

def test_nobody_listens(folder):
    with Daemon(folder / "d", DOCKER_HOST=f"unix://{folder}/none.sock") as daemon:
        for path in ("/containers", "/volumes/status", "/volumes/status?compute_size=true"):
            said = daemon.read.get(path)
            assert said.status == 503 and said.json["error"] == "docker_connection_refused"
            assert "DOCKER_HOST" in said.json["hint"] and said.json["proxy_mode"] is False
            assert said.headers["Retry-After"]
        health = wait_for(lambda: (c := daemon.read.get("/health").json["checks"])["docker"] == "error"
                          and c, 20, "Docker was asked")
        assert "none.sock" in health["docker_details"]


@pytest.mark.parametrize("value", ["ssh://host", "tcp://host", "/var/run/docker.sock", "unix://x"])
def test_a_docker_host_of_another_form_is_refused_at_the_start(folder, value):
    daemon = Daemon(folder / "d", DOCKER_HOST=value)
    with pytest.raises(AssertionError):
        daemon.start()
    assert daemon.process.wait(10) == 78
    said = daemon.log_path.read_text()
    assert "DOCKER_HOST" in said and "unix:///path or tcp://host:port" in said


def test_an_engine_that_comes_back_is_found_again(folder):
    with Dockerd(folder / "e") as docker, \
            Daemon(folder / "d", DOCKER_HOST=docker.host) as daemon:
        assert daemon.read.get("/containers?scope=all&all=true").json["containers"] == []
        docker.stop()
        assert daemon.read.get("/containers").json["error"] == "docker_connection_refused"
        docker.start()
        assert daemon.read.get("/containers").status == 200


def threads_of(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


def ask_and_leave(daemon):
    """A socket whose answer nobody has read yet."""
    one = connect(daemon.port)
    one.sendall(f"GET /containers HTTP/1.1\r\nHost: x\r\nX-From-NodeRed: {HEADER}\r\n"
                f"Authorization: Bearer {daemon.read_token}\r\n\r\n".encode())
    return one


def in_background(daemon, count, answers):
    def ask():
        answers.append(daemon.read.get("/containers"))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for t in threads:
        t.start()
    return threads


def test_who_waits_for_a_silent_engine_is_answered_when_the_daemon_goes_down(folder):
    answers = []
    with Silent(folder / "s") as silent, Daemon(folder / "d", DOCKER_HOST=silent.host) as daemon:
        waiting = in_background(daemon, 3, answers)
        wait_for(lambda: silent.waiting() >= 4, 20, "all wait")  # and the probe
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        for t in waiting:
            t.join()
        assert daemon.process.wait(20) == 0
        assert time.monotonic() - began < 10
    assert [a.status for a in answers] == [503] * 3
    assert {a.json["error"] for a in answers} == {"interrupted"}


def test_no_more_than_so_many_wait_and_who_leaves_frees_a_place(folder):
    answers = []
    with Silent(folder / "s") as silent, Daemon(folder / "d", DOCKER_HOST=silent.host) as daemon:
        wait_for(lambda: silent.waiting() == 1, 20, "the probe waits")
        before = threads_of(daemon)
        sockets = [ask_and_leave(daemon) for _ in range(TASKS_MAX - 1)]
        wait_for(lambda: silent.waiting() == TASKS_MAX, 20, "all places are taken")
        assert threads_of(daemon) == before + TASKS_MAX - 1
        refused = daemon.read.get("/containers")
        assert refused.status == 503 and refused.json["error"] == "too_busy"
        assert refused.headers["Retry-After"]
        assert daemon.read.get("/jobs").status == 200  # the others are served
        for one in sockets:
            one.close()
        wait_for(lambda: threads_of(daemon) == before, 20, "their tasks have ended")
        waiting = in_background(daemon, 1, answers)
        wait_for(lambda: silent.waiting() >= 2, 20, "there is room again")
        daemon.stop()
        waiting[0].join()
