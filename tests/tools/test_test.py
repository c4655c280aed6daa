"""test.sh can be stopped, and does not run twice at a time."""

import fcntl
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# a plugin of pytest that starts a program, as a guest test starts QEMU, and never comes back
SLEEPER = """
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "300"])
path = pathlib.Path(__file__).with_name("pid")
path.with_suffix(".new").write_text(str(child.pid))
path.with_suffix(".new").rename(path)
time.sleep(300)
"""


def wait_for(condition, limit=20):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(pid):
    try:
        return "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_what_it_started(tmp_path, number):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    env = {**os.environ, "BUILD": str(tmp_path), "MAKE": "true", "PYTHONPATH": str(tmp_path),
           "PYTEST_ARGS": "-p sleeper"}
    run = subprocess.Popen([ROOT / "tools/test.sh", "guest"], env=env, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        wait_for((tmp_path / "pid").exists)
        child = int((tmp_path / "pid").read_text())
        run.send_signal(number)
        assert run.wait(20) == 130
        wait_for(lambda: ended(child), 5)
        assert "stopped" in run.stderr.read()
    finally:
        run.kill()
        run.wait()
        run.stderr.close()


def test_two_runs_in_one_build_directory_are_refused(tmp_path):
    with open(tmp_path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([ROOT / "tools/test.sh", "unit"], env={**os.environ,
                              "BUILD": str(tmp_path)}, capture_output=True, text=True, timeout=20,
                              check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr


FINI = """#!/bin/sh
for arg; do case $arg in --xml=*) xml=${arg#--xml=} ;; esac; done
echo '<testsuites><testcase name="t"/></testsuites>' >"$xml"
echo '[----] tests/unit/test_threads.c:1: %s' >&2
"""


@pytest.mark.parametrize("said,failed", [("Assertion Failed", 1), ("all is well", 0)])
def test_what_fails_when_a_test_is_torn_down_is_a_failure(tmp_path, said, failed):
    program = tmp_path / "tsan/test_threads"
    program.parent.mkdir()
    program.write_text(FINI % said)
    program.chmod(0o755)
    run = subprocess.run([ROOT / "tools/test.sh", "tsan"], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "BUILD": str(tmp_path), "MAKE": "true"}, check=False)
    line = next(line for line in run.stdout.splitlines() if line.startswith("tsan-test_threads"))
    assert f" {failed} failed" in line, run.stdout
    assert run.returncode == 1  # what else the group has was not built
