"""Documents of reports, made by hand: one with everything in it, a tiny one, a huge one."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from pytest_tfserving.report.page.pictures import png_data_url

# What would break a page that takes it as it comes: markup, a script's end, a bidi override, controls, a lone surrogate.
NASTY = (
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202egnp.exe\x00\x1b[31m\ud800{{ 7 * 7 }}&lt;"
)

CPU = "x86_64 avx avx2 fma avx512f"


def everything() -> dict[str, Any]:
    """A run with two models of which outputs moved in every way that there is."""
    scores = moved("mnist", "scores", random.Random(1), signature="predict_images")
    scores["would_pass"] = ["rtol=0.3", "atol=0.04"]
    scores["environment"] = [
        {"key": "tensorflow", "golden": "2.19.1", "run": "2.21.0"},
        {"key": "cpu", "golden": "aarch64 asimd bf16 i8mm", "run": CPU},
    ]
    digits = [str(digit) for digit in range(10)]
    counts = [[(38 if row == column else 0) for column in range(10)] for row in range(10)]
    counts[4][9], counts[9][4], counts[7][1] = 12, 3, 1
    scores["confusion"] = {"labels": digits, "counts": counts, "left_out": 0}
    thumbnail = moved("image_bytes", "thumbnail_bytes", random.Random(2), dtype="string")
    thumbnail |= {
        "max_absolute": None,
        "max_relative": None,
        "mean_absolute": None,
        "errors": None,
        "scatter": None,
        "rules": ["exact"],
        "would_pass": [],
        "differing": 1,
        "total": 2,
        "worst": [worst("thumbnail_bytes", "quarters", error=None, pictures=True)],
    }
    embedding = moved("keras_export", "embedding", random.Random(3), error=1e-5) | {"baseline": "exports/1"}
    spec = moved("half_plus_two", "y", random.Random(4))
    spec |= {
        "specs": [{"kind": "dtype", "expected": "float64[2]", "served": "float32[2]", "test": TEST}],
        "worst": [],
        "errors": None,
        "scatter": None,
        "differing": 0,
        "total": 0,
        "max_absolute": None,
        "max_relative": None,
        "mean_absolute": None,
    }
    return {
        "format": 1,
        "run": {
            "started": "2025-11-22T22:10:05Z",
            "seconds": 12.34,
            "command": "pytest example_models --tfserving-report report.html",
            "exit_status": 1,
            "plugin": "0.1.0",
            "python": "3.11.7",
            "backends": {"embedded server of pytest-tfserving 0.1.0": "tensorflow 2.21.0"},
            "environment": {"backend": "embedded", "tensorflow": "2.21.0", "cpu": CPU},
            "counts": {"passed": 38, "failed": 3, "skipped": 1, "error": 1},
        },
        "models": [
            {
                "name": "mnist",
                "checks": [
                    {"kind": "signature", "held": 2, "failed": 0, "recorded": 0},
                    {"kind": "golden", "held": 8, "failed": 2, "recorded": 1},
                ],
            },
            {"name": "image_bytes", "checks": [{"kind": "golden", "held": 3, "failed": 1, "recorded": 0}]},
            {"name": "half_plus_two", "checks": [{"kind": "lint", "held": 1, "failed": 0, "recorded": 0}]},
        ],
        "tests": [
            item(TEST, "failed", text="golden goldens/mnist/images.json [ten] differs from what mnist answers\n" * 3),
            item("test_image_bytes.py::test_goldens[quarters-rest]", "failed", text="E   assert <b>"),
            item("test_down.py::test_it", "error", text="the server ended with status 1\nlog: no such file"),
            item("test_mnist.py::test_other[a b-grpc]", "failed", text=NASTY),
            item("test_skipped.py::test_it", "skipped", text="no engine answers"),
            *(item(f"test_ok.py::test_goldens[case-{i}-{t}]") for i in range(18) for t in ("rest", "grpc")),
            item("contract.tfserving.toml::goldens::eins/zwei é 100%"),
            item(f"test_nasty.py::test[{NASTY}]"),
        ],
        "moved": [scores, thumbnail, embedding, spec],
        "latencies": [latency(), latency("mnist", against="exports/1", status="failed"), unanswered()],
        "goldens": {
            "recorded": {"goldens/mnist/new.json": {"new": 1, "changed": 2}},
            "unchanged": {"goldens/mnist/images.json": 7, "values": 1},
            "refused": ["goldens/a.json is written to by two tests with different answers"],
            "unused": ["goldens/old.json", "goldens/mnist/images.json [eleven]"],
        },
    }


TEST = "test_mnist.py::test_goldens[ten-rest]"


def tiny() -> dict[str, Any]:
    """A run of one test that passed."""
    document = everything()
    document["run"]["exit_status"] = 0
    document["run"]["counts"] = {"passed": 1, "failed": 0, "skipped": 0, "error": 0}
    document["models"] = document["models"][2:]
    document["tests"] = [item("test_ok.py::test_one")]
    document["moved"] = document["latencies"] = []
    document["goldens"] = {"recorded": {}, "unchanged": {}, "refused": [], "unused": []}
    return document


def huge(tests: int = 3000, outputs: int = 60, failed: int = 300) -> dict[str, Any]:
    """A run of many tests and many outputs that moved."""
    document = everything()
    ids = [
        f"tests/models/test_{i // 100}.py::test_goldens[requests-{i:06d}-serving_default-rest]" for i in range(tests)
    ]
    text = "golden differs from what the model answers\n" + "  [0, 1]  0.25  0.5  0.25\n" * 60
    document["tests"] = [
        item(node, "failed", text=text) if place < failed else item(node) for place, node in enumerate(ids)
    ]
    document["run"]["counts"] = {"passed": tests - failed, "failed": failed, "skipped": 0, "error": 0}
    document["moved"] = [
        moved(f"model_{i}", f"output_{i}", random.Random(i), tests=ids[:200])
        | {"confusion": everything()["moved"][0]["confusion"]}
        for i in range(outputs)
    ]
    document["latencies"] = [latency(f"model_{i}", test=ids[i]) for i in range(min(outputs, tests))]
    return document


def item(node: str, outcome: str = "passed", text: str = "") -> dict[str, Any]:
    status = "failed" if outcome == "failed" else "held"
    kind = {"kind": "golden", "model": "mnist", "about": "goldens/mnist/images.json [ten]", "transport": "rest"}
    checks = [] if outcome in ("error", "skipped") else [{**kind, "status": status, "text": text}]
    return {"id": node, "outcome": outcome, "seconds": 0.0123, "text": text, "checks": checks}


def moved(
    model: str,
    output: str,
    draw: random.Random,
    *,
    error: float = 0.02,
    dtype: str = "float32",
    signature: str = "serving_default",
    tests: list[str] | None = None,
) -> dict[str, Any]:
    expected = [draw.random() ** 3 for _ in range(400)]
    return {
        "model": model,
        "signature": signature,
        "output": output,
        "dtype": dtype,
        "baseline": None,
        "transports": ["grpc", "rest"],
        "tests": tests or [TEST],
        "cases": 40,
        "moved_cases": 5,
        "rules": ["rtol=0.0001 atol=1e-08"],
        "would_pass": ["rtol=0.005", "atol=0.02"],
        "differing": 128,
        "total": 4000,
        "unit": "values",
        "max_absolute": error * 3,
        "max_relative": 0.25,
        "mean_absolute": error / 30,
        "errors": {"lowest": -8, "counts": [12, 80, 1200, 2400, 96, 27, 5]},
        "scatter": {"expected": expected, "served": [value + draw.gauss(0, error) for value in expected]},
        "confusion": None,
        "specs": [],
        "worst": [worst(output, "ten"), worst(output, "ten", at=[3, 1]), worst(output, f"nine-{NASTY}")],
        "environment": [],
    }


def worst(
    output: str, case: str, *, at: list[int] | None = None, error: float | None = 0.02, pictures: bool = False
) -> dict[str, Any]:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[6:22, 6:22] = np.arange(256, dtype=np.uint8).reshape(16, 16)
    url = png_data_url(pixels)
    return {
        "test": TEST,
        "case": case,
        "transport": "rest",
        "at": [0, 2] if at is None else at,
        "expected": "4.52",
        "served": "4.5",
        "error": error,
        "inputs": [
            {"name": "images", "spec": "float32[1, 28, 28]", "text": "[[0.0, 0.0, ...]]", "picture": url},
            {"name": "keep_prob", "spec": "float32[]", "text": "1.0", "picture": None},
        ],
        "pictures": {"expected": url, "served": url, "difference": url} if pictures else None,
    }


def latency(
    model: str = "half_plus_two", *, against: str | None = None, status: str = "held", test: str | None = None
) -> dict[str, Any]:
    """A measurement (report/measurements.py); the ratio to a baseline's is what fails, and another is unclear."""

    def side(slower: float) -> dict[str, Any]:
        edges = [float(f"{slower * 10 ** (place / 10) / 1e4:.3g}") for place in range(13)]
        percentiles = {"p50": 0.000412, "p90": 0.0008, "p99": 0.0012, "max": 0.00154}
        return {
            "first_call": 0.0186,
            "warmup_requests": 0 if slower > 1 else 12,
            "asked_before": False,
            "percentiles": {name: value * slower for name, value in percentiles.items()},
            "sent": 500,
            "answered": 500,
            "errors": {},
            "throughput": 2034.4 / slower,
            "histogram": {"edges": edges, "counts": [0, 0, 4, 30, 120, 200, 90, 30, 10, 8, 5, 3]},
        }

    budget = [{"what": "p99", "limit": 0.005, "measured": 0.0012, "standing": "held"}]
    ratios = {"p50": {"value": 1.62, "low": 1.58, "high": 1.71}, "p99": {"value": 1.4, "low": 0.9, "high": 2.1}}
    if against:
        budget += [
            {"what": "p50 ratio", "limit": 1.5, "measured": 1.62, "standing": "failed"},
            {"what": "p99 ratio", "limit": 1.5, "measured": 1.4, "standing": "unclear"},
        ]
    return {
        "test": test or TEST,
        "model": model,
        "signature": "serving_default",
        "transport": "grpc",
        "status": status,
        "requests": "3 golden cases",
        "concurrency": 4,
        "rate": None,
        "measured": side(1.62 if against else 1.0),
        "against": against,
        "baseline": side(1.0) if against else None,
        "ratios": ratios if against else {},
        "budget": budget,
    }


def unanswered() -> dict[str, Any]:
    """A measurement of which nothing was answered but the first call."""
    found = latency(status="failed") | {"rate": 50.0, "concurrency": 1, "transport": "rest"}
    found["budget"] = [{"what": "failing", "limit": 0, "measured": 3, "standing": "failed"}]
    found["measured"] |= {
        "percentiles": {},
        "sent": 3,
        "answered": 0,
        "throughput": 0.0,
        "histogram": None,
        "errors": {f"UNAVAILABLE over REST: {NASTY}": 3},
    }
    return found
