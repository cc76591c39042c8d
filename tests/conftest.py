"""What every whole-program test shares: a deadline for each test, and a fresh folder."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from fixtures.aio import Aio
from fixtures.dockerd import Dockerd
from fixtures.harness import SCALE, Daemon

TEST_SECONDS = 180


@pytest.fixture(autouse=True)
def deadline(request):
    """A test that hangs fails by itself, with the line on which it hung."""
    mark = request.node.get_closest_marker("seconds")
    seconds = int((mark.args[0] if mark else TEST_SECONDS) * SCALE)

    def late(_signal, _frame):
        raise TimeoutError(f"the test did not end in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): the test may take this long")
    config.addinivalue_line("markers", "alone: it measures time, so nothing else may run beside it")


def fresh_folder():
    """Short, because a unix socket's path below it may have 107 bytes at most."""
    return Path(tempfile.mkdtemp(prefix="ba.", dir=os.environ.get("TEST_TMP", "/tmp")))


@pytest.fixture
def folder():
    path = fresh_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def module_folder():
    path = fresh_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(folder):
    """A daemon of this test alone; the test may stop, kill and start it again."""
    with Daemon(folder / "d") as one:
        yield one


@pytest.fixture(scope="module")
def shared(module_folder):
    """One daemon for a file of tests that leave nothing behind in it."""
    with Daemon(module_folder / "d") as one:
        yield one


@pytest.fixture(scope="module")
def engine(module_folder):
    """A Docker Engine for a file of tests."""
    with Dockerd(module_folder / "e") as one:
        yield one


@pytest.fixture
def aio(engine, folder):
    """A stand-in for Nextcloud AIO, not installed yet; gone after the test."""
    with Aio(engine, folder / "aio") as one:
        yield one
