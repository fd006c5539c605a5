"""Tensors that are too large to be read, in an .npz file beside a golden's JSON.

The JSON holds {"dtype", "shape", "npz": KEY}, NAME.npz an array for each KEY. A recorded tensor's key is the digest
of its dtype, shape and bytes: a key never changes its meaning, so that the JSON of before and the JSON of after a
recording can share a file while one takes the other's place; and an array that is not the one that was recorded is
seen. Another key is one that a person chose, for a file made with numpy.savez.

Nothing is ever pickled. Strings stay in JSON. bfloat16, which numpy does not know, is kept as uint16. Entries are not
compressed (floats hardly shrink, and zlib's output is not the same everywhere), and bear no date.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.files import replaced, shown
from pytest_tfserving.golden.exact import read_tensor, write_tensor
from pytest_tfserving.golden.text import Stored, is_in_npz
from pytest_tfserving.tensors import Array, name_of, numpy_dtype

# A tensor of more elements goes to the .npz: some 500 lines of float32, which is as much of a file as the usual review
# tools still show unfolded. By elements and not by bytes: lines are what a person reads.
MOST_IN_JSON = 4096

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNREADABLE = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class InNpz(Stored):
    """A tensor in an .npz file, as the JSON beside it says."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    key: str

    def load(self, name: str) -> Array:
        """The array. Raises TensorError where the file does not have it, or has another."""
        dtype = numpy_dtype(self.dtype)
        try:
            with zipfile.ZipFile(self.file) as archive:
                if f"{self.key}.npy" not in archive.namelist():
                    raise TensorError(f"{name!r}: {shown(self.file)} has no array {self.key!r:.20}; {_COMMIT_BOTH}")
                with archive.open(f"{self.key}.npy") as stream:
                    array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        except FileNotFoundError:
            raise TensorError(
                f"{name!r}: its values are in {shown(self.file)}, which is missing; {_COMMIT_BOTH}"
            ) from None
        except TensorError:
            raise
        except _UNREADABLE as error:
            if "allow_pickle" in str(error):
                raise TensorError(
                    f"{name!r}: {shown(self.file)} holds objects, which are not read, since that may run "
                    f"code; save numbers with their dtype (array.astype('{self.dtype}')), and write strings into "
                    f"the JSON"
                ) from None
            raise TensorError(f"{name!r}: {shown(self.file)} cannot be read: {error}") from error
        if self.dtype == "bfloat16" and array.dtype == np.uint16:
            array = array.view(dtype)
        if (array.dtype.newbyteorder("="), array.shape) != (dtype, self.shape):
            raise TensorError(
                f"{name!r}: {self.dtype}{list(self.shape)} is written, {shown(self.file)} has "
                f"{array.dtype}{list(array.shape)}"
            )
        array = np.ascontiguousarray(array, dtype).reshape(self.shape)
        if is_recorded(self.key) and digest(array) != self.key:
            raise TensorError(f"{name!r}: {shown(self.file)} has other values than were recorded; {_COMMIT_BOTH}")
        return array


_COMMIT_BOTH = "the JSON and its .npz go together: restore both, or record again"


def npz_of(file: Path) -> Path:
    """The .npz file beside a JSON file."""
    return file.with_suffix(".npz")


def digest(array: Array) -> str:
    """The key of a recorded array: SHA-256 of its dtype and shape as text and of its bytes, little-endian."""
    little = array if name_of(array) == "bfloat16" else array.astype(array.dtype.newbyteorder("<"), copy=False)
    content = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
    sha = hashlib.sha256(f"{name_of(array)}{list(array.shape)}\n".encode())
    sha.update(content.data)
    return sha.hexdigest()


def is_recorded(key: str) -> bool:
    """Whether recording has named an array so; another name is a person's."""
    return _DIGEST.fullmatch(key) is not None


def resolved(values: Any, file: Path, place: str) -> Any:
    """The value of `inputs` or `outputs` of a golden in `file`, with tensors of its .npz for what refers to them.

    Raises GoldenError, which begins with `place`, for a reference of another form.
    """
    if is_in_npz(values):
        dtype, shape, key = values["dtype"], values["shape"], values["npz"]
        sizes = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
        if not isinstance(dtype, str) or not sizes or not isinstance(key, str) or dtype == "string":
            raise GoldenError(
                f"{place}: a tensor in an .npz has a dtype (not string), a shape, and the array's name there; this is "
                f"{values!r:.100}"
            )
        return InNpz(npz_of(file), dtype, tuple(shape), key)
    if isinstance(values, dict):
        return {name: resolved(value, file, place) if is_in_npz(value) else value for name, value in values.items()}
    return values


def plain_tensor(array: Array) -> dict[str, Any]:
    """An array that is to be recorded, in plain values: its bytes, of strings what JSON has.

    A run keeps its answers so to its end: a float as JSON has it, a number of Python's, takes eight times as much.
    """
    name = name_of(array)
    if name == "string":
        return write_tensor(array)
    return {
        "dtype": name,
        "shape": list(array.shape),
        "bytes": np.ascontiguousarray(array, numpy_dtype(name)).tobytes(),
    }


def from_plain(plain: Mapping[str, Any], name: str) -> Array:
    """The array of plain_tensor's dict, of the output `name`."""
    if "bytes" not in plain:
        return read_tensor(plain, "", name)
    array: Array = np.frombuffer(plain["bytes"], numpy_dtype(plain["dtype"])).reshape(plain["shape"])
    return array


def write_npz(file: Path, arrays: Mapping[str, Array], keep: frozenset[str]) -> None:
    """Writes an .npz with the arrays and those of the file's own entries that are in `keep` or no recording made.

    In one step, one array at a time; a file that would hold what it holds is not touched. Raises OSError, and
    GoldenError where the file that is there cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as old:
            entries = {name.removesuffix(".npy"): name for name in old.namelist()}
            kept = {key for key in entries if key in keep or not is_recorded(key)}
            if kept == set(entries) and set(arrays) <= kept:
                return
            if not kept and not arrays:
                file.unlink()
                return
            _write(file, arrays, {key: (old, entries[key]) for key in kept - set(arrays)})
    except FileNotFoundError:
        if arrays:
            _write(file, arrays, {})
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise GoldenError(f"{shown(file)} cannot be read: {error}; remove it to record anew") from error


def _write(file: Path, arrays: Mapping[str, Array], kept: Mapping[str, tuple[zipfile.ZipFile, str]]) -> None:
    with replaced(file) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted({*arrays, *kept}):
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # else that of this machine
            if key in kept:
                old, name = kept[key]
                entry.file_size = old.getinfo(name).file_size
                with old.open(name) as source, archive.open(entry, "w") as target:
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)
                continue
            array = arrays[key].view(np.uint16) if name_of(arrays[key]) == "bfloat16" else arrays[key]
            entry.file_size = array.nbytes + _CHUNK
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            with archive.open(entry, "w") as target:
                np.lib.format.write_array_header_1_0(target, np.lib.format.header_data_from_array_1_0(little))
                target.write(little.reshape(-1).view(np.uint8).data)
