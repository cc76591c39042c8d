"""A passphrase-protected ed25519 key against a real sshd with `borg serve`."""

import subprocess

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import marked_processes, wait_for
from fixtures.sshd import Sshd

BORG_PASSPHRASE, SSH_PASSPHRASE = "correct horse battery", "staple: \"of\" the 'key' %41 \\ é"


@pytest.fixture(scope="module")
def sshd(module_folder):
    """The key is protected only once the repository is made, by a borg of our own."""
    with Sshd(module_folder / "sshd") as one:
        yield one


def protect(key):
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SSH_PASSPHRASE, "-f", str(key)],
                   check=True, capture_output=True)


@pytest.fixture(scope="module")
def one(shared, sshd):
    made = Setup(shared, "remote", BORG_PASSPHRASE, in_config=False, count=0)
    made.repositories = [sshd.location(shared.folder / "repo-remote")]
    borg.make_repository(made.home, made.repositories[0], BORG_PASSPHRASE, sshd.rsh)
    made.write(ssh_command=sshd.rsh)
    protect(sshd.key)
    return made


def local(one):
    """The same repository by its path, for a borg of our own without ssh."""
    return one.repositories[0].partition("@")[2].partition("/")[2]


def test_both_passphrases_of_the_request_are_used(shared, one, sshd):
    record = shared.run_backup("remote", borg_passphrase=BORG_PASSPHRASE,
                               ssh_passphrase=SSH_PASSPHRASE)
    assert record["state"] == "succeeded", record
    entry = record["result"]["repositories"][0]
    assert entry["archive"]["verified"] is True and entry["archive"]["nfiles"] >= len(one.files)
    assert "Accepted publickey" in sshd.log()
    for secret in (BORG_PASSPHRASE, SSH_PASSPHRASE):
        assert secret not in str(record)


def test_without_the_ssh_passphrase_the_host_lets_nobody_in(shared, one):
    record = shared.run_backup("remote", borg_passphrase=BORG_PASSPHRASE)
    assert record["state"] == "failed"
    assert record["verdict"]["word"] == "ssh_auth_failed", record["verdict"]
    assert marked_processes(record["id"]) == []


def test_a_wrong_ssh_passphrase_fails_soon_and_says_so(shared, one):
    record = shared.run_backup("remote", borg_passphrase=BORG_PASSPHRASE,
                               ssh_passphrase="not the right one")
    assert record["state"] == "failed"
    assert record["verdict"]["word"] == "ssh_auth_failed", record["verdict"]
    assert record["ended"] - record["started"] < 20


def test_an_unknown_host_key_is_not_asked_of_the_askpass_for_ever(shared, one, sshd):
    known = sshd.known_hosts.read_text()
    one.write(ssh_command=sshd.rsh.replace("StrictHostKeyChecking=yes", "StrictHostKeyChecking=ask"))
    sshd.known_hosts.write_text("")
    try:
        record = shared.run_backup("remote", borg_passphrase=BORG_PASSPHRASE,
                                   ssh_passphrase=SSH_PASSPHRASE)
        assert record["state"] == "failed"
        assert record["verdict"]["word"] == "host_key_unknown", record["verdict"]
    finally:
        sshd.known_hosts.write_text(known)
        one.write(ssh_command=sshd.rsh)
    record = shared.run_backup("remote", borg_passphrase=BORG_PASSPHRASE,
                               ssh_passphrase=SSH_PASSPHRASE)
    assert record["state"] == "succeeded", record


def test_cancelling_ends_the_servers_side_too(shared, one):
    sources = one.source / "more"
    borg.make_sources(sources, "more", 60, 1_000_000)
    one.write(compression="lzma,9")
    job = shared.backup("remote", borg_passphrase=BORG_PASSPHRASE,
                        ssh_passphrase=SSH_PASSPHRASE)["job_id"]
    wait_for(lambda: any(e["kind"] == "progress" and e["data"].get("files")
                         for e in shared.events(job)), 40, "borg reads files")
    shared.write.delete(f"/jobs/{job}")
    assert shared.wait_job(job)["state"] == "cancelled"
    assert marked_processes(job) == []
    wait_for(lambda: not borg.is_locked(shared.folder / "repo-remote"), 10, "the lock is free")
    one.write(compression="none")
    record = shared.run_backup("remote", borg_passphrase=BORG_PASSPHRASE,
                               ssh_passphrase=SSH_PASSPHRASE)
    assert record["state"] == "succeeded", record
