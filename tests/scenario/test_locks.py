"""Locks of real borgs: seen, told apart, and broken only where nobody can be hurt."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes, wait_for
from fixtures.sshd import Sshd

PASSPHRASE = "correct horse battery"
NODE = uuid.getnode()


@pytest.fixture(scope="module")
def locks(module_folder):
    with Daemon(module_folder / "d", ENABLE_BREAK_LOCK="true", AUDIT_LOG_PATH=str(
            module_folder / "audit")) as one:
        one.audit = module_folder / "audit"
        yield one


def fingerprint(folder):
    """Every name, its content and its time."""
    seen = {}
    for path in sorted(Path(folder).rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        seen[str(path)] = (content, path.lstat().st_mtime_ns, path.lstat().st_mode)
    return seen


def holder(home, location, rsh=None):
    """A real borg that holds the exclusive lock until its stdin is closed."""
    ready = Path(home) / f"held-{os.urandom(6).hex()}"
    env = {"PATH": borg.PATH, "HOME": str(home), "BORG_PASSPHRASE": "",
           "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", **({"BORG_RSH": rsh} if rsh else {})}
    process = subprocess.Popen(["borg", "with-lock", str(location), "sh", "-c",
                                f"touch {ready}; exec cat"], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for(ready.exists, what="borg holds the lock")
    return process


@contextmanager
def held(home, location, rsh=None):
    process = holder(home, location, rsh)
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def killed_holder(home, location):
    """The lock of a borg that was killed stays."""
    process = holder(home, location)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    assert borg.is_locked(location)
    return process.pid


def own_id(location):
    """HOST@NODE as borg itself writes it."""
    return next(Path(location, "lock.exclusive").iterdir()).name.rpartition(".")[0]


def roster(location, *entries):
    Path(location, "lock.roster").write_text(json.dumps({"shared": [list(e) for e in entries]}))


def check(daemon, label, query=""):
    reply = daemon.read.get(f"/borgmatic-locks/quick-check/{label}{query}")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return reply.json


def seen(daemon, one):
    """The only repository's entry, after proof that looking changed nothing."""
    before = fingerprint(one.repository)
    found = check(daemon, one.label)["repositories"][0]
    assert fingerprint(one.repository) == before
    return found


def test_a_free_repository(locks):
    one = Setup(locks, "free")
    before = fingerprint(one.repository)
    answer = check(locks, "free")
    assert answer["locked"] is False and answer["lock_info"] == {} and answer["returncode"] == 0
    found = answer["repositories"][0]
    assert found["state"] == "free" and found["exclusive"] == [] and found["shared"] == []
    assert found["repository"] == one.repository and found["job_id"] is None
    assert fingerprint(one.repository) == before


def test_the_exclusive_lock_of_a_living_borg(locks):
    one = Setup(locks, "exclusive")
    with held(one.home, one.repository) as process:
        found = seen(locks, one)
        answer = check(locks, "exclusive")
        status = locks.read.get("/borgmatic-locks/status").json
        active = locks.read.get("/borgmatic-locks/active").json
    assert found["locked"] is True and found["state"] == "locked" and found["stale"] is False
    entry, = found["exclusive"]
    assert entry["pid"] == process.pid and entry["holder"] == "alive"
    assert entry["node"] == str(NODE) and entry["host"] and abs(entry["since"] - 0) > 0
    assert answer["locked"] is True and answer["returncode"] == 1
    assert answer["lock_info"]["detection_method"] == "files"
    mine = [r for r in status["results"] if r["label"] == "exclusive"][0]
    assert mine["locked"] is True and mine["file"] == "exclusive.yaml"
    assert "exclusive" in active["active"] and "exclusive" not in active["unknown"]
    assert check(locks, "exclusive")["locked"] is False


