"""What is written agrees with what runs: openapi, the README's tables and its curl lines."""

import re
import shlex
import subprocess

import pytest
import yaml

from fixtures.borg import Setup
from fixtures.harness import BIN, HEADER, ROOT, Daemon


def openapi_text():
    return subprocess.run([BIN, "openapi"], capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin"}, timeout=30).stdout


def operations():
    """[(method, pattern)] of the binary's own description."""
    found = []
    for path, item in yaml.safe_load(openapi_text())["paths"].items():
        found += [(method.upper(), path) for method in item
                  if method in ("get", "post", "put", "delete")]
    return found


def test_openapi_in_the_tree_is_the_binarys_own():
    assert (ROOT / "docs" / "openapi.yaml").read_text() == openapi_text()


def test_openapi_is_sound():
    document = yaml.safe_load(openapi_text())
    assert document["openapi"].startswith("3.")
    ids = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"] and operation["responses"], (method, path)
            ids.append(operation["operationId"])
            named = {p["name"] for p in operation.get("parameters", []) if p.get("in") == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), (method, path)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("method,pattern", operations())
def test_each_route_that_is_described_is_there(shared, method, pattern):
    path = re.sub(r"\{\w*id\}", "create:1", pattern)
    path = re.sub(r"\{\w+\}", "none-such", path)
    with_token = shared.write.request(method, path, {} if method in ("POST", "PUT") else None) \
        if pattern != "/events/stream" else None
    if with_token is not None and with_token.status == 404:
        # There, and it says which thing is not.
        assert shared.write.request("OPTIONS", path).headers["Allow"], (method, path)
    wrong = shared.write.request("PATCH", path)
    assert wrong.status in (405, 501), (path, wrong)
    if wrong.status == 405:
        assert method in wrong.headers["Allow"]


def readme():
    return (ROOT / "README.md").read_text()


def test_the_readme_lists_every_route():
    rows = set(re.findall(r"^\| `?(GET|POST|PUT|DELETE)`? \| `([^`]+)`", readme(), re.M)) \
        or set(re.findall(r"^\| `(GET|POST|PUT|DELETE) ([^`]+)`", readme(), re.M))
    assert rows == set(operations())


def test_the_settings_document_is_the_binarys_own():
    said = subprocess.run([BIN, "settings"], capture_output=True, text=True, timeout=30,
                          env={"PATH": "/usr/bin:/bin"})
    assert said.returncode == 0, said.stderr
    assert (ROOT / "docs" / "settings.md").read_text() == said.stdout


def curl_lines():
    """Each curl command of the README's shell blocks, its continued lines joined."""
    found = []
    for block in re.findall(r"```(?:sh|bash|shell|console)\n(.*?)```", readme(), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if re.match(r"^curl\b", line):
                found.append(line)
    return found


@pytest.fixture(scope="module")
def place(module_folder):
    """A daemon with the configurations that the README names, and a job that has ended."""
    with Daemon(module_folder / "readme") as d:
        labels = set(re.findall(r'"repository": ?"([\w-]+)"', readme())) or {"prod"}
        for label in labels:
            Setup(d, label)
        answer = d.backup(sorted(labels)[0])
        d.wait_job(answer["job_id"])
        d.shell = {
            "PATH": "/usr/bin:/bin", "HOME": str(d.home), "API_TOKEN": d.token,
            "API_READ_TOKEN": d.read_token, "TOKEN": d.token, "READ_TOKEN": d.read_token,
            "sse": answer["sse"], "poll": answer["poll"], "job": answer["job_id"],
        }
        yield d


def test_there_are_curl_lines_in_the_readme():
    assert len(curl_lines()) >= 3


@pytest.mark.parametrize("line", curl_lines())
def test_a_curl_line_of_the_readme_works(place, line):
    line = re.sub(r"https?://[\w.-]+:5000", f"http://127.0.0.1:{place.port}", line)
    line = re.sub(r"create:\d+", place.shell["job"], line).replace("BorgmaticAPI", HEADER)
    out = place.home / "out"
    done = subprocess.run(["bash", "-uc", f"{line} -sS -m 20 -o {shlex.quote(str(out))} "
                           "-w '%{http_code}'"], env=place.shell, capture_output=True, text=True)
    assert done.stdout[-3:] in ("200", "202"), (line, done.stdout, done.stderr, out.read_text())
    if "create-backup" in line:
        place.wait_job(place.read.get("/jobs?limit=1").json["jobs"][0]["id"])
