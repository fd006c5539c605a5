"""The option table: each option is a command-line flag, an ini key and an environment variable.

For the option `backend` these are --tfserving-backend, tfserving_backend and TFSERVING_BACKEND; the flag wins over the
variable, the variable over the ini file. plugin.py offers the table to pytest; Settings is what it comes to.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pytest_tfserving.errors import SpecError

BACKENDS = ("auto", "docker", "binary", "embedded", "remote")
TRANSPORTS = ("rest", "grpc")
UPDATE_MODES = ("new", "changed", "all")

# Pinned: a golden should not move because somebody else pushed a new `latest`.
DEFAULT_IMAGE = "tensorflow/serving:2.19.1"


# Named tuples rather than dataclasses: these are made at every start of pytest, used or not, and cost a tenth.
class Option(NamedTuple):
    """One row of the table. `when_bare` is the value of a flag that was given none; `expects` what `convert` takes."""

    name: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    is_flag: bool = False
    when_bare: str | float | None = None
    metavar: str | None = None
    convert: Callable[[str], Any] = str
    expects: str = ""

    @property
    def flag(self) -> str:
        """--tfserving-rest-url"""
        return f"--tfserving-{self.name.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """tfserving_rest_url"""
        return f"tfserving_{self.name}" + ("s" if self.name == "server_arg" else "")

    @property
    def env(self) -> str:
        """TFSERVING_REST_URL"""
        return self.ini.upper()

    def read(self, text: str, source: str) -> Any:
        """The value that `text` stands for. Raises SpecError that names `source`, where it stood."""
        try:
            value = self.convert(text)
        except ValueError:
            raise SpecError(f"{source}: {text!r} is no {self.expects}") from None
        if self.choices and value not in self.choices:
            raise SpecError(f"{source}: {text!r} is none of {', '.join(self.choices)}")
        return value


def _flag(text: str) -> bool:
    """Whether something is switched on. Raises ValueError for any other word."""
    if text.lower() in _ON:
        return True
    if text.lower() in _OFF:
        return False
    raise ValueError(text)


def _seconds(text: str) -> float:
    """A time that ends. Raises ValueError for any other."""
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def _seconds_or_off(text: str) -> float | None:
    """Seconds, or a word for some or none; 1 is the word. Raises ValueError for any other."""
    try:
        return _REUSE_SECONDS if _flag(text) else None
    except ValueError:
        return _seconds(text)


def _count(text: str) -> int:
    """How many. Raises ValueError for none, and for what is no number."""
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


_SECONDS = "number of seconds"
# What a bare --tfserving-reuse stands for.
_REUSE_SECONDS = 600.0
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _switch(name: str, text: str) -> Option:
    """An option that is on or off; its flag takes no value."""
    return Option(name, text, is_flag=True, default=False, convert=_flag, expects=f"word such as {_ON[1]} or {_OFF[1]}")


OPTIONS = (
    Option("backend", "what serves the models", "auto", choices=BACKENDS),
    Option("image", "image of the docker backend", DEFAULT_IMAGE, metavar="IMAGE"),
    Option("binary", "tensorflow_model_server of the binary backend (default: the one on PATH)", metavar="PATH"),
    Option("rest_url", "REST address of a running server, for the remote backend", metavar="URL"),
    Option("grpc_target", "gRPC address of a running server, for the remote backend", metavar="HOST:PORT"),
    Option(
        "model",
        "the export under test, in place of the path that markers give; with NAME= only for that model",
        repeatable=True,
        metavar="[NAME=]PATH",
    ),
    Option("transport", "how golden cases are sent", "both", choices=(*TRANSPORTS, "both")),
    Option(
        "update",
        "record goldens: new, those without outputs; changed, also those that differ (when bare); all, every one",
        choices=UPDATE_MODES,
        when_bare="changed",
    ),
    _switch("update_in_ci", "record goldens in CI too, where a run that would is refused otherwise"),
    _switch("remove_unused", "remove the goldens that no test uses"),
    Option("report", "write a page of what was checked and what moved (needs the extra `report`)", metavar="FILE.html"),
    Option("json", "write the same for machines", metavar="FILE.json"),
    Option(
        "max_examples",
        "at most how many generated requests a check sends, whatever contracts say",
        metavar="N",
        convert=_count,
        expects="number of requests",
    ),
    Option(
        "seed",
        "other generated requests than the usual ones; a failure says the seed that brings its requests back",
        metavar="N",
        convert=int,
        expects="whole number",
    ),
    Option(
        "startup_timeout",
        "seconds until a started server's models must be available",
        60.0,
        convert=_seconds,
        expects=_SECONDS,
    ),
    Option(
        "reuse",
        f"leave servers up for the next run, until nobody has used them for SECONDS (bare: {_REUSE_SECONDS:g})",
        when_bare=_REUSE_SECONDS,
        metavar="SECONDS",
        convert=_seconds_or_off,
        expects=f"{_SECONDS}, nor on or off",
    ),
    Option("request_timeout", "seconds until a request must be answered", 30.0, convert=_seconds, expects=_SECONDS),
    Option("server_arg", "an extra flag for the server, such as --enable_batching", repeatable=True, metavar="ARG"),
)


class Settings(NamedTuple):
    """The options' values; a field is named as its option."""

    backend: str
    image: str
    binary: str | None
    rest_url: str | None
    grpc_target: str | None
    model: tuple[str, ...]
    transport: str
    update: str | None
    update_in_ci: bool
    remove_unused: bool
    report: str | None
    json: str | None
    max_examples: int | None
    seed: int | None
    startup_timeout: float
    reuse: float | None
    request_timeout: float
    server_arg: tuple[str, ...]

    @classmethod
    def resolve(
        cls,
        flag: Callable[[Option], Any],
        ini: Callable[[Option], Any],
        environment: Mapping[str, str] = os.environ,
    ) -> Settings:
        """The settings from a flag's value, an ini value (each None where not given) and the environment."""
        values: dict[str, Any] = {}
        for option in OPTIONS:
            given, source = flag(option), option.flag
            if given is None:
                given, source = environment.get(option.env) or None, option.env
            if given is None:
                given, source = ini(option), option.ini
            if option.repeatable:
                texts = shlex.split(given) if isinstance(given, str) else given or ()
                values[option.name] = tuple(option.read(text, source) for text in texts)
            else:
                values[option.name] = option.default if given is None else option.read(str(given), source)
        return cls(**values)

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports of golden cases; of a remote server only those whose address is known."""
        wanted = TRANSPORTS if self.transport == "both" else (self.transport,)
        if self.is_remote:
            known = {"rest": self.rest_url, "grpc": self.grpc_target}
            return tuple(transport for transport in wanted if known[transport]) or wanted
        return wanted

    @property
    def is_remote(self) -> bool:
        """Whether a server that already runs is tested."""
        return self.backend == "remote" or (self.backend == "auto" and bool(self.rest_url or self.grpc_target))

    @property
    def candidates(self) -> list[tuple[str | None, str]]:
        """(NAME, PATH) of every --tfserving-model; a NAME of None where only a path was given."""
        split = [text.partition("=") for text in self.model]
        # A model's name holds no slash, so exports/a=b is a path.
        return [(name, path) if sign and "/" not in name else (None, name + sign + path) for name, sign, path in split]

    def candidate(self, name: str) -> tuple[str | None, bool]:
        """The path of --tfserving-model for the model called `name`, and whether it was given without a NAME=.

        One that was given with the name wins over one without; of several the last one wins, as with any flag.
        """
        given = dict(self.candidates)
        return (given[name], False) if name in given else (given.get(None), None in given)
