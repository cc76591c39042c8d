"""AIO's backup target: read and set for good."""

import json
import os

import pytest

from fixtures.harness import Daemon, wait_for

PHP = """{
    "wasStartButtonClicked": true,
    "domain": "cloud.example.org",
    "nextcloud_datadir": "/mnt/ncdata",
    "borg_backup_host_location": "/mnt/backup",
    "secrets": {
        "BORGBACKUP_PASSWORD": "never-to-be-seen/\\u00e9"
    },
    "AIO_TOKEN": "also-never-to-be-seen"
}"""
URL = "/nextcloud/backup-target"


class Place:
    """A folder as AIO's own, and a daemon that knows it. There is no Docker."""

    def __init__(self, folder, **settings):
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.config = self.data / "configuration.json"
        self.config.write_text(PHP)
        self.config.chmod(0o660)
        os.chown(self.config, 33, 33)
        (self.data / "borg.config").write_text("key of /mnt/backup")
        (self.data / "backup_archives.list").write_text("a,2026-01-01 00:00:00\n")
        self.audit = folder / "audit.log"
        self.daemon = Daemon(folder / "d", AIO_CONFIG_FILE=self.config, AUDIT_LOG_PATH=self.audit,
                             **settings)

    def picture(self):
        return {p.name: (p.read_text(), p.stat().st_mode, p.stat().st_uid)
                for p in sorted(self.data.iterdir())}


@pytest.fixture
def place(tmp_path):
    one = Place(tmp_path)
    with one.daemon:
        yield one


@pytest.fixture(scope="module")
def lasting(module_folder):
    """One for the tests that do not mind what the others have set."""
    one = Place(module_folder)
    with one.daemon:
        yield one


def test_it_is_read(place):
    reply = place.daemon.read.get(URL)
    assert reply.status == 200 and reply.json == {
        "ok": True, "switched": None,
        "target": {"host_location": "/mnt/backup", "remote_repo": "", "mode": "local"}}, reply


def test_it_is_set_and_the_rest_stays(place):
    remote = "ssh://u1-sub1@u1.your-storagebox.de:23/./backup"
    reply = place.daemon.write.post(URL, {"remote_repo": remote})
    assert reply.status == 200 and reply.json == {
        "ok": True, "target": {"host_location": "", "remote_repo": remote, "mode": "remote"},
        "previous": {"host_location": "/mnt/backup", "remote_repo": ""}}, reply
    text = place.config.read_text()
    assert text == PHP.replace('"/mnt/backup"', '""').replace(
        '"also-never-to-be-seen"\n', f'"also-never-to-be-seen",\n    "borg_remote_repo": "{remote}"\n')
    assert place.config.stat().st_mode & 0o777 == 0o660 and place.config.stat().st_uid == 33
    assert sorted(p.name for p in place.data.iterdir()) == ["configuration.json"]
    assert place.daemon.read.get(URL).json["target"]["remote_repo"] == remote
    reply = place.daemon.write.post(URL, {"host_location": "/mnt/backup", "remote_repo": ""})
    assert reply.status == 200 and reply.json["previous"]["remote_repo"] == remote, reply
    assert (place.data / "borg.config").read_text() == "key of /mnt/backup"
    assert (place.data / "backup_archives.list").read_text() == "a,2026-01-01 00:00:00\n"
    assert json.loads(place.config.read_text()) == {**json.loads(PHP), "borg_remote_repo": ""}


def test_what_is_set_already_is_not_written_again(place):
    before, inode = place.picture(), place.config.stat().st_ino
    reply = place.daemon.write.post(URL, {"host_location": "/mnt/backup", "sparse": 1})
    assert reply.status == 200 and reply.json["ignored"] == ["sparse"], reply
    assert reply.json["previous"]["host_location"] == "/mnt/backup"
    assert place.picture() == before and place.config.stat().st_ino == inode


@pytest.mark.parametrize("field,body", [
    ("host_location", {}), ("host_location", {"host_location": "", "remote_repo": ""}),
    ("remote_repo", {"host_location": "/mnt/a", "remote_repo": "u@h:r"}),
    ("host_location", {"host_location": "relative"}), ("host_location", {"host_location": "/mnt/"}),
    ("host_location", {"host_location": "/mnt/../etc"}),
    ("host_location", {"host_location": "/mnt:/etc"}),
    ("host_location", {"host_location": "/mnt/ncdata/backup"}),
    ("host_location", {"host_location": "nextcloud_aio_nextcloud"}),
    ("remote_repo", {"remote_repo": "-oProxyCommand=x@y:z"}),
    ("remote_repo", {"remote_repo": "ssh://u:password@h:22/r"}),
    ("remote_repo", {"remote_repo": "https://u@h:22/r"}),
    ("remote_repo", {"remote_repo": "x" * 1024}), ("remote_repo", {"remote_repo": 7}),
])
def test_refusals_change_nothing(lasting, field, body):
    before = lasting.picture()
    reply = lasting.daemon.write.post(URL, body)
    assert reply.status == 400 and reply.json["error"] == "bad_request", reply
    assert [e["field"] for e in reply.json["errors"]] == [field], reply
    assert lasting.picture() == before


