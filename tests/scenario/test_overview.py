"""All repositories at a glance, from our records, and without running borg."""

import os
import time
from pathlib import Path

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon


def overview(daemon):
    reply = daemon.read.get("/repositories")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return {c["label"]: c for c in reply.json["repositories"]}


def test_the_course_of_a_repository(shared):
    one = Setup(shared, "course", count=2)
    found = overview(shared)["course"]
    assert found["file"] == "course.yaml" and found["problem"] is None
    first, second = found["repositories"]
    assert first["location"] == one.repository and first["remote"] is False
    assert first["locked"] is False and first["job_id"] is None
    for empty in ("last_archive", "last_success", "last_attempt", "last_state", "last_check",
                  "last_restore_verified", "size", "problem"):
        assert first[empty] is None, empty

    before = time.time()
    record = shared.run_backup("course")
    assert record["state"] == "succeeded"
    first, second = overview(shared)["course"]["repositories"]
    for n, entry in enumerate((first, second)):
        made = borg.archive_ids(one.home, one.repositories[n])
        assert entry["last_archive"]["id"] == made[entry["last_archive"]["name"]]
        assert before - 5 < entry["last_archive"]["time"] < time.time() + 5
        assert entry["last_success"] == record["ended"] and entry["last_state"] == "succeeded"
        assert entry["last_attempt"] == record["started"]
        assert entry["last_job_id"] == record["id"]

    # one of the two fails: the other has its archive, the failed one keeps its last success
    away = one.repositories[1] + ".away"
    os.rename(one.repositories[1], away)
    failed = shared.run_backup("course")
    assert failed["state"] == "failed"
    entries = overview(shared)["course"]["repositories"]
    bad = [e for e in entries if e["location"] == one.repositories[1]][0]
    assert bad["last_state"] == "failed" and bad["last_success"] == record["ended"]
    assert bad["last_archive"] == second["last_archive"] and bad["last_verdict"]
    assert bad["locked"] is None and "No such file" in bad["problem"]
    os.rename(away, one.repositories[1])

    reply = shared.write.post("/repositories/course/check", {})
    check = shared.wait_job(reply.json["job_id"])
    entry = overview(shared)["course"]["repositories"][0]
    assert entry["last_check"] == check["ended"] and entry["last_check_state"] == check["state"]


def test_one_broken_configuration_does_not_spoil_the_rest(shared):
    Setup(shared, "sound")
    broken = shared.configs / "broken.yaml"
    broken.write_text("nonsense: 1\n")
    found = overview(shared)
    assert found["broken"]["problem"] and found["broken"]["repositories"] == []
    assert found["sound"]["problem"] is None and len(found["sound"]["repositories"]) == 1
    broken.unlink()
    assert "broken" not in overview(shared)


def test_a_lock_is_seen_and_no_borg_runs(shared):
    one = Setup(shared, "still")
    overview(shared)
    Path(one.repository, "lock.exclusive").mkdir()
    Path(one.repository, "lock.exclusive", "nas@1.2-0").touch()
    before = {p: p.lstat().st_mtime_ns for p in Path(one.repository).rglob("*")}
    assert overview(shared)["still"]["repositories"][0]["locked"] is True
    assert before == {p: p.lstat().st_mtime_ns for p in Path(one.repository).rglob("*")}
    assert shared.read.get("/jobs?label=still").json["jobs"] == []


def test_refusals(shared, folder):
    reply = shared.read.get("/repositories?label=x")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "label", reply
    assert shared.anyone.get("/repositories").status == 401
    with Daemon(folder / "d") as bare:
        assert overview(bare) == {}
        bare.configs.rmdir()
        reply = bare.read.get("/repositories")
        assert reply.status == 503 and reply.json["error"] == "unavailable", reply
