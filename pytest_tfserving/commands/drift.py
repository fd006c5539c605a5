"""`pytest-tfserving drift OLD NEW --inputs GOLDENS...`: how far the answers to the same requests are apart."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_tfserving.commands.address import FORMS, is_address
from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.errors import Code, ContractWarning, GoldenError, RequestError, SpecError
from pytest_tfserving.golden.output_rule import OutputRule, read_overall_rules
from pytest_tfserving.golden.store import Case, find_files, read_cases
from pytest_tfserving.golden.tolerance import Tolerance, check_outputs_named
from pytest_tfserving.options import BACKENDS, TRANSPORTS, Settings
from pytest_tfserving.savedmodel import DEFAULT_TAGS
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema
from pytest_tfserving.session import Session

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:  # numpy, grpc and requests are loaded while a server starts
    from pytest_tfserving.commands.sides import Asked
    from pytest_tfserving.golden.drift import Drift
    from pytest_tfserving.golden.output_drift import Side
    from pytest_tfserving.golden.overall import Pooled
    from pytest_tfserving.report.drift import DriftReport
    from pytest_tfserving.served import Served

CLOSE, DRIFTED = 0, 1

_FIRST_PROGRESS_S, _PROGRESS_S = 1.0, 5.0
# A process that has closed its connections is gone a moment later, or writes its core for longer.
_SECONDS_TO_END = 5.0

_EPILOG = f"""\
OLD and NEW are each one of
  an export         exports/1, or exports, whose newest version it is then
  a running server  {FORMS}

Two exports are served side by side by one server, which ends with the command. GOLDENS are files, directories and
globs as tests take them, request logs and warm-up files too; recorded answers in them are not looked at, and cases
that expect an error are left out. The TFSERVING_... variables say what image, binary and timeouts are used.

Percentiles are right to within half a percent. Errors are of values that have a distance: not of NaN, nor of infinity
beside another value. --overall is TOML, a table an output with the keys that goldens' `overall` takes, such as
  --overall 'label = {{ argmax = true, differing = 0.005 }}'

