"""Two passphrases, one of a repository and one of an SSH key, through every route that takes them:
neither leaves by arguments, environments, log, events, database or answers."""

import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import SANITIZED, Daemon, wait_for
from fixtures.leaks import execve_trace, found_below, found_in
from fixtures.routes import bodies, fill, operations
from fixtures.sshd import Sshd

BORG, SSH, NEW = "Rep0sitory pass \"word\" %7", "Key'Pass\\phrase+2", "the-N3w passphrase é"
USER = "an-admin of Nextcloud's"
# What a secret field is given, by its name; anything else gets the repository's.
BY_NAME = {"ssh_passphrase": SSH, "new_passphrase": NEW, "new_borg_passphrase": NEW,
           "user": USER}
ALIAS = "new_passphrase"  # of new_borg_passphrase: one of them is given
# Routes that make the repository or the key another one come last, in this order.
LAST = ("ssh-key-replace", "ssh-key-renew", "repository-passphrase-change")


def values(daemon, sshd, name, archive):
    """What the fields of the named route are given, where it has them; the rest is left unset."""
    room = daemon.folder / "room"
    room.mkdir(exist_ok=True)
    return {"repository": "one", "archive": archive if "diff" in name else "latest", "confirm": archive if "archive" in name
            else "one", "destination": str(room / name), "mount_point": str(room / name),
            "ttl": 60, "encryption": "repokey", "pattern": "*", "dry_run": True, "count": 3,
            "other": archive}


def settled(daemon):
    """Nothing runs but mounts."""
    wait_for(lambda: all(j["kind"] == "mount" for j in daemon.read.get(
        "/jobs?state=running").json["jobs"]), 60, "the jobs end")


@pytest.fixture(scope="module")
def watched(module_folder):
    folder = module_folder
    trace = folder / "trace"
    prefix = [] if SANITIZED else execve_trace(trace)
    daemon = Daemon(folder / "d", prefix=prefix, LOG_LEVEL="debug",
                    EXTRACT_ROOTS=str(folder))
    answers, asked = [], {}
    with daemon, Sshd(folder / "sshd") as sshd:
        location = sshd.location(daemon.folder / "repo-one")
        borg.make_repository(daemon.home, location, BORG, sshd.rsh)
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SSH, "-f", str(sshd.key)],
                       check=True, capture_output=True)
        one = Setup(daemon, "one", BORG, in_config=False, count=0, ssh_command=sshd.rsh,
                    keep_daily=7)
        one.repositories = [location]
        one.write()
        both = {"borg_passphrase": BORG, "ssh_passphrase": SSH}
        made = daemon.run_backup("one", **both)
        assert made["state"] == "succeeded", made
        (daemon.ssh / "id_one").write_bytes(sshd.key.read_bytes())
        (daemon.ssh / "id_one").chmod(0o600)
        (daemon.ssh / "id_one.pub").write_text(Path(f"{sshd.key}.pub").read_text())
        (daemon.ssh / "known_hosts").write_text(sshd.known_hosts.read_text())
        all_routes, all_bodies = operations(), bodies()
        # Those of AIO's workflow are asked where there is an AIO: test_aio_secrets.
        names = [n for n, (_, secrets) in all_bodies.items() if secrets and not n.startswith("aio-")]
        names.sort(key=lambda n: (LAST.index(n) if n in LAST else -1, n))
        archive = made["result"]["repositories"][0]["archive"]["name"]
        for name in names:
            method, pattern, _ = all_routes[name]
            fields, secrets = all_bodies[name]
            known = values(daemon, sshd, name, archive)
            if name.startswith("ssh-key"):  # the configuration's server is asked
                known = {"repository": "one"} if name == "ssh-key-test" else {}
            body = {k: v for k, v in known.items() if k in fields}
            body.update({s: BY_NAME.get(s, BORG) for s in secrets if s != ALIAS})
            label = "fresh" if name == "ssh-key-create" else "one"
            path = fill(pattern, {"label": label, "archive": archive})
            reply = daemon.write.request(method, path, body)
            asked[name] = reply.status
            answers.append((name, str(reply.headers).encode() + reply.body))
            settled(daemon)
        for job in daemon.read.get("/jobs?limit=500").json["jobs"]:
            for path in (f"/jobs/{job['id']}", f"/jobs/{job['id']}/log",
                         f"/events/poll/{job['id']}"):
                answers.append((job["kind"], daemon.read.get(path).body))
    return daemon, trace, answers, asked


SECRETS = [BORG, SSH, NEW, USER]


def test_the_routes_took_them(watched):
    _, _, _, asked = watched
    refused = {n: s for n, s in asked.items() if s not in (200, 202)}
    # It is there already; there is no Nextcloud.
    assert refused == {"repository-create": 409, "nextcloud-serverinfo": 502}, refused
    assert len(asked) >= 20


def test_no_program_had_one_in_its_arguments_or_environment(watched):
    if not SANITIZED:  # a sanitizer may not be traced
        text = watched[1].read_bytes()
        assert text.count(b"execve(") > 50
        assert found_in(SECRETS, text) == []


def test_no_answer_and_no_event_shows_one(watched):
    for name, answer in watched[2]:
        assert found_in(SECRETS, answer) == [], (name, answer[:300])


def test_the_log_and_the_state_folder_have_none(watched):
    daemon = watched[0]
    assert found_in(SECRETS, daemon.log_path.read_bytes()) == []
    assert found_below(SECRETS, daemon.state) == []
