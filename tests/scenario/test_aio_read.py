"""Nextcloud AIO looked at: its containers, whether Nextcloud itself serves, and all at a glance."""

import http.server
import ssl
import subprocess
import threading
import time

import pytest

from fixtures.aio import Aio
from fixtures.aio.installation import BORG, MASTER
from fixtures.harness import Daemon, wait_for

APACHE, NEXTCLOUD = "nextcloud-aio-apache", "nextcloud-aio-nextcloud"


@pytest.fixture(scope="module")
def aio(engine, module_folder):
    with Aio(engine, module_folder / "aio") as one:
        one.install()
        yield one


@pytest.fixture(scope="module")
def daemon(aio, module_folder):
    with Daemon(module_folder / "d", **aio.settings(TZ="Asia/Kolkata")) as one:
        yield one


def get(daemon, path):
    reply = daemon.read.get(path)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return reply.json


def running(daemon):
    return get(daemon, "/nextcloud/running")


def overview(daemon):
    return get(daemon, "/nextcloud/overview")


def problems(daemon):
    return [p["id"] for p in overview(daemon)["problems"]]


def test_containers(aio, daemon):
    found = {c["name"]: c for c in get(daemon, "/nextcloud/containers/state")["containers"]}
    assert list(found) == sorted(found) and {MASTER, APACHE, NEXTCLOUD} <= set(found)
    master = found[MASTER]
    assert master["state"] == "running" and master["running"] is True
    assert master["health"] == "healthy" and master["restarting"] is False
    assert master["exit_code"] is None and abs(time.time() - master["since"]) < 3600
    assert len(master["id"]) == 12 and aio.docker.inspect(MASTER)["Id"].startswith(master["id"])
    aio.docker.cli("stop", APACHE)
    try:
        found = {c["name"]: c for c in get(daemon, "/nextcloud/containers/state")["containers"]}
        apache = found[APACHE]
        assert apache["running"] is False and apache["state"] == "exited"
        assert apache["exit_code"] == aio.state(APACHE)["ExitCode"]
        assert abs(time.time() - apache["since"]) < 60
    finally:
        aio.docker.cli("start", APACHE)
        aio.wait_serving()


def test_nextcloud_runs_only_when_it_serves(aio, daemon):
    found = running(daemon)
    assert found["running"] is True and found["parts"]["problem"] is None, found
    assert found["parts"]["host"] == aio.address and found["parts"]["port_number"] == 11000
    assert problems(daemon) == []

    aio.switch(nextcloud={"maintenance": True})
    try:
        found = wait_for(lambda: not (r := running(daemon))["running"] and r, 20, "maintenance")
        assert found["parts"]["status"] is True and found["parts"]["maintenance"] is True
        assert "maintenance" in found["parts"]["problem"]
        assert problems(daemon) == ["service_down"]
    finally:
        aio.switch(nextcloud={"maintenance": False})
    wait_for(lambda: running(daemon)["running"], 20, "it serves again")

    aio.switch(nextcloud={"needs_upgrade": True})
    try:
        wait_for(lambda: not running(daemon)["running"], 20, "an upgrade is due")
        assert running(daemon)["parts"]["needs_db_upgrade"] is True
    finally:
        aio.switch(nextcloud={"needs_upgrade": False})
    wait_for(lambda: running(daemon)["running"], 20, "it serves again")


def test_stopped_although_the_mastercontainer_runs(aio, daemon):
    aio.run(STOP_CONTAINERS="1")
    aio.wait_idle()
    try:
        assert aio.stack_down() and aio.state(MASTER)["Running"]
        found = running(daemon)
        assert found["running"] is False and found["parts"]["containers"] is False, found
        assert APACHE in found["parts"]["problem"]
        seen = overview(daemon)
        assert seen["running"] is False and seen["stack_up"] is False and seen["phase"] == "idle"
        assert [p["id"] for p in seen["problems"]] == ["service_down"]
    finally:
        aio.php("StartAndUpdateContainers")
        aio.wait_serving()


def test_restarting_is_not_running(aio, daemon):
    image = aio.docker.inspect(NEXTCLOUD)["Config"]["Image"]
    aio.docker.cli("rename", NEXTCLOUD, "aside")
    try:
        aio.docker.cli("run", "-d", "--name", NEXTCLOUD, "--network=host", "--restart=always",
                       "--entrypoint=/no/such/program", image, check=False)
        aio.docker.cli("rm", "-f", NEXTCLOUD)
        aio.docker.cli("run", "-d", "--name", NEXTCLOUD, "--network=host", "--restart=always",
                       "-v", "/usr:/usr:ro", "--entrypoint=/bin/sh", image, "-c", "exit 3")
        wait_for(lambda: aio.state(NEXTCLOUD)["Restarting"], 30, "it restarts")

        def seen():
            found = get(daemon, "/nextcloud/containers/state")["containers"]
            return next((c for c in found if c["name"] == NEXTCLOUD and c["restarting"]), None)

        found = wait_for(seen, 60, "it is seen restarting")
        assert found["running"] is False and found["exit_code"] == 3

        def restarts():  # between two restarts it runs for a moment
            found = running(daemon)
            return found if "restarts" in (found["parts"]["problem"] or "") else None

        assert wait_for(restarts, 60, "in words")["running"] is False
    finally:
        aio.docker.cli("rm", "-f", NEXTCLOUD)
        aio.docker.cli("rename", "aside", NEXTCLOUD)