def test_readers_living_dead_and_elsewhere(locks):
    one = Setup(locks, "readers")
    with held(one.home, one.repository):
        us = own_id(one.repository)
    gone = subprocess.Popen(["true"])
    gone.wait()
    roster(one.repository, (us, os.getpid(), 0), (us, gone.pid, 0), (f"else.where@{NODE + 1}", 7, 0))
    found = seen(locks, one)
    assert found["locked"] is True and found["exclusive"] == [] and found["stale"] is False
    assert [e["holder"] for e in found["shared"]] == ["alive", "stale", "unknown"]
    assert found["shared"][2]["host"] == "else.where"
    roster(one.repository, (us, gone.pid, 0))
    found = seen(locks, one)
    assert found["locked"] is True and found["stale"] is True
    Path(one.repository, "lock.roster").unlink()


def test_a_stale_lock(locks):
    one = Setup(locks, "stale")
    pid = killed_holder(one.home, one.repository)
    found = seen(locks, one)
    assert found["locked"] is True and found["stale"] is True
    assert found["exclusive"][0]["pid"] == pid and found["exclusive"][0]["holder"] == "stale"
    borg.borg(one.home, "break-lock", one.repository)


def test_what_is_not_known_is_not_called_free(locks):
    one = Setup(locks, "gone")
    away = one.repository + ".away"
    os.rename(one.repository, away)
    answer = check(locks, "gone")
    assert answer["locked"] is None and answer["returncode"] is None
    assert "No such file" in answer["problem"]
    os.mkdir(one.repository)
    answer = check(locks, "gone")
    assert answer["locked"] is None and "no repository" in answer["problem"]
    active = locks.read.get("/borgmatic-locks/active").json
    assert "gone" in active["unknown"] and "gone" not in active["active"]
    os.rmdir(one.repository)
    os.rename(away, one.repository)
    whole = one.path.read_text()
    one.path.write_text(whole + "nonsense: 1\n")
    answer = check(locks, "gone")
    assert answer["locked"] is None and answer["problem"]
    status = locks.read.get("/borgmatic-locks/status").json["results"]
    assert [r["locked"] for r in status if r["label"] == "gone"] == [None]
    assert [r["locked"] for r in status if r["label"] == "free"] == [False]
    one.path.write_text(whole)
    assert check(locks, "gone")["locked"] is False


def test_refusals_of_quick_check(locks):
    Setup(locks, "refuse")
    reply = locks.read.get("/borgmatic-locks/quick-check/nobody")
    assert reply.status == 404 and reply.json["error"] == "not_found", reply
    reply = locks.read.get("/borgmatic-locks/quick-check/-n")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "label", reply
    reply = locks.read.get("/borgmatic-locks/quick-check/refuse?repository_label=other")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "repository_label", reply


@pytest.fixture(scope="module")
def remote(locks, module_folder):
    with Sshd(module_folder / "sshd") as sshd:
        one = Setup(locks, "far", count=0)
        one.server = locks.folder / "far-repository"
        one.location = sshd.location(one.server)
        one.rsh = sshd.rsh
        borg.make_repository(locks.home, one.location, rsh=sshd.rsh)
        one.repositories = [one.location]
        one.write(ssh_command=sshd.rsh)
        one.sshd = sshd
        yield one


def test_a_remote_repository(locks, remote):
    before = fingerprint(remote.server)
    found = check(locks, "far")["repositories"][0]
    assert found["state"] == "free" and found["shared"] is None, found
    assert found["detection_method"] == "borg" and found["remote"] is True
    assert fingerprint(remote.server).keys() == before.keys()
    with held(locks.home, remote.location, remote.rsh):
        found = check(locks, "far")["repositories"][0]
        assert found["locked"] is True and found["stale"] is False, found
    remote.sshd.stop()
    answer = check(locks, "far")
    assert answer["locked"] is None and answer["problem"], answer
    remote.sshd.start()
    assert check(locks, "far")["locked"] is False
    jobs = locks.read.get("/jobs?kind=lock-probe").json["jobs"]
    assert jobs and all(j["state"] == "succeeded" and not marked_processes(j["id"]) for j in jobs)
