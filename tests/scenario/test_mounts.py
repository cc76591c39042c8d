"""Mounts of archives: how they come, how they go, and what they leave alone."""

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes, wait_for
from fixtures.mounts import mounted

PASSPHRASE = "correct horse battery"


def mount(daemon, label, point, **body):
    return daemon.write.post("/archives/mount", {"repository": label, "mount_point": str(point),
                                                 **body})


def umount(daemon, point, **body):
    return daemon.write.post("/archives/umount", {"mount_point": str(point), **body})


def assert_refused(reply, status, error, field=None):
    assert reply.status == status and reply.json["error"] == error, reply
    if field:
        assert [f["field"] for f in reply.json["errors"]] == [field], reply
    return reply.json


def assert_gone(daemon, job, point, word="unmounted", state="succeeded", why=""):
    record = daemon.wait_job(job, 30)
    assert record["state"] == state and record["verdict"]["word"] == word, record
    assert why in record["verdict"]["sentence"], record["verdict"]
    assert mounted(point) == [] and marked_processes(job) == []
    return record


@pytest.fixture(scope="module")
def one(shared):
    made = Setup(shared, "one", files=5)
    assert shared.run_backup("one")["state"] == "succeeded"
    return made


@pytest.fixture
def point(folder):
    at = folder / "point"
    yield at
    while mounted(at):
        subprocess.run(["umount", "-l", at], check=True)


def test_an_archive_is_mounted_listed_and_unmounted(shared, one, point):
    name = one.archives()[0]
    reply = mount(shared, "one", point, archive=name, ttl=600)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["returncode"] == 0 and reply.json["mount_point"] == str(point)
    assert {"stdout", "stderr", "expires"} <= set(reply.json)
    job = reply.json["job_id"]
    file = next(iter(one.files))
    assert (point / file[1:]).read_bytes() == Path(file).read_bytes()
    assert len(mounted(point)) == 1 and " - fuse borgfs " in mounted(point)[0]
    listed = shared.read.get("/archives/mounts").json["mounts"]
    assert len(listed) == 1 and listed[0]["mount_point"] == str(point), listed
    assert listed[0]["repository"] == "one" and listed[0]["archive"] == name
    assert listed[0]["job_id"] == job and listed[0]["expires"] == reply.json["expires"]
    assert 590 < listed[0]["expires"] - listed[0]["since"] <= 600
    assert shared.job(job)["state"] == "running"
    assert_refused(mount(shared, "one", point), 400, "bad_request", "mount_point")
    reply = umount(shared, point)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["returncode"] == 0
    assert_gone(shared, job, point, why="on request")
    assert shared.read.get("/archives/mounts").json["mounts"] == []
    wait_for(lambda: not point.exists(), what="the folder that was made for it is gone")
    assert_refused(umount(shared, point), 404, "not_found", "mount_point")


def test_the_whole_repository_and_the_newest(shared, one, point):
    point.mkdir()
    assert mount(shared, "one", point).status == 200
    assert sorted(p.name for p in point.iterdir()) == sorted(one.archives())
    assert umount(shared, f"{point}/").status == 200
    assert point.exists(), "it was there before"
    reply = mount(shared, "one", point, latest=True)
    assert reply.status == 200, reply
    assert shared.read.get("/archives/mounts").json["mounts"][0]["archive"] == one.archives()[-1]
    reply = shared.write.delete(f"/jobs/{reply.json['job_id']}")
    assert reply.status in (200, 202), reply
    wait_for(lambda: not mounted(point), what="a cancel unmounts")


def test_a_mount_ends_when_its_time_is_over(shared, one, point):
    reply = mount(shared, "one", point, latest=True, ttl=5)
    assert reply.status == 200, reply
    assert_gone(shared, reply.json["job_id"], point, why="time was over")


@contextmanager
def in_use(file):
    """Its descriptor is dead when the mount was detached meanwhile."""
    fd = os.open(file, os.O_RDONLY)
    try:
        yield
    finally:
        with suppress(OSError):
            os.close(fd)


def test_a_mount_in_use(shared, one, point):
    job = mount(shared, "one", point, latest=True).json["job_id"]
    with in_use(point / next(iter(one.files))[1:]):
        said = assert_refused(umount(shared, point), 409, "mount_busy", "mount_point")
        assert said["job_id"] == job and mounted(point)
        assert shared.job(job)["state"] == "running"
        reply = umount(shared, point, lazy=True)
        assert reply.status == 200 and mounted(point) == [], reply
    assert_gone(shared, job, point)


def test_a_backup_gets_the_repository(shared, one, point):
    job = mount(shared, "one", point, latest=True).json["job_id"]
    before = len(one.archives())
    assert shared.run_backup("one")["state"] == "succeeded"
    assert_gone(shared, job, point, why="wants to write")
    assert len(one.archives()) == before + 1


def test_a_backup_gets_it_also_while_files_are_open(shared, one, point):
    job = mount(shared, "one", point, latest=True).json["job_id"]
    with in_use(point / next(iter(one.files))[1:]):
        assert shared.run_backup("one")["state"] == "succeeded"
    assert_gone(shared, job, point, why="wants to write")


def test_two_mounts_at_one_place(shared, one, point):
    """The second asks while the first is still coming."""
    first = shared.write.post("/archives/mount", {"repository": "one", "mount_point": str(point)},
                              {"Prefer": "respond-async"})
    assert first.status == 202, first
    second = mount(shared, "one", point)
    assert second.status == 409 and second.json["error"] == "mount_busy", second
    assert umount(shared, point).status == 409
    wait_for(lambda: mounted(point), what="the first one")
    wait_for(lambda: umount(shared, point).status == 200, what="it is unmounted")
    assert_gone(shared, first.json["job_id"], point)


