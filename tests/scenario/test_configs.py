"""Configurations: what is shown of them, what may become one, and that a file is never half of one."""

import http.client
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import FULL, SANITIZED, SEED, Daemon, marked_processes, wait_for
from fixtures.hooks import Lines
from fixtures.leaks import found_below, found_in

OLD = borg.version() < (1, 8)
FORMAT = "{now:%Y%m%d_%H%M%S}-nextcloud-aio"


def config(sources=("/etc",), repositories=("/srv/nowhere",), **options):
    """As an object, in the shape the installed borgmatic reads."""
    flat = {"source_directories": list(sources), **options}
    flat["repositories"] = ([{"path": r} for r in repositories]
                            if borg.version() >= (1, 7, 10) else list(repositories))
    if not OLD:
        return flat
    content = {}
    for name, value in flat.items():
        content.setdefault(borg.SECTIONS.get(name, "location"), {})[name] = value
    return content


def text(**options):
    return yaml.safe_dump(config(**options), sort_keys=False)


def option(content, name):
    return content[borg.SECTIONS.get(name, "location")][name] if OLD else content[name]


def put(daemon, label, headers=None, client=None, **body):
    return (client or daemon.write).request("PUT", f"/configs/{label}", body, headers)


def refused(reply, status, error, field=None):
    assert reply.status == status and reply.json["ok"] is False, reply
    assert reply.json["error"] == error and reply.json["message"], reply
    if field:
        assert reply.json["errors"][0]["field"] == field, reply
    return reply.json


def state_of(folder):
    """Everything that a reading route could change."""
    found = {}
    for one in sorted(Path(folder).rglob("*")):
        st = one.lstat()
        found[str(one)] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_mode)
    return found


@pytest.fixture(scope="module")
def coding(module_folder):
    """A daemon that takes what runs programs."""
    with Daemon(module_folder / "coding", ENABLE_CONFIG_CODE="true") as one:
        yield one


# ---- reading ----

def test_the_list_names_every_file_and_what_is_wrong_with_it(daemon):
    (daemon.configs / "plain.yaml").write_text(text())
    (daemon.configs / "other.yml").write_text(text())
    (daemon.configs / "plain.yml").write_text(text())
    (daemon.configs / "bad.yaml").write_text("a: [secretword")
    (daemon.configs / "empty.yaml").write_text("")
    (daemon.configs / ".hidden.yaml").write_text(text())
    (daemon.configs / "a b.yaml").write_text(text())
    (daemon.configs / "folder.yaml").mkdir()
    (daemon.configs / "dangling.yaml").symlink_to("nowhere")
    (daemon.configs / "loop.yaml").symlink_to("loop.yaml")
    (daemon.configs / "big.yaml").write_text("a" * 300_000)
    os.mkfifo(daemon.configs / "fifo.yaml")
    (daemon.configs / "note.txt").write_text("no configuration")
    with open(os.path.join(os.fsencode(daemon.configs), b"\xff.yaml"), "w") as odd:
        odd.write("a: b")
    before = state_of(daemon.configs)
    reply = daemon.read.get("/configs")
    assert reply.status == 200 and reply.json["ok"] is True
    items = {i["file"]: i for i in reply.json["items"]}
    assert reply.json["configs"] == [i["file"] for i in reply.json["items"]]
    assert reply.json["left_out"] == 0 and len(items) == 13 and "note.txt" not in items
    for good in ("plain", "other"):
        item = items[f"{good}.yaml" if good == "plain" else f"{good}.yml"]
        assert item["label"] == good and item["problem"] is None, item
        assert item["etag"] and item["mtime"] > 0 and item["size"] == len(text())
    for name in (".hidden.yaml", "a b.yaml", "plain.yml", "\ufffd.yaml"):
        assert items[name]["label"] is None and items[name]["problem"], name
    for name in ("bad", "empty", "folder", "dangling", "loop", "big", "fifo"):
        assert items[f"{name}.yaml"]["problem"], name
    assert "secretword" not in reply.text
    assert state_of(daemon.configs) == before
    for name, status in (("bad", 422), ("big", 422), ("folder", 404), ("fifo", 404), ("nope", 404)):
        reply = daemon.read.get(f"/configs/{name}")
        assert reply.status == status, (name, reply)
        assert "secretword" not in reply.text
    assert refused(daemon.read.get("/configs/nope"), 404, "not_found")["message"] == \
        "Config nope not found"
    for bad in ("..", "a%0A", "-x", "a%2Fb"):
        refused(daemon.read.get(f"/configs/{bad}"), 400, "bad_request", "label")
    refused(daemon.read.get("/configs/plain?format=xml"), 400, "bad_request", "format")
    results = daemon.read.get("/config/aio-structure-all").json
    assert results["ok"] is True and len(results["results"]) == 13
    assert all(r["ok"] is False for r in results["results"])


