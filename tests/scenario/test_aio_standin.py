"""The stand-in for Nextcloud AIO is held to AIO's contract: driven by the docker CLI, without any
daemon of ours."""

import json
import os
import re
import subprocess
import threading

import pytest

from fixtures.aio import scenarios
from fixtures.aio.contract import CONTRACT
from fixtures.aio.installation import BORG, MASTER
from fixtures.harness import wait_for
from fixtures.sshd import Sshd

BACKUP = {"DAILY_BACKUP": "1", "START_CONTAINERS": "1"}


def borg_restores(aio):
    """The container that AIO's interface would have started for a restore."""
    aio.restore()
    aio.forget()


def repository_is_copied(aio):
    (aio.target / "borg").mkdir()
    (aio.target / "borg/aio-lockfile").touch()


GIVEN = {"restore_mode": borg_restores, "aio_lockfile": repository_is_copied}


@pytest.mark.parametrize("name", scenarios.names())
def test_the_script(aio, name):
    scenario = scenarios.load(name)
    seen = scenario.get("script")
    if seen is None:
        return  # shown by the daemon's tests alone
    scenarios.prepare(aio, scenario, GIVEN.get(name))
    before = len(aio.archives())
    done = aio.run(*scenario.get("argv", []), **scenario.get("env", {}))
    if "says" in seen:
        lines, waits = scenarios.said(done.stdout)
        assert lines == seen["says"], done.stdout + done.stderr
        assert set(seen.get("waits", ())) <= waits
    assert seen["code"] in ("any", done.returncode), done
    if name != "restore_mode":
        aio.wait_idle()
    scenarios.assert_seen(aio, seen, before)
    assert not aio.lock.exists() or name in ("master_replaced",)


def test_the_environment_of_an_exec_is_noted(aio):
    aio.install(started=False, stack=False)
    aio.run("stop", STOP_CONTAINERS="1", DAILY_BACKUP="0")
    call, = aio.execs()
    assert call["argv"] == ["/daily-backup.sh", "stop"]
    assert call["env"]["STOP_CONTAINERS"] == "1" and call["env"]["DAILY_BACKUP"] == "0"


def test_a_check_goes_on_after_the_script(aio):
    aio.install()
    aio.run(**BACKUP)
    first = aio.docker.inspect(BORG)["Id"]
    aio.switch(borgbackup={"hold": "before_check"})
    done = aio.run(CHECK_BACKUP="1")
    assert done.stdout.splitlines()[-1] == CONTRACT["SAY_FINISHED"]
    state = aio.docker.inspect(BORG)
    assert state["Id"] != first and state["State"]["Running"] and state["State"]["ExitCode"] == 0
    assert aio.stack_up() and aio.config["backup-mode"] == "check"
    aio.switch(borgbackup={"hold": None})
    aio.wait_idle()
    scenarios.assert_borg_log(["BORG_CHECK", "BORG_CHECKED"], scenarios.borg_stdout(aio))


