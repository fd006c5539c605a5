"""Generates pytest_tfserving/lint/known_ops.txt: the ops that the standard build of tensorflow_model_server knows.

    pip download --no-deps tensorflow-text tensorflow-decision-forests
    python tools/generate_known_ops.py *.whl

TensorFlow's own are those that the installed tensorflow registers (TF_GetAllOpList). The server links two libraries of
ops besides (tensorflow_serving/model_servers/BUILD, SUPPORTED_TENSORFLOW_OPS): TensorFlow Text, and the inference ops
of TensorFlow Decision Forests. Theirs are what the shared libraries in the wheels register when they are loaded.
A library that was built for another TensorFlow cannot be loaded; of those of Decision Forests, whose releases are
rarer than TensorFlow's, the names are then read from the text in the library.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pytest_tfserving.server.capi import LIBRARIES, Buffer
from pytest_tfserving.varint import read_varint
from pytest_tfserving.wire import tensorflow_pb2 as tf

FILE = Path(__file__).resolve().parents[1] / "pytest_tfserving" / "lint" / "known_ops.txt"

# What of a wheel registers ops that the server has too.
OP_LIBRARY = re.compile(r"tensorflow_text/python/.*\.so|.*/ops/inference/inference\.so")
OP_IN_TEXT = re.compile(rb"(?<=\0)SimpleML[A-Za-z0-9]+(?=\0)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path, nargs="+", help="tensorflow-text and tensorflow-decision-forests")
    wheels = parser.parse_args().wheels
    api = _open_tensorflow()
    names = set(_names(api.TF_GetAllOpList().contents))
    sources = [f"tensorflow {metadata.version('tensorflow')}"]
    for wheel in wheels:
        found = _names_of_wheel(api, wheel)
        if not found:
            sys.exit(f"{wheel}: no library of ops in it")
        sources.append(" ".join(wheel.name.split("-")[:2]))
        names |= found
    lines = [f"# {', '.join(sources)}; written by tools/generate_known_ops.py", *sorted(names)]
    FILE.write_text("\n".join(lines) + "\n")
    print(f"{FILE}: {len(names)} ops of {', '.join(sources)}")
    return 0


def _names_of_wheel(api: ctypes.CDLL, wheel: Path) -> set[str]:
    names: set[str] = set()
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        for member in filter(OP_LIBRARY.fullmatch, archive.namelist()):
            library = archive.extract(member, folder)
            status = api.TF_NewStatus()
            handle = api.TF_LoadLibrary(os.fsencode(library), status)
            if handle:
                names.update(_names(api.TF_GetOpList(handle)))
                continue
            in_text = {name.decode() for name in OP_IN_TEXT.findall(Path(library).read_bytes())}
            if not in_text:
                sys.exit(f"{wheel}: {member} cannot be loaded: {api.TF_Message(status).decode()}")
            names |= in_text
    return names


def _open_tensorflow() -> ctypes.CDLL:
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("tensorflow is not installed")
    folder = Path(spec.submodule_search_locations[0])
    api, *_ = (ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL) for name in LIBRARIES)
    api.TF_GetAllOpList.restype = ctypes.POINTER(Buffer)
    api.TF_NewStatus.restype = ctypes.c_void_p
    api.TF_Message.restype, api.TF_Message.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    api.TF_LoadLibrary.restype, api.TF_LoadLibrary.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_void_p]
    api.TF_GetOpList.restype, api.TF_GetOpList.argtypes = Buffer, [ctypes.c_void_p]
    return api


def _names(op_list: Buffer) -> Iterator[str]:
    """The names in a serialized OpList, whose only field is `repeated OpDef op = 1`."""
    data = ctypes.string_at(op_list.data, op_list.length)
    position = 0
    while position < len(data):
        _, position = read_varint(data, position)
        size, position = read_varint(data, position)
        yield tf.OpDef.FromString(data[position : position + size]).name
        position += size


if __name__ == "__main__":
    sys.exit(main())