def test_a_missing_folder_is_said(folder):
    with Daemon(folder / "d", BORGMATIC_CONFIG_DIR=folder / "none") as daemon:
        refused(daemon.read.get("/configs"), 503, "unavailable")
        refused(daemon.read.get("/config/validate-all"), 503, "unavailable")
        refused(daemon.read.get("/configs/one"), 404, "not_found")
        assert put(daemon, "one", config=config()).status >= 400


SECRETS = {
    "passphrase": "Pa$$phrase-mit\u00e4\"x'", "urlpass": "urlpass-7781", "token": "tok_0123456789abcdef01",
    "ping": "https://hc-ping.com/11111111-2222-3333-4444-555555555555", "db": "db pass:word#1",
    "passcommand": "secret-tool lookup borg repo-name-x", "old": "formerly-used-phrase",
    "include": "included-passphrase-9",
}


def planted(flat):
    """A configuration with every kind of secret, as text with comments."""
    quoted = {k: yaml.dump(v, default_style='"').strip() for k, v in SECRETS.items()}
    location = f"""    source_directories: [/etc]  # what
    repositories:
        - ssh://user:{SECRETS["urlpass"]}@backup.example/./repo
"""
    storage = f"""    encryption_passphrase: {quoted["passphrase"]} # the passphrase
    # encryption_passphrase: {SECRETS["old"]}
    encryption_passcommand: {quoted["passcommand"]}
    ssh_command: ssh -o "ProxyCommand=x {SECRETS["token"]}"
"""
    hooks = f"""    before_backup:
        - /usr/local/bin/stop.sh
        - 'curl -H "Authorization: Bearer {SECRETS["token"]}" http://x'
    healthchecks: {SECRETS["ping"]}
    postgresql_databases:
        - name: users
          hostname: db.example
          password: {quoted["db"]}
"""
    retention = "retention: !include keep.yaml\n"
    if flat:
        def left(block):
            return "\n".join(line[4:] if line.startswith("    ") else line
                             for line in block.split("\n"))
        return "# mine\n" + left(location + storage + hooks) + "<<: !include keep.yaml\n"
    return f"# mine\nlocation:\n{location}storage:\n{storage}hooks:\n{hooks}{retention}"


class Tagged(yaml.SafeLoader):
    pass


Tagged.add_constructor("!include", lambda _loader, node: {"included": node.value})


def read_tagged(content):
    return yaml.load(content.replace("<<", "merged"), Tagged)


