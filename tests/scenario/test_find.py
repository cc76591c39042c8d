"""One pattern looked for across archives, on real repositories."""

import os
from urllib.parse import unquote_to_bytes

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import FULL
from scenario.test_archives import hostile_sources


def archive(one, name, second, *paths, n=0):
    borg.borg(one.home, "create", f"--timestamp=2026-01-01T00:00:0{second}",
              f"{one.repositories[n]}::{name}", *paths)


@pytest.fixture(scope="module")
def two(shared):
    """Two repositories: three archives in the first, the newest of all in the second."""
    one = Setup(shared, "find", files=0, count=2)
    one.hostile = hostile_sources(one.source)
    (one.source / "deep" / "er.txt").mkdir(parents=True)
    (one.source / "deep" / "er.txt" / "beneath").write_text("12345")
    (one.source / "deep" / "a.txt").write_text("a")
    archive(one, "old", 1, one.source / "deep")
    archive(one, "hostile", 2, one.source)
    (one.source / "deep" / "b.txt").write_text("bb")
    archive(one, "of{{braces}}", 3, one.source / "deep")
    archive(one, "newest", 4, one.source / "deep", n=1)
    return one


def find(daemon, label="find", **body):
    return daemon.read.post(f"/repositories/{label}/archives/find", body)


def top(one):
    return str(one.source).lstrip("/")


def names(one, reply):
    """[(archive, paths beneath the source)]"""
    return [(r["archive"], [e["path"][len(top(one)):] for e in r["entries"]]) for r in reply.json["results"]]


def test_a_pattern_is_found_in_every_archive_newest_first(shared, two):
    reply = find(shared, pattern="**/deep/*.txt", match="[!h]*")
    assert reply.status == 200 and reply.json["returncode"] == 0 and reply.json["stderr"] == "", reply
    all_of_it = ["/deep/a.txt", "/deep/b.txt", "/deep/er.txt", "/deep/er.txt/beneath"]
    found = names(two, reply)
    assert [(name, sorted(paths)) for name, paths in found] == [
        ("newest", all_of_it), ("of{braces}", all_of_it),
        ("old", ["/deep/a.txt", "/deep/er.txt", "/deep/er.txt/beneath"])]
    assert reply.json["searched"] == 3 and reply.json["truncated"] is False
    ids = borg.archive_ids(two.home, two.repositories[0])
    assert [(r["repository"], r["id"]) for r in reply.json["results"][1:]] == [
        (two.repositories[0], ids["of{braces}"]), (two.repositories[0], ids["old"])]
    assert reply.json["results"][0]["repository"] == two.repositories[1]
    entry = next(e for e in reply.json["results"][0]["entries"] if e["path"].endswith("beneath"))
    assert entry["type"] == "file" and entry["size"] == 5 and entry["mtime"].endswith("Z")
    times = [r["time"] for r in reply.json["results"]]
    assert times == sorted(times, reverse=True) and all(t.endswith("Z") and len(t) == 20 for t in times)
    record = shared.job(reply.json["job_id"])
    assert record["state"] == "succeeded" and record["result"]["searched"] == 3
    assert record["result"]["entries"] == 11


def test_what_matches_nothing_is_no_fault(shared, two):
    for body in ({"pattern": "a.txt", "last": 1}, {"pattern": "*", "match": "none"}):
        reply = find(shared, **body)
        assert reply.status == 200 and reply.json["results"] == [] and not reply.json["truncated"], reply
        assert reply.json["searched"] == (0 if "match" in body else 1)


def test_it_is_narrowed(shared, two):
    body = {"pattern": "**/a.txt"}
    assert [n for n, _ in names(two, find(shared, **body, last=2))] == ["newest", "of{braces}"]
    first = {"repository_label": two.repositories[0]}
    assert [n for n, _ in names(two, find(shared, **body, **first))] == ["of{braces}", "hostile", "old"]
    assert [n for n, _ in names(two, find(shared, **body, match="of{*"))] == ["of{braces}"]
    assert names(two, find(shared, pattern="/" + top(two) + "/deep/a.txt", last=1)) == [
        ("newest", ["/deep/a.txt"])]


