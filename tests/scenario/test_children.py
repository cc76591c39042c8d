"""What a child gets from us: its descriptors, its environment, its session, and a clean end."""

import os
import time
from pathlib import Path

import pytest

from fixtures.borg import Setup
from fixtures.harness import Daemon, children_of, marked_processes, wait_for
from fixtures.hooks import Gate

ALLOWED = {"PATH", "HOME", "LC_ALL", "TZ", "TMPDIR", "BORGMATIC_API_JOB", "CHILD_SAYS", "PWD", "SHLVL", "_",
           "OLDPWD", "LANG"}


@pytest.fixture(scope="module")
def seen(module_folder):
    """A backup whose borgmatic and borg are looked at while they stand still."""
    folder = module_folder
    with Daemon(folder / "d", CHILD_ENV="CHILD_SAYS", CHILD_SAYS="hello",
                NOT_FOR_CHILDREN="private") as d:
        gate = Gate(folder)
        Setup(d, "one", "correct horse battery", in_config=False,
              before_backup=[gate.command])
        streams = [d.stream("create:1") for _ in range(3)]  # open descriptors of ours
        job = d.backup("one", borg_passphrase="correct horse battery")["job_id"]
        wait_for(gate.is_reached, 30, "the hook runs")
        d.leader = d.job(job)["pid"]
        # Python blocks every signal for the moment in which it starts the hook.
        d.facts = wait_for(lambda: settled(facts_of(d.leader)), 10, "borgmatic takes signals")
        d.hook = [facts_of(p) for p in marked_processes(job) if p != d.leader]
        d.job_id = job
        gate.open()
        d.borgs = []
        while d.job(job)["state"] == "running":
            for pid in marked_processes(job):
                try:
                    argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    if b"python" in argv[0] and argv[1].endswith(b"/borg") and b"create" in argv:
                        d.borgs.append(facts_of(pid))
                except OSError:
                    continue
            time.sleep(0.01)
        for stream in streams:
            stream.close()
        yield d


def facts_of(pid):
    base = Path(f"/proc/{pid}")
    environment = dict(e.split("=", 1) for e in
                       (base / "environ").read_bytes().decode().split("\0") if "=" in e)
    descriptors = {}
    for one in (base / "fd").iterdir():
        try:
            descriptors[int(one.name)] = os.readlink(one)
        except OSError:
            continue
    fields = (base / "stat").read_text().rpartition(") ")[2].split()
    status = (base / "status").read_text()
    return {"pid": pid, "env": environment, "fds": descriptors, "cwd": os.readlink(base / "cwd"),
            "parent": int(fields[1]), "group": int(fields[2]), "session": int(fields[3]),
            "ignored": int(status.split("SigIgn:")[1].split()[0], 16),
            "blocked": int(status.split("SigBlk:")[1].split()[0], 16),
            "core": (base / "limits").read_text().split("Max core file size")[1].split()[0]}


def settled(facts):
    return facts if facts["blocked"] == 0 else None


def test_borgmatic_leads_a_session_of_its_own_below_us(seen):
    facts = seen.facts
    assert facts["session"] == facts["group"] == facts["pid"] and facts["parent"] == seen.pid


def test_borgmatic_has_a_temporary_folder_of_its_own_that_goes_with_it(seen):
    """Two borgmatics that share one, as /tmp, remove what the other is just backing up."""
    own = Path(seen.facts["env"]["TMPDIR"])
    assert own.is_relative_to(seen.state / "run")
    assert not own.exists()


def test_backups_at_one_time_do_not_disturb_each_other(daemon):
    labels = [f"side{n}" for n in range(3)]
    for label in labels:
        Setup(daemon, label)
    for _ in range(2):
        jobs = [daemon.backup(label)["job_id"] for label in labels]
        ended = [daemon.wait_job(job, 120) for job in jobs]
        assert [j["state"] for j in ended] == ["succeeded"] * 3, [j["verdict"] for j in ended]