@pytest.mark.parametrize("flat", (False, True))
def test_no_secret_of_a_configuration_leaves(folder, flat):
    with Daemon(folder / "d", ENABLE_CONFIG_CODE="true", LOG_LEVEL="debug",
                AUDIT_LOG_PATH=folder / "audit") as daemon:
        (daemon.configs / "keep.yaml").write_text(
            f"# x\nencryption_passphrase: {SECRETS['include']}\nkeep_daily: seven\n")
        path = daemon.configs / "one.yaml"
        path.write_text(planted(flat))
        stored = path.read_text()
        before = state_of(daemon.configs)
        replies = [client.request(method, target)
                   for client in (daemon.read, daemon.write)
                   for method, target in (
                       ("GET", "/configs"), ("GET", "/configs/one"),
                       ("GET", "/configs/one?format=yaml"), ("GET", "/config/one/redacted"),
                       ("GET", "/configs/one/sources"), ("GET", "/config/aio-structure/one"),
                       ("GET", "/config/aio-structure-all"), ("GET", "/config/validate-all"),
                       ("POST", "/config/validate/one"))]
        assert all(r.status == 200 for r in replies), replies
        assert state_of(daemon.configs) == before
        masked = replies[2].text
        for kept in ("# mine", "# what", "# the passphrase", "!include keep.yaml", "curl ***",
                     "/usr/local/bin/stop.sh", "ssh://user:***@backup.example/./repo"):
            assert kept in masked, (kept, masked)
        assert masked.count("\n") == stored.count("\n")
        shown = replies[1].json["config"]
        assert (shown["<<"] if flat else shown["retention"]) == {"!include": "keep.yaml"}
        # What was shown, sent back with one change, keeps every secret; comments stay as shown.
        changed = masked.replace("[/etc]", "[/etc, /home]")
        back = put(daemon, "one", yaml=changed, overwrite=True, validate=False)
        assert back.status == 200, back
        written = path.read_text()
        expected = stored.replace("[/etc]", "[/etc, /home]").replace(SECRETS["old"], "***")

        assert read_tagged(written) == read_tagged(expected)
        again = put(daemon, "one", config=shown, overwrite=True, validate=False)
        assert again.status == 200, again
        assert read_tagged(path.read_text()) == read_tagged(stored)
        # borgmatic refuses both, and quotes values when it does.
        wrong = put(daemon, "one", yaml=changed.replace("[/etc, /home]", "7"), overwrite=True)
        refused(wrong, 400, "validate_error")
        replies += [back, again, wrong, daemon.read.get("/jobs?limit=100")]
        jobs = [j["id"] for j in replies[-1].json["jobs"]]
        replies += [daemon.read.get(f"/jobs/{j}") for j in jobs]
        replies += [daemon.read.get(f"/events/poll/{j}") for j in jobs]
        for reply in replies:
            assert found_in(SECRETS.values(), reply.body) == [], reply
        daemon.stop()
        assert found_below(SECRETS.values(), folder, (daemon.configs,)) == []


def test_json_has_what_pyyaml_reads(shared):
    samples = ["~", "yes", "No", "0o17", "017", "0x1F", "1_000", "1:30", "12e03", "1e+3", "1.5",
               "-.5", "6.8523015e+5", "0b11", "08", "+7", "null", "'null'", "True", "on", "y",
               "1.0", "9" * 15, "a: b", "[1, [2, {c: d}]]", "&x [1]", "text # no", "'it''s'"]
    one = {"list": "\n".join(f"  - {s}" for s in samples)}
    (shared.configs / "types.yaml").write_text("source_directories:\n" + one["list"]
                                               + "\nkeep_daily: 2024-01-01\n")
    got = shared.read.get("/configs/types").json["config"]
    assert got["keep_daily"] == "2024-01-01"
    expected = yaml.safe_load("x:\n" + one["list"])["x"]
    assert list(map(repr, got["source_directories"])) == list(map(repr, expected))
    (shared.configs / "types.yaml").unlink()


def test_sources_in_both_layouts(shared):
    (shared.configs / "s.yaml").write_text(
        "location:\n  source_directories: [/a]\n  patterns: ['R /b', '- /b/c', 'R  /d e']\n")
    reply = shared.read.get("/configs/s/sources")
    assert reply.json["sources"] == ["/a", "/b", "/d e"] and reply.headers["ETag"]
    (shared.configs / "s.yaml").write_text("source_directories:\n- /x\n")
    assert shared.read.get("/configs/s/sources").json["sources"] == ["/x"]
    refused(shared.read.get("/configs/s2/sources"), 404, "not_found")
    (shared.configs / "s.yaml").unlink()