class Status(http.server.BaseHTTPRequestHandler):
    said, asked = b"", []

    def do_GET(self):
        Status.asked.append((self.path, self.headers["Host"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(Status.said)

    def log_message(self, *_):
        pass


def test_a_certificate_of_its_own(aio, folder):
    """With port 443 apache speaks TLS, by a certificate that need not be known."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=self", "-keyout", folder / "key", "-out", folder / "cert"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    address = "127.251." + ".".join(aio.address.split(".")[2:])
    server = http.server.ThreadingHTTPServer((address, 443), Status)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    image = aio.docker.inspect(APACHE)["Config"]["Image"]
    aio.docker.cli("rename", APACHE, "aside")
    try:
        aio.docker.cli("run", "-d", "--name", APACHE, "--network=host", "-v", "/usr:/usr:ro",
                       "-e", "APACHE_PORT=443", "--stop-signal=SIGKILL", "--entrypoint=/bin/sleep",
                       image, "infinity")
        with Daemon(folder / "d", **aio.settings(AIO_HOSTS=address)) as d:
            Status.said = b'{"installed":true,"maintenance":false,"versionstring":"31.0.0"}'
            found = running(d)
            assert found["running"] is True and found["parts"]["host"] == address, found
            assert ("/status.php", "cloud.example.org") in Status.asked
            Status.said = b"<html>It works!"
            found = running(d)
            assert found["running"] is False and found["parts"]["port"] is True, found
            assert found["parts"]["status"] is False
            Status.said = b" " * 100000
            assert "too long" in running(d)["parts"]["problem"]
    finally:
        server.shutdown()
        server.server_close()
        aio.docker.cli("rm", "-f", APACHE)
        aio.docker.cli("rename", "aside", APACHE)


def test_the_schedule_in_both_times(aio, daemon):
    assert overview(daemon)["schedule"] is None
    aio.set_schedule("03:30", updates="")
    try:
        found = overview(daemon)["schedule"]
        assert found["utc"] == "03:30" and found["local"] == "09:00", found
        assert found["automatic_updates"] is True
        assert found["next"] % 86400 == 3 * 3600 + 30 * 60
        assert 0 <= found["next"] - time.time() + 60 <= 86400 + 120
    finally:
        (aio.data / "daily_backup_time").unlink()


def test_a_run_of_aios_own_and_its_archives(aio, daemon):
    assert overview(daemon)["archives"] == []
    aio.switch(borgbackup={"hold": "before_create"})
    aio.docker.cli("exec", "-d", "--env", "DAILY_BACKUP=1", "--env", "START_CONTAINERS=1", MASTER,
                   "/daily-backup.sh")
    try:
        wait_for(lambda: overview(daemon)["phase"] == "backing_up", 60, "it backs up")
        seen = overview(daemon)
        assert seen["busy_with"] in ("daily-backup.sh", BORG) and seen["job_id"] is None
        assert seen["problems"] == []
    finally:
        aio.switch(borgbackup={"hold": None})
        aio.wait_idle()
        aio.wait_serving()
    seen = overview(daemon)
    assert seen["phase"] == "idle" and seen["aio_version"] == "13.6.0"
    assert [a["name"] for a in seen["archives"]] == aio.archives()
    assert abs(seen["archives"][0]["time"] - time.time()) < 600
    assert seen["target"] == {"host_location": str(aio.target), "remote_repo": "", "mode": "local"}
    assert seen["last_verified_backup"] is None  # nobody saw it


@pytest.mark.seconds(240)
def test_a_run_of_ours(aio, daemon):
    reply = daemon.write.post("/nextcloud/daily-backup/run", {})
    assert reply.status == 200, reply
    seen = overview(daemon)
    assert seen["last_run"]["state"] == "succeeded", seen
    verified = seen["last_verified_backup"]
    assert verified["archive"] == aio.archives()[-1] == seen["archives"][0]["name"]
    assert verified["target"]["host_location"] == str(aio.target)
    assert verified["job_id"] == seen["last_run"]["job_id"]
    aio.switch(borgbackup={"fails": True})
    try:
        assert daemon.write.post("/nextcloud/daily-backup/run", {}).status == 502
    finally:
        aio.switch(borgbackup={"fails": False})
    seen = overview(daemon)
    assert seen["last_verified_backup"] == verified and seen["last_run"]["state"] == "failed"
    assert "last_run" in [p["id"] for p in seen["problems"]]


def test_a_target_that_is_switched(aio, daemon):
    (daemon.state / "aio").mkdir(mode=0o700, exist_ok=True)
    journal = daemon.state / "aio/journal.json"
    journal.write_text("{")
    try:
        assert "target_switched" in problems(daemon)
    finally:
        journal.unlink()
    assert overview(daemon)["target_switched"] is None


def test_without_aio(aio, folder):
    with Daemon(folder / "d", **aio.settings(AIO_MASTER="")) as d:
        reply = d.read.get("/nextcloud/overview")
        assert reply.status == 404 and reply.json["error"] == "container_not_found", reply
    with Daemon(folder / "d", **aio.settings(DOCKER_HOST=f"unix://{folder}/none")) as d:
        for path in ("containers/state", "running", "overview"):
            reply = d.read.get(f"/nextcloud/{path}")
            assert reply.status == 503, reply
            assert reply.json["error"] == "docker_connection_refused" and reply.json["hint"]
            assert reply.json["proxy_mode"] is False


def test_no_secret_is_told(aio, daemon):
    text = daemon.log() + "".join(daemon.read.get(f"/nextcloud/{path}").text
                                  for path in ("containers/state", "running", "overview"))
    for value in aio.secrets.values():
        assert value not in text
