"""The run in Markdown, as GitHub shows it beside a job: appended to the file that GITHUB_STEP_SUMMARY names.

GitHub shows none of a step's summary where that is larger than 1 MiB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_tfserving.latency.durations import duration_text
from pytest_tfserving.latency.plan import PERCENTILES
from pytest_tfserving.report.findings import printable
from pytest_tfserving.report.measurement_words import before_texts, limit_text, load_text, percentile_texts, ratio_text

MOST_BYTES = 1024 * 1024
# Other tools of the step write there, before us and after.
_OUR_SHARE = MOST_BYTES // 2
_MOST_MOVED = 20
_MOST_OF_A_FAILURE = 10_000  # characters
_MOST_OF_A_NAME = 200
_PUNCTUATION = re.compile(r"[!-+.:-@\[-`{-~]")  # ASCII's, but for the comma, hyphen and slash, which mark up nothing


def append_step_summary(document: Mapping[str, Any], file: Path) -> None:
    """Appends what a person wants to know first. Raises OSError."""
    before = file.stat().st_size if file.exists() else 0
    text = step_summary(document, min(_OUR_SHARE, MOST_BYTES - before - 1024))
    with file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)


def step_summary(document: Mapping[str, Any], most: int = _OUR_SHARE) -> str:
    """The verdict, the models with their checks, what moved, the failed tests: at most `most` bytes of UTF-8.

    What has no room is left out, and that is said; it is empty where nothing has.
    """
    failed = [test for test in document["tests"] if test["outcome"] in ("failed", "error")]
    sections = [*_models(document["models"]), *_moved(document["moved"]), *_latencies(document["latencies"])]
    head = "\n\n" + "\n".join([*_verdict(document), *sections]) + "\n"
    end = "\n{} more failed {} left out here; the log has them.\n"
    room = most - _size(head) - len(end) - 20
    if room < 0:
        return "\n\n" + "\n".join(_verdict(document)) if _size("\n".join(_verdict(document))) + 2 <= most else ""
    parts = []
    for test in failed:
        part = "\n".join(_failure(test))
        if _size(part) > room:
            break
        room -= _size(part)
        parts.append(part)
    left = len(failed) - len(parts)
    return head + "".join(parts) + (end.format(left, "tests are" if left > 1 else "test is") if left else "")


def escaped(text: str) -> str:
    """Text as it stands, in a table too: no character of it is markup, nor a link, nor a mention."""
    if len(text) > _MOST_OF_A_NAME:
        text = f"{text[:_MOST_OF_A_NAME]}..."
    return _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", printable(text))


def _size(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))


def _verdict(document: Mapping[str, Any]) -> Iterator[str]:
    run = document["run"]
    counts = run["counts"]
    total = sum(counts.values())
    bad = counts["failed"] + counts["error"]
    passed = _several(counts["passed"], "test")
    words = [f"{bad} of {_several(total, 'test')} failed" if bad else f"{passed} passed"]
    words += [f"{counts['skipped']} skipped"] if counts["skipped"] else []
    mark = "❌" if bad or run["exit_status"] not in (0, 5) else "✅"
    yield f"### {mark} Served models: {', '.join(words)}"
    yield ""
    if run["exit_status"] == 2:
        yield "The run was interrupted, or not all tests could be collected: this is what there was until then."
        yield ""
    for choice, software in run["backends"].items():
        yield f"Served by {escaped(choice)}: {escaped(software)}."
        yield ""


def _models(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not models:
        return
    yield from _table(["model", "check", ">held", ">failed", ">recorded"])
    for model in models[:_MOST_MOVED]:
        for check in model["checks"]:
            failed = f"**{check['failed']}**" if check["failed"] else "0"
            yield _row([escaped(model["name"]), check["kind"], str(check["held"]), failed, str(check["recorded"])])
    yield ""
    if len(models) > _MOST_MOVED:
        yield f"... and {len(models) - _MOST_MOVED} more models."
        yield ""


def _moved(moved: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not moved:
        return
    yield "#### What moved"
    yield ""
    yield from _table(["model", "output", "differing", ">max abs error", ">max rel error", "would have passed with"])
    for entry in moved[:_MOST_MOVED]:
        output = escaped(entry["output"]) + (f" ({escaped(entry['signature'])})" if entry["signature"] else "")
        against = f" against {escaped(entry['baseline'])}" if entry["baseline"] else ""
        yield _row(
            [
                escaped(entry["model"] or "-"),
                output + against,
                _differing(entry),
                _number(entry["max_absolute"]),
                _number(entry["max_relative"]),
                escaped(_would_pass(entry)),
            ]
        )
    yield ""
    if len(moved) > _MOST_MOVED:
        yield f"... and {len(moved) - _MOST_MOVED} more outputs."
        yield ""


def _would_pass(entry: Mapping[str, Any]) -> str:
    if len(entry["rules"]) > 1 and entry["would_pass"]:
        return f"{', '.join(entry['would_pass'])}, each for its rule"
    return " or ".join(entry["would_pass"]) or "-"


def _differing(entry: Mapping[str, Any]) -> str:
    specs = [f"{spec['kind']}: {spec['expected']} → {spec['served']}" for spec in entry["specs"][:1]]
    values = [f"{entry['differing']} of {entry['total']} {entry['unit']}"] if entry["differing"] else []
    if entry["unit"] == "answer":
        values = [f"{entry['differing']} of {entry['total']} answers"] if entry["differing"] else []
    cases = f" in {entry['moved_cases']} of {entry['cases']} cases"
    return escaped("; ".join([*specs, *values]) + cases)


def _latencies(latencies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not latencies:
        return
    yield "#### Latency"
    yield ""
    yield from _table(
        ["model", "over", *(f">{name}" for name in PERCENTILES), ">first call", ">answers", "ratio", "budget"]
    )
    for entry in sorted(latencies, key=lambda entry: entry["status"] != "failed")[:_MOST_MOVED]:
        measured = entry["measured"]
        before = ", ".join(before_texts(measured["warmup_requests"], measured["asked_before"]))
        ratios = [f"{name} {ratio_text(ratio)} times {entry['against']}" for name, ratio in entry["ratios"].items()]
        limits = [(escaped(limit_text(row)), row["standing"] == "failed") for row in entry["budget"]]
        yield _row(
            [
                escaped(entry["model"]),
                escaped(f"{entry['transport']}, {load_text(entry)}"),
                *(text or "-" for text in percentile_texts(measured)),
                duration_text(measured["first_call"] * 1e9) + (f" ({before})" if before else ""),
                f"{measured['throughput']:,.0f} /s",
                escaped(", ".join(ratios)) or "-",
                ", ".join(f"**{text}**" if missed else text for text, missed in limits),
            ]
        )
    yield ""
    if len(latencies) > _MOST_MOVED:
        yield f"... and {len(latencies) - _MOST_MOVED} more latencies."
        yield ""


def _failure(test: Mapping[str, Any]) -> Iterator[str]:
    text = printable_lines(test["text"])
    cut = len(text) > _MOST_OF_A_FAILURE
    # A fence of more backticks than any in the text ends where it should.
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    yield f"<details><summary>{escaped(test['id'])}</summary>"
    yield ""
    yield f"{fence}text"
    yield text[:_MOST_OF_A_FAILURE] + ("\n... (cut)" if cut else "")
    yield fence
    yield ""
    yield "</details>"
    yield ""


def printable_lines(text: str) -> str:
    """Text of several lines without control characters."""
    return "\n".join(printable(line) for line in text.splitlines())


def _table(heads: Sequence[str]) -> list[str]:
    """The two lines that begin a table; a head with `>` before it is of a column of numbers."""
    return [_row([head.lstrip(">") for head in heads]), _row(["---:" if head[0] == ">" else "---" for head in heads])]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _several(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
