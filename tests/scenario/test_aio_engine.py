"""The Docker Engine that the tests about AIO run on: several at a time, restarted, and gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.dockerd import Dockerd, cgroups_of, mounts_below, processes_of
from fixtures.harness import ROOT, wait_for

SLEEPER = ("--network=host", "--stop-signal=SIGKILL", "--entrypoint=/bin/busybox")


def sleeper(docker, name="one", *options):
    """A container that sleeps, from busybox alone."""
    root = docker.folder / "root"
    (root / "bin").mkdir(parents=True, exist_ok=True)
    (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    tar = subprocess.run(["tar", "-C", root, "-c", "."], check=True, capture_output=True).stdout
    subprocess.run(["docker", f"--host={docker.host}", "import", "-", "sleeper"], input=tar,
                   check=True, capture_output=True)
    docker.cli("run", "-d", "--name", name, *SLEEPER, *options, "sleeper", "sleep", "1000")


def assert_gone(docker):
    assert processes_of(docker.folder, docker.name) == [] and mounts_below(docker.folder) == []
    assert not docker.folder.exists()
    assert cgroups_of(docker.name) == []


def test_two_at_a_time_do_not_see_each_other(folder):
    with Dockerd(folder / "a") as a, Dockerd(folder / "b") as b:
        assert a.driver in ("overlay2", "vfs")
        sleeper(a)
        assert a.inspect("one")["State"]["Running"] is True
        assert b.inspect("one") is None
    assert_gone(a)
    assert_gone(b)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_ends_the_containers(folder, how):
    with Dockerd(folder / "a") as docker:
        sleeper(docker)
        docker.restart(how)
        assert docker.inspect("one")["State"]["Running"] is False
        assert docker.cli("start", "one")


def test_a_restart_that_leaves_the_containers_alone(folder):
    with Dockerd(folder / "a", live_restore=True) as docker:
        sleeper(docker)
        pid = docker.inspect("one")["State"]["Pid"]
        docker.restart()
        assert docker.inspect("one")["State"]["Pid"] == pid
    assert_gone(docker)


def test_nothing_is_left_when_the_test_dies(folder):
    said = folder / "said"
    program = (f"import sys, time; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
               "from fixtures.dockerd import Dockerd\n"
               "from scenario.test_aio_engine import sleeper\n"
               f"d = Dockerd({str(folder / 'a')!r}).start(); sleeper(d)\n"
               f"open({str(said)!r}, 'w').write(d.name); time.sleep(100)\n")
    child = subprocess.Popen([sys.executable, "-c", program])
    name = wait_for(lambda: said.exists() and said.read_text(), 30, "its Engine")
    assert processes_of(folder / "a", name)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_for(lambda: not processes_of(folder / "a", name) and not (folder / "a").exists(), 30, "the sweep")
