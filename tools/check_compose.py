"""Checks docker-compose.yml: by Compose itself, and for what this project promises about it.

Compose itself is `docker compose` or `docker-compose`, whichever is there; in CI (CI=true) Debian's package is
installed when none is. No Docker engine is needed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"


def main() -> int:
    """0 when nothing is wrong; a Compose that is missing outside of CI is said, and no fault."""
    faults = list(broken_promises(yaml.safe_load(COMPOSE.read_text())))
    compose = find_compose()
    if compose is None and os.environ.get("CI") == "true":
        compose = install_compose()
    if compose is not None:
        faults += compose_faults(compose)
    elif os.environ.get("CI") == "true":
        faults.append("CI must check the file by Compose itself, and there is none")
    if faults:
        print("docker-compose.yml is wrong:", *faults, sep="\n  ")
        return 1
    if compose is None:
        print("docker-compose.yml keeps its promises; NOT CHECKED by Compose itself: no `docker compose` on PATH")
    else:
        print(f"docker-compose.yml keeps its promises and is valid, says `{' '.join(compose)} config`")
    return 0


def broken_promises(file: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong in a parsed file: health, loopback, versions, restarts, limits, secrets; a sentence each."""
    for name, service in file["services"].items():
        one_shot = service.get("restart", "no") == "no"
        if not one_shot and "healthcheck" not in service:
            yield f"{name}: no healthcheck, and it is not one-shot (restart: 'no')"
        if not re.search(r":v?\d+\.\d+\.\d+$", service.get("image", "")):
            yield f"{name}: image {service.get('image')!r} is not pinned to a version like 1.2.3"
        if "mem_limit" not in service:
            yield f"{name}: no mem_limit, so one service can starve the others"
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name}: port {port} is published beyond the loopback: write 127.0.0.1:{port}"
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET|ACCESS_KEY", variable) and not re.match(r"\$\{\w+:\?", str(value)):
                yield f"{name}: {variable} is written into the file: take it from .env by ${{NAME:?message}}"


def compose_faults(compose: tuple[str, ...]) -> list[str]:
    """What Compose says: the file is taken with .env.example, and refused without one of its passwords."""
    example = EXAMPLE.read_text()
    required = re.findall(r"^(\w+)=", example, re.MULTILINE)
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for missing in (None, *required):
            kept = [line for line in example.splitlines() if missing is None or not line.startswith(f"{missing}=")]
            environment = Path(folder) / ".env"
            environment.write_text("\n".join(kept) + "\n")
            done = subprocess.run(
                [*compose, "--env-file", str(environment), "-f", str(COMPOSE), "config", "-q"],
                capture_output=True,
                text=True,
                check=False,
                env={name: value for name, value in os.environ.items() if name not in required},
            )
            if missing is None and done.returncode != 0:
                faults.append(f"`{' '.join(compose)} config`: {done.stderr.strip()}")
            if missing is not None and done.returncode == 0:
                faults.append(f"without {missing} the file is taken: name it by ${{{missing}:?message}}")
    return faults


def find_compose() -> tuple[str, ...] | None:
    """The command of Compose, if there is one that runs."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is not None:
            done = subprocess.run([*command, "version"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    return None


def install_compose() -> tuple[str, ...] | None:
    """Installs Debian's package where this may be done; None where it cannot."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", "docker-compose")):
        done = subprocess.run(["apt-get", *step], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"apt-get {' '.join(step)}: {done.stderr.strip()[-500:]}")
            return None
    return find_compose()


if __name__ == "__main__":
    sys.exit(main())