def test_a_second_backup_has_no_progress_and_a_new_container(aio):
    aio.install()
    aio.run(**BACKUP)
    first = aio.docker.inspect(BORG)["Id"]
    assert "Initializing cache transaction" in aio.log()
    wait_for(lambda: aio.run(**BACKUP).returncode == 0 and len(aio.archives()) == 2, 5, "another")
    assert aio.docker.inspect(BORG)["Id"] != first and "Initializing" not in aio.log()
    assert [re.fullmatch(r"\d{8}_\d{6}-nextcloud-aio", name) for name in aio.archives()]
    row = (aio.data / "backup_archives.list").read_text().splitlines()[0]
    assert re.fullmatch(r"\d{8}_\d{6}-nextcloud-aio,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row)
    assert (aio.data / "borg.config").read_bytes() == (aio.target / "borg/config").read_bytes()


def test_configuration_as_php_writes_it(aio):
    aio.install(location="nextcloud_aio_backupdir")
    found = aio.config_path.stat()
    assert (found.st_uid, found.st_gid) == (33, 33)
    token = aio.config["AIO_TOKEN"]
    aio.run(**BACKUP)
    text = aio.config_path.read_text()
    assert text.startswith('{\n    "AIO_TOKEN": "') and text.endswith("\n    }\n}")
    assert "\\u00fc/\\u00df" in text and text.isascii() and json.loads(text) == aio.config
    assert aio.config["AIO_TOKEN"] != token and aio.config["backup-mode"] == "backup"
    found = aio.config_path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (33, 33, 0o644)
    binds = aio.docker.inspect(BORG)["HostConfig"]["Binds"]
    assert "nextcloud_aio_backupdir:/mnt/borgbackup:rw" in binds


def test_the_target_is_taken_before_the_stop(aio):
    """Edits during the stop stage are not seen by the borgbackup container."""
    aio.install()
    aio.switch(database={"dump_seconds": 1.5})
    run = threading.Thread(target=lambda: aio.run(**BACKUP))
    run.start()
    aio.wait_did("php", "stop", container="nextcloud-aio-database")
    aio.write_config({**aio.config, "borg_backup_host_location": "/elsewhere"})
    run.join()
    assert f"{aio.target}:/mnt/borgbackup:rw" in aio.docker.inspect(BORG)["HostConfig"]["Binds"]
    assert aio.config["borg_backup_host_location"] == "/elsewhere" and len(aio.archives()) == 1


def test_a_stale_writer_takes_edits_back(aio):
    aio.install()
    aio.switch(stale_writer=True, php_seconds={"StartContainers": 0}, nextcloud={"start_seconds": 0})
    aio.run(STOP_CONTAINERS="1", START_CONTAINERS="1")
    assert aio.config["community_variable"] and aio.did("php", "wrote a stale configuration")


def test_a_replaced_mastercontainer_goes_on_by_its_schedule(aio):
    """The lock file that the killed script left starts AIO's own run at once."""
    aio.install(schedule=("04:00", "automaticUpdatesAreNotEnabled"))
    before = aio.docker.inspect(MASTER)["Id"]
    aio.switch(watchtower={"update": True})
    done = aio.run(DAILY_BACKUP="1", AUTOMATIC_UPDATES="1")
    assert done.returncode != 0 and CONTRACT["SAY_FINISHED"] not in done.stdout
    aio.wait_did(MASTER, "own run")
    assert aio.docker.inspect(MASTER)["Id"] != before
    aio.wait_did("mastercontainer", "left", 60, code=0)
    assert len(aio.archives()) == 1 and aio.stack_up()
    assert CONTRACT["SAY_FINISHED"] in aio.docker.cli("logs", MASTER).stdout


def test_own_run_is_seen_in_the_process_list(aio):
    aio.install(schedule=("04:00",))
    aio.switch(borgbackup={"hold": "before_create"})
    aio.own_run()
    aio.wait_did(BORG, "held")
    _, top = aio.docker.call("GET", f"/containers/{MASTER}/top?ps_args=-ef")
    assert any(p[-1] == "bash /daily-backup.sh" for p in top["Processes"])
    assert aio.lock.exists() and aio.lock.stat().st_uid == 33 and aio.active()
    aio.switch(borgbackup={"hold": None})
    aio.wait_idle()


def test_apache_never_up_is_waited_for_without_end(aio):
    aio.install()
    aio.switch(apache={"never_up": True})
    aio.docker.cli("restart", "nextcloud-aio-apache")
    aio.forget()
    run = subprocess.Popen(["docker", f"--host={aio.docker.host}", "exec", MASTER,
                            "/daily-backup.sh"], stdout=subprocess.PIPE, text=True)
    said = [run.stdout.readline().strip() for _ in range(6)]
    assert said == [CONTRACT["SAY_STARTED"]] + [CONTRACT["SAY_WAIT_APACHE"]] * 5
    run.kill()
    run.wait()
    run.stdout.close()
    assert aio.active(), "closing the stream does not stop the script"
    aio.docker.cli("kill", "nextcloud-aio-apache")
    aio.wait_did("mastercontainer", "left", 30)


def test_a_killed_borgbackup_keeps_the_database_waiting(aio):
    aio.install()
    aio.switch(borgbackup={"hold": "before_create"})
    run = threading.Thread(target=lambda: aio.run(**BACKUP))
    run.start()
    aio.wait_did(BORG, "held")
    aio.docker.cli("kill", "-s", "TERM", BORG)
    aio.wait_did("nextcloud-aio-database", "waits for the backup")
    assert aio.state(BORG)["ExitCode"] == 143 and aio.status() is None
    os.unlink(aio.dump_dir / "backup-is-running")
    run.join()
    aio.wait_serving()


def test_healthcheck(aio):
    aio.install(stack=False)
    done = aio.docker.cli("exec", MASTER, "/healthcheck.sh")
    assert done.stdout == "" and "succeeded!" in done.stderr
    aio.config_path.rename(aio.config_path.with_name("away"))
    done = aio.docker.cli("exec", MASTER, "/healthcheck.sh")
    assert done.returncode == 0 and done.stderr == ""


def test_status_php(aio):
    aio.install()
    status = aio.status()
    assert status["installed"] is True and status["maintenance"] is False
    aio.switch(nextcloud={"maintenance": True})
    assert aio.status()["maintenance"] is True
    aio.docker.cli("stop", "nextcloud-aio-nextcloud")
    assert aio.status() is None


def test_environment_that_aio_knows_is_kept(aio):
    """Even empty: the apache port is lost."""
    aio.install()
    aio.run(START_CONTAINERS="1", APACHE_PORT="", UNKNOWN="1")
    assert aio.config["apache_port"] == "" and "UNKNOWN" not in aio.config_path.read_text()
    assert aio.did("php", "persisted", name="APACHE_PORT")


def test_a_remote_repository(aio, folder):
    """The first run makes a key and fails; once the key is let in, borg goes over ssh."""
    with Sshd(folder / "sshd", command="") as sshd:
        aio.install(location="", remote=sshd.location(folder / "far"))
        aio.run(**BACKUP)
        assert aio.state(BORG)["ExitCode"] == 1 and aio.archives() == []
        scenarios.assert_borg_log(["BORG_FIRST_KEY", "BORG_KEY"], scenarios.borg_stdout(aio))
        with open(folder / "sshd/authorized_keys", "a") as keys:
            keys.write((aio.data / "id_borg.pub").read_text())
        aio.run(**BACKUP)
        assert aio.state(BORG)["ExitCode"] == 0 and len(aio.archives()) == 1, aio.log()
        assert (folder / "far/config").exists()
        assert (aio.data / "borg.config").read_bytes() == b""
        binds = aio.docker.inspect(BORG)["HostConfig"]["Binds"]
        assert not any("/mnt/borgbackup" in b for b in binds)


def test_a_full_disk(aio):
    aio.install(disk_kib=200, stack=False)
    with pytest.raises(OSError):
        (aio.data / "too-much").write_bytes(b"x" * 400000)


def test_every_line_of_the_contract_names_its_source():
    text = (scenarios.HERE / "contract.sh").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    bare = [line for line in lines if not re.search(r"['\"] # \S", line)]
    assert bare == [] and len(lines) == len(CONTRACT)
