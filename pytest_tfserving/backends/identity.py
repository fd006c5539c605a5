"""What a server is made of: one that stayed from an earlier run is used only where a new one would be the same.

Compared is what a start would read now: the files of each version served, the program, the flags and the files that
they name, and the variables of the environment that a server or an engine heeds.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_tfserving.backends.base import ServerSpec

Identity = dict[str, Any]

_PLACE = "this machine"
_MODELS = "the models"

# Read as a whole; of other files that are larger the status alone tells.
_GRAPH = "saved_model.pb"
_MOST_BYTES_READ = 1 << 20

# By their first letters. Values are kept as digests: they may be nobody's business.
_VARIABLES = (
    "TF_", "TENSORFLOW_", "XLA_", "CUDA_", "CUDNN_", "NVIDIA_", "NCCL_", "HIP_", "ROCM_", "ROCR_",
    "OMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "GRPC_", "MALLOC_", "LD_", "DYLD_", "PYTHONPATH", "PYTHONHOME",
    "LANG", "LC_", "TZ", "DOCKER_", "TESTCONTAINERS_",
)  # fmt: skip


def key_of(spec: ServerSpec) -> str:
    """A short name of what a server is, whatever it serves: the place, the backend and program, tags and flags.

    An editor and a terminal, whose environments differ, have keys of their own: neither ends the other's server.
    """
    return digest([_place(), spec.backend, spec.program, spec.tags, spec.args, _environment()])[:16]


def identity_of(spec: ServerSpec) -> Identity:
    """What a server of this specification would be made of, if it were started now; JSON, a part an aspect.

    An image is missing here: its name may come to mean another one, and the server itself knows which it was made of.
    """
    return {
        _PLACE: _place(),
        "the program": _program(spec),
        _MODELS: {
            model.name: [model.labels, [[number, path, files_digest(Path(path))] for number, path in model.versions]]
            for model in spec.models
        },
        "the flags": [spec.tags, [[arg, _named_files(arg)] for arg in spec.args]],
        "the environment": _environment(),
    }


def differences(old: Any, new: Identity) -> list[str]:
    """The parts in which a server differs from what a start would make now; `old` may be anything.

    Models that it serves besides make no difference.
    """
    known = {**old, _MODELS: {name: _models(old).get(name) for name in new[_MODELS]}} if isinstance(old, dict) else {}
    return [part for part, value in new.items() if _is_other(known.get(part), value)]


def serves_others(old: Identity, new: Identity) -> bool:
    """Whether a server that differs in nothing from what a start would make now serves other models besides."""
    return len(old[_MODELS]) > len(new[_MODELS])


def is_superseded(old: Any, new: Identity) -> bool:
    """Whether nobody will want a server any more when there is one that is made of `new`; `old` may be anything.

    That is so where another part than the models has changed, where a model is not any more what it was at the same
    base path (written anew, another version), and where the new server serves all that the old one does.
    """
    if not isinstance(old, dict) or any(_is_other(old.get(part), new[part]) for part in new.keys() - {_MODELS}):
        return True
    served, wanted = _models(old), new[_MODELS]
    changed = [name for name in served if _is_other(served[name], wanted.get(name))]
    return not changed or any(name in wanted and _bases(served[name]) == _bases(wanted[name]) for name in changed)


def _models(identity: Identity) -> dict[str, Any]:
    models = identity.get(_MODELS)
    return models if isinstance(models, dict) else {}


def _bases(model: Any) -> set[str]:
    """The paths at which an export puts its versions; none where the model is not to be made out."""
    try:
        paths = [Path(path) for _, path, _ in model[1]]
    except (TypeError, ValueError, LookupError):
        return set()
    return {str(path.parent if path.name.isascii() and path.name.isdigit() else path) for path in paths}


def _is_other(old: Any, new: Any) -> bool:
    # As JSON, since the old one has been that: tuples are lists there.
    return digest(old) != digest(new)


def is_of_this_host(identity: Identity) -> bool:
    """Whether a server was made on a machine of this name, since it was started last or before."""
    place = identity.get(_PLACE)
    return isinstance(place, list) and place[:1] == _place()[:1]


def digest(value: Any) -> str:
    """A digest of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def files_digest(directory: Path) -> str:
    """A digest of all files below a directory: where they are, how long, of when, which inodes, what small ones hold.

    The time of a file's last change (ctime) is among it, which no program sets back as rsync and cp do with the other.
    """
    found = hashlib.sha256(os.path.realpath(directory).encode())
    for name, path in sorted(_files_below(str(directory), "", set())):
        found.update(name.encode(errors="surrogateescape") + b"\0" + _file(path).encode())
    return found.hexdigest()


