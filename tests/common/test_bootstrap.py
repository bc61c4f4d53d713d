"""The first key of a platform."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from cvops_common.access import KeyFile, Role
from cvops_common.bootstrap import first_key


def test_the_first_key_is_an_administrators_and_opens_the_door(tmp_path: Path):
    path = tmp_path / "keys" / "keys.json"
    clear = first_key(path)
    assert clear is not None
    caller = KeyFile(path).authenticate(clear)
    assert caller is not None and caller.role is Role.ADMIN
    assert clear not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_start_makes_no_second_key(tmp_path: Path):
    path = tmp_path / "keys.json"
    first_key(path)
    before = path.read_bytes()
    assert first_key(path) is None
    assert path.read_bytes() == before


def test_the_command_prints_the_key_once_and_never_again(tmp_path: Path):
    path = tmp_path / "keys.json"
    first, second = bootstrap(CVOPS_KEYS=str(path)), bootstrap(CVOPS_KEYS=str(path))
    clear = first.stdout.split()[-1]
    assert KeyFile(path).authenticate(clear) is not None
    assert second.returncode == 0
    assert clear not in second.stdout


def test_a_key_file_that_is_damaged_is_left_alone_and_told(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text("{")
    done = bootstrap(CVOPS_KEYS=str(path))
    assert done.returncode == 1
    assert str(path) in done.stderr and "restore it" in done.stderr
    assert path.read_text() == "{"


def test_without_a_path_the_variable_is_named():
    done = bootstrap()
    assert done.returncode == 2
    assert "CVOPS_KEYS is not set" in done.stderr


def bootstrap(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "CVOPS_KEYS"}
    return subprocess.run(
        [sys.executable, "-m", "cvops_common.bootstrap"],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
