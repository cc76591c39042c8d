"""Locks of repositories: who holds them, alive, dead or elsewhere."""

import os
import subprocess
from pathlib import Path

from fixtures import borg
from fixtures.harness import marked_processes
from fixtures.locks import (NODE, assert_refused, break_lock, check, fingerprint, held, holder,
                            killed_holder, locks, one, own_id, remote, roster, seen, the_one)


def test_a_free_repository(locks, one):
    before = fingerprint(one.repository)
    answer = check(locks, "one")
    assert answer["locked"] is False and answer["lock_info"] == {} and answer["returncode"] == 0
    found = answer["repositories"][0]
    assert found["state"] == "free" and found["exclusive"] == [] and found["shared"] == []
    assert found["repository"] == one.repository and found["job_id"] is None
    assert fingerprint(one.repository) == before


def test_the_exclusive_lock_of_a_living_borg(locks, one):
    with held(one.home, one.repository) as process:
        found = seen(locks, one)
        answer = check(locks, "one")
        status = locks.read.get("/borgmatic-locks/status").json
        active = locks.read.get("/borgmatic-locks/active").json
    assert found["locked"] is True and found["state"] == "locked" and found["stale"] is False
    entry, = found["exclusive"]
    assert entry["pid"] == process.pid and entry["holder"] == "alive"
    assert entry["node"] == str(NODE) and entry["host"] and abs(entry["since"] - 0) > 0
    assert answer["locked"] is True and answer["returncode"] == 1
    assert answer["lock_info"]["detection_method"] == "files"
    mine = [r for r in status["results"] if r["label"] == "one"][0]
    assert mine["locked"] is True and mine["file"] == "one.yaml"
    assert "one" in active["active"] and "one" not in active["unknown"]
    assert check(locks, "one")["locked"] is False


def test_readers_living_dead_and_elsewhere(locks, one):
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


def test_the_shared_lock_of_a_living_borg(locks, one):
    large = locks.folder / "large"
    large.write_bytes(os.urandom(1 << 20))
    borg.borg(one.home, "create", f"{one.repository}::large", large)
    env = {"PATH": borg.PATH, "HOME": str(one.home),
           "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    reader = subprocess.Popen(["borg", "extract", "--stdout", f"{one.repository}::large"], env=env,
                              stdout=subprocess.PIPE)  # and nobody reads it to its end
    reader.stdout.read(1)
    try:
        found = seen(locks, one)
        assert found["locked"] is True and found["exclusive"] == [] and found["stale"] is False
        entry, = found["shared"]
        assert entry["pid"] == reader.pid and entry["holder"] == "alive" and entry["since"]
        assert_refused(locks, break_lock(locks, "one"), "lock_in_use", one)
    finally:
        reader.stdout.read()
        assert reader.wait() == 0
    assert seen(locks, one)["state"] == "free"


def test_a_stale_lock(locks, one):
    pid = killed_holder(one.home, one.repository)
    found = seen(locks, one)
    assert found["locked"] is True and found["stale"] is True
    assert found["exclusive"][0]["pid"] == pid and found["exclusive"][0]["holder"] == "stale"


def test_what_is_not_known_is_not_called_free(locks, one):
    away = one.repository + ".away"
    os.rename(one.repository, away)
    answer = check(locks, "one")
    assert answer["locked"] is None and answer["returncode"] is None
    assert "No such file" in answer["problem"]
    os.mkdir(one.repository)
    answer = check(locks, "one")
    assert answer["locked"] is None and "no repository" in answer["problem"]
    active = locks.read.get("/borgmatic-locks/active").json
    assert "one" in active["unknown"] and "one" not in active["active"]
    os.rmdir(one.repository)
    os.rename(away, one.repository)
    whole = one.path.read_text()
    one.path.write_text(whole + "nonsense: 1\n")
    answer = check(locks, "one")
    assert answer["locked"] is None and answer["problem"]
    status = locks.read.get("/borgmatic-locks/status").json["results"]
    assert [r["locked"] for r in status if r["label"] == "one"] == [None]
    one.path.write_text(whole)
    assert check(locks, "one")["locked"] is False


def test_refusals_of_quick_check(locks, one):
    reply = locks.read.get("/borgmatic-locks/quick-check/nobody")
    assert reply.status == 404 and reply.json["error"] == "not_found", reply
    reply = locks.read.get("/borgmatic-locks/quick-check/-n")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "label", reply
    reply = locks.read.get("/borgmatic-locks/quick-check/one?repository_label=other")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "repository_label", reply


def test_a_remote_repository(locks, remote):
    before = fingerprint(remote.server)
    found = check(locks, "far")["repositories"][0]
    assert found["state"] == "free" and found["shared"] is None, found
    assert found["detection_method"] == "borg" and found["remote"] is True
    assert fingerprint(remote.server).keys() == before.keys()
    with held(locks.home, remote.location, remote.rsh):
        found = check(locks, "far")["repositories"][0]
        assert found["locked"] is True and found["stale"] is False, found
        assert found["exclusive"] is None and found["shared"] is None
    remote.sshd.stop()
    answer = check(locks, "far")
    assert answer["locked"] is None and answer["problem"], answer
    remote.sshd.start()
    assert check(locks, "far")["locked"] is False
    jobs = locks.read.get("/jobs?kind=lock-probe").json["jobs"]
    assert jobs and all(j["state"] == "succeeded" and not marked_processes(j["id"]) for j in jobs)