def test_borgmatic_has_no_descriptor_of_ours(seen):
    fds = seen.facts["fds"]
    assert fds[0] == "/dev/null"
    assert fds[1].startswith(("pipe:", "socket:")) and fds[2].startswith(("pipe:", "socket:"))
    # What it opened by itself (a log socket, the pipe of its hook) is not what we hold.
    ours = {os.readlink(f"/proc/{seen.pid}/fd/{n}") for n in os.listdir(f"/proc/{seen.pid}/fd")
            if os.path.exists(f"/proc/{seen.pid}/fd/{n}")}
    for number, target in fds.items():
        if number > 2:
            assert target not in ours or target == "/dev/null", (number, target)
    for hook in seen.hook:
        assert all(str(seen.state) not in t for t in hook["fds"].values())


def test_children_have_an_explicit_environment_and_nothing_else(seen):
    env = seen.facts["env"]
    unexpected = {n for n in env if n not in ALLOWED and not n.startswith(("BORG_", "SSH_ASKPASS",
                                                                          "BORGMATIC_API_"))}
    assert not unexpected - {"DISPLAY", "PYTHONUNBUFFERED", "NO_COLOR"}, unexpected
    assert env["LC_ALL"] == "C.UTF-8" and env["HOME"] == str(seen.home)
    assert env["BORGMATIC_API_JOB"] == seen.job_id and env["CHILD_SAYS"] == "hello"
    assert "BORG_PASSPHRASE" not in env and env["TZ"] == "UTC"
    assert seen.token not in str(env) and "private" not in str(env)


def test_the_working_directory_and_the_signals_are_plain(seen):
    assert seen.facts["cwd"] == "/"
    assert seen.facts["blocked"] == 0
    assert seen.facts["core"] == "0"


def test_borg_itself_got_its_passphrase_by_a_descriptor_alone(seen):
    assert seen.borgs, "the real borg was seen"
    for facts in seen.borgs:
        assert "BORG_PASSPHRASE" not in facts["env"] and "BORG_PASSCOMMAND" not in facts["env"]
        assert "correct horse" not in str(facts["env"])


def test_no_zombie_is_left(seen):
    wait_for(lambda: not [p for p, state in children_of(seen.pid).items() if state == "Z"], 5,
             "no zombies")
    assert marked_processes(seen.job_id) == []


def test_a_descendant_that_leaves_the_session_is_ended_with_its_job(seen, folder):
    Setup(seen, "runaway", before_backup=[
        f"setsid sh -c 'echo $$ >{folder}/pid; exec sleep 1000' </dev/null >/dev/null 2>&1 & "
        f"while [ ! -s {folder}/pid ]; do sleep 0.02; done; touch {folder}/on; sleep 1000"])
    job = seen.backup("runaway")["job_id"]
    wait_for((folder / "on").exists, 30, "the hook runs")
    runaway = int((folder / "pid").read_text())
    seen.write.delete(f"/jobs/{job}")
    assert seen.wait_job(job, 90)["state"] == "cancelled"
    assert marked_processes(job) == [] and not Path(f"/proc/{runaway}").exists()


def test_the_borg_and_askpass_of_a_job_refuse_strangers(seen, folder):
    """A hook that calls our `borg` gets the real one, untouched; our askpass tells it nothing."""
    ssh_secret = "the ssh passphrase"
    out = folder / "out"
    Setup(seen, "curious", before_backup=[
        f"borg --version >{out} 2>&1; \"$SSH_ASKPASS\" \"Enter passphrase for key '/x': \" "
        f">>{out} 2>&1; true"])
    record = seen.run_backup("curious", ssh_passphrase=ssh_secret)
    assert record["state"] == "succeeded"
    assert out.read_text().startswith("borg 1.") and ssh_secret not in out.read_text()


def test_the_run_folder_is_private_and_gone_after_the_job(seen):
    run = seen.state / "run"
    assert not run.exists() or list(run.iterdir()) == []
    assert seen.state.stat().st_mode & 0o077 == 0