def test_aios_name_format_in_both_layouts(daemon):
    (daemon.configs / "flat.yaml").write_text(f'archive_name_format: "{FORMAT}"\n')
    (daemon.configs / "old.yaml").write_text(f'storage:\n  archive_name_format: "{FORMAT}"\n')
    (daemon.configs / "not.yaml").write_text("archive_name_format: x-{now}\n")
    (daemon.configs / "bad.yaml").write_text("[")
    for label, matches in (("flat", True), ("old", True), ("not", False)):
        got = daemon.read.get(f"/config/aio-structure/{label}").json
        assert got["ok"] is True and got["matches"] is matches and got["required"] == FORMAT
        assert (got["archive_name_format"] == FORMAT) is matches
    refused(daemon.read.get("/config/aio-structure/bad"), 422, "invalid_config")
    got = daemon.read.get("/config/aio-structure-all").json
    assert got["ok"] is True
    assert {r["file"]: r["ok"] for r in got["results"]} == {
        "flat.yaml": True, "old.yaml": True, "not.yaml": False, "bad.yaml": False}
    assert [r["file"] for r in got["results"] if r["problem"]] == ["bad.yaml"]


# ---- writing ----

def test_a_new_one_is_validated_written_and_used(daemon):
    one = Setup(daemon, "by-hand")
    sent = config([str(one.source)], [one.repository])
    assert shown_new(put(daemon, "new", config=sent), daemon) == sent
    assert daemon.run_backup("new")["state"] == "succeeded"
    assert (daemon.configs / "new.yaml").stat().st_mode & 0o777 == 0o600
    # The next run reads the new file: nothing was kept of the old one.
    reply = put(daemon, "new", config=config([str(one.source)], [str(daemon.folder / "elsewhere")]),
                overwrite=True)
    assert reply.status == 200 and reply.json["created"] is False, reply
    failed = daemon.write.post("/create-backup", {"repository": "new"}, {"Prefer": "wait=60"})
    assert failed.status == 404 and failed.json["error"] == "repository_not_found", failed


def shown_new(reply, daemon):
    assert reply.status == 200 and reply.json["ok"] is True, reply
    got = reply.json
    assert got["label"] == "new" and got["path"] == str(daemon.configs / "new.yaml")
    assert got["created"] is True and got["validated"] is True
    assert got["validation"]["returncode"] == 0
    assert reply.headers["ETag"] == got["etag"] == daemon.read.get("/configs/new").json["etag"]
    assert list((daemon.state / "config-check").iterdir()) == []
    return got["config"]


def test_each_field_that_is_wrong_is_named(shared):
    sent = config()
    for field, body in (("config", {}), ("yaml", {"config": sent, "yaml": "a: 1"}),
                        ("config", {"config": [1]}), ("yaml", {"yaml": 5}),
                        ("yaml", {"yaml": ""}), ("yaml", {"yaml": "x" * 262_145}),
                        ("overwrite", {"config": sent, "overwrite": "true"}),
                        ("validate", {"config": sent, "validate": 1}),
                        ("process_timeout", {"config": sent, "process_timeout": 0}),
                        ("overwrte", {"config": sent, "overwrte": True}),
                        ("yaml", {"yaml": "a: [1"}), ("yaml", {"yaml": "# nothing"}),
                        ("yaml", {"yaml": "- a"}),
                        ("config", {"config": config(encryption_passphrase="***")})):
        refused(put(shared, "f", **body), 400, "bad_request", field)
    refused(put(shared, "-f", config=sent), 400, "bad_request", "label")
    refused(put(shared, "f", config=sent, client=shared.read), 403, "insufficient_role")
    got = put(shared, "f", config=sent, what=1, validate=False)
    assert got.status == 200 and got.json["ignored"] == ["what"]
    (shared.configs / "link.yaml").symlink_to("f.yaml")
    refused(put(shared, "link", config=sent, overwrite=True), 400, "bad_request", "label")
    assert (shared.configs / "link.yaml").is_symlink()
    (shared.configs / "link.yaml").unlink()
    (shared.configs / "f.yaml").unlink()


