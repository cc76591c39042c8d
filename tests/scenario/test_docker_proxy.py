"""Through a socket proxy: what is needed is enough, what is missing is named, silence that is cut does
not matter. And through one that writes everything down: nothing outside the whitelist is sent."""

import pytest

from fixtures.aio.installation import FLAGS, MASTER
from fixtures.docker_proxy import PERMISSIONS, Recorder, SocketProxy
from fixtures.harness import Daemon, wait_for
from fixtures.routes import fill, operations

RUN = "/nextcloud/daily-backup/run"
HOSTILE = {"BASH_ENV": "$(id >/standin/owned)", "AIO_LOG_LEVEL": "debug", "APACHE_PORT": "1"}


def without(*names):
    return tuple(p for p in PERMISSIONS if p not in names)


@pytest.fixture(scope="module")
def bare(engine, module_folder):
    """An Engine with nothing in it, through proxies that each forbid one thing."""
    daemons = {}

    def through(*missing):
        if missing not in daemons:
            name = "-".join(missing) or "all"
            proxy = SocketProxy(engine, module_folder / f"p{name}", without(*missing)).__enter__()
            daemon = Daemon(module_folder / f"d{name}", DOCKER_HOST=proxy.host, AIO_MASTER=MASTER)
            daemons[missing] = daemon.__enter__(), proxy
        return daemons[missing][0]

    yield through
    for daemon, proxy in daemons.values():
        daemon.stop()
        proxy.__exit__()


# ---- reading ----

@pytest.mark.parametrize("permission, path", [
    ("CONTAINERS", "/containers"), ("VOLUMES", "/volumes/status"),
    ("VOLUMES", "/volumes/status?scope=all")])
def test_a_read_that_is_forbidden_names_the_permission(bare, permission, path):
    assert bare().read.get(path).status == 200
    said = bare(permission).read.get(path)
    assert said.status == 503 and said.json["error"] == "docker_permission_denied", said
    assert said.json["proxy_mode"] is True
    assert f"allow {permission}=1 in" in said.json["hint"]
    assert permission in said.json["message"]


def test_sizes_that_are_forbidden_are_unknown_and_the_rest_is_told(bare, engine):
    engine.cli("volume", "create", "nextcloud_aio_redis")
    said = bare("SYSTEM").read.get("/volumes/status?compute_size=true")
    assert said.status == 200 and "allow SYSTEM=1 in" in said.json["hint"]
    assert [v["size_bytes"] for v in said.json["volumes"]] == [None]
    said = bare().read.get("/volumes/status?compute_size=true")
    assert [v["size_bytes"] for v in said.json["volumes"]] == [0] and "hint" not in said.json
    engine.cli("volume", "rm", "nextcloud_aio_redis")


def test_the_version_is_not_needed_for_work(bare):
    assert bare("PING").read.get("/containers").status == 200
    daemon = bare("VERSION")
    assert daemon.read.get("/containers").status == 200
    checks = wait_for(lambda: (c := daemon.read.get("/health").json["checks"])["docker"] == "error"
                      and c, 20, "Docker was asked")
    assert "VERSION=1" in checks["docker_details"]


# ---- AIO's workflow ----

@pytest.mark.seconds(300)
@pytest.mark.parametrize("allowed", [PERMISSIONS, ("CONTAINERS", "EXEC", "POST")], ids=len)
def test_what_is_needed_is_enough(aio, folder, allowed):
    aio.install()
    before = len(aio.archives())
    with SocketProxy(aio.docker, folder / "p", allowed) as proxy, \
            Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as daemon:
        said = daemon.write.post(RUN, {})
        assert said.status == 200, said
        assert len(aio.archives()) == before + 1 and aio.status()["installed"] is True


@pytest.mark.seconds(300)
@pytest.mark.parametrize("permission", ["EXEC", "POST", "CONTAINERS"])
def test_a_run_that_is_forbidden_names_the_permission_and_touches_nothing(aio, folder, permission):
    aio.install()
    with SocketProxy(aio.docker, folder / "p", without(permission)) as proxy, \
            Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as daemon:
        for path in (RUN, "/nextcloud/daily-backup/stop"):
            said = daemon.write.post(path, {})
            assert said.status >= 400 and said.json["ok"] is False
            assert f"{permission}=1" in said.text, said
        assert aio.execs() == [] and aio.stack_up()


