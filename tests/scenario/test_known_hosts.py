"""Known hosts: shown, pinned by their fingerprint, forgotten."""

import stat
import subprocess

import pytest

from fixtures.harness import free_port, marked_processes
from fixtures.ssh_keys import content, refused, server


# ---- known hosts ----

def known(daemon):
    return daemon.read.get("/ssh-keys/known-hosts").json["hosts"]


def pin(daemon, server, **body):
    return daemon.write.post("/ssh-keys/known-hosts",
                             {"host": "127.0.0.1", "port": server.port, **body})


def test_a_host_is_shown_pinned_by_its_fingerprint_and_forgotten(shared, server):
    path = shared.ssh / "known_hosts"
    others = b"# a comment\n\nother.example ssh-rsa not-a-key\nlast line without end"
    path.write_bytes(others)
    said = refused(pin(shared, server), 428, "confirmation_needed")
    assert path.read_bytes() == others
    found = {k["type"]: k for k in said["found"]}["ssh-ed25519"]
    own = subprocess.run(["ssh-keygen", "-lf", server.folder / "host.pub"], capture_output=True,
                         text=True, check=True).stdout.split()[1]
    assert found["fingerprint"] == own
    wrong = "SHA256:" + "A" * 43
    refused(pin(shared, server, fingerprint=wrong), 409, "fingerprint_mismatch")
    assert path.read_bytes() == others
    reply = pin(shared, server, fingerprint=own)
    assert reply.status == 200 and reply.json["pinned"] is True and reply.json["changed"] is True
    assert path.read_bytes() == others + b"\n" + server.known_hosts.read_bytes()
    assert [k["fingerprint"] for k in known(shared)] == [own]
    assert pin(shared, server, fingerprint=own).json["changed"] is False
    asked = f"/ssh-keys/known-hosts?host=127.0.0.1&port={server.port}"
    reply = shared.write.request("DELETE", asked)
    assert reply.status == 200 and reply.json["deleted"] is True, reply
    assert path.read_bytes() == others + b"\n"
    refused(shared.write.request("DELETE", asked), 404, "not_found")


def test_another_key_of_the_same_type_is_an_error_of_its_own(shared, server, folder):
    path = shared.ssh / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "old"], check=True)
    old = (folder / "old.pub").read_text().split()[:2]
    own = (server.folder / "host.pub").read_text().strip()
    for hashed in (False, True):
        path.write_text(f"[127.0.0.1]:{server.port},twin {' '.join(old)}\n" if not hashed
                        else f"[127.0.0.1]:{server.port} {' '.join(old)}\n")
        if hashed:
            subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
            assert known(shared)[0]["hashed"] is True and known(shared)[0]["hosts"] is None
        path.chmod(0o644)
        before = path.read_bytes()
        said = refused(pin(shared, server, key=own), 409, "host_key_changed")
        assert "replace" in said["message"] and path.read_bytes() == before
        reply = pin(shared, server, key=own, replace=True)
        assert reply.status == 200 and reply.json["changed"] is True, reply
        kept = "" if hashed else f"twin {' '.join(old)}\n"
        assert path.read_text() == kept + server.known_hosts.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o644  # as it was


@pytest.mark.parametrize("body, field", [
    ({"host": None}, "host"), ({"host": "-x"}, "host"), ({"host": "a b"}, "host"),
    ({"host": "a,b"}, "host"), ({"port": 0}, "port"), ({"key": "ssh-ed25519 AAAA"}, "key"),
    ({"key": "command=\"x\" ssh-ed25519 AAAA"}, "key"), ({"fingerprint": "MD5:00"}, "fingerprint"),
    ({"replace": "true", "fingerprint": "SHA256:" + "A" * 43}, "replace"), ({"colour": 1}, "colour"),
])
def test_a_host_that_cannot_be_pinned_is_refused(shared, server, body, field):
    sent = {"host": "127.0.0.1", "port": server.port, **body}
    sent = {k: v for k, v in sent.items() if v is not None}
    before = content(shared.ssh)
    refused(shared.write.post("/ssh-keys/known-hosts", sent), 400, "bad_request", field)
    assert content(shared.ssh) == before


def test_a_host_that_is_no_ssh_server_says_so(shared):
    reply = shared.write.post("/ssh-keys/known-hosts", {"host": "127.0.0.1", "port": free_port()})
    refused(reply, 502, "command_failed")
    assert marked_processes(reply.json["job_id"]) == []


def test_a_known_hosts_that_is_a_link_is_left_alone(shared, server, folder):
    path = shared.ssh / "known_hosts"
    path.unlink(missing_ok=True)
    path.symlink_to(folder / "elsewhere")
    own = (server.folder / "host.pub").read_text().strip()
    assert pin(shared, server, key=own).status == 503
    assert not (folder / "elsewhere").exists()
    path.unlink()