def test_what_borgmatic_refuses_changes_nothing(shared):
    before = text(keep_daily=1)
    (shared.configs / "v.yaml").write_text(before)
    state = state_of(shared.configs)
    got = refused(put(shared, "v", config=config(keep_daily="many"), overwrite=True), 400,
                  "validate_error")
    assert got["validation"]["returncode"] == 1 and got["created"] is False
    assert "keep_daily" in got["validation"]["stderr"] + got["validation"]["stdout"], got
    assert got["path"] == str(shared.configs / "v.yaml")
    assert state_of(shared.configs) == state
    assert list((shared.state / "config-check").iterdir()) == []
    # Without being asked borgmatic cannot refuse.
    assert put(shared, "v", config=config(keep_daily="many"), overwrite=True,
               validate=False).json["validation"] is None
    (shared.configs / "v.yaml").unlink()


def test_writing_can_be_switched_off(folder):
    with Daemon(folder / "d", ENABLE_CONFIG_WRITE="false") as daemon:
        (daemon.configs / "one.yaml").write_text(text())
        refused(put(daemon, "new", config=config()), 403, "disabled_by_policy")
        refused(daemon.write.delete("/configs/one"), 403, "disabled_by_policy")
        assert [p.name for p in daemon.configs.iterdir()] == ["one.yaml"]


def schema_options():
    """(section or None, name, schema) of every option that the installed borgmatic knows."""
    import borgmatic.config
    path = Path(list(borgmatic.config.__path__)[0]) / "schema.yaml"
    for name, schema in yaml.safe_load(path.read_text())["properties"].items():
        if OLD:
            for inner, one in schema["properties"].items():
                yield name, inner, one
        else:
            yield None, name, schema


# Those that hold data; every other option of the schema must be refused by its name.
DATA = set("""source_directories source_directories_must_exist repositories working_directory
one_file_system numeric_ids atime ctime birthtime read_special flags files_cache patterns
patterns_from exclude_patterns exclude_from exclude_caches exclude_if_present keep_exclude_tags
exclude_nodump borgmatic_source_directory user_runtime_directory user_state_directory
store_config_files bootstrap encryption_passphrase checkpoint_interval checkpoint_volume
chunker_params compression recompress upload_rate_limit upload_buffer_size retries retry_wait
temporary_directory borg_base_directory borg_config_directory borg_cache_directory
borg_security_directory borg_keys_directory borg_key_file use_chunks_archive borg_files_cache_ttl
borg_exit_codes umask lock_wait archive_name_format match_archives file_list_format
archive_list_format relocated_repo_access_is_ok unknown_unencrypted_repo_access_is_ok
unsafe_skip_path_validation_before_create
keep_within keep_secondly keep_minutely keep_hourly keep_daily keep_weekly keep_monthly
keep_yearly keep_13weekly keep_3monthly prefix compact_threshold checks check_repositories
check_last skip_actions default_actions color verbosity syslog_verbosity log_file_verbosity
monitoring_verbosity log_json progress statistics list_details""".split())


def test_each_option_that_runs_something_is_refused_by_its_name(shared):
    seen = 0
    for section, name, _ in schema_options():
        if name in DATA:
            continue
        seen += 1
        for content in ({name: "x"}, {section or "hooks": {name: ["x"]}}):
            got = refused(put(shared, "code", config=content, validate=False), 403,
                          "disabled_by_policy", name)
            assert f'"{name}"' in got["message"] and "ENABLE_CONFIG_CODE" in got["message"]
    assert seen >= 20
    for key, content in (("keep_daily", "keep_daily: !include x.yaml"),
                         ("prefix", "prefix: ${HOME}"),
                         ("checks.xxh64sum_command", "checks: [{name: spot, xxh64sum_command: x}]"),
                         ("<<", "<<: {before_backup: [x]}")):
        refused(put(shared, "code", yaml=content, validate=False), 403, "disabled_by_policy", key)
    for field, content in (("repositories", "repositories: ['ssh://-oProxyCommand=x/r']"),
                           ("source_directories", "source_directories: [--rsh=x]")):
        refused(put(shared, "code", yaml=content, validate=False), 400, "bad_request", field)
    assert not (shared.configs / "code.yaml").exists()