@pytest.mark.seconds(300)
def test_a_stream_that_is_cut_for_its_silence_does_not_end_the_work(aio, folder):
    aio.install(borgbackup={"before_create_seconds": 8})
    before = len(aio.archives())
    with SocketProxy(aio.docker, folder / "p", server_seconds=5) as proxy, \
            Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as daemon:
        said = daemon.write.post(RUN, {})
        assert said.status == 200, said
        assert len(aio.archives()) == before + 1 and aio.status()["installed"] is True
        assert len(aio.execs()) == 1  # and was not begun again


@pytest.mark.seconds(300)
def test_a_stop_that_is_cut_for_its_silence_is_followed_to_its_end(aio, folder):
    aio.install(database={"dump_seconds": 5})
    with SocketProxy(aio.docker, folder / "p", server_seconds=1) as proxy, \
            Daemon(folder / "d", **aio.settings(DOCKER_HOST=proxy.host)) as daemon:
        said = daemon.write.post("/emergency/shutdown", {})
        assert said.status == 200, said
        assert aio.stack_down() and aio.did("nextcloud-aio-database", "dumped")


# ---- what is sent ----

def bodies(operation, takes_env):
    """What each route that works with AIO is asked. Unknown fields are ignored: the last is a run."""
    for name, value in (*HOSTILE.items(), ("DAILY_BACKUP", "1;id")) if takes_env else ():
        yield {"extra_env": {name: value}}
    if "target" in operation:
        yield {"host_location": "/tmp/$(id)", "env": HOSTILE}
        yield {"remote_repo": "ssh://u@h:22/x;id", "env": HOSTILE}
    if not operation.endswith("-async"):
        yield {"command": ["sh", "-c", "id"], "container": "nextcloud-aio-nextcloud",
               "argv": ["id"], "env": HOSTILE}


def assert_whitelisted(daemon, container, body):
    entry = daemon.read.get("/security/exec-whitelist").json["whitelist"][MASTER]
    assert container == MASTER and sorted(body) == [
        "AttachStderr", "AttachStdin", "AttachStdout", "Cmd", "Env", "Tty"]
    assert body["AttachStdin"] is body["Tty"] is False
    assert " ".join(body["Cmd"]) in entry["commands"] and len(body["Cmd"]) <= 2
    env = dict(pair.split("=", 1) for pair in body["Env"])
    assert len(env) == len(body["Env"])
    for name, value in env.items():
        allowed = entry["env"][name]
        assert value.isdigit() if allowed == "number" else value in allowed.split("|")
    if body["Cmd"][0] == "/daily-backup.sh":
        assert set(FLAGS) <= set(env) and "1" in [env[f] for f in FLAGS]
    else:
        assert env == {}
    if body["Cmd"][1:] == ["stop"]:
        assert [f for f in FLAGS if env[f] == "1"] == ["STOP_CONTAINERS"]
    said = daemon.read.post("/security/exec-whitelist/validate", {
        "container": container, "command": body["Cmd"], "env": env})
    assert said.json["allowed"] is True


def concerns_aio(method, pattern):
    return method != "GET" and pattern.startswith(("/nextcloud", "/emergency/", "/create-backup"))


@pytest.mark.seconds(600)
def test_nothing_outside_the_whitelist_is_ever_sent(aio, folder):
    aio.install()
    with Recorder(aio.docker, folder / "r") as recorder, \
            Daemon(folder / "d", **aio.settings(DOCKER_HOST=recorder.host)) as daemon:
        for name, (method, pattern, _) in sorted(operations().items()):
            if not concerns_aio(method, pattern):
                continue
            first = daemon.write.request(method, fill(pattern, {}), {"extra_env": HOSTILE})
            assert first.status != 403 or first.json["error"] == "exec_forbidden", first
            for body in bodies(name, first.status == 403):
                said = daemon.write.request(method, fill(pattern, {}), body)
                if said.status in (200, 202) and "job_id" in said.json:
                    daemon.wait_job(said.json["job_id"])
        execs = recorder.execs()
        for container, body in execs:
            assert_whitelisted(daemon, container, body)
        commands = {" ".join(body["Cmd"]) for _, body in execs}
        assert {"/daily-backup.sh", "/daily-backup.sh stop"} <= commands
        text = daemon.log()
        for command in commands:
            assert f"[SECURITY] docker exec validated: container={MASTER}, command={command}" in text
        assert text.count("docker exec validated") == len(execs)
    assert not (aio.shared / "owned").exists()
    changing = {path.split("/")[4].split("?")[0] for method, path, _ in recorder.asked
                if method != "GET" and path.split("/")[2] == "containers"}
    assert changing <= {"exec", "stop", "start"}, changing
    assert {method for method, _, _ in recorder.asked} <= {"GET", "POST"}