@contextmanager
def bound(source, target):
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


def test_what_others_mounted_is_left_alone(shared, one, folder, point):
    (folder / "data").mkdir()
    (folder / "data" / "kept").write_text("x")
    with bound(folder / "data", folder / "borg-bind"):
        assert_refused(umount(shared, folder / "borg-bind"), 404, "not_found", "mount_point")
        assert (folder / "borg-bind" / "kept").exists()
        assert_refused(mount(shared, "one", folder / "borg-bind"), 400, "bad_request",
                       "mount_point")
    foreign = folder / "foreign"
    foreign.mkdir()
    env = {**shared.env, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    theirs = subprocess.Popen(["borg", "mount", "--foreground", one.repository, foreign], env=env)
    try:
        wait_for(lambda: mounted(foreign), what="somebody else's mount")
        assert_refused(umount(shared, foreign), 404, "not_found", "mount_point")
        assert mounted(foreign)
    finally:
        subprocess.run(["fusermount3", "-u", foreign], check=True)
        theirs.wait()


def test_a_bind_mount_over_ours_is_left_alone(shared, one, folder, point):
    job = mount(shared, "one", point, latest=True).json["job_id"]
    (folder / "data").mkdir()
    with bound(folder / "data", point):
        said = assert_refused(umount(shared, point), 409, "mount_busy", "mount_point")
        assert "left as it is" in said["message"]
        assert len(mounted(point)) == 2
        said = assert_refused(umount(shared, point, lazy=True), 409, "mount_busy", "mount_point")
        assert "tried again" in said["message"] and len(mounted(point)) == 2
    assert_gone(shared, job, point)


# ---- what is refused, and how borg fails ----

@pytest.mark.parametrize(("field", "body"), [
    ("archive", {"archive": "-x"}), ("archive", {"archive": 1}), ("latest", {"latest": "yes"}),
    ("mount_point", {"mount_point": "here"}), ("mount_point", {"mount_point": "/etc/x"}),
    ("ttl", {"ttl": 0}), ("ttl", {"ttl": 86401}), ("ttl", {"ttl": "60"}),
    ("repository", {"repository": "../x"}), ("repository_label", {"repository_label": "no"}),
    ("queue", {"queue": "x"}),
])
def test_a_field_that_cannot_be(shared, one, point, field, body):
    reply = shared.write.post("/archives/mount", {"repository": "one", "mount_point": str(point),
                                                  **body})
    assert_refused(reply, 400, "bad_request", field)
    assert not point.exists()


def test_what_umount_refuses(shared):
    assert_refused(shared.write.post("/archives/umount", {}), 400, "bad_request", "mount_point")
    assert_refused(umount(shared, "/tmp/x", lazy="x"), 400, "bad_request", "lazy")
    assert shared.read.post("/archives/umount", {"mount_point": "/tmp/x"}).status == 403


def test_a_link_as_mount_point(shared, one, folder, point):
    point.symlink_to(folder)
    said = assert_refused(mount(shared, "one", point), 400, "bad_request", "mount_point")
    assert "link" in said["message"]


def test_an_archive_that_is_not_there(shared, one, point):
    said = assert_refused(mount(shared, "one", point, archive="nope"), 404, "archive_not_found")
    assert shared.job(said["job_id"])["verdict"]["word"] == "archive_not_found"
    wait_for(lambda: not point.exists(), what="the folder is gone")


def test_a_wrong_passphrase(shared, point):
    Setup(shared, "secret", PASSPHRASE, in_config=False, files=1)
    assert_refused(mount(shared, "secret", point, borg_passphrase="another one"), 422,
                   "wrong_passphrase")
    assert mounted(point) == []
    assert mount(shared, "secret", point, borg_passphrase=PASSPHRASE).status == 200
    assert umount(shared, point).status == 200


def test_without_fuse_it_says_so(folder):
    """The daemon sees another file as /dev/fuse, which is no such device."""
    hide = ["unshare", "-m", "sh", "-c", 'mount --bind /dev/null /dev/fuse; "$@"; exit $?', "sh"]
    with Daemon(folder / "d", prefix=hide) as d:
        Setup(d, "plain", files=1)
        said = d.write.post("/archives/mount", {"repository": "plain",
                                                "mount_point": str(folder / "m")})
        assert_refused(said, 501, "not_implemented")
        assert "fuse" in said.json["message"].lower()


# ---- the daemon's own end ----

def test_sigterm_releases_mounts_at_once(daemon, point):
    Setup(daemon, "term", files=1)
    job = mount(daemon, "term", point).json["job_id"]
    assert mounted(point)
    assert daemon.stop(20) == 0
    assert mounted(point) == [] and marked_processes(job) == []
    daemon.start()
    assert_gone(daemon, job, point, why="goes down")


@pytest.mark.parametrize("dead", [False, True])
def test_kill_9_and_a_new_start_unmount(daemon, point, folder, dead):
    Setup(daemon, "kill", files=1)
    job = mount(daemon, "kill", point).json["job_id"]
    daemon.kill()
    assert mounted(point)
    if dead:  # borg died as well: "Transport endpoint is not connected"
        for pid in marked_processes(job):
            os.kill(pid, 9)
    (folder / "data").mkdir()
    with bound(folder / "data", folder / "bind"):
        daemon.start()
        assert_gone(daemon, job, point, "interrupted", "interrupted", "unmounted")
        assert mounted(folder / "bind")
    assert daemon.run_backup("kill")["state"] == "succeeded"
    shutil.rmtree(folder / "data")
