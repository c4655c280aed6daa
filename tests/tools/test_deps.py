"""deps.sh on machines of several kinds, which are made of programs that stand before the real ones.

apt-get is always such a program: nothing is installed here.
"""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALL_THERE = 'for p; do case $p in -*) ;; *) echo "$p ii ";; esac; done'


@pytest.fixture
def deps(tmp_path):
    """Call deps.sh on a machine where every package is installed, unless told otherwise."""
    def call(*words, qemu="10.0.2", **programs):
        programs = {"dpkg-query": ALL_THERE, "apt-get": f"echo $* >>{tmp_path}/apt; exit 100",
                    "apt-cache": "", "sudo": '"$@"', "tee": "cat >/dev/null",
                    **dict.fromkeys(("qemu-system-x86_64", "qemu-system-aarch64"),
                                    f"echo QEMU emulator version {qemu}" if qemu else "exit 1"),
                    **{k.replace("_", "-"): v for k, v in programs.items()}}
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
            (tmp_path / name).chmod(0o755)
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run([ROOT / "tools/deps.sh", *words], env=env, capture_output=True,
                              text=True, timeout=20, check=False)
        return done.returncode, done.stderr.splitlines()
    return call


@pytest.mark.parametrize("version", ["7.2.17", "8.2.2", "10.0.2"])
def test_a_qemu_from_7_2_on_is_enough(deps, version):
    assert deps("--check", qemu=version) == (0, [])


@pytest.mark.parametrize("version", ["6.2.0", "7.1.0", None])
def test_an_older_qemu_or_none_is_missing(deps, version):
    status, said = deps("--check", qemu=version)
    assert status == 1 and said == ["deps: missing: qemu-system-x86 qemu-system-arm"]


def test_both_qemus_are_needed_and_the_older_one_counts(deps):
    status, said = deps("--check", qemu_system_aarch64="exit 1")
    assert status == 1 and "qemu-system-arm" in said[0]
    status, said = deps("--check", qemu_system_aarch64="echo QEMU emulator version 6.2.0")
    assert status == 1 and "qemu-system-arm" in said[0]


def test_a_qemu_that_stays_too_old_is_one_line(deps):
    status, said = deps(qemu="6.2.0", apt_get="true")
    assert status == 1
    assert len(said) == 1 and "6.2" in said[0] and "7.2" in said[0]


def test_without_a_network_a_qemu_that_serves_stays(deps):
    status, _ = deps(qemu="7.2.17")
    assert status == 0


def test_missing_packages_are_named(deps):
    status, said = deps("--check", dpkg_query="exit 1")
    assert status == 1 and len(said) == 1
    assert "nasm" in said[0] and "libc6-dev" in said[0] and "clang-tidy" not in said[0]
    status, said = deps("--check", "lint", dpkg_query="exit 1")
    assert status == 1 and "clang-tidy" in said[0] and "nasm" not in said[0]


def test_packages_that_cannot_be_installed_are_a_failure(deps):
    assert deps(dpkg_query="exit 1")[0] != 0


def test_another_processor_is_one_line(deps):
    status, said = deps(uname="echo aarch64")
    assert status == 1 and len(said) == 1 and "aarch64" in said[0]


def test_without_dpkg_the_packages_are_named_and_the_build_goes_on(tmp_path):
    (tmp_path / "uname").write_text("#!/bin/bash\necho x86_64\n")
    (tmp_path / "uname").chmod(0o755)

    def call(*words):
        return subprocess.run([ROOT / "tools/deps.sh", *words], env={"PATH": str(tmp_path)},
                              capture_output=True, text=True, timeout=20, check=False)
    assert (call("--check").returncode, call("--check").stderr) == (1, "")
    assert call().returncode == 0
    assert "nasm" in call().stderr and "qemu-system-x86" in call().stderr