The exit status is 0 where all answers are within the tolerance (of an output with --overall: where all together
are), 1 where one is not, or one side alone refuses a request, 2 where nothing can be said, as where a server gives
no answer.
"""


@plainly
def run(arguments: Sequence[str]) -> int:
    """Prints the statistics; the exit status."""
    given = _parser().parse_args(arguments)
    report = _compare(given)
    from pytest_tfserving.report.drift import drift_json, drift_text

    print_out(drift_json(report) if given.format == "json" else drift_text(report, sys.stdout.encoding or "ascii"))
    return CLOSE if report.holds else DRIFTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving drift",
        description="Send the same requests to OLD and NEW, and say how far their answers are apart.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", metavar="OLD", help="what answers as it should")
    parser.add_argument("new", metavar="NEW", help="what shall take its place")
    parser.add_argument(
        "--inputs", nargs="+", action="extend", required=True, metavar="GOLDENS", help="where the requests are"
    )
    parser.add_argument("--signature", metavar="NAME", help="only requests of this signature")
    parser.add_argument("--transport", choices=TRANSPORTS, help="default: that of an address, else grpc")
    parser.add_argument("--rtol", type=_limit, metavar="R", help="default: 1e-05, more of 16-bit floats")
    parser.add_argument("--atol", type=_limit, metavar="A", help="default: 1e-08")
    parser.add_argument("--equal-nan", action="store_true", help="NaN equals NaN")
    parser.add_argument(
        "--overall", action="append", default=[], metavar="'NAME = {...}'",
        help="judge an output over all answers together; may be repeated",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--backend", choices=[name for name in BACKENDS if name != "remote"], help="what serves exports; default: auto"
    )
    parser.add_argument(
        "--tags", default=",".join(DEFAULT_TAGS), help=f"of the exports' graph, with commas; default: {DEFAULT_TAGS[0]}"
    )
    parser.add_argument(
        "--server-arg", action="append", metavar="ARG", help="a flag for the server, as --server-arg=--FLAG; may be "
        "repeated",
    )  # fmt: skip
    return parser


def _limit(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number that is not negative")
    return value


def _compare(given: argparse.Namespace) -> DriftReport:
    places: dict[Side, str] = {"old": given.old, "new": given.new}
    tolerance = Tolerance(given.rtol, given.atol, given.equal_nan)
    rules = _overall(given.overall)
    notes: dict[str, None] = {}
    # Files are looked for before a server is started.
    files = dict.fromkeys(file for pattern in given.inputs for file in find_files(pattern, Path.cwd()))
    session = Session(_settings(given, all(map(is_address, places.values()))), _say)
    served: Mapping[Side, Served] = {}
    try:
        from pytest_tfserving.commands.sides import Sides, serve_sides, transports_of
        from pytest_tfserving.golden.drift import Drift
        from pytest_tfserving.golden.in_flight import InFlight
        from pytest_tfserving.golden.overall import Pooled
        from pytest_tfserving.report.drift import DriftReport

        transports = transports_of(places, given.transport)
        served = serve_sides(session, places, [tag for tag in given.tags.split(",") if tag])
        sides = Sides(served, places, transports, InFlight())
        _check_names(given.signature, rules, sides.schemas)
        drift, pooled = Drift(tolerance), Pooled(rules, tolerance)
        with closing(sides.answers(_cases(files, given.signature, notes))) as answers:
            _gather(answers, drift, pooled)
        software = {side: _software(one) for side, one in served.items()}
    except RequestError as error:
        if error.code is Code.UNAVAILABLE:
            for one in served.values():
                one.check_alive("while requests were sent", within=_SECONDS_TO_END)
        raise
    finally:
        for one in served.values():
            one.close()
        session.close()
    broken = pooled.comparison().differences if drift.answered else ()
    return DriftReport(drift, places, transports, software, pooled.standings(), broken, list(notes))


def _gather(answers: Iterator[Asked], drift: Drift, pooled: Pooled) -> None:
    """Adds every case. Raises GoldenError where nothing came of all of them."""
    number, next_word = 0, time.monotonic() + _FIRST_PROGRESS_S
    for number, asked in enumerate(answers, 1):
        if asked.answers and asked.signature:
            old, new = asked.answers["old"], asked.answers["new"]
            drift.add(asked.case, asked.signature, old, new)
            pooled.add(asked.case.where, old, new)
        elif asked.errors:
            drift.add_refused(asked.case, asked.errors)
        elif asked.lacking:
            drift.lacking[asked.case.signature_name or DEFAULT_SIGNATURE, asked.lacking] += 1
        else:
            drift.left_out[asked.left_out] += 1
        if sys.stderr.isatty() and time.monotonic() > next_word:
            _say(f"{number:,} requests")
            next_word = time.monotonic() + _PROGRESS_S
    if not number:
        raise GoldenError("no request of that signature in the files of --inputs")
    if not drift.answered and drift.holds():
        reasons = [f"both refuse {counted.case}: {counted.text}" for counted in drift.refused.values()]
        reasons += [f"{times} left out: {reason}" for reason, times in drift.left_out.items()]
        raise GoldenError(f"no request was answered, so there is nothing to compare; {'; '.join(reasons)}")


def _settings(given: argparse.Namespace, remote: bool) -> Settings:
    """The settings of the environment, with what was given. The addresses in it are not those of OLD and NEW."""
    flags = {"backend": given.backend, "server_arg": given.server_arg}
    settings = Settings.resolve(lambda option: flags.get(option.name), lambda _: None)
    if settings.backend == "remote" and not remote:
        raise SpecError("TFSERVING_BACKEND is remote, where no export can be served; give --backend, or addresses")
    return settings._replace(rest_url=None, grpc_target=None)


def _overall(texts: Sequence[str]) -> dict[str, OutputRule]:
    rules: dict[str, OutputRule] = {}
    for text in texts:
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SpecError(
                f"--overall: {text!r} is no TOML such as 'label = {{ argmax = true, differing = 0.005 }}': {error}"
            ) from error
        rules |= read_overall_rules("--overall", values, Path.cwd())
    return rules


def _check_names(signature: str | None, rules: Mapping[str, OutputRule], schemas: Mapping[Side, ModelSchema]) -> None:
    signatures = [one for schema in schemas.values() for one in schema.callable_signatures.values()]
    if signature is not None and signature not in {one.name for one in signatures}:
        known = ", ".join(dict.fromkeys(repr(one.name) for one in signatures)) or "none"
        raise SpecError(f"--signature: neither has a signature {signature!r}; there is {known}")
    check_outputs_named(Tolerance(outputs=rules), {name for one in signatures for name in one.outputs})


def _cases(files: Iterable[Path], signature: str | None, notes: dict[str, None]) -> Iterator[Case]:
    """The cases of the files, a file at a time; what is left out of one is noted."""
    for file in files:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ContractWarning)
            cases = read_cases(file)
        notes.update(dict.fromkeys(str(warning.message) for warning in caught))
        yield from (case for case in cases if signature in (None, case.signature_name or DEFAULT_SIGNATURE))


def _software(served: Served) -> str:
    software = ", ".join(f"{key} {value}" for key, value in served.provenance.items() if key != "backend")
    return f"{served.backend}: {software or served.endpoint}"


def _say(line: str) -> None:
    print(f"pytest-tfserving drift: {line}", file=sys.stderr, flush=True)
