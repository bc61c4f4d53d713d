"""The commands, as a user calls them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import grpc
import pytest
from click.testing import CliRunner, Result

from cvops.cli.context import page
from cvops.cli.main import main
from tests.client.conftest import KEY, jpeg
from tests.client.door_servicer import Door

OWN = ("camera", "model", "predict", "push")
HEAVY = ("numpy", "av", "cv2", "onnxruntime", "grpc", "PIL", "google.protobuf", "cvops_local", "cvops_common", "torch")


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(arguments))


async def ask(door: Door, *arguments: str) -> Result:
    """Calls a command that speaks with the door."""
    environment = {f"CVOPS_{name}": door.address for name in ("INGEST", "TRAINER", "INFERENCE")} | {"CVOPS_KEY": KEY}
    return await asyncio.to_thread(call, *arguments, **environment)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, f"{name} is listed and not there"
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


ALL = [words for words, _ in commands(main)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    return folder


def test_a_name_between_colons_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    page().print("gate class:car: passed")
    assert capsys.readouterr().out == "gate class:car: passed\n"


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_help_of_every_command_works_and_teaches(words: tuple[str, ...]) -> None:
    result = call(*words, "--help")
    assert result.exit_code == 0, result.output
    usage, _, rest = result.output.partition("\n\n")
    assert " ".join(words) in usage
    assert len(rest.split("Options:")[0].strip()) > 20, "a sentence says what it does"


@pytest.mark.parametrize(
    "words", [words for words in ALL if words[0] in OWN and words != ("model", "import")], ids=" ".join
)
def test_every_option_of_our_own_commands_is_explained(words: tuple[str, ...]) -> None:
    command = dict(commands(main))[words]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            told = parameter.help or isinstance(parameter.type, click.Choice)
            assert told, f"{parameter.opts} of {' '.join(words)} has no help"


def test_the_first_help_shows_the_way_from_nothing_to_predictions() -> None:
    for help_option in ("--help", "-h"):
        text = call(help_option).output
        places = [text.index(step) for step in ("cvops up", "model release", "camera add", "cvops push", "cvops tail")]
        assert places == sorted(places)
        assert "Exit status: 0 it went well, 1 it failed, 2 the command was used wrongly." in text


@pytest.mark.parametrize("name", OWN)
def test_the_list_of_commands_says_of_each_what_the_command_says_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help is not None
    said = " ".join(call("--help").output.split())
    assert command.help.splitlines()[0] in said


def test_the_help_imports_nothing_heavy() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST"))}
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cvops", "--help"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Commands:" in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if "|" in line}
    assert "cvops.cli.main" in imported, "importtime tells what is imported"
    assert not imported & set(HEAVY)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("camera", "nonsense"),
        ("camera", "add"),
        ("camera", "add", "gate-3", "--fps", "many"),
        ("camera", "add", "gate-3", "--fps", "-1"),
        ("camera", "add", "gate-3", "--quality", "101"),
        ("camera", "add", "gate-3", "--tag", "road"),
        ("camera", "add", "gate-3", "--nonsense"),
        ("camera", "add", "gate-3", "gate-4"),
        ("model", "release"),
        ("model", "release", "coco", "--stage", "king"),
        ("model", "release", "coco", "--percent", "0"),
        ("predict", "nothing.jpg", "--model", "coco"),
        ("predict", __file__),
        ("predict", __file__, "--model", "coco", "--threshold", "2"),
        ("push",),
        ("push", "clip.mp4"),
        ("push", "clip.mp4", "--camera", "gate-3", "--fps", "0"),
        ("push", "clip.mp4", "--camera", "gate-3", "--loop", "-1"),
        ("push", "clip.mp4", "--camera", "gate-3", "--quality", "0"),
        ("push", "clip.mp4", "--camera", "gate-3", "--spool-mb", "0"),
    ],
    ids=lambda words: " ".join(Path(word).name for word in words),
)
def test_wrong_use_exits_2_and_says_what_is_wrong(words: tuple[str, ...]) -> None:
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert "Usage:" in result.stderr
    assert "Error: " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("words", [("camera", "list"), ("model", "list"), ("camera", "add", "gate-3")])
def test_without_a_platform_a_command_fails_with_the_cure(words: tuple[str, ...]) -> None:
    result = call(*words)
    assert result.exit_code == 1
    assert "run `cvops up`" in result.stderr
    assert result.stdout == ""


def test_push_without_a_platform_says_how_to_get_one(pictures: Path) -> None:
    result = call("push", str(pictures), "--camera", "gate-3")
    assert result.exit_code == 1
    assert "run `cvops up`" in result.stderr


async def test_a_camera_is_added_shown_listed_and_removed(door: Door) -> None:
    added = await ask(door, "camera", "add", "gate-3", "--site", "north", "--tag", "road=A7", "--fps", "5", "--json")
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout)["tags"] == {"road": "A7"}
    assert door.keys == [f"Bearer {KEY}"]
    shown: dict[str, Any] = json.loads((await ask(door, "camera", "get", "gate-3", "--json")).stdout)
    assert (shown["camera_id"], shown["site"], shown["fps"], shown["latitude_deg"]) == ("gate-3", "north", 5.0, None)
    listed = json.loads((await ask(door, "--json", "camera", "list")).stdout)
    assert listed == [shown], "--json is understood before the command, too"
    for_people = await ask(door, "camera", "list")
    assert "gate-3" in for_people.stdout
    assert "north" in for_people.stdout
    removed = await ask(door, "camera", "remove", "gate-3", "--json")
    assert json.loads(removed.stdout) == {"removed": "gate-3"}
    assert json.loads((await ask(door, "camera", "list", "--json")).stdout) == []


async def test_what_is_said_to_people_leaves_standard_output_free(door: Door) -> None:
    added = await ask(door, "camera", "add", "gate-3")
    assert added.stdout == ""
    assert "camera gate-3 is added" in added.stderr


async def test_an_unknown_camera_fails_with_status_1_and_the_sentence_of_the_platform(door: Door) -> None:
    for words in (("camera", "get", "nowhere"), ("camera", "status", "nowhere", "--json")):
        result = await ask(door, *words)
        assert result.exit_code == 1
        assert result.stderr.strip() == (
            "Error: camera nowhere is not known: add it with `cvops camera add nowhere`"
        ), "one sentence, no trace"
        assert result.stdout == ""


async def test_status_shows_the_ledger_to_programs_and_people(door: Door, pictures: Path) -> None:
    await ask(door, "camera", "add", "gate-3")
    pushed = await ask(door, "push", str(pictures), "--camera", "gate-3", "--json")
    assert pushed.exit_code == 0, pushed.output
    status = json.loads((await ask(door, "camera", "status", "gate-3", "--json")).stdout)
    ledger = {"captured": 5, "stored": 5, "sampled_out": 0, "rejected": {}, "duplicates": 0, "gaps": 0}
    assert status["ledger"] == ledger
    assert (status["state"], status["last_frame_at"]) == ("online", None)
    every = json.loads((await ask(door, "camera", "status", "--json")).stdout)
    assert every == [status]
    for_people = (await ask(door, "camera", "status")).stdout
    assert all(word in for_people for word in ("gate-3", "online", "never", "sampled out", "duplicates"))


async def test_push_answers_with_what_became_of_every_frame(door: Door, pictures: Path) -> None:
    result = await ask(door, "push", str(pictures), "--camera", "gate-3", "--loop", "3", "--json")
    report = json.loads(result.stdout)
    assert (report["captured"], report["acknowledged"], report["sampled_out"]) == (15, 15, 0)
    assert (report["waiting"], report["dropped"], report["rejected"]) == (0, 0, {})
    assert len(door.stored) == 15
    told = await ask(door, "push", str(pictures / "0.jpg"), "--camera", "gate-3")
    assert told.stdout == ""
    assert "1 frames acknowledged" in told.stderr


async def test_push_of_which_no_frame_is_taken_fails_and_says_why(door: Door, pictures: Path) -> None:
    door.refuse = lambda _: ("truncated", "the JPEG ends in the middle")
    result = await ask(door, "push", str(pictures), "--camera", "gate-3", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["rejected"] == {"truncated": 5}
    assert "no frame was taken: the JPEG ends in the middle" in result.stderr


async def test_push_to_a_camera_that_is_not_known_fails_at_once(door: Door, pictures: Path) -> None:
    door.fail = (grpc.StatusCode.NOT_FOUND, "camera gate-3 is not known: add it")
    result = await ask(door, "push", str(pictures), "--camera", "gate-3")
    assert result.exit_code == 1
    assert result.stderr.strip() == "Error: camera gate-3 is not known: add it"


async def test_push_of_what_cannot_be_read_fails_with_its_name(door: Door, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"this is no video")
    for source, said in (("gone.mp4", "does not exist"), ("clip.mp4", "frame 0: Invalid data")):
        result = await ask(door, "push", str(tmp_path / source), "--camera", "gate-3")
        assert result.exit_code == 1
        assert source in result.stderr
        assert said in result.stderr
        assert "Traceback" not in result.output


async def test_push_into_a_spool_that_cannot_be_made_fails_with_its_name(door: Door, pictures: Path) -> None:
    blocked = pictures / "0.jpg" / "spool"
    result = await ask(door, "push", str(pictures), "--camera", "gate-3", "--spool-dir", str(blocked))
    assert result.exit_code == 1
    assert f"spool {blocked / 'gate-3'} cannot be used" in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


async def test_models_answer_in_json(door: Door) -> None:
    result = await ask(door, "model", "list", "--json")
    assert json.loads(result.stdout) == {"versions": [], "releases": []}


def test_the_command_and_the_module_are_the_same() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "cvops", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert f"version {version('cvops')}" in result.stdout
    assert f"version {version('cvops')}" in call("--version").stdout
