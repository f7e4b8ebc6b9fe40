"""Writes the contract's Python code and type stubs to proto/gen, when the contract or the generators changed.

Files are replaced one by one and only when they differ, so a test that runs meanwhile never sees half a file.
Also writes contract.binpb, the contract with its comments: to build/ for the linter, which then needs no network for
its imports, and beside the code for the services, which serve it by reflection.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path

import google.api
import grpc_tools
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
GEN = PROTO / "gen"
DESCRIPTORS = PROTO.parent / "build" / "contract.binpb"
STAMP = GEN / ".stamp"
GENERATORS = ("grpcio-tools", "mypy-protobuf", "googleapis-common-protos")


def main() -> None:
    sources = sorted(PROTO.glob("yunsong/**/*.proto"))
    digest = _digest(sources)
    if STAMP.is_file() and STAMP.read_text() == digest and DESCRIPTORS.is_file():
        return
    GEN.mkdir(exist_ok=True)
    DESCRIPTORS.parent.mkdir(exist_ok=True)
    # protoc finds the type stubs' generators beside the interpreter, whatever the caller's PATH is.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    with tempfile.TemporaryDirectory(dir=PROTO.parent / "build") as folder:
        out = Path(folder)
        _compile(sources, out)
        # Beside the generated code too: services serve its comments by reflection.
        shutil.copyfile(out / DESCRIPTORS.name, out / "yunsong" / DESCRIPTORS.name)
        (out / DESCRIPTORS.name).replace(DESCRIPTORS)
        _install(out)
    STAMP.write_text(digest)
    print(f"proto: generated {len(sources)} files into {GEN.relative_to(PROTO.parent)}")


def _digest(sources: list[Path]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in GENERATORS:
        digest.update(f"{name}=={importlib.metadata.version(name)}\n".encode())
    for source in sources:
        digest.update(f"{source.relative_to(PROTO)}\n".encode() + source.read_bytes())
    return digest.hexdigest()


def _compile(sources: list[Path], out: Path) -> None:
    arguments = [
        "protoc",
        f"--proto_path={PROTO}",
        f"--proto_path={Path(next(iter(google.api.__path__))).parent.parent}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
        f"--descriptor_set_out={out / DESCRIPTORS.name}",
        "--include_imports",
        "--include_source_info",
        *(str(source.relative_to(PROTO)) for source in sources),
    ]
    if protoc.main(arguments) != 0:
        sys.exit("proto: the contract does not compile; see the lines above")


def _install(out: Path) -> None:
    """Move what changed into gen/ and remove what no source makes any more."""
    made = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    for name in made:
        target = GEN / name
        fresh = (out / name).read_bytes()
        if not target.is_file() or target.read_bytes() != fresh:
            target.parent.mkdir(parents=True, exist_ok=True)
            (out / name).replace(target)
    for stale in GEN.glob("yunsong/**/*_pb2*.py*"):
        if stale.suffix in {".py", ".pyi"} and stale.relative_to(GEN) not in made:
            stale.unlink()


if __name__ == "__main__":
    main()
