"""Generates the code of the contracts into a scratch folder and fails when it differs from what is committed."""

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
BIN = Path(sys.executable).parent


def main() -> int:
    """0 when all generated files are as they should be."""
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", "-I."),
                *(f"--{kind}_out={folder}" for kind in ("python", "grpc_python")),
                *(f"--{kind}_out=quiet:{folder}" for kind in ("mypy", "mypy_grpc")),
                *(f"--plugin=protoc-gen-{kind}={BIN / f'protoc-gen-{kind}'}" for kind in ("mypy", "mypy_grpc")),
                *names,
            ],
            cwd=PROTOS,
            check=True,
        )
        made = {path.relative_to(folder) for path in Path(folder).rglob("*_pb2*")}
        kept = {path.relative_to(PROTOS) for path in PROTOS.rglob("*_pb2*.py*") if "__pycache__" not in path.parts}
        wrong = sorted(
            str(path)
            for path in made | kept
            if path not in kept
            or path not in made
            or not filecmp.cmp(Path(folder) / path, PROTOS / path, shallow=False)
        )
    if wrong:
        print("generated code differs from the contracts, run `make protos` and commit:", *wrong, sep="\n  ")
        return 1
    print(f"{len(made)} generated files are those of {len(names)} contracts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
