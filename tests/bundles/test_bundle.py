"""The bundle file: the same content gives the same bytes, and what is not a whole bundle is refused."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cvops_bundles.archive import pack_arrays
from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ImportOptions
from cvops_bundles.spec import BundleSpec, Gate
from cvops_bundles.spec_json import spec_from_json, spec_to_json
from cvops_bundles.write import BundleParts, write_bundle
from cvops_common.errors import BadBundle


def rewritten(bundle: Bundle, path: Path, changes: dict[str, bytes | None], more: tuple[str, ...] = ()) -> Path:
    """The bundle with some members changed, left out (None) or added."""
    with zipfile.ZipFile(bundle.path) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in [*old.namelist(), *more]:
            data = changes[name] if name in changes else old.read(name)
            if data is not None:
                new.writestr(name, data)
    return path


def test_the_same_model_imported_twice_is_the_same_bundle(
    shared_data: Path, tmp_path: Path, mnist: Bundle, classifier_options: Callable[..., ImportOptions]
):
    parts = import_onnx(shared_data / "models/mnist.onnx", classifier_options(tuple("0123456789")))
    written = write_bundle(parts, tmp_path)
    assert written.sha256 == mnist.sha256
    assert written.path == tmp_path / f"{mnist.sha256}.zip"
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]


def test_all_that_was_written_is_read_again(mnist_parts: BundleParts, tmp_path: Path):
    spec = dataclasses.replace(
        mnist_parts.spec,
        metrics={"accuracy": 0.9},
        gates=(Gate("accuracy", True, 0.9, 0.85),),
        lineage={"run": "r1"},
        note="ein Satz, auch mit Umlauten: äöü",
    )
    reference = {"mean": np.arange(4, dtype=np.float32), "count": np.array(7)}
    parts = dataclasses.replace(mnist_parts, spec=spec, monitor=b"monitor", weights=b"weights", reference=reference)
    written = write_bundle(parts, tmp_path / "named.zip")
    bundle = open_bundle(written.path, written.sha256)
    assert bundle.spec == spec
    assert (bundle.model_bytes(), bundle.monitor_bytes(), bundle.weights_bytes()) == (
        parts.model,
        b"monitor",
        b"weights",
    )
    assert bundle.size_bytes == written.path.stat().st_size
    read = bundle.reference()
    assert read is not None
    assert all(np.array_equal(read[name], reference[name]) for name in reference)
    assert np.array_equal(bundle.parity().images, parts.parity.images)


def test_members_that_are_not_there_are_none(mnist: Bundle):
    assert (mnist.monitor_bytes(), mnist.weights_bytes(), mnist.reference()) == (None, None, None)
    assert mnist.members == {"bundle.json", "model.onnx", "parity.npz"}


def test_a_bundle_with_another_hash_is_refused(mnist: Bundle):
    with pytest.raises(BadBundle, match=r"expected sha256 0000.*found .*fetch the bundle again"):
        open_bundle(mnist.path, "0" * 64)


def test_a_bundle_that_lost_its_end_is_refused(mnist: Bundle, tmp_path: Path):
    short = tmp_path / "short.zip"
    short.write_bytes(mnist.path.read_bytes()[:-200])
    with pytest.raises(BadBundle, match="is the file complete"):
        open_bundle(short)
    with pytest.raises(BadBundle, match="is the path right"):
        open_bundle(tmp_path / "absent.zip")


def test_a_flipped_bit_in_the_model_is_noticed(mnist: Bundle, tmp_path: Path):
    data = bytearray(mnist.path.read_bytes())
    with zipfile.ZipFile(mnist.path) as archive:
        data[archive.getinfo("model.onnx").header_offset + 5000] ^= 1
    (tmp_path / "flipped.zip").write_bytes(data)
    bundle = open_bundle(tmp_path / "flipped.zip")
    with pytest.raises(BadBundle, match=r"model.onnx cannot be read \(Bad CRC-32"):
        bundle.model_bytes()


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "parity.npz"])
def test_a_missing_member_is_named(mnist: Bundle, tmp_path: Path, name: str):
    with pytest.raises(BadBundle, match=f"the members \\['{name}'\\] are missing"):
        open_bundle(rewritten(mnist, tmp_path / "b.zip", {name: None}))


def test_a_member_with_another_name_is_refused(mnist: Bundle, tmp_path: Path):
    with pytest.raises(BadBundle, match=r"unknown or doubled members \['\.\./evil'\]"):
        open_bundle(rewritten(mnist, tmp_path / "b.zip", {"../evil": b"x"}, ("../evil",)))


def test_a_bundle_that_unpacks_to_too_much_is_refused(mnist: Bundle, tmp_path: Path):
    bomb = rewritten(mnist, tmp_path / "b.zip", {"model.onnx": bytes(100 << 20)})
    assert bomb.stat().st_size < 200_000
    with pytest.raises(BadBundle, match="not a bundle but a bomb"):
        open_bundle(bomb)
    large = rewritten(mnist, tmp_path / "l.zip", {"bundle.json": bytes(2 << 20)})
    with pytest.raises(BadBundle, match=r"bundle.json is encrypted or too large \(2097152 bytes\)"):
        open_bundle(large)


def test_parity_vectors_of_another_shape_or_with_objects_are_refused(mnist: Bundle, tmp_path: Path):
    arrays = mnist.parity().as_arrays()
    cut = pack_arrays({**arrays, "probabilities": arrays["probabilities"][:, :9]})
    with pytest.raises(BadBundle, match=r"parity.npz: expected one or more images and .*\(4, 10\).*found .*\(4, 9\)"):
        open_bundle(rewritten(mnist, tmp_path / "a.zip", {"parity.npz": cut}))
    with (tmp_path / "o.npz").open("wb") as file:
        np.savez(file, images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BadBundle, match=r"parity.npz: expected arrays in npz form, found .*allow_pickle"):
        open_bundle(rewritten(mnist, tmp_path / "b.zip", {"parity.npz": (tmp_path / "o.npz").read_bytes()}))


def changed(spec: BundleSpec, change: dict) -> bytes:
    return json.dumps(json.loads(spec_to_json(spec)) | change).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "expected format_version 1, found 2; update cvops"),
        ({"surprise": 1}, r"unknown fields \['surprise'\]"),
        ({"task": "segment"}, r"bundle.json.task: expected one of \['detect', 'classify'\], found 'segment'"),
        ({"task": "detect"}, "only a detector has detection"),
        ({"classes": ["a", "a"]}, r"every class name once, found \['a'\]"),
        ({"classes": list("abc")}, r"must have the outputs .*\(3,\).*found .*\(10,\)"),
        ({"classes": "ab"}, "bundle.json.classes: expected tuple"),
        ({"max_batch": 0}, "max_batch must be 1 or more"),
        ({"max_batch": "4"}, "bundle.json.max_batch: expected a whole number, found '4'"),
        ({"name": "a b"}, "model 'a b' cannot be used"),
        ({"input": {"height": 28}}, r"bundle.json.input: the fields \['resize', 'width'\] are missing"),
        ({"metrics": {"map": None}}, "bundle.json.metrics.map: expected a finite number, found None"),
    ],
)
def test_a_bundle_json_that_makes_no_sense_is_refused_with_the_field(mnist: Bundle, change: dict, message: str):
    assert spec_from_json(changed(mnist.spec, {})) == mnist.spec
    with pytest.raises(BadBundle, match=message):
        spec_from_json(changed(mnist.spec, change))


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"[]", b"null"])
def test_what_is_not_json_is_refused(data: bytes):
    with pytest.raises(BadBundle, match=r"bundle\.json: expected"):
        spec_from_json(data)
