"""Archives written as tar files: whole, durable, never over anything, and nothing left of what went
wrong."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes, wait_for
from scenario.test_failures import held_lock

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def shared(module_folder):
    with Daemon(module_folder / "d", EXTRACT_ROOTS=f"{module_folder}/out:{module_folder}/small") as one:
        one.out = module_folder / "out"
        one.out.mkdir(mode=0o700)
        yield one


@pytest.fixture(scope="module")
def plain(shared):
    one = Setup(shared, "plain", files=5)
    (one.source / "dir0" / "link").symlink_to("file00000")
    archive(one, "first")
    archive(one, "second")
    return one


def archive(one, name):
    borg.borg(one.home, "create", f"{one.repository}::{name}", one.source, passphrase=one.passphrase)


def export(daemon, label="plain", headers=None, **body):
    return daemon.write.post("/archives/export-tar", {"repository": label, "archive": "first", **body},
                             headers)


def left_in(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def names_in(tar, *flags):
    return subprocess.run(["tar", "t", *flags, "-f", tar], capture_output=True, text=True,
                          check=True).stdout.splitlines()


def test_an_archive_becomes_a_tar(shared, plain, folder):
    target = shared.out / "new" / "folder" / "whole.tar"
    reply = export(shared, destination=str(target))
    assert reply.status == 200 and reply.json["destination"] == str(target), reply
    at = target.lstat()
    assert at.st_mode & 0o7777 == 0o600 and left_in(target.parent) == ["whole.tar"]
    subprocess.run(["tar", "x", "-f", target], cwd=folder, check=True)
    for name in plain.files:
        assert (folder / name.lstrip("/")).read_bytes() == Path(name).read_bytes()
    record = reply.json["job"]
    assert record["verdict"]["word"] == "exported"
    result = record["result"]["repositories"][0]
    assert result["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert result["bytes"] == at.st_size and result["archive"] == "first"


def test_some_paths_packed_and_stripped(shared, plain):
    name = sorted(plain.files)[1]
    depth = len(plain.source.parts) - 1
    for word, flag in (("gzip", "-z"), ("zstd", "--zstd"), ("none", "-v")):
        target = shared.out / f"some.{word}"
        reply = export(shared, archive="latest", destination=str(target), paths=[name, name + "/"],
                       strip_components=depth, tar_filter=word)
        assert reply.status == 200, reply
        assert [n.split()[-1] for n in names_in(target, flag)] == [str(Path(name).relative_to(plain.source))]
        assert reply.json["job"]["result"]["repositories"][0]["archive"] == "second"


def test_nothing_is_written_over(shared, plain):
    taken = shared.out / "taken"
    taken.write_text("mine")
    for name in ("taken", "dangling", "tolink"):
        if name == "dangling":
            (shared.out / name).symlink_to(shared.out / "nowhere")
        if name == "tolink":
            (shared.out / name).symlink_to(taken)
        reply = export(shared, destination=str(shared.out / name))
        assert (reply.status, reply.json["error"]) == (409, "already_exists"), reply
        assert reply.json["errors"][0]["field"] == "destination"
    assert taken.read_text() == "mine" and not (shared.out / "nowhere").exists()


@pytest.mark.parametrize("body,field", [
    ({"destination": "relative"}, "destination"), ({"destination": "/etc/x.tar"}, "destination"),
    ({"destination": "OUT/../x"}, "destination"), ({"destination": ""}, "destination"),
    ({"destination": None}, "destination"), ({"archive": "-x"}, "archive"), ({"archive": None}, "archive"),
    ({"paths": []}, "paths"), ({"paths": ["a/../b"]}, "paths"), ({"paths": ["/"]}, "paths"),
    ({"strip_components": -1}, "strip_components"), ({"tar_filter": "sh -c id"}, "tar_filter"),
    ({"process_timeout": 0}, "process_timeout"), ({"queue": 1}, "queue"), ({"borg_passphrase": 1}, "borg_passphrase"),
    ({"ssh_passphrase": 1}, "ssh_passphrase"), ({"repository_label": "none"}, "repository_label"),
    ({"surprise": 1}, "surprise"), ({"repository": "a/b"}, "repository"),
])
def test_a_bad_export_is_refused(shared, plain, body, field):
    before = left_in(shared.out)
    wanted = {"destination": str(shared.out / "made" / "x.tar"), **body}
    if wanted.get("destination"):
        wanted["destination"] = wanted["destination"].replace("OUT", str(shared.out))
    reply = shared.write.post("/archives/export-tar", {"repository": "plain", "archive": "first", **wanted})
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
    assert left_in(shared.out) == before


def refused(shared, label, status, error, word, **body):
    before = left_in(shared.out)
    reply = export(shared, label, destination=str(shared.out / "made" / "deep" / "x.tar"), **body)
    assert (reply.status, reply.json["error"]) == (status, error), reply
    record = shared.job(reply.json["job_id"])
    assert record["verdict"]["word"] == word, record["verdict"]
    assert marked_processes(record["id"]) == []
    wait_for(lambda: left_in(shared.out) == before, 10, "nothing is left")
    return reply


def test_what_fails_leaves_nothing(shared, plain):
    refused(shared, "plain", 404, "archive_not_found", "archive_not_found", archive="nope")
    reply = refused(shared, "plain", 404, "not_found", "not_found", paths=[sorted(plain.files)[0], "no/such"])
    assert reply.json["errors"][0]["field"] == "paths" and "no/such" in reply.json["message"]
    away = Path(plain.repository + ".away")
    Path(plain.repository).rename(away)
    refused(shared, "plain", 404, "repository_not_found", "repository_not_found")
    away.rename(plain.repository)
    with held_lock(plain.home, plain.repository):
        refused(shared, "plain", 423, "repository_locked", "repository_locked")
        refused(shared, "plain", 408, "timeout", "timed_out", process_timeout=1)


def test_a_wrong_passphrase(shared):
    one = Setup(shared, "secret", PASSPHRASE, in_config=False, files=1)
    archive(one, "first")
    refused(shared, "secret", 422, "wrong_passphrase", "wrong_passphrase", borg_passphrase="another one")
    reply = export(shared, "secret", destination=str(shared.out / "secret.tar"), borg_passphrase=PASSPHRASE)
    assert reply.status == 200


@pytest.fixture(scope="module")
def big(shared):
    """200 MB of zeros: quick for borg, long enough to be caught at it."""
    one = Setup(shared, "big", files=0)
    with open(one.source / "zeros", "wb") as f:
        f.truncate(200_000_000)
    archive(one, "first")
    return one


def test_a_disk_that_is_too_small(shared, big):
    small = shared.out.parent / "small"
    small.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=700", "tmpfs", small], check=True)
    try:
        reply = export(shared, "big", destination=str(small / "x.tar"))
        assert (reply.status, reply.json["error"]) == (422, "no_space"), reply
        assert left_in(small) == []
        kinds = [e["kind"] for e in shared.events(reply.json["job_id"])]
        assert "stage" not in kinds  # nothing was written before it was known
        # Packed, nobody knows before how long it gets; here the zeros do fit.
        reply = export(shared, "big", destination=str(small / "x.tar.gz"), tar_filter="gzip")
        assert reply.status == 200 and left_in(small) == ["x.tar.gz"]
        noise = Setup(shared, "noise", files=0)
        (noise.source / "noise").write_bytes(os.urandom(40_000_000))
        archive(noise, "first")
        reply = export(shared, "noise", destination=str(small / "y.tar.gz"), tar_filter="gzip")
        assert (reply.status, reply.json["error"]) == (422, "no_space"), reply
        assert marked_processes(reply.json["job_id"]) == []
        wait_for(lambda: left_in(small) == ["x.tar.gz"], 10, "nothing is left")
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_cancelled_export_leaves_nothing(shared, big):
    before = left_in(shared.out)
    target = shared.out / "cancelled" / "x.tar"
    reply = export(shared, "big", {"Prefer": "respond-async"}, destination=str(target))
    assert reply.status == 202, reply
    job = reply.json["job_id"]
    wait_for(lambda: any(e["kind"] == "stage" for e in shared.events(job)), 30, "it exports")
    shared.write.delete(f"/jobs/{job}")
    record = shared.wait_job(job, 20)
    assert record["state"] == "cancelled" and "no file was written" in record["verdict"]["sentence"]
    assert marked_processes(job) == []
    wait_for(lambda: left_in(shared.out) == before, 10, "nothing is left")


def test_a_name_that_is_taken_meanwhile_stays(shared, big):
    target = shared.out / "raced.tar"
    reply = export(shared, "big", {"Prefer": "respond-async"}, destination=str(target))
    job = reply.json["job_id"]
    wait_for(lambda: any(e["kind"] == "stage" for e in shared.events(job)), 30, "it exports")
    target.write_text("first")
    record = shared.wait_job(job)
    assert (record["state"], record["verdict"]["word"]) == ("failed", "already_exists"), record
    assert target.read_text() == "first"
    target.unlink()


def test_who_only_reads_may_not_export(shared, plain):
    body = {"repository": "plain", "archive": "first", "destination": str(shared.out / "no.tar")}
    reply = shared.read.post("/archives/export-tar", body)
    assert (reply.status, reply.json["error"]) == (403, "insufficient_role")
    key = {"Idempotency-Key": "one-export"}
    first = shared.write.post("/archives/export-tar", body, key)
    again = shared.write.post("/archives/export-tar", body, key)
    assert first.status == 200 and first.json["job_id"] == again.json["job_id"], again
