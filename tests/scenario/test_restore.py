"""Bringing files back: extract, on real borg."""

import os
import random
import re
import shutil
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import FULL, SEED, Daemon, marked_processes, wait_for

PASSPHRASE = "correct horse battery"


def extract(daemon, label, destination, **body):
    if "archive" not in body:
        body.setdefault("latest", True)
    return daemon.write.post("/archives/extract", {"repository": label,
                                                   "destination": str(destination), **body})


def assert_refused(reply, status, error, field=None):
    assert reply.status == status and reply.json["error"] == error, reply
    if field:
        assert [f["field"] for f in reply.json["errors"]] == [field], reply
    return reply.json


def tree(folder):
    """Relative name (bytes) → content, link target or kind."""
    folder = os.fsencode(str(folder))
    found = {}
    for at, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(at, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                what = ("link", os.readlink(path))
            elif stat.S_ISREG(mode):
                what = Path(os.fsdecode(path)).read_bytes()
            else:
                what = stat.S_IFMT(mode)
            found[os.path.relpath(path, folder)] = what
    return found


@pytest.fixture(scope="module")
def one(shared):
    """A repository with one backup of twenty small files."""
    made = Setup(shared, "one", files=20)
    assert shared.run_backup("one")["state"] == "succeeded"
    return made


@pytest.fixture
def place(folder):
    yield folder / "out"


def test_an_archive_comes_back_whole(shared, one, place):
    reply = extract(shared, "one", place)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["returncode"] == 0 and reply.json["destination"] == str(place)
    assert {"stdout", "stderr", "job_id"} <= set(reply.json)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert tree(place / str(one.source)[1:]) == tree(one.source)
    record = shared.job(reply.json["job_id"])
    assert record["kind"] == "extract" and record["verdict"]["word"] == "extracted"
    entry = record["result"]["repositories"][0]
    assert entry["expected"] == {"files": 20, "bytes": sum(one.files.values())}
    assert entry["found"]["files"] == 20 and entry["found"]["bytes"] == entry["expected"]["bytes"]
    assert entry["archive"]["name"] == one.archives()[0] and entry["left"] is True


def test_paths_and_stripped_components(shared, one, place):
    name = sorted(one.files)[3]
    depth = len(Path(name).parts) - 2
    reply = extract(shared, "one", place, archive=one.archives()[0], paths=[name[1:]],
                    strip_components=depth)
    assert reply.status == 200, reply
    assert tree(place) == {os.fsencode(Path(name).name): Path(name).read_bytes()}


def test_the_job_at_once(shared, one, place):
    reply = shared.write.post("/archives/extract/async", {
        "repository": "one", "archive": "latest", "destination": str(place)})
    assert reply.status == 200 and reply.json["job_id"].startswith("extract:one:"), reply
    assert shared.wait_job(reply.json["job_id"])["state"] == "succeeded"
    assert tree(place / str(one.source)[1:]) == tree(one.source)


HOSTILE = [b"-rf", b"--help", b"new\nline", b"a..b", b"...", b"..x", b"bad\xff\xfe", b"q?mark",
           b"x" * 255, b" blank ", b"tab\tq\"'", b"star*[a]", b"\xe2\x82", b"\xc3\xbc", b"\x01\x7f",
           b"pp:re:", b"back\\slash", b"%41", b"$HOME`id`"]


def test_hostile_names_come_back_intact(shared, place):
    one = Setup(shared, "hostile", files=1)
    chance = random.Random(SEED)
    source = os.fsencode(str(one.source))
    for n in range(10000 if FULL else 1000):
        name = HOSTILE[n % len(HOSTILE)]
        folder = os.path.join(source, b"d%d" % (n // len(HOSTILE) % 50))
        os.makedirs(folder, exist_ok=True)
        if n >= 50 * len(HOSTILE):
            name = (b"%d" % n + name)[:255]
        with open(os.path.join(folder, name), "wb") as f:
            f.write(chance.randbytes(chance.randrange(200)))
    os.symlink("/etc/passwd", source + b"/-link\n")
    assert shared.run_backup("hostile")["state"] == "succeeded"
    reply = extract(shared, "hostile", place)
    assert reply.status == 200, reply
    assert tree(place / str(one.source)[1:]) == tree(one.source)


# ---- what is refused, and that it changes nothing ----

@pytest.mark.parametrize(("field", "body"), [
    ("archive", {"latest": False}),
    ("archive", {"archive": "-x"}),
    ("archive", {"archive": "a::b"}),
    ("archive", {"archive": 5}),
    ("latest", {"archive": "x", "latest": True}),
    ("latest", {"latest": "true"}),
    ("repository", {"repository": "../x"}),
    ("destination", {"destination": "relative"}),
    ("destination", {"destination": 5}),
    ("paths", {"paths": []}),
    ("paths", {"paths": "a"}),
    ("paths", {"paths": ["a\nb"]}),
    ("strip_components", {"strip_components": -1}),
    ("process_timeout", {"process_timeout": 0}),
    ("process_timeout", {"process_timeout": 3601}),
    ("timeout", {"timeout": "5"}),
    ("repository_label", {"repository_label": "nobody"}),
    ("queue", {"queue": 1}),
])
def test_a_field_that_cannot_be(shared, one, place, field, body):
    whole = {"repository": "one", "destination": str(place), **body}
    if "archive" not in body:
        whole.setdefault("latest", True)
    assert_refused(shared.write.post("/archives/extract", whole), 400, "bad_request", field)
    assert not place.exists()


def test_a_passphrase_that_cannot_be(shared, one, place):
    assert_refused(extract(shared, "one", place, borg_passphrase=""), 400, "invalid_secrets",
                   "borg_passphrase")
    assert not place.exists()


def test_the_reference_words_for_a_place_out_of_bounds(shared, one):
    said = assert_refused(extract(shared, "one", "/etc/x"), 400, "bad_request", "destination")
    assert said["message"] == "destination must be within /tmp, /mnt"


def test_places_that_must_not_be_written_to(shared, one, place):
    place.mkdir()
    link = place / "link"
    link.symlink_to("/etc")
    for bad, why in ((link, "link"), (link / "x", "link"), (place, "empty"),
                     (f"{place}/../x", ".."), (Path(one.repository) / "x", "repository"),
                     (shared.state / "x", "state"), (shared.configs / "x", "configurations")):
        said = assert_refused(extract(shared, "one", bad), 400, "bad_request", "destination")
        assert why in said["message"], said
    assert sorted(p.name for p in place.iterdir()) == ["link"]
    assert not (Path(one.repository) / "x").exists()


def test_a_path_that_is_not_in_the_archive(shared, one, place):
    name = sorted(one.files)[0][1:]
    said = assert_refused(extract(shared, "one", place, paths=[name, "no/such"]), 404, "not_found",
                          "paths")
    assert "no/such" in said["message"] and not place.exists()
    assert shared.job(said["job_id"])["verdict"]["word"] == "not_found"
    for value in ("--dry-run", "re:.*", "sh:**", "../x"):
        assert_refused(extract(shared, "one", place, paths=[value]), 404, "not_found", "paths")
    assert not place.exists()


def test_an_archive_that_is_not_there(shared, one, place):
    assert_refused(extract(shared, "one", place, archive="nope"), 404, "archive_not_found")
    assert not place.exists()


def test_a_configuration_that_is_not_there(shared, place):
    assert_refused(extract(shared, "nobody", place), 404, "not_found")
    assert not place.exists()


def test_a_reader_may_not_extract(shared, one, place):
    reply = shared.read.post("/archives/extract", {"repository": "one", "latest": True,
                                                   "destination": str(place)})
    assert reply.status == 403 and not place.exists()


# ---- borg fails ----

def test_a_wrong_passphrase_and_a_right_one(shared, place):
    one = Setup(shared, "secret", PASSPHRASE, in_config=False, files=3)
    assert shared.run_backup("secret", borg_passphrase=PASSPHRASE)["state"] == "succeeded"
    said = assert_refused(extract(shared, "secret", place, borg_passphrase="another one"), 422,
                          "wrong_passphrase")
    assert shared.job(said["job_id"])["verdict"]["word"] == "wrong_passphrase"
    assert not place.exists()
    assert extract(shared, "secret", place, borg_passphrase=PASSPHRASE).status == 200
    assert len(tree(place / str(one.source)[1:])) >= 3


def test_a_repository_that_was_moved_away(shared, place):
    one = Setup(shared, "away", files=1)
    Path(one.repository).rename(one.repository + ".away")
    said = assert_refused(extract(shared, "away", place), 404, "repository_not_found")
    assert shared.job(said["job_id"])["verdict"]["word"] == "repository_not_found"
    assert not place.exists()


def test_a_lock_that_another_borg_holds(shared, one, place, folder):
    ready = folder / "held"
    env = {**shared.env, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    holder = subprocess.Popen(["borg", "with-lock", one.repository, "sh", "-c",
                               f"touch {ready}; exec cat"], env=env, stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL)
    try:
        wait_for(ready.exists, what="borg holds the lock")
        said = assert_refused(extract(shared, "one", place), 423, "repository_locked")
    finally:
        holder.stdin.close()
        holder.wait()
    assert shared.job(said["job_id"])["verdict"]["word"] == "repository_locked"
    assert not place.exists()


def test_a_backup_waits_for_an_extract(shared, big, place):
    with slow_extract(shared, "big", place) as (job, pids):
        backup = shared.backup("big", queue=True)["job_id"]
        assert shared.job(backup)["state"] == "queued"
    assert shared.wait_job(job)["state"] == "succeeded"
    assert shared.wait_job(backup)["state"] == "succeeded"


def test_a_disk_that_is_too_small(shared, place):
    one = Setup(shared, "large", files=1)
    sparse = one.source / "sparse"
    with open(sparse, "wb") as f:
        f.truncate(40 << 20)
    assert shared.run_backup("large")["state"] == "succeeded"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", place], check=True)
    try:
        said = assert_refused(extract(shared, "large", place / "x"), 422, "no_space", "destination")
        assert re.search(r"4194\d{4} bytes are needed and 8388608 are free", said["message"])
        assert not (place / "x").exists()
    finally:
        subprocess.run(["umount", place], check=True)


# ---- while borg works ----

@contextmanager
def slow_extract(daemon, label, place, **body):
    """An extract whose borg is stopped as soon as it has written something."""
    reply = daemon.write.post("/archives/extract/async", {
        "repository": label, "latest": True, "destination": str(place), **body})
    assert reply.status == 200, reply
    job = reply.json["job_id"]
    wait_for(lambda: place.exists() and any(place.iterdir()), what="the first file")
    pids = marked_processes(job)
    for pid in pids:
        os.kill(pid, 19)
    yield job, pids
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, 18)


@pytest.fixture(scope="module")
def big(shared):
    made = Setup(shared, "big", files=3000, size=3000)
    assert shared.run_backup("big")["state"] == "succeeded"
    return made


def test_a_link_swapped_in_while_borg_works_leads_nowhere(shared, big, folder, place):
    trap = folder / "trap"
    trap.mkdir()
    with slow_extract(shared, "big", place) as (job, pids):
        place.rename(folder / "moved")
        place.symlink_to(trap)
    record = shared.wait_job(job)
    assert list(trap.iterdir()) == []
    assert record["state"] == "failed" and record["verdict"]["word"] == "destination_moved"
    assert tree(folder / "moved" / str(big.source)[1:]) == tree(big.source)


@contextmanager
def wrapped_borg(one, line):
    """borg is a script that first does `line`, with borg's arguments."""
    script = one.daemon.folder / f"borg-{one.label}"
    script.write_text(f'#!/bin/sh\n{line}\nexec {shutil.which("borg", path=borg.PATH)} "$@"\n')
    script.chmod(0o755)
    one.write(local_path=str(script))
    yield
    one.write(local_path=None)


def test_a_timeout_is_408_and_leaves_what_was_extracted(shared, big, place):
    """borg is stopped in its middle, so that the limit is always passed."""
    halt = 'case " $* " in *" extract "*) (sleep 0.1; kill -STOP $$) & ;; esac'
    with wrapped_borg(big, halt.replace("sleep 0.1", f"until ls {place}/* >&2; do :; done")):
        said = assert_refused(extract(shared, "big", place, process_timeout=8), 408, "timeout")
    record = shared.job(said["job_id"])
    assert record["state"] == "timed_out"
    assert "left in the destination" in record["verdict"]["sentence"]
    assert record["result"]["repositories"][0]["left"] is True
    before = tree(place)
    assert before and marked_processes(record["id"]) == []
    assert not borg.is_locked(big.repository)
    assert shared.run_backup("big")["state"] == "succeeded"
    assert tree(place) == before, "nothing is written after the answer"


def test_a_timeout_before_anything_was_written_leaves_nothing(shared, big, place):
    with wrapped_borg(big, 'case " $* " in *" extract "*) sleep 60 ;; esac'):
        said = assert_refused(extract(shared, "big", place, process_timeout=5), 408, "timeout")
    assert shared.job(said["job_id"])["state"] == "timed_out"
    assert marked_processes(said["job_id"]) == []
    assert not place.exists(), "it was made for this and stayed empty"


def test_a_cancel_leaves_no_process(shared, big, place):
    with slow_extract(shared, "big", place) as (job, pids):
        assert shared.write.delete(f"/jobs/{job}").status in (200, 202)
        record = shared.wait_job(job, 30)
    assert record["state"] == "cancelled" and marked_processes(job) == []
    assert "left in the destination" in record["verdict"]["sentence"]
    assert not borg.is_locked(big.repository)


def test_without_a_namespace_an_unsafe_path_is_refused(folder):
    """CAP_SYS_ADMIN is taken away: then the folders above must be nobody else's to rename."""
    strip = ["sh", "-c", '"$@"; exit $?', "sh", "setpriv", "--bounding-set", "-sys_admin", "--"]
    with Daemon(folder / "d", prefix=strip) as d:
        one = Setup(d, "plain", files=2)
        assert d.run_backup("plain")["state"] == "succeeded"
        assert extract(d, "plain", folder / "safe").status == 200
        theirs = folder / "theirs"
        theirs.mkdir()
        os.chown(theirs, 1234, 1234)
        said = assert_refused(extract(d, "plain", theirs / "out"), 502, "command_failed")
        assert "rename" in said["message"] and not (theirs / "out").exists()
        assert tree(folder / "safe" / str(one.source)[1:]) == tree(one.source)
    shutil.rmtree(folder / "safe")
