"""The restore drill: a sample comes back and is compared, or it is said that it did not."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import marked_processes, wait_for

PASSPHRASE = "correct horse battery"


def drill(daemon, label, **body):
    return daemon.write.post(f"/repositories/{label}/verify-restore", body)


def assert_refused(reply, status, error, field=None):
    assert reply.status == status and reply.json["error"] == error, reply
    if field:
        assert [f["field"] for f in reply.json["errors"]] == [field], reply
    return reply.json


def assert_clean(daemon, job=None):
    folder = daemon.state / "drill"
    assert not folder.exists() or list(folder.iterdir()) == []
    assert job is None or marked_processes(job) == []


def entry(record):
    return record["result"]["repositories"][0]


@contextmanager
def wrapped_borg(one, line):
    """borg is a script that first does `line`, with borg's arguments."""
    script = one.daemon.folder / f"borg-{one.label}"
    script.write_text(f'#!/bin/sh\nBORG={shutil.which("borg", path=borg.PATH)}\n{line}\n'
                      'exec $BORG "$@"\n')
    script.chmod(0o755)
    one.write(local_path=str(script))
    yield
    one.write(local_path=None)


@pytest.fixture(scope="module")
def one(shared):
    made = Setup(shared, "one", files=30)
    (made.source / "link").symlink_to("/etc/passwd")
    assert shared.run_backup("one")["state"] == "succeeded"
    return made


def test_a_sample_is_verified_and_the_seed_draws_it_again(shared, one):
    reply = drill(shared, "one", count=7)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    record = shared.job(reply.json["job_id"])
    assert record["kind"] == "verify-restore" and record["label"] == "one"
    assert record["state"] == "succeeded" and record["verdict"]["word"] == "verified"
    found = entry(record)
    assert found["verdict"]["word"] == "verified"
    assert (found["sampled"], found["equal"], found["missing"], found["differs"]) == (7, 7, 0, 0)
    assert found["candidates"] == 30 and found["archive"]["name"] == one.archives()[0]
    assert {f"/{f['path']}" for f in found["files"]} <= set(one.files)
    assert found["bytes"] == sum(f["size"] for f in found["files"])
    assert_clean(shared, record["id"])
    again = entry(shared.job(drill(shared, "one", count=7, seed=found["seed"]).json["job_id"]))
    assert again["files"] == found["files"]
    other = entry(shared.job(drill(shared, "one", count=7, seed=found["seed"] + 1).json["job_id"]))
    assert other["files"] != found["files"]


def test_hostile_names_are_verified(shared):
    one = Setup(shared, "hostile", files=1)
    source = os.fsencode(str(one.source))
    for name in (b"-rf", b"new\nline", b"a..b", b"bad\xff", b"bad\xfe", b"bad?", b"x" * 255,
                 b" blank ", b"star*[a]+(b)|c$^", b"\xc3\xbc", b"back\\slash", b"pf:x"):
        with open(os.path.join(source, name), "wb") as f:
            f.write(os.urandom(100))
    with open(source + b"/empty", "wb"):
        pass
    os.link(source + b"/-rf", source + b"/hard")
    assert shared.run_backup("hostile")["state"] == "succeeded"
    reply = drill(shared, "hostile", count=1000, compare=True)
    assert reply.status == 200, reply
    found = entry(shared.job(reply.json["job_id"]))
    assert found["sampled"] == found["equal"] == 14, found
    assert found["live"]["equal"] == 14, found["live"]
    lossy = {f["path_encoded"].split("/")[-1] for f in found["files"] if f.get("lossy")}
    assert lossy == {"bad%FF", "bad%FE"}


