"""Configurations written and deleted: whole, validated, and never what runs something."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from fixtures.borg import Setup
from fixtures.configs import OLD, coding, config, option, put, refused, state_of, text
from fixtures.harness import Daemon, wait_for
from fixtures.hooks import Lines


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
                        ("yaml", {"yaml": "- a"}), ("yaml", {"yaml": "\ufeffprefix: a"}),
                        ("yaml", {"yaml": "prefix: a # b\u2028keep_daily: 1"}),
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
    got = put(shared, "v", config=config(keep_daily="many"), overwrite=True, validate=False).json
    assert got["ok"] and got["validated"] is False and got["validation"] is got["returncode"] is None
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


def test_a_change_by_hand_while_borgmatic_looks_is_not_overwritten(coding):
    path, gate = coding.configs / "hand.yaml", coding.configs / "hand.inc"
    os.mkfifo(gate)
    slow = text(keep_daily=1) + f"{'output' if OLD else '<<'}: !include hand.inc\n"
    for by_hand, headers, more, status in (
            (text(prefix="mine"), ["If-Match"], "", 412),
            (text(encryption_passphrase="another one"), [], masked_passphrase(), 412),
            (text(prefix="mine"), [], "", 200)):
        path.write_text(text(encryption_passphrase="first one"))
        headers = {k: coding.read.get("/configs/hand").json["etag"] for k in headers}
        sent = slow + more
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(put, coding, "hand", headers=headers, yaml=sent, overwrite=True)
            wait_for(lambda: list((coding.state / "config-check").glob("*.yaml")), 20, "it looks")
            path.with_suffix(".new").write_text(by_hand)
            os.replace(path.with_suffix(".new"), path)
            gate.write_text("color: false\n")  # borgmatic reads on
            reply = reply.result()
        assert reply.status == status, reply
        assert path.read_text() == (sent if status == 200 else by_hand)
    path.unlink()


def masked_passphrase():
    return ("storage:\n  encryption_passphrase: '***'\n" if OLD
            else "encryption_passphrase: '***'\n")


def test_a_yml_file_keeps_its_name_mode_and_group(shared):
    path = shared.configs / "short.yml"
    path.write_text(text())
    path.chmod(0o640)
    os.chown(path, -1, 4)
    reply = put(shared, "short", config=config(), overwrite=True, validate=False)
    assert reply.status == 200 and reply.json["path"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o640 and path.stat().st_gid == 4
    assert not (shared.configs / "short.yaml").exists()
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
