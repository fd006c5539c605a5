"""What a contract asks to be checked, as values: what markers and contract files both come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import DEFAULT_SIGNATURE

if TYPE_CHECKING:  # a check of one kind does without what the others are made of
    from pytest_tfserving.contracts.check import ExpectedSignature
    from pytest_tfserving.contracts.promises import Promises
    from pytest_tfserving.findings import Policy
    from pytest_tfserving.golden.output_rule import OutputRule
    from pytest_tfserving.golden.store import Case
    from pytest_tfserving.latency.plan import Budget, Plan

# How a generated request breaks its signature (refusals.py says what each is, and who refuses it).
InvalidKind = Literal["missing", "extra", "dtype", "rank", "size"]
INVALID_KINDS: tuple[InvalidKind, ...] = get_args(InvalidKind)

# What every server refuses, whatever the model does.
REFUSED_BY_SERVER: tuple[InvalidKind, ...] = ("missing", "extra", "dtype")


def invalid_kinds(given: bool | Sequence[InvalidKind]) -> tuple[InvalidKind, ...]:
    """The kinds that `invalid` asks for: True is what every server refuses, False none."""
    if isinstance(given, bool):
        return REFUSED_BY_SERVER if given else ()
    return tuple(given)


# What answers are compared with in place of recorded ones: an export, or another version of the one under test.
Baseline = Path | int


@dataclass(frozen=True)
class SignatureCheck:
    """The export and the server have the signature."""

    expected: ExpectedSignature


@dataclass(frozen=True)
class GoldenCheck:
    """A case's request over one transport is answered as recorded, or refused as it says.

    An `inline` case stands in a contract file, into which no answer is recorded. With `against` the answer is compared
    with a baseline's in place of the recorded one.
    """

    case: Case
    transport: str
    tolerance: Tolerance
    inline: bool = False
    against: Baseline | None = None


@dataclass(frozen=True)
class GoldenSetCheck:
    """The requests of many cases over one transport are answered as recorded (or as a baseline does), as one test.

    `name` is what the set was called where it was asked for. `overall` has, by output, what is asked of the values of
    all cases together; such an output's names, dtypes and shapes alone are compared case by case.
    """

    name: str
    cases: tuple[Case, ...]
    transport: str
    tolerance: Tolerance
    overall: Mapping[str, OutputRule] = field(default_factory=dict, hash=False)
    against: Baseline | None = None


@dataclass(frozen=True)
class CompatibleCheck:
    """Nothing that clients of the baseline rely on has changed. `baseline` is an export or a contract file."""

    baseline: Path
    policy: Policy


@dataclass(frozen=True)
class LintCheck:
    """Nothing in the export will hurt when it is served."""

    policy: Policy


@dataclass(frozen=True)
class GoldenFiles:
    """Golden files: a path, a directory or a glob, from `base` where it is relative (golden/store.py, find_files)."""

    pattern: str
    base: Path


@dataclass(frozen=True)
class GoldenRequest:
    """Golden cases that are asked for, and how close an answer must be.

    `together` makes one test of all of them (GoldenSetCheck), which `overall` implies.
    """

    files: GoldenFiles
    tolerance: Tolerance
    together: bool = False
    overall: Mapping[str, OutputRule] = field(default_factory=dict, hash=False)
    against: Baseline | None = None


@dataclass(frozen=True)
class PropertiesCheck:
    """The promises hold for the requests of golden cases, of those that are of the promises' signature.

    The cases are `cases` and those of the files in `requests`.
    """

    promises: Promises
    requests: tuple[GoldenFiles, ...] = ()
    cases: tuple[Case, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True)
class GeneratedCheck:
    """The promises hold for generated requests; those that break the signature in an `invalid` way are refused.

    `examples` is at most how many of each are sent; None leaves it to the option.
    """

    promises: Promises
    examples: int | None = None
    invalid: tuple[InvalidKind, ...] = REFUSED_BY_SERVER
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True)
class LatencyCheck:
    """Answers come in time, by the budget, and as quickly as a baseline's where there is one.

    The requests are those of the files in `requests` and `cases` that are of the signature and that the transport
    carries; of neither, one that is made up. Without a `transport` it is that of requests that need only one.
    """

    plan: Plan
    budget: Budget
    signature: str = DEFAULT_SIGNATURE
    transport: str | None = None
    requests: tuple[GoldenFiles, ...] = ()
    cases: tuple[Case, ...] = ()
    against: Baseline | None = None


Check = (
    SignatureCheck
    | GoldenCheck
    | GoldenSetCheck
    | CompatibleCheck
    | LintCheck
    | PropertiesCheck
    | GeneratedCheck
    | LatencyCheck
)
