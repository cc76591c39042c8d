"""Repositories: asked, checked, pruned and compacted."""

import os
import time
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import SCALE, marked_processes
from fixtures.repositories import PASSPHRASE, fails, names_field, one, post
from scenario.test_failures import held_lock

WAIT = {"Prefer": "wait=120"}


# ---- info, latest-stats ----

def test_info_gives_borgs_answer_and_a_text_for_people(shared, one):
    for reply in (shared.read.get("/repositories/one/info"),
                  shared.read.post("/repositories/one/info", {})):
        assert reply.status == 200 and reply.json["ok"] is True, reply
        found, = reply.json["data"]
        assert reply.json["returncode"] == 0 and found["encryption"]["mode"] == "repokey"
        assert found["repository"]["label"] == "repo-one-0"
        assert f"Repository ID: {found['repository']['id']}\n" in reply.json["stdout"]
        assert "All archives:" in reply.json["stdout"] and "job" in reply.json
        assert "stderr" in reply.json


def test_the_latest_stats_are_the_newest_archives(shared, one):
    reply = shared.read.get("/repositories/one/latest-stats")
    assert reply.status == 200, reply
    found, = reply.json["data"]
    archive, = found["archives"]
    assert archive["name"].endswith("-second") and archive["stats"]["nfiles"] == len(one.files)
    assert found["cache"]["stats"]["total_chunks"] and found["repository"]["label"] == "repo-one-0"


def test_a_passphrase_that_the_config_lacks_can_be_given(shared):
    Setup(shared, "given", PASSPHRASE, in_config=False)
    for what in ("info", "latest-stats"):
        path = f"/repositories/given/{what}"
        fails(shared, shared.read.get(path), 422, "wrong_passphrase", "no_passphrase")
        reply = shared.read.post(path, {"borg_passphrase": "another passphrase"})
        fails(shared, reply, 422, "wrong_passphrase", "wrong_passphrase")
        assert "passphrase" in reply.json["stderr"]
        reply = shared.read.post(path, {"borg_passphrase": PASSPHRASE})
        assert reply.status == 200 and len(reply.json["data"]) == 1, reply


