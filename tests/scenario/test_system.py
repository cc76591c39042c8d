"""The daemon about itself: health, readiness, status, metrics, and its command line."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from fixtures.borg import Setup
from fixtures.client import Client
from fixtures.harness import BIN, HEADER, SCALE, Daemon, free_port, wait_for


def test_health_names_each_check_as_the_reference_api(shared):
    reply = shared.read.get("/health")
    assert reply.status == 200 and reply.json["ok"] is True
    assert reply.json["status"] in ("healthy", "degraded")
    assert {"api", "docker", "borgmatic", "ssh", "docker_details"} <= set(reply.json["checks"])
    wait_for(lambda: shared.read.get("/health").json["checks"]["borgmatic"] == "ok", 20,
             "borgmatic's version is known")
    assert shared.read.get("/health").json["status"] == "healthy"


def test_health_of_a_machine_without_borgmatic_is_degraded_and_backups_are_503(folder):
    empty = folder / "bin"
    empty.mkdir()
    with Daemon(folder / "d", path=str(empty)) as d:
        def degraded():
            health = d.read.get("/health").json
            return health["checks"]["borgmatic"] == "error" and health["status"] == "degraded"

        wait_for(degraded, 10, "degraded")
        assert d.anyone.get("/health/public").status == 200
        (d.configs / "one.yaml").write_text("location: {}\n")
        reply = d.write.post("/create-backup", {"repository": "one"})
        assert reply.status == 503 and "borgmatic" in reply.json["message"]


def test_public_health_starts_no_process_and_is_503_when_the_loop_stands_still(folder):
    with Daemon(folder / "d") as d:
        wait_for(lambda: d.read.get("/health").json["checks"]["borgmatic"] == "ok", 20, "probed")
        before = int(open("/proc/stat").read().split("processes ")[1].split()[0])
        mine = d.process.pid
        forked = set()
        for _ in range(50):
            assert d.anyone.get("/health/public").status == 200
            with open(f"/proc/{mine}/task/{mine}/children", encoding="ascii") as f:
                forked |= set(f.read().split())
        assert not forked and before
        check = subprocess.run([BIN, "healthcheck"], env=d.env, capture_output=True, timeout=20)
        assert check.returncode == 0
        os.kill(d.pid, signal.SIGSTOP)
        try:
            check = subprocess.run([BIN, "healthcheck"], env=d.env, capture_output=True, timeout=60)
            assert check.returncode == 1
        finally:
            os.kill(d.pid, signal.SIGCONT)
    check = subprocess.run([BIN, "healthcheck"], env=d.env, capture_output=True, timeout=20)
    assert check.returncode == 1


def test_ready_and_status_have_the_reference_shapes(shared):
    ready = shared.read.get("/ready").json
    assert ready["ok"] is True and ready["ready"] is True and ready["sse_heartbeat"] == 15
    status = shared.read.get("/status").json
    assert {"sse_base", "configs_dir", "ssh_dir", "jobs_count", "now", "docker_mode"} <= set(status)
    assert status["configs_dir"] == str(shared.configs)
    assert abs(status["now"] - time.time()) < 5


def test_metrics_are_json_and_count(shared):
    before = shared.read.get("/metrics").json["metrics"]
    assert {"uptime_seconds", "requests_total", "responses_ok", "rate_limit_blocked"} <= set(before)
    for _ in range(5):
        shared.read.get("/status")
    shared.read.get("/nowhere")
    after = shared.read.get("/metrics").json["metrics"]
    assert after["requests_total"] - before["requests_total"] >= 7
    assert after["responses_ok"] - before["responses_ok"] >= 6
    assert after["responses_error_404"] == before.get("responses_error_404", 0) + 1
    assert after["uptime_seconds"] >= before["uptime_seconds"]


SAMPLE = re.compile(r'^([a-z_][a-z0-9_]*)(\{[a-z_]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? '
                    r'(-?[0-9.]+(e[+-]?[0-9]+)?|NaN|\+Inf)$')


@pytest.mark.parametrize("how", ["accept", "query"])
def test_metrics_in_the_prometheus_text_format(shared, how):
    if how == "accept":
        reply = shared.read.get("/metrics", Accept="text/plain")
    else:
        reply = shared.read.get("/metrics?format=prometheus")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain")
    typed, seen = {}, set()
    for line in reply.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed, f"two TYPE lines for {name}"
            typed[name] = kind
        elif not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            assert line.rpartition(" ")[0] not in seen, f"twice: {line}"
            seen.add(line.rpartition(" ")[0])
            base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            assert match.group(1) in typed or base in typed, line
    names = set(typed)
    assert any(n.startswith("borgmatic_api_http_requests") for n in names)
    assert any("build_info" in n for n in names) and reply.text.endswith("\n")


def test_a_backup_shows_in_the_metrics_also_after_a_restart(folder):
    with Daemon(folder / "d") as d:
        Setup(d, "counted")
        record = d.run_backup("counted")

        def last_success():
            for line in d.read.get("/metrics?format=prometheus").text.splitlines():
                if "last_success_timestamp" in line and 'target="counted"' in line:
                    return float(line.rpartition(" ")[2])
            return None

        assert abs(wait_for(last_success, 20, "a figure") - record["ended"]) < 2
        d.stop()
        d.start()
        assert abs(wait_for(last_success, 20, "a figure") - record["ended"]) < 2


def run(*argv, **env):
    base = {"PATH": os.environ["PATH"], "STATE_DIR": "/nonexistent"}
    return subprocess.run([BIN, *argv], env={**base, **env}, capture_output=True, text=True,
                          timeout=30)


GOOD = {"API_TOKEN": "0123456789abcdef" * 2, "API_READ_TOKEN": "fedcba9876543210" * 2}


def test_help_and_version_and_an_unknown_word():
    assert run("--help").returncode == 0 and "API_TOKEN" in run("--help").stdout
    assert re.search(r"\d+\.\d+\.\d+", run("--version").stdout)
    assert run("frobnicate").returncode not in (0, 1)


def test_all_faults_of_the_settings_are_listed_at_once_and_nothing_starts(folder):
    port = free_port()
    done = run(API_TOKEN="CHANGEME_please", API_READ_TOKEN="", API_PORT="99999999",
               SECURE_MODE="perhaps", STATE_DIR=str(folder / "state"))
    said = done.stdout + done.stderr
    assert done.returncode == 78 and not (folder / "state").exists()
    for name in ("API_TOKEN", "API_READ_TOKEN", "API_PORT", "SECURE_MODE"):
        assert name in said, name
    assert "CHANGEME_please" not in said
    same = run(API_TOKEN=GOOD["API_TOKEN"], API_READ_TOKEN=GOOD["API_TOKEN"], API_PORT=str(port))
    assert same.returncode == 78 and GOOD["API_TOKEN"] not in same.stdout + same.stderr


def test_check_config_makes_an_unknown_name_an_error(folder):
    assert run("--check-config", **GOOD, STATE_DIR=str(folder)).returncode == 0
    done = run("--check-config", **GOOD, STATE_DIR=str(folder), API_TOKKEN="x")
    assert done.returncode == 78 and "API_TOKEN" in done.stdout + done.stderr


def test_a_secret_may_come_from_a_file_but_not_from_both(folder):
    (folder / "token").write_text(GOOD["API_TOKEN"] + "\n")
    with Daemon(folder / "d", API_TOKEN=None, API_TOKEN_FILE=folder / "token") as d:
        assert Client(d.port, GOOD["API_TOKEN"], HEADER).get("/status").status == 200
    done = run("--check-config", **GOOD, API_TOKEN_FILE=str(folder / "token"), STATE_DIR=str(folder))
    assert done.returncode == 78


def test_the_environment_of_the_daemon_holds_no_token_once_it_runs(shared):
    with open(f"/proc/{shared.pid}/environ", "rb") as f:
        environment = f.read()
    assert shared.token.encode() not in environment
    assert shared.read_token.encode() not in environment


def test_a_second_daemon_on_the_same_state_is_refused(shared, folder):
    done = run(**GOOD, STATE_DIR=str(shared.state), API_PORT=str(free_port()))
    assert done.returncode not in (0, None)
    assert shared.read.get("/ready").status == 200


@pytest.mark.alone
def test_it_is_ready_soon_after_its_start(folder):
    with Daemon(folder / "d") as d:
        d.stop()
        took = []
        for _ in range(5):
            started = time.monotonic()
            d.start()
            took.append(time.monotonic() - started)
            d.stop()
        assert sorted(took)[2] < 0.1 * SCALE, took


def test_the_log_is_one_json_object_a_line_with_request_and_job_ids(folder):
    with Daemon(folder / "d", LOG_LEVEL="debug") as d:
        Setup(d, "logged")
        job = d.run_backup("logged")["id"]
        d.read.get("/status", **{"X-Request-Id": "looked-for"})
    entries = d.log_entries()
    assert entries and all({"ts", "level"} <= set(e) or {"t", "level"} <= set(e)
                           or {"time", "level"} <= set(e) for e in entries)
    text = json.dumps(entries)
    assert "looked-for" in text and job in text