def test_it_is_compared_with_the_live_files(shared):
    one = Setup(shared, "live", files=4)
    assert shared.run_backup("live")["state"] == "succeeded"
    same, changed, gone, rotten = map(Path, sorted(one.files))
    changed.write_bytes(b"new")
    gone.unlink()
    stamp, content = rotten.stat(), bytearray(rotten.read_bytes())
    content[0] ^= 1
    rotten.write_bytes(content)
    os.utime(rotten, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    reply = drill(shared, "live", compare=True)
    assert reply.status == 200, reply
    record = shared.job(reply.json["job_id"])
    assert record["state"] == "warning" and record["verdict"]["word"] == "live_differs"
    found = entry(record)
    assert found["equal"] == 4 and found["verdict"]["word"] == "live_differs"
    assert {f"/{f['path']}": f["live"] for f in found["files"]} == {
        str(same): "equal", str(changed): "changed", str(gone): "gone", str(rotten): "differs"}


def test_an_archive_without_files(shared):
    one = Setup(shared, "bare", files=0)
    (one.source / "folder").mkdir()
    assert shared.run_backup("bare")["state"] == "succeeded"
    reply = drill(shared, "bare")
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    record = shared.job(reply.json["job_id"])
    assert record["verdict"]["word"] == "nothing_to_verify"
    assert entry(record)["verdict"]["word"] == "nothing_to_verify"
    assert_clean(shared)


def test_bytes_are_bounded(shared, one):
    found = entry(shared.job(drill(shared, "one", count=30, max_bytes=9000).json["job_id"]))
    assert 0 < found["bytes"] <= 9000 and found["sampled"] == found["equal"]


def test_a_file_that_comes_back_otherwise_fails_it(shared, one):
    """borg is a script that spoils one of the files that it has extracted."""
    spoil = ('case " $* " in *" extract "*) $BORG "$@"; code=$?; find . -type f | head -n 1 | '
             'while read f; do echo >> "$f"; done; find . -type f | tail -n 1 | xargs rm; '
             'exit $code ;; esac')
    with wrapped_borg(one, spoil):
        said = assert_refused(drill(shared, "one", count=5), 502, "command_failed")
    record = shared.job(said["job_id"])
    assert record["state"] == "failed" and record["verdict"]["word"] == "verify_failed"
    found = entry(record)
    assert found["verdict"]["word"] == "verify_failed"
    assert (found["equal"], found["differs"], found["missing"]) == (3, 1, 1)
    assert {f["outcome"] for f in found["files"][:2]} == {"differs", "missing"}
    assert_clean(shared, record["id"])


@pytest.mark.parametrize(("field", "body"), [
    ("archive", {"archive": "-x"}), ("count", {"count": 0}), ("count", {"count": 1001}),
    ("max_bytes", {"max_bytes": 0}), ("compare", {"compare": "true"}), ("seed", {"seed": -1}),
    ("timeout", {"timeout": 0}), ("repository_label", {"repository_label": "no"}),
    ("queue", {"queue": 0}), ("nonsense", {"nonsense": 1}),
])
def test_a_field_that_cannot_be(shared, one, field, body):
    assert_refused(drill(shared, "one", **body), 400, "bad_request", field)


def test_what_is_not_there(shared, one):
    assert_refused(drill(shared, "nobody"), 404, "not_found")
    said = assert_refused(drill(shared, "one", archive="nope"), 404, "archive_not_found")
    assert shared.job(said["job_id"])["verdict"]["word"] == "archive_not_found"
    assert shared.read.post("/repositories/one/verify-restore", {}).status == 403
    assert_clean(shared)


def test_a_repository_that_was_moved_away_and_a_wrong_passphrase(shared):
    one = Setup(shared, "secret", PASSPHRASE, in_config=False, files=3)
    assert shared.run_backup("secret", borg_passphrase=PASSPHRASE)["state"] == "succeeded"
    assert_refused(drill(shared, "secret", borg_passphrase="another one"), 422,
                   "wrong_passphrase")
    assert drill(shared, "secret", borg_passphrase=PASSPHRASE).status == 200
    Path(one.repository).rename(one.repository + ".away")
    assert_refused(drill(shared, "secret", borg_passphrase=PASSPHRASE), 404,
                   "repository_not_found")
    assert_clean(shared)


def test_a_timeout_leaves_nothing(shared, one):
    with wrapped_borg(one, 'case " $* " in *" extract "*) sleep 60 ;; esac'):
        said = assert_refused(drill(shared, "one", timeout=5), 408, "timeout")
    assert shared.job(said["job_id"])["state"] == "timed_out"
    assert_clean(shared, said["job_id"])
    assert not borg.is_locked(one.repository)


def test_kill_9_and_a_new_start_leave_nothing(daemon):
    one = Setup(daemon, "kill", files=3)
    assert daemon.run_backup("kill")["state"] == "succeeded"
    with wrapped_borg(one, 'case " $* " in *" extract "*) $BORG "$@"; sleep 60 ;; esac'):
        reply = daemon.write.post("/repositories/kill/verify-restore", {},
                                  {"Prefer": "respond-async"})
        assert reply.status == 202, reply
        wait_for(lambda: list((daemon.state / "drill").glob("*/*")), what="files of the drill")
        daemon.kill()
        daemon.start()
    assert daemon.wait_job(reply.json["job_id"])["state"] == "interrupted"
    wait_for(lambda: not list((daemon.state / "drill").glob("*")), what="an empty drill folder")