@pytest.mark.parametrize("body", [
    {"host_location": "nextcloud_aio_backupdir"}, {"remote_repo": "ssh://u@h/./r"},
    {"remote_repo": "u@h:r"}, {"remote_repo": "ssh://u@[::1]:22/r"}, {"host_location": "/é x"},
])
def test_volumes_and_short_forms_are_taken(lasting, body):
    reply = lasting.daemon.write.post(URL, body)
    assert reply.status == 200, reply
    assert lasting.daemon.read.get(URL).json["target"] == {
        "host_location": "", "remote_repo": "", **body,
        "mode": "remote" if "remote_repo" in body else "local"}


def test_without_aio(place):
    place.config.unlink()
    for reply in (place.daemon.read.get(URL),
                  place.daemon.write.post(URL, {"host_location": "/mnt/x"})):
        assert reply.status == 404 and reply.json["error"] == "not_found", reply
    place.config.write_text('{"secret": "never-to-be-seen')
    for reply in (place.daemon.read.get(URL),
                  place.daemon.write.post(URL, {"host_location": "/mnt/x"})):
        assert reply.status == 503 and reply.json["error"] == "unavailable", reply
        assert "never-to-be-seen" not in reply.text
    assert place.config.read_text() == '{"secret": "never-to-be-seen'


def test_the_flag_is_off(tmp_path):
    place = Place(tmp_path, ENABLE_ARBITRARY_TARGETS="false")
    with place.daemon as daemon:
        before = place.picture()
        reply = daemon.write.post(URL, {"host_location": "/mnt/x"})
        assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply
        assert daemon.read.get(URL).status == 200
        assert place.picture() == before