def files_stamp(directory: Path) -> str:
    """A short digest of all files below a directory by their status alone: quick, and enough within one run."""
    found = hashlib.sha256()
    for name, path in sorted(_files_below(str(directory), "", set())):
        found.update(f"{name} {_file_status(path)}\n".encode(errors="surrogateescape"))
    return found.hexdigest()[:16]


def files_size(directory: str) -> int:
    """The bytes of all files below a directory."""
    size = 0
    for _, path in _files_below(directory, "", set()):
        with suppress(OSError):
            size += os.stat(path).st_size  # noqa: PTH116
    return size


def _files_below(directory: str, prefix: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """(NAME, PATH) of each file; links are followed, each directory once."""
    with suppress(OSError):
        status = os.stat(directory)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(directory) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if entry.is_dir():
                    yield from _files_below(entry.path, f"{name}/", seen)
                else:
                    yield name, entry.path


def _file(path: str) -> str:
    """A file's status and, where it is small or the graph, a digest of what it holds."""
    try:
        status = os.stat(path)  # noqa: PTH116
        text = _text_of(status)
        if status.st_size <= _MOST_BYTES_READ or path.endswith(f"/{_GRAPH}"):
            text += " " + hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        return f"errno {error.errno}"
    return text


def _program(spec: ServerSpec) -> list[str]:
    if spec.backend == "docker":
        return [spec.program]
    program = os.path.realpath(spec.program)
    return [spec.program, program, _file_status(program), *(_own_server() if spec.backend == "embedded" else ())]


@cache
def _own_server() -> tuple[str, ...]:
    """This package's sources, TensorFlow's libraries, and the directory that each `pip install` changes."""
    package = Path(__file__).parents[1]
    sources = [
        f"{name} {_file_status(path)}"
        for name, path in sorted(_files_below(str(package), "", set()))
        if name.endswith(".py")
    ]
    wheel = find_spec("tensorflow")
    if wheel is None or not wheel.origin:
        return (str(package), digest(sources))
    directory = Path(wheel.origin).parent
    libraries = [f"{path} {_file_status(str(path))}" for path in sorted(directory.glob("libtensorflow*"))]
    return (str(package), digest(sources), *libraries, f"{directory.parent} {_file_status(str(directory.parent))}")


def _file_status(path: str) -> str:
    try:
        return _text_of(os.stat(path))  # noqa: PTH116
    except OSError as error:
        return f"errno {error.errno}"


def _text_of(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _environment() -> dict[str, str]:
    return {name: digest(value) for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)}


def _named_files(arg: str) -> list[str]:
    """The files that a flag names, such as those of --batching_parameters_file, as they are now."""
    value = arg.partition("=")[2] if arg.startswith("-") else arg
    paths = [os.path.realpath(part) for part in {value, *value.split(",")} if part and Path(part).is_file()]
    return [f"{path} {_file(path)}" for path in sorted(paths)]


@cache
def _place() -> list[str]:
    """The machine, since when it is up, and on Linux which network and files a process sees (containers differ)."""
    place = [platform.node()]
    with suppress(OSError):
        place.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    for namespace in ("net", "mnt"):
        with suppress(OSError):
            place.append(os.readlink(f"/proc/self/ns/{namespace}"))  # noqa: PTH115
    return place
