"""Generates pytest_tfserving/wire/*_pb2.py and .pyi from the .proto files beside them.

`python tools/generate_wire.py` writes them, `--check` compares and writes nothing (`make check` runs that).

protoc stamps its output with a demand for a protobuf runtime of its own major version or one below it.
TensorFlow releases span three majors of protobuf, and the messages need nothing that changed between them,
so the stamp is taken out; the tests hold on every combination that CI installs.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
WIRE = ROOT / "pytest_tfserving" / "wire"
RUNTIME_STAMP = re.compile(
    r"^from google\.protobuf import runtime_version as _runtime_version\n"
    r"|^_runtime_version\.ValidateProtobufRuntimeVersion\((?:.|\n)*?^\)\n",
    re.MULTILINE,
)
VERSION_COMMENT = re.compile(r"^# Protobuf Python Version: .*\n", re.MULTILINE)


def generate() -> dict[Path, str]:
    """The generated text by the file that it belongs in."""
    with tempfile.TemporaryDirectory() as out:
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        status = protoc.main(
            ["protoc", f"-I{ROOT}", f"-I{well_known}", f"--python_out={out}", f"--pyi_out={out}"]
            + [str(p) for p in sorted(WIRE.glob("*.proto"))]
        )
        if status:
            sys.exit(status)
        generated = sorted(Path(out).rglob("*_pb2.py*"))
        return {WIRE / p.name: VERSION_COMMENT.sub("", RUNTIME_STAMP.sub("", p.read_text())) for p in generated}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is there; write nothing")
    check = parser.parse_args().check
    stale = {path: text for path, text in generate().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)} {'differs from its .proto: run `make wire`' if check else 'written'}")
        if not check:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