def test_what_runs_something_is_taken_when_that_is_allowed(coding):
    ran = coding.folder / "ran"
    one = Setup(coding, "hooked")
    content = config([str(one.source)], [one.repository], before_backup=[f"touch {ran}"])
    reply = put(coding, "hooked", config=content, overwrite=True)
    assert reply.status == 200, reply
    assert option(reply.json["config"], "before_backup") == ["touch ***"]
    assert not ran.exists(), "validating ran a hook"
    refused(put(coding, "x", yaml="repositories: ['ssh://-oProxyCommand=x/r']"), 400,
            "bad_request", "repositories")
    assert coding.run_backup("hooked")["state"] == "succeeded" and ran.exists()


def test_relative_includes_are_found_while_validating(coding):
    section = "retention" if OLD else None
    inner = "keep_daily: 3\n"
    (coding.configs / "keep.inc").write_text(inner)
    whole = text() + (f"{section}: !include keep.inc\n" if OLD else "<<: !include keep.inc\n")
    reply = put(coding, "inc", yaml=whole)
    assert reply.status == 200, reply
    assert (coding.configs / "inc.yaml").read_text() == whole


def test_conditions(shared):
    none, match = {"If-None-Match": "*"}, lambda tag: {"If-Match": tag}
    first = put(shared, "c", headers=none, config=config(keep_daily=1), validate=False)
    assert first.status == 200, first
    tag = first.headers["ETag"]
    refused(put(shared, "c", headers=none, config=config(), overwrite=True), 412,
            "precondition_failed")
    refused(put(shared, "c", config=config()), 409, "already_exists", "overwrite")
    second = put(shared, "c", headers=match(f'"x", {tag}'), config=config(keep_daily=2),
                 overwrite=True, validate=False)
    assert second.status == 200 and second.headers["ETag"] != tag
    refused(put(shared, "c", headers=match(tag), config=config(), overwrite=True), 412,
            "precondition_failed")
    refused(put(shared, "c2", headers=match("*"), config=config()), 412, "precondition_failed")
    refused(shared.write.delete("/configs/c", **match(tag)), 412, "precondition_failed")
    # Of many at a time that saw the same state exactly one is written.
    tag = second.headers["ETag"]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(
            lambda n: put(shared, "c", headers=match(tag), config=config(keep_daily=10 + n),
                          overwrite=True), range(8)))
    assert sorted(r.status for r in replies) == [200] + [412] * 7, replies
    won = next(n for n, r in enumerate(replies) if r.status == 200)
    assert option(yaml.safe_load((shared.configs / "c.yaml").read_text()), "keep_daily") == 10 + won
    (shared.configs / "c.yaml").unlink()