def test_docker_that_was_asked_for_and_is_not_there(tmp_path):
    place = Place(tmp_path, AIO_MASTER="nextcloud-aio-mastercontainer",
                  DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    with place.daemon as daemon:
        before = place.picture()
        reply = daemon.write.post(URL, {"host_location": "/mnt/x"})
        assert reply.status == 503 and reply.json["error"] == "docker_connection_refused", reply
        assert place.picture() == before


def test_each_change_is_in_the_audit_log(place):
    place.daemon.write.post(URL, {"host_location": "/mnt/x"})
    place.daemon.write.post(URL, {"host_location": "/mnt/ncdata"})
    place.daemon.write.post(URL, {"host_location": "relative"})
    lines = [json.loads(line) for line in place.audit.read_text().splitlines()]
    assert [(one["action"], one["label"], one["outcome"]) for one in lines] == [
        ("backup_target", "/mnt/x", "allowed"), ("backup_target", "/mnt/x", "done"),
        ("backup_target", "/mnt/ncdata", "allowed"), ("backup_target", "/mnt/ncdata", "failed")]


def test_no_secret_of_aios_is_seen(place):
    place.daemon.write.post(URL, {"host_location": "/mnt/x"})
    place.daemon.read.get(URL)
    place.daemon.stop()
    for root, _, names in os.walk(place.daemon.folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path):
                text = open(path, "rb").read()
                assert b"never-to-be-seen" not in text, path


def test_while_a_journal_stands_it_is_not_set(place):
    own = place.daemon.state / "aio"
    own.mkdir(mode=0o700, exist_ok=True)
    target = {"host_location": "/mnt/main", "remote_repo": ""}
    (own / "journal.json").write_text(json.dumps(
        {"job_id": "aio-run-for-target:7", "phase": "switched", "master_id": "", "borg_id": "",
         "original": target, "intended": {"host_location": "/mnt/backup", "remote_repo": ""},
         "temporary": []}))
    before = place.picture()
    reply = place.daemon.write.post(URL, {"host_location": "/mnt/x"})
    assert reply.status == 409 and reply.json["error"] == "target_switched", reply
    assert place.picture() == before
    reply = place.daemon.read.get(URL)
    assert reply.json["switched"] == {"job_id": "aio-run-for-target:7",
                                      "original": {**target, "mode": "local"}}, reply


@pytest.mark.parametrize("step", ["journal_saved", "journal_written", "borg_config_placed",
                                  "config_written", "config_replaced", "keys_set", "switched"])
def test_a_crash_on_the_way_leaves_a_whole_file_and_a_journal_that_knows(tmp_path, step):
    place = Place(tmp_path)
    place.daemon.args = [f"--crash-at={step}"]
    before = place.picture()
    with place.daemon as daemon:
        with pytest.raises(OSError):
            daemon.write.post(URL, {"host_location": "/mnt/x"})
        wait_for(lambda: daemon.process.poll() is not None, 10, "it is killed")
        assert daemon.process.returncode == -9
        said = json.loads(place.config.read_text())
        assert said["borg_backup_host_location"] in ("/mnt/backup", "/mnt/x")
        assert place.config.stat().st_uid == 33 and place.config.stat().st_mode & 0o777 == 0o660
        journal = daemon.state / "aio" / "journal.json"
        if said["borg_backup_host_location"] == "/mnt/x":
            assert json.loads(journal.read_text())["original"]["host_location"] == "/mnt/backup"
        if step == "journal_saved":
            assert not journal.exists() and place.picture() == before
        daemon.args = []
        daemon.start()
        assert place.picture() == before and not list((daemon.state / "aio").glob("[jo]*"))
        assert daemon.write.post(URL, {"host_location": "/mnt/x"}).status == 200


# ---- beside an AIO that runs ----

@pytest.mark.seconds(240)
def test_while_a_run_is_active_it_is_not_set(aio, folder):
    aio.install(schedule=("23:59",), borgbackup={"hold": "before_create"})
    other = aio.folder / "other"
    other.mkdir()
    with Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="1440",
                                                AIO_SCHEDULE_GUARD_MINUTES="0")) as daemon:
        aio.own_run()
        aio.wait_did("nextcloud-aio-borgbackup", "started", 60)
        before = aio.config
        reply = daemon.write.post(URL, {"host_location": str(other)})
        assert reply.status == 409 and reply.json["error"] == "aio_busy", reply
        assert aio.config == before
        aio.switch(borgbackup={"hold": None})
        aio.wait_idle()
        aio.wait_serving()

        aio.switch(borgbackup={"hold": "before_create"})
        job_id = daemon.write.post("/nextcloud/daily-backup/run/async", {}).json["job_id"]
        reply = daemon.write.post(URL, {"host_location": str(other)})
        assert reply.status == 409 and reply.json["error"] == "aio_busy", reply
        assert reply.json["job_id"] == job_id
        aio.switch(borgbackup={"hold": None})
        assert daemon.wait_job(job_id, 120)["state"] == "succeeded"

        reply = daemon.write.post(URL, {"host_location": str(other)})
        assert reply.status == 200 and reply.json["previous"]["host_location"] == str(aio.target)
        assert aio.config == {**aio.config, "borg_backup_host_location": str(other)}
        reply = daemon.write.post("/nextcloud/daily-backup/run", {})
        assert reply.status == 200 and (other / "borg/config").exists(), reply


@pytest.mark.seconds(240)
def test_on_a_full_disk_nothing_is_switched(aio, folder):
    aio.install(disk_kib=1024)
    other = aio.folder / "other"
    other.mkdir()
    filler = aio.data / "filler"
    with Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="1440")) as daemon:
        before = aio.config_path.read_bytes()
        with open(filler, "wb", buffering=0) as f, pytest.raises(OSError):
            while True:
                f.write(b"\0" * 4096)
        reply = daemon.write.post(URL, {"host_location": str(other)})
        assert reply.status == 503 and "No space left" in reply.json["message"], reply
        reply = daemon.write.post("/nextcloud/daily-backup/run-for-target",
                                  {"host_location": str(other)})
        assert reply.status == 503 and "No space left" in reply.json["message"], reply
        assert aio.config_path.read_bytes() == before and aio.execs() == [] and aio.stack_up()
        assert daemon.read.get(URL).json["switched"] is None
        filler.unlink()
        reply = daemon.write.post("/nextcloud/daily-backup/run-for-target",
                                  {"host_location": str(other)})
        assert reply.status == 200 and (other / "borg/config").exists(), reply
        assert aio.config["borg_backup_host_location"] == str(aio.target)


@pytest.mark.seconds(240)
def test_a_writer_with_an_old_cache_does_not_bring_the_temporary_target_back(aio, folder):
    aio.install(stale_writer=True, php_seconds={"StartContainers": 0})
    other = aio.folder / "other"
    other.mkdir()
    with Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="1440")) as daemon:
        reply = daemon.write.post("/nextcloud/daily-backup/run-for-target",
                                  {"host_location": str(other)})
        assert reply.status == 200 and (other / "borg/config").exists(), reply
        assert aio.did("php", "wrote a stale configuration")
        assert aio.config["community_variable"]  # the other's change is kept
        assert aio.config["borg_backup_host_location"] == str(aio.target)
        assert daemon.read.get(URL).json["switched"] is None
