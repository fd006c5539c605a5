"""How each marker is written: what `pytest --markers` prints and what a wrong keyword is told."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """How a marker is written: its line for `pytest --markers`, and the keywords it takes.

    `asks_server` says that its assertion sends requests, or looks at what the server says of the model; those of others
    read the export's files.
    """

    line: str
    keywords: tuple[str, ...]
    asks_server: bool = False


USAGE = {
    "tfserving": Usage(
        "tfserving(path, name=None, version=None, label=None, labels={}, tags=('serve',), server_args=(), "
        "isolated=False): serve the "
        "export at `path` (a SavedModel directory, or a base directory of numbered versions; relative to the test "
        "file) to this test",
        ("path", "name", "version", "label", "labels", "tags", "server_args", "isolated"),
    ),
    "tfserving_signature": Usage(
        "tfserving_signature(name='serving_default', inputs=None, outputs=None, method=None): before the test's body, "
        "check that the export and the server have these tensors, such as inputs={'x': 'float32[batch, 3]'}",
        ("name", "inputs", "outputs", "method"),
        asks_server=True,
    ),
    "tfserving_golden": Usage(
        "tfserving_golden(path, rtol=None, atol=None, equal_nan=False, outputs={}, together=False, overall={}, "
        "against=None): one test for each golden case at `path` (a file, a directory or a glob; relative to the test "
        "file) and transport; single outputs may be compared otherwise, such as outputs={'scores': {'cosine': 0.999}}, "
        "all cases be one test, with what holds overall={'label': {'argmax': True, 'differing': 0.005}}, and answers "
        "be compared with those of another export or version, such as against='exports/1'",
        ("path", "rtol", "atol", "equal_nan", "outputs", "together", "overall", "against"),
        asks_server=True,
    ),
    "tfserving_compatible": Usage(
        "tfserving_compatible(baseline, fail_on='breaking', severities={}, accepted=()): before the test's body, check "
        "that clients of `baseline` (an export or a contract file; relative to the test file) can go on as they are",
        ("baseline", "fail_on", "severities", "accepted"),
    ),
    "tfserving_lint": Usage(
        "tfserving_lint(fail_on='breaking', severities={}, accepted=()): before the test's body, check that nothing in "
        "the export will hurt when it is served",
        ("fail_on", "severities", "accepted"),
    ),
    "tfserving_properties": Usage(
        "tfserving_properties(signature='serving_default', inputs={}, outputs={}, same=(), padding=None, requests=(), "
        "rtol=None, atol=None, equal_nan=False): before the test's body, check what holds for every answer, such as "
        "outputs={'y': {'finite': True}}, same=['alone', 'grpc'], with the requests of the goldens at `requests`",
        ("signature", "inputs", "outputs", "same", "padding", "requests", "rtol", "atol", "equal_nan"),
        asks_server=True,
    ),
    "tfserving_generated": Usage(
        "tfserving_generated(signature='serving_default', examples=None, invalid=('missing', 'extra', "
        "'dtype'), rtol=None, atol=None, equal_nan=False): before the test's body, send generated requests, which must "
        "be answered as the test's other markers promise, and invalid ones, which must be refused",
        ("signature", "examples", "invalid", "rtol", "atol", "equal_nan"),
        asks_server=True,
    ),
    "tfserving_latency": Usage(
        "tfserving_latency(p50=None, p90=None, p99=None, max=None, throughput=None, requests=500, concurrency=1, "
        "rate=None, warmup=50, failing=0, transport=None, signature='serving_default', request=(), against=None, "
        "at_most=None): before the test's body, send requests, by clients that wait for their answers or at a rate per "
        "second, and check how long the answers take, such as p99='20ms', and how many times as long as those of "
        "another export or version, such as against='exports/1', at_most=1.2",
        (
            "p50",
            "p90",
            "p99",
            "max",
            "throughput",
            "requests",
            "concurrency",
            "rate",
            "warmup",
            "failing",
            "transport",
            "signature",
            "request",
            "against",
            "at_most",
        ),
        asks_server=True,
    ),
}
