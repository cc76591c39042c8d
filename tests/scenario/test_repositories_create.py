"""Repositories made, with what a new one may be told."""

from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.repositories import PASSPHRASE, fails, names_field, one, planned, post


@pytest.mark.parametrize("mode", ["none", "repokey", "keyfile-blake2", "authenticated"])
def test_a_repository_is_made_and_opened(shared, mode):
    label = f"make{mode}"
    planned(shared, label)
    body = {} if mode == "none" else {"borg_passphrase": PASSPHRASE}
    reply = post(shared, label, "create", encryption=mode, **body)
    assert reply.status == 200 and reply.json["ok"] is True and reply.json["returncode"] == 0, reply
    assert reply.json["command"][1] in ("rcreate", "repo-create")
    assert f"--encryption={mode}" in reply.json["command"] and PASSPHRASE not in reply.text
    job = reply.json["job"]
    assert job["verdict"]["word"] == "repository_created"
    entry, = job["result"]["repositories"]
    assert len(entry["id"]) == 64 and entry["encryption"].startswith(mode.split("-")[0])
    reply = post(shared, label, "create", encryption=mode, **body)
    fails(shared, reply, 409, "already_exists", "already_exists")
    reply = shared.read.post(f"/repositories/{label}/info", body)
    assert reply.json["data"][0]["repository"]["id"] == entry["id"]


def test_the_options_of_a_new_repository(shared):
    one = planned(shared, "options")
    one.repositories = [str(shared.folder / "above" / "repo")]
    one.write()
    reply = post(shared, "options", "create", encryption="none")
    fails(shared, reply, 404, "repository_not_found", "repository_not_found")
    reply = post(shared, "options", "create", encryption="none", append_only=True,
                 storage_quota="5G", make_parent_dirs=True)
    assert reply.status == 200, reply
    written = Path(one.repositories[0], "config").read_text()
    assert "append_only = 1" in written and "storage_quota = 5000000000" in written


def test_of_several_repositories_only_the_missing_are_made(shared):
    one = planned(shared, "some", count=2)
    borg.make_repository(one.home, one.repositories[0])
    reply = post(shared, "some", "create", encryption="none")
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    assert reply.json["job"]["verdict"]["word"] == "some_existed"
    words = [r["verdict"]["word"] for r in reply.json["job"]["result"]["repositories"]]
    assert words == ["already_exists", "repository_created"]


def test_what_create_refuses(shared):
    planned(shared, "norepository")
    names_field(post(shared, "norepository", "create", encryption="rot13"), "encryption")
    names_field(post(shared, "norepository", "create", encryption="--json"), "encryption")
    names_field(post(shared, "norepository", "create"), "borg_passphrase")
    names_field(post(shared, "norepository", "create", append_only="x"), "append_only")
    names_field(post(shared, "norepository", "create", make_parent_dirs=1), "make_parent_dirs")
    for quota in ("-5G", "5X", "G", "5.G", "5 G"):
        names_field(post(shared, "norepository", "create", storage_quota=quota), "storage_quota")
    assert shared.read.post("/repositories/norepository/create", {}).status == 403
    assert not list(shared.folder.glob("repo-norepository*"))


def test_a_wrong_passphrase_does_not_make_a_second_repository(shared):
    one = Setup(shared, "there", PASSPHRASE, in_config=False)
    reply = post(shared, "there", "create", encryption="repokey", borg_passphrase="another one")
    # borgmatic before 1.8.9 tells no wrong passphrase from a missing repository; borg's init does.
    assert (reply.status, reply.json["error"]) in ((409, "already_exists"),
                                                   (422, "wrong_passphrase")), reply
    assert one.archives() == []
