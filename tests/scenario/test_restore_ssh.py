"""Extract, mount and drill over ssh, with both passphrases from the request."""

import secrets
import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.leaks import found_below, found_in
from fixtures.sshd import Sshd

ALONE = secrets.token_hex(8)  # all processes are looked at, those of other tests too
BORG_PASSPHRASE = f"correct horse {ALONE}"
SSH_PASSPHRASE = f"staple {ALONE}: \"of\" the 'key' %41 \\ é"
SECRETS = {"borg_passphrase": BORG_PASSPHRASE, "ssh_passphrase": SSH_PASSPHRASE}


@pytest.fixture(scope="module")
def sshd(module_folder):
    with Sshd(module_folder / "sshd") as one:
        yield one


@pytest.fixture(scope="module")
def one(shared, sshd):
    """The key is protected only once the repository is made, by a borg of our own."""
    made = Setup(shared, "remote", BORG_PASSPHRASE, in_config=False, count=0, files=3)
    made.repositories = [sshd.location(shared.folder / "repo-remote")]
    borg.make_repository(made.home, made.repositories[0], BORG_PASSPHRASE, sshd.rsh)
    made.write(ssh_command=sshd.rsh)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SSH_PASSPHRASE, "-f", str(sshd.key)],
                   check=True, capture_output=True)
    assert shared.run_backup("remote", **SECRETS)["state"] == "succeeded"
    return made


def test_files_come_back_over_ssh_and_no_secret_leaves(shared, one, folder):
    place, point = folder / "out", folder / "point"
    replies = [shared.write.post("/archives/extract", {
        "repository": "remote", "latest": True, "destination": str(place), **SECRETS})]
    replies.append(shared.write.post("/repositories/remote/verify-restore", SECRETS))
    replies.append(shared.write.post("/archives/mount", {
        "repository": "remote", "latest": True, "mount_point": str(point), **SECRETS}))
    assert [r.status for r in replies] == [200, 200, 200], replies
    for file in one.files:
        assert (place / file[1:]).read_bytes() == Path(file).read_bytes()
        assert (point / file[1:]).read_bytes() == Path(file).read_bytes()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if f"STATE_DIR={shared.state}".encode() not in seen:
            assert found_in([BORG_PASSPHRASE, SSH_PASSPHRASE], seen) == [], process
    replies.append(shared.write.post("/archives/umount", {"mount_point": str(point)}))
    assert replies[-1].status == 200, replies[-1]
    for reply in replies:
        assert found_in([BORG_PASSPHRASE, SSH_PASSPHRASE], reply.body) == []
        job = reply.json["job_id"]
        assert found_in([BORG_PASSPHRASE, SSH_PASSPHRASE],
                        repr(shared.events(job)).encode()) == []
    assert found_below([BORG_PASSPHRASE, SSH_PASSPHRASE], shared.state) == []


def test_without_the_ssh_passphrase_the_host_lets_nobody_in(shared, one, folder):
    reply = shared.write.post("/archives/extract", {
        "repository": "remote", "latest": True, "destination": str(folder / "out"),
        "borg_passphrase": BORG_PASSPHRASE})
    assert reply.status == 502 and reply.json["error"] == "command_failed", reply
    assert not (folder / "out").exists()