def test_the_limit_ends_the_search(shared, two):
    reply = find(shared, pattern="**/deep/*.txt", limit=4, match="[!h]*")
    assert [len(p) for _, p in names(two, reply)] == [4] and reply.json["truncated"] is True
    assert reply.json["searched"] == 1
    reply = find(shared, pattern="**/deep/?.txt", limit=5, match="[!h]*")
    assert [len(p) for _, p in names(two, reply)] == [2, 2, 1] and reply.json["truncated"] is False
    reply = find(shared, pattern="**", limit=6, match="hostile")
    assert [len(p) for _, p in names(two, reply)] == [6] and reply.json["truncated"] is True, reply
    assert reply.json["returncode"] == 0 and reply.json["searched"] == 1
    record = shared.job(reply.json["job_id"])
    assert record["state"] == "succeeded" and record["verdict"]["word"] == "read", record
    assert record["result"]["repositories"][0]["verdict"]["word"] == "read", record
    assert not borg.is_locked(two.repositories[0])


def raw_name(entry):
    """Its last part, as bytes."""
    if entry.get("lossy"):
        assert "\ufffd" in entry["path"]
        return os.path.basename(unquote_to_bytes(entry["path_encoded"]))
    return os.path.basename(entry["path"].encode())


def test_hostile_names_are_found_with_all_their_bytes(shared, two):
    reply = find(shared, pattern="**", match="hostile", limit=2000)
    seen = {raw_name(e) for e in reply.json["results"][0]["entries"]}
    assert {os.path.basename(path) for path in two.hostile} <= seen


# What a value could be mistaken for, and what is quoted how; each costs two starts of borg.
PATTERNS = {"re:.*": b"re:.*", "-rf": b"-rf", "[[]a]": b"[a]", "bad?name": b"bad\xffname", "new\nline": b"new\nline"}
MORE_PATTERNS = {"--stdout": b"--stdout", "pp:x": b"pp:x", "sh:[*][*]": b"sh:**", "[*]": b"*", "[?]": b"?",
                 "{now}": b"{now}", "日本?": "日本語".encode(), "back\\slash": b"back\\slash", "fm:[*]": b"fm:*"}


@pytest.mark.parametrize("pattern,name", (PATTERNS | (MORE_PATTERNS if FULL else {})).items())
def test_a_pattern_is_a_pattern_of_names_and_nothing_else(shared, two, pattern, name):
    reply = find(shared, pattern="**/" + pattern, match="hostile", repository_label=two.repositories[0])
    assert reply.status == 200 and reply.json["stderr"] == "", reply
    assert [raw_name(e) for r in reply.json["results"] for e in r["entries"]] == [name]


@pytest.mark.parametrize("pattern", ["--help", "re:.*", "pp:."])
def test_a_value_is_no_option_and_no_other_style(shared, two, pattern):
    reply = find(shared, pattern=pattern, last=1)
    assert reply.status == 200 and reply.json["results"] == [] and reply.json["searched"] == 1, reply


@pytest.mark.parametrize("body,field", [
    ({"pattern": None}, "pattern"), ({"pattern": ""}, "pattern"), ({"pattern": "a" * 1025}, "pattern"),
    ({"pattern": 1}, "pattern"), ({"pattern": "x[z-a]"}, "pattern"),
    ({"pattern": "[a/b]"}, "pattern"), ({"last": 0}, "last"), ({"last": 101}, "last"), ({"limit": 0}, "limit"),
    ({"limit": 2001}, "limit"), ({"match": ""}, "match"), ({"match": "[z-a]"}, "match"),
    ({"timeout": 0}, "timeout"), ({"repository_label": "no"}, "repository_label"), ({"surprise": 1}, "surprise"),
    ({"borg_passphrase": "x\n"}, "borg_passphrase"), ({"ssh_passphrase": 7}, "ssh_passphrase"),
])
def test_a_bad_question_is_refused(shared, two, body, field):
    before = len(shared.read.get("/jobs?limit=500").json["jobs"])
    reply = find(shared, **{"pattern": "*", **body})
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
    assert len(shared.read.get("/jobs?limit=500").json["jobs"]) == before