def test_a_yml_file_keeps_its_name_and_mode(shared):
    path = shared.configs / "short.yml"
    path.write_text(text())
    path.chmod(0o640)
    reply = put(shared, "short", config=config(), overwrite=True, validate=False)
    assert reply.status == 200 and reply.json["path"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o640 and not (shared.configs / "short.yaml").exists()
    path.unlink()


def test_deleting(daemon):
    one = Setup(daemon, "del")
    lines = Lines(daemon.folder, 20, 0.01)
    one.write(before_backup=[lines.command])
    job = daemon.backup("del")["job_id"]
    wait_for(lines.written, 20, "the hook writes")
    got = refused(daemon.write.delete("/configs/del"), 409, "job_running")
    assert got["job_id"] == job and one.path.exists()
    daemon.write.delete(f"/jobs/{job}")
    daemon.wait_job(job)
    refused(daemon.read.delete("/configs/del"), 403, "insufficient_role")
    reply = daemon.write.delete("/configs/del")
    assert reply.status == 200 and reply.json["deleted"] is True and reply.json["label"] == "del"
    assert reply.json["path"] == str(one.path) and not one.path.exists()
    refused(daemon.write.delete("/configs/del"), 404, "not_found")
    audited = [e for e in daemon.log_entries() if e.get("event") == "audit"]
    assert [e["outcome"] for e in audited if e["action"] == "config_delete"][:2] == [
        "allowed", "done"]


# ---- asking borgmatic ----

def test_validating_is_a_question(daemon):
    ran = daemon.folder / "ran"
    one = Setup(daemon, "good", before_backup=[f"touch {ran}"], before_everything=[f"touch {ran}"])
    (daemon.configs / "bad.yaml").write_text(text(keep_daily="many"))
    (daemon.configs / "broken.yaml").write_text("a: [")
    before = state_of(daemon.configs), state_of(one.repository)
    reply = daemon.read.post("/config/validate/good")
    assert reply.status == 200 and reply.json["ok"] is True and reply.json["valid"] is True
    assert reply.json["returncode"] == 0
    reply = daemon.read.post("/config/validate/bad")
    assert reply.status == 200 and reply.json["ok"] is True and reply.json["valid"] is False
    assert reply.json["returncode"] == 1 and "keep_daily" in reply.json["stderr"]
    assert daemon.read.post("/config/validate/broken").json["valid"] is False
    refused(daemon.read.post("/config/validate/none"), 404, "not_found")
    got = daemon.read.get("/config/validate-all").json
    assert got["ok"] is True
    assert [(r["file"], r["returncode"], r["valid"]) for r in got["results"]] == [
        ("bad.yaml", 1, False), ("broken.yaml", 1, False), ("good.yaml", 0, True)]
    assert all(set(r) >= {"stdout", "stderr"} for r in got["results"])
    assert (state_of(daemon.configs), state_of(one.repository)) == before
    assert not ran.exists() and one.archives() == []


@pytest.mark.parametrize("way", ("put", "validate", "all"))
def test_a_validation_that_hangs_is_ended(folder, way):
    with Daemon(folder / "d", ENABLE_CONFIG_CODE="true") as daemon:
        os.mkfifo(daemon.configs / "hang.inc")  # whoever reads it waits for a writer
        hangs = f"{'retention' if OLD else '<<'}: !include hang.inc\n"
        if way == "put":
            reply = put(daemon, "slow", yaml=text() + hangs, process_timeout=1)
        else:
            (daemon.configs / "slow.yaml").write_text(text() + hangs)
            reply = (daemon.read.post("/config/validate/slow", {"process_timeout": 1})
                     if way == "validate" else daemon.read.get("/config/validate-all?timeout=1"))
        got = refused(reply, 408, "timeout")
        assert daemon.job(got["job_id"])["state"] == "timed_out"
        wait_for(lambda: not marked_processes(got["job_id"]), 10, "its processes end")
        left = daemon.state / "config-check"
        assert not left.exists() or list(left.iterdir()) == []
        assert (daemon.configs / "slow.yaml").exists() is (way != "put")
        (daemon.configs / "slow.yaml").unlink(missing_ok=True)
        assert put(daemon, "slow", config=config()).status == 200


def test_generated_text_is_what_the_installed_borgmatic_takes(daemon):
    body = {"label": "gen", "sources": ["/etc", "/a \"b\""], "repository": "ssh://u@h/./r",
            "keep_daily": 3, "keep_hourly": 2}
    reply = daemon.write.post("/config/generate", body)
    assert reply.status == 200 and not (daemon.configs / "gen.yaml").exists()
    content = yaml.safe_load(reply.json["yaml"])
    assert option(content, "source_directories") == body["sources"]
    assert (content["retention"] if OLD else content)["keep_hourly"] == 2
    assert put(daemon, "gen", yaml=reply.json["yaml"]).status == 200
    for field, value in (("sources", ["-x"]), ("sources", []), ("repository", "ssh://-x/r"),
                         ("label", "/"), ("keep_daily", -1)):
        refused(daemon.write.post("/config/generate", {**body, field: value}), 400, "bad_request",
                field)
    refused(daemon.write.post("/config/generate", {**body, "x": 1}), 400, "bad_request", "x")
    refused(daemon.read.post("/config/generate", body), 403, "insufficient_role")


# ---- never by halves ----

READS = 1000
KILLS = 20 if FULL else 2 if SANITIZED else 3


class Readers:
    """A pool that reads the file and the API all the time; every read must be whole."""

    def __init__(self, daemon, path, threads=6):
        self.daemon, self.path, self.whole = daemon, path, 0
        self.faults, self.over, self.versions = [], threading.Event(), set()
        self.pool = ThreadPoolExecutor(threads)
        self.running = [self.pool.submit(self.read, n) for n in range(threads)]

    def read(self, n):
        while not self.over.is_set():
            if n % 3:
                content = yaml.safe_load(self.path.read_text())
            else:
                try:
                    reply = self.daemon.read.get("/configs/half")
                except (OSError, http.client.HTTPException):
                    continue  # it is down just now
                if reply.status != 200:
                    self.faults.append(reply)
                    continue
                content = reply.json["config"]
            try:
                assert option(content, "prefix") == "x" * option(content, "keep_daily") * 100
                self.versions.add(option(content, "keep_daily"))
                self.whole += 1
            except (AssertionError, KeyError, TypeError) as fault:
                self.faults.append((fault, content))

    def stop(self):
        self.over.set()
        self.pool.shutdown()
        for one in self.running:
            one.result()


def numbered(n):
    content = config(keep_daily=n)
    (content["retention"] if OLD else content)["prefix"] = "x" * n * 100
    return content


borg.SECTIONS.setdefault("prefix", "retention")


def put_until_killed(daemon, chance, possible):
    """PUTs until the daemon dies. possible: what may stand, the acknowledged one first."""
    timer = threading.Timer(chance.uniform(0.05, 1.5), daemon.kill)
    timer.start()
    try:
        while True:
            n = possible[-1] % 90 + 1
            possible.append(n)
            reply = put(daemon, "half", config=numbered(n), overwrite=True, validate=n % 4 == 0)
            assert reply.status == 200, reply
            possible[:] = [n]
    except (OSError, http.client.HTTPException):
        pass
    finally:
        timer.join()


def test_every_read_is_whole_while_the_daemon_is_killed(folder):
    chance = random.Random(SEED)
    daemon = Daemon(folder / "d").start()
    path = daemon.configs / "half.yaml"
    path.write_text(yaml.safe_dump(numbered(1)))
    readers = Readers(daemon, path)
    try:
        possible = [1]
        for _ in range(KILLS):
            put_until_killed(daemon, chance, possible)
            # What was acknowledged stands, or what was under way.
            assert option(yaml.safe_load(path.read_text()), "keep_daily") in possible
            loaded = [p.name for p in daemon.configs.iterdir() if p.suffix in (".yaml", ".yml")]
            assert loaded == ["half.yaml"], "borgmatic would load a leftover"
            daemon.start()
            assert [p.name for p in daemon.configs.iterdir()] == ["half.yaml"]
            left = daemon.state / "config-check"
            assert not left.exists() or list(left.iterdir()) == []
        wait_for(lambda: readers.whole >= READS, 60, f"{READS} reads")
    finally:
        readers.stop()
        daemon.stop()
    assert readers.faults == [], readers.faults[:3]
    assert len(readers.versions) > 1


def test_a_crash_leaves_nothing_behind(daemon):
    assert put(daemon, "one", config=config()).status == 200
    daemon.kill()
    (daemon.configs / ".one.yaml.0123abcd.new").write_text("half")
    (daemon.state / "config-check" / "0123456789abcdef.yaml").write_text("half")
    (daemon.state / "config-check" / ".x.yaml.0123abcd.new").write_text("half")
    daemon.start()
    assert [p.name for p in daemon.configs.iterdir()] == ["one.yaml"]
    assert list((daemon.state / "config-check").iterdir()) == []