def contents(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_reading_changes_no_byte_of_a_repository(shared, one):
    before = contents(one.repository)
    for what, body in (("info", {}), ("latest-stats", {}), ("key/export", {"confirm": "one"})):
        assert post(shared, "one", what, **body).status == 200
    assert contents(one.repository) == before


def test_several_repositories_answer_together_or_one_alone(shared):
    two = Setup(shared, "pair", count=2)
    reply = shared.read.get("/repositories/pair/info")
    assert [d["repository"]["label"] for d in reply.json["data"]] == ["repo-pair-0", "repo-pair-1"]
    assert [r["verdict"]["word"] for r in reply.json["job"]["result"]["repositories"]] == ["read"] * 2
    reply = shared.read.get("/repositories/pair/info?repository_label=repo-pair-1")
    assert [d["repository"]["label"] for d in reply.json["data"]] == ["repo-pair-1"]
    names_field(shared.read.get("/repositories/pair/info?repository_label=nosuch"),
                "repository_label")
    away = Path(two.repositories[1] + ".away")
    os.rename(two.repositories[1], away)
    reply = shared.read.get("/repositories/pair/info")
    fails(shared, reply, 404, "repository_not_found", "repository_not_found")
    words = [r["verdict"]["word"] for r in reply.json["job"]["result"]["repositories"]]
    assert words == ["read", "repository_not_found"]


def test_what_reading_refuses(shared, one):
    read = shared.read
    assert read.get("/repositories/nosuch/info").status == 404
    assert read.get("/repositories/nosuch/latest-stats").status == 404
    for what in ("info", "latest-stats"):
        path = f"/repositories/one/{what}"
        names_field(read.get(path + "?timeout=0"), "timeout")
        names_field(read.post(path, {"timeout": "5"}), "timeout")
        names_field(read.post(path, {"process_timeout": 0}), "process_timeout")
        names_field(read.post(path, {"borg_passphrase": 5}), "borg_passphrase")
        names_field(read.post(path, {"repository_label": ""}), "repository_label")
        names_field(read.post(path, {"other": 1}), "other")
        names_field(read.post(path, {"borg_passphrase": "the same one",
                                     "ssh_passphrase": "the same one"}), "ssh_passphrase")
    assert shared.anyone.get("/repositories/one/info").status == 401


# ---- check ----

def test_a_check_is_answered_at_once_and_ends_with_a_verdict(shared, one):
    reply = post(shared, "one", "check")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["pid"] and reply.json["job_id"].startswith("check:one:")
    assert "/events/stream" in reply.json["sse"]
    record = shared.wait_job(reply.json["job_id"])
    assert (record["state"], record["verdict"]["word"]) == ("succeeded", "check_ok"), record
    assert record["result"]["repositories"][0]["exit_code"] == 0


@pytest.mark.parametrize("only", ["repository", "archives", "data", "extract"])
def test_a_part_of_the_check_alone(shared, one, only):
    reply = post(shared, "one", "check", WAIT, only=only)
    assert reply.status == 200, reply
    assert reply.json["job"]["verdict"]["word"] == "check_ok", reply


def test_a_check_that_checks_nothing_says_so(shared):
    one = Setup(shared, "idle", checks=[{"name": "repository", "frequency": "1 month"}])
    assert post(shared, "idle", "check", WAIT, force=False).json["job"]["verdict"]["word"] == "check_ok"
    reply = post(shared, "idle", "check", WAIT, force=False)
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    assert reply.json["job"]["verdict"]["word"] == "check_skipped"
    entry, = reply.json["job"]["result"]["repositories"]
    assert entry["verdict"]["word"] == "check_skipped" and entry["exit_code"] is None
    assert post(shared, "idle", "check", WAIT).json["job"]["verdict"]["word"] == "check_ok"
    one.write(before_check=None)


def damage(repository):
    """Turns over bytes in the middle of the largest segment."""
    largest = max(Path(repository, "data").rglob("*"), key=lambda p: p.stat().st_size * p.is_file())
    with open(largest, "r+b") as f:
        f.seek(largest.stat().st_size // 2)
        old = f.read(16)
        f.seek(-len(old), os.SEEK_CUR)
        f.write(bytes(b ^ 0xFF for b in old))


def test_faults_are_a_failure_and_a_repair_needs_a_word(shared):
    one = Setup(shared, "broken")
    shared.run_backup("broken")
    damage(one.repository)
    reply = post(shared, "broken", "check", WAIT)
    fails(shared, reply, 502, "command_failed", "check_found_faults")
    entry, = reply.json["job"]["result"]["repositories"]
    assert entry["exit_code"] == 1 and entry["verdict"]["evidence"]["messages"]
    before = len(shared.read.get("/jobs?limit=500").json["jobs"])
    for confirm in ({}, {"confirm": "other"}):
        names_field(post(shared, "broken", "check", repair=True, **confirm), "confirm", 428)
    assert len(shared.read.get("/jobs?limit=500").json["jobs"]) == before
    spill = one.path.parent.parent / "environment"
    one.write(before_check=[f"env > {spill}"])
    reply = post(shared, "broken", "check", WAIT, repair=True, confirm="broken")
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    assert reply.json["job"]["verdict"]["word"] == "check_repaired"
    assert "I_KNOW_WHAT" not in spill.read_text()  # a hook's own borg still asks
    one.write(before_check=None)
    reply = post(shared, "broken", "check", WAIT)
    assert reply.json["job"]["verdict"]["word"] == "check_ok", reply


def test_what_check_refuses(shared, one):
    names_field(post(shared, "one", "check", only="everything"), "only")
    names_field(post(shared, "one", "check", force="yes"), "force")
    names_field(post(shared, "one", "check", repair=1), "repair")
    names_field(post(shared, "one", "check", max_duration=0), "max_duration")
    names_field(post(shared, "one", "check", verbosity=3), "verbosity")
    names_field(post(shared, "one", "check", repair=True, confirm="one", max_duration=5),
                "max_duration")
    assert post(shared, "nosuch", "check").status == 404
    if borg.version() < (1, 8, 10):
        names_field(post(shared, "one", "check", only="spot"), "only", 501)
    if borg.version() < (1, 8, 15):
        names_field(post(shared, "one", "check", max_duration=5), "max_duration", 501)


@pytest.mark.parametrize("what", ["check", "prune", "compact"])
def test_a_missing_a_locked_and_a_closed_repository(shared, what):
    label = f"trouble{what}"
    one = Setup(shared, label, PASSPHRASE, in_config=False, keep_daily=1, lock_wait=1)
    given = {"borg_passphrase": PASSPHRASE}
    with held_lock(one.home, one.repository, PASSPHRASE):
        reply = post(shared, label, what, WAIT, **given)
        fails(shared, reply, 423, "repository_locked", "repository_locked")
    if what != "compact":  # borg compacts without the key
        reply = post(shared, label, what, WAIT, borg_passphrase="another passphrase")
        fails(shared, reply, 422, "wrong_passphrase", "wrong_passphrase")
    away = Path(one.repository + ".away")
    os.rename(one.repository, away)
    reply = post(shared, label, what, WAIT, **given)
    fails(shared, reply, 404, "repository_not_found", "repository_not_found")
    os.rename(away, one.repository)
    assert post(shared, label, what, WAIT, **given).status == 200


# ---- prune, compact ----

def test_prune_deletes_what_is_not_kept_and_compact_frees_it(shared):
    one = Setup(shared, "thin", keep_daily=1)
    host = os.uname().nodename
    for n in range(3):
        borg.borg(one.home, "create", f"{one.repository}::{host}-{n}", one.source)
    reply = post(shared, "thin", "prune", dry_run=True)
    assert reply.status == 200 and reply.json["job"]["verdict"]["word"] == "dry_run_ok", reply
    entry, = reply.json["job"]["result"]["repositories"]
    assert (entry["kept"], entry["pruned"]) == (1, 2) and len(one.archives()) == 3
    assert reply.json["job"]["result"]["dry_run"] is True
    reply = post(shared, "thin", "prune", stats=True)
    assert reply.status == 200 and reply.json["returncode"] == 0, reply
    assert reply.json["job"]["verdict"]["word"] == "pruned"
    entry, = reply.json["job"]["result"]["repositories"]
    assert (entry["kept"], entry["pruned"]) == (1, 2) and one.archives() == [f"{host}-2"]
    assert "Pruning archive" in reply.json["stdout"] and "Deleted data" in reply.json["stdout"]
    reply = post(shared, "thin", "compact", {"Prefer": "respond-async"}, threshold=5, progress=True)
    assert reply.status == 202 and reply.json["job_id"].startswith("compact:thin:"), reply
    record = shared.wait_job(reply.json["job_id"])
    assert (record["state"], record["verdict"]["word"]) == ("succeeded", "compacted"), record


def test_prune_without_a_rule_is_the_configurations_mistake(shared):
    one = Setup(shared, "norule")
    shared.run_backup("norule")
    reply = post(shared, "norule", "prune")
    fails(shared, reply, 422, "invalid_config", "no_retention")
    assert "keep" in reply.json["message"] and len(one.archives()) == 1


def test_what_prune_and_compact_refuse(shared, one):
    names_field(post(shared, "one", "prune", dry_run="true"), "dry_run")
    names_field(post(shared, "one", "prune", list=1), "list")
    names_field(post(shared, "one", "prune", stats=1), "stats")
    names_field(post(shared, "one", "prune", keep=1), "keep")
    names_field(post(shared, "one", "compact", threshold=100), "threshold")
    names_field(post(shared, "one", "compact", progress="no"), "progress")
    for what in ("prune", "compact", "check"):
        assert shared.read.post(f"/repositories/one/{what}", {}).status == 403
        assert post(shared, "nosuch", what).status == 404


@pytest.mark.parametrize("what", ["info", "latest-stats", "check", "prune", "compact", "create",
                                  "passphrase/change", "key/export"])
def test_past_its_time_nothing_is_left(shared, what):
    """The way to the repository's host is one that never says anything."""
    label = "slow-" + what.replace("/", "-")
    one = Setup(shared, label, count=0, keep_daily=1)
    one.repositories = ["ssh://nobody@127.0.0.1:1/./nowhere"]
    silent = shared.folder / "silent-rsh"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    one.write(ssh_command=str(silent))
    body = {"create": {"encryption": "none"}, "key/export": {"confirm": label},
            "passphrase/change": {"borg_passphrase": PASSPHRASE, "new_passphrase": "long enough"},
            }.get(what, {})
    began = time.monotonic()
    reply = post(shared, label, what, WAIT if what == "check" else None, timeout=2, **body)
    assert time.monotonic() - began < 12 * SCALE
    assert reply.status == 408 and reply.json["error"] == "timeout", reply
    assert marked_processes(reply.json["job_id"]) == []
    assert shared.job(reply.json["job_id"])["state"] == "timed_out"
