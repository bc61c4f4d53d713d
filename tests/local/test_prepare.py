"""Preparing: what is there is found without a network, what cannot be had is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvops_local.engines.jars import java, kafka_jars, remembered_jars
from cvops_local.engines.mongod import mongod_binary
from cvops_local.prepare import prepare_kafka

DEAD_PROXY = "http://127.0.0.1:9"


def test_jars_are_resolved_once_and_then_found_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    jars = kafka_jars()
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, DEAD_PROXY)
    assert remembered_jars() == jars
    prepared = prepare_kafka()
    assert prepared.jars == len(jars)
    assert prepared.size_bytes > 10_000_000
    assert prepared.seconds < 2


def test_a_missing_jar_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVOPS_CACHE_DIR", str(tmp_path))
    assert remembered_jars() is None
    (tmp_path / "one.jar").touch()
    (tmp_path / "kafka-4.4.0.json").write_text('["one.jar"]')
    assert remembered_jars() == [tmp_path / "one.jar"]
    (tmp_path / "one.jar").unlink()
    assert remembered_jars() is None


def test_without_a_network_preparing_says_what_to_do_and_fails(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), DEAD_PROXY)
    nothing_known = {"HOME": str(tmp_path), "CVOPS_CACHE_DIR": str(tmp_path / "cache"), "NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run(
        [sys.executable, "-m", "cvops_local.prepare"], env={**os.environ, **proxies, **nothing_known},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "CVOPS_KAFKA=host:port" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def test_the_programs_of_the_engines_can_be_run() -> None:
    assert os.access(java(), os.X_OK)
    assert os.access(mongod_binary(), os.X_OK)
