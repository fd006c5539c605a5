"""Contract files: the checks that each table comes to, and what is said, with its line, of those that cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.checks import (
    REFUSED_BY_SERVER,
    CompatibleCheck,
    GeneratedCheck,
    GoldenFiles,
    GoldenRequest,
    LatencyCheck,
    LintCheck,
    PropertiesCheck,
)
from pytest_tfserving.contracts.file import read_contract
from pytest_tfserving.contracts.promises import Padding, Promises, Values
from pytest_tfserving.errors import Code, SpecError
from pytest_tfserving.findings import Acceptance, Policy
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.refusal import ExpectedError
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.latency.plan import Budget, Load, Plan
from tests.unit.contract_texts import ACCEPTED, MODEL, REFUSED, REFUSED_BESIDE_OTHERS, SIGNATURE


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Messages name files from the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def contract(tmp_path):
    """contract(text, others={name: text}) writes a contract file and reads it."""

    def contract(text, others=None):
        for name, other in {"c.tfserving.toml": text, **(others or {})}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(other)
        return read_contract(tmp_path / "c.tfserving.toml")

    return contract


@pytest.fixture
def model(contract):
    """model(text, ...) reads the only model of a contract, with [model] where the text has none."""

    def model(text, others=None):
        [model] = contract(text if "[model" in text else MODEL + text, others).models
        return model

    return model


def spec(text):
    return parse_tensor_spec(text)


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_what_can_be_meant_is_read(contract, text):
    assert contract(text, {"common.toml": "[lint]\n", "base.toml": MODEL}).models


def test_a_model_alone(model, tmp_path):
    read = model('[model]\npath = "exports/a"\n')
    assert read.key is None
    assert read.model == {"path": str(tmp_path / "exports/a")}
    assert (read.signatures, read.goldens, read.requests, read.properties, read.generated) == ({}, (), (), {}, {})
    assert (read.compatible, read.lint) == (None, None)


def test_every_key_of_the_model_goes_to_the_server(model, tmp_path):
    read = model(
        '[model]\npath = "/exports/a"\nname = "b"\nlabel = "stable"\nlabels = { stable = 2 }\n'
        'tags = ["serve", "gpu"]\nserver_args = ["--enable_batching"]\n'
    )
    assert read.model == {
        "path": "/exports/a",
        "name": "b",
        "label": "stable",
        "labels": {"stable": 2},
        "tags": ["serve", "gpu"],
        "server_args": ["--enable_batching"],
    }
    assert model(MODEL + "version = 2\n").model["version"] == 2


def test_signatures(model):
    read = model(
        '[signatures.serving_default]\nmethod = "predict"\ninputs.x = "float32[1<=batch<=64]"\ninputs."a.b" = "int32[] = 5"\n'
        'outputs.y = "float32[batch]"\n[signatures.nothing]\ninputs = {}\n[signatures.rank]\nmethod = "classify"\n'
    )
    assert read.signatures == {
        "serving_default": ExpectedSignature(
            "serving_default",
            {"x": spec("float32[1<=batch<=64]"), "a.b": spec("int32[] = 5")},
            {"y": spec("float32[batch]")},
            "predict",
        ),
        "nothing": ExpectedSignature("nothing", {}),
        "rank": ExpectedSignature("rank", method="classify"),
    }


@pytest.mark.parametrize(
    ("text", "goldens"),
    [
        ('[goldens]\npath = "a"\n', [("a", Tolerance())]),
        (
            '[goldens]\npath = ["a", "b/*.json"]\natol = 1\n',
            [("a", Tolerance(atol=1)), ("b/*.json", Tolerance(atol=1))],
        ),
        (
            '[[goldens]]\npath = "a"\nrtol = 1e-3\n[[goldens]]\npath = "b"\nequal_nan = true\n',
            [("a", Tolerance(rtol=1e-3)), ("b", Tolerance(equal_nan=True))],
        ),
        (
            '[goldens]\npath = "a"\noutputs.y = { cosine = 0.9, differing = 0.5 }\noutputs.z.top_k = 5\n',
            [("a", Tolerance(outputs={"y": OutputRule(cosine=0.9, differing=0.5), "z": OutputRule(top_k=5)}))],
        ),
    ],
)
def test_goldens(model, tmp_path, text, goldens):
    assert model(text).goldens == tuple(GoldenRequest(GoldenFiles(path, tmp_path), t) for path, t in goldens)


def test_latencies(model, tmp_path):
    read = model(
        '[goldens]\npath = "g"\n[requests.one]\ninputs = [1]\noutputs = [2]\n[requests.two]\ninputs = [1]\n'
        'expect_error = "INTERNAL"\n[[latency]]\np99 = "20ms"\nconcurrency = 4\n[[latency]]\nagainst = "old"\nat_most = 1.2\n'
        'request = "sub/*.json"\ntransport = "rest"\nsignature = "s"\nrequests = 100\nwarmup = 0\n'
    )
    of_the_contract, of_its_own = read.latency.values()
    assert list(read.latency) == [("latency", 0), ("latency", 1)]
    assert of_the_contract == LatencyCheck(
        Plan(load=Load(4)), Budget({"p99": 20_000_000}), requests=(GoldenFiles("g", tmp_path),), cases=read.requests[:1]
    )
    assert of_its_own == LatencyCheck(
        Plan(100, 0), Budget(at_most=1.2), "s", "rest", (GoldenFiles("sub/*.json", tmp_path),), (), tmp_path / "old"
    )
    assert model('[latency]\nmax = "1s"\nagainst = 3\nat_most = 2\n').latency[("latency",)].against == 3


def test_a_function_is_looked_for_from_the_contracts_directory(model, tmp_path):
    (golden,) = model('[goldens]\npath = "a"\noutputs.y.custom = "boxes:same"\n').goldens
    assert golden.tolerance.outputs == {"y": OutputRule(custom="boxes:same", base=str(tmp_path))}


def test_requests_are_cases(model, tmp_path):
    text = model(
        '[requests.text]\nsignature_name = "a"\ninputs.x = ["one"]\nexpect_error = "INVALID_ARGUMENT"\n'
        '[requests.rows]\ninstances = [1.0, 2.0]\npredictions = [2.5, 3.0]\ntransport = "rest"\ndescription = "two"\n'
        '[requests."a b"]\ninputs = [1.0]\noutputs.y = [2.5]\n'
        '[requests.message]\ninputs = []\nexpect_error = { code = "OUT_OF_RANGE", text = "beyond" }\n'
    )
    text, rows, spaced, message = text.requests
    assert [case.id for case in (text, rows, spaced, message)] == ["text", "rows", "a b", "message"]
    assert (text.signature_name, text.request) == ("a", {"inputs": {"x": ["one"]}})
    assert text.expected_error == ExpectedError(Code.INVALID_ARGUMENT)
    assert (rows.request, rows.answer, rows.transport) == (
        {"instances": [1.0, 2.0]},
        {"predictions": [2.5, 3.0]},
        "rest",
    )
    assert (spaced.request, spaced.answer) == ({"inputs": [1.0]}, {"outputs": {"y": [2.5]}})
    assert message.expected_error == ExpectedError(Code.OUT_OF_RANGE, "beyond")
    assert spaced.where == "c.tfserving.toml [a b]"


def test_compatible_and_lint(model, tmp_path):
    read = model(
        '[compatible]\nbaseline = "exports/1"\nfail_on = "risky"\nseverities = { output-renamed = "off" }\n'
        'accepted = [{ rule = "output-removed", signature = "a", tensor = "y", reason = "unused" }]\n[lint]\n'
    )
    accepted = (Acceptance("output-removed", "unused", "a", "y"),)
    assert read.compatible == CompatibleCheck(
        tmp_path / "exports/1", Policy("risky", {"output-renamed": "off"}, accepted)
    )
    assert read.lint == LintCheck(Policy())


def test_a_file_of_accepted_findings_starts_at_the_contract(model):
    others = {"sub/accepted.toml": '[[accepted]]\nrule = "output-removed"\nreason = "unused"\n'}
    assert model('[lint]\naccepted = "sub/accepted.toml"\n', others).lint == LintCheck(
        Policy(accepted=(Acceptance("output-removed", "unused"),))
    )


def test_properties(model, tmp_path):
    read = model(
        '[properties.a]\nsame = ["alone", "grpc"]\npadding = { dimension = "n", value = -1 }\nrequests = ["g", "h"]\n'
        "rtol = 0.1\natol = 0.2\nequal_nan = true\n[properties.a.inputs]\nx = { min = 0, max = 1 }\n"
        "s = { length = [1, 8] }\nc = { one_of = [1, 2] }\n[properties.a.outputs]\n"
        'y = { finite = true, sums_to = 1 }\nz = { increasing_in = "x" }\nw = { decreasing_in = ["x"] }\n'
    )
    promises = Promises(
        "a",
        {"x": Values(min=0, max=1), "s": Values(length=(1, 8)), "c": Values(one_of=(1, 2))},
        {"y": Values(finite=True, sums_to=1), "z": Values(increasing_in=("x",)), "w": Values(decreasing_in=("x",))},
        ("alone", "grpc", "padding"),
        Padding("n", -1),
    )
    files = (GoldenFiles("g", tmp_path), GoldenFiles("h", tmp_path))
    assert read.properties == {"a": PropertiesCheck(promises, files, (), Tolerance(0.1, 0.2, True))}


def test_properties_without_requests_take_those_of_the_contract(model, tmp_path):
    read = model(
        '[properties.a]\nsame = ["alone"]\n[goldens]\npath = "g"\n[requests.one]\ninputs = [1]\noutputs = [2]\n'
        '[requests.refused]\ninputs = []\nexpect_error = "INTERNAL"\n'
    )
    check = read.properties["a"]
    assert check.requests == (GoldenFiles("g", tmp_path),)
    assert [case.id for case in check.cases] == ["one"]


SIGNATURES = (
    '[signatures.a]\nmethod = "predict"\n[signatures.b]\ninputs.x = "float32[]"\n[signatures.c]\nmethod = "classify"\n'
)


@pytest.mark.parametrize(
    ("text", "generated"),
    [
        ("[generated]\n", {"serving_default": (None, REFUSED_BY_SERVER)}),
        (SIGNATURES + "[generated]\nexamples = 5\n", {"a": (5, REFUSED_BY_SERVER), "b": (5, REFUSED_BY_SERVER)}),
        (SIGNATURES + '[generated]\nsignatures = ["b"]\ninvalid = false\n', {"b": (None, ())}),
        (SIGNATURES + '[generated]\nsignatures = ["b"]\ninvalid = ["rank"]\n', {"b": (None, ("rank",))}),
        ('[generated]\ninvalid = true\n[properties.p]\nsame = ["alone"]\n', {"p": (None, REFUSED_BY_SERVER)}),
        (SIGNATURES, {}),
    ],
)
def test_generated_requests_are_of_every_signature_that_is_called_with_predict(model, text, generated):
    read = model(text).generated
    assert {name: (check.examples, check.invalid) for name, check in read.items()} == generated
    assert [check.promises.signature for check in read.values()] == list(generated)


def test_generated_requests_keep_the_promises_of_their_signature(model):
    read = model("[generated]\n[properties.a]\natol = 1\noutputs.y = { finite = true }\n")
    promises = Promises("a", outputs={"y": Values(finite=True)})
    assert read.generated == {"a": GeneratedCheck(promises, tolerance=Tolerance(atol=1))}
    assert read.properties == {}, "without requests of its own there is nothing to check but what is generated"


def test_several_models_have_names_checks_of_their_own_and_share_those_beside_them(contract, tmp_path):
    read = contract(
        '[models.a]\npath = "exports/a"\n[models.a.signatures.s]\nmethod = "predict"\n[models.a.lint]\nfail_on = "safe"\n'
        '[models.b]\npath = "exports/b"\nname = "other"\n[models.b.goldens]\npath = "g"\n'
        '[lint]\nfail_on = "risky"\nseverities = { output-renamed = "off" }\n[generated]\n'
    )
    a, b = read.models
    assert (a.key, a.model) == ("a", {"name": "a", "path": str(tmp_path / "exports/a")})
    assert (b.key, b.model) == ("b", {"name": "other", "path": str(tmp_path / "exports/b")})
    assert (list(a.signatures), a.goldens, list(a.generated)) == (["s"], (), ["s"])
    assert (list(b.signatures), len(b.goldens), list(b.generated)) == ([], 1, ["serving_default"])
    assert a.lint == LintCheck(Policy("safe", {"output-renamed": "off"}))
    assert b.lint == LintCheck(Policy("risky", {"output-renamed": "off"}))
    assert a.where("signatures", "s") == "c.tfserving.toml:3"
    assert a.where("generated") == b.where("generated") == "c.tfserving.toml:15"
    assert (a.where("lint"), b.where("lint")) == ("c.tfserving.toml:5", "c.tfserving.toml:12")
    assert (a.where(), b.where("name"), b.where("goldens", 0)) == (
        "c.tfserving.toml:1",
        "c.tfserving.toml:9",
        "c.tfserving.toml:11",
    )


def test_an_included_file_is_the_base_key_by_key_and_its_paths_start_at_it(model, tmp_path):
    read = model(
        'include = ["sub/one.toml", "sub/two.toml"]\n[model]\nname = "own"\n[signatures.s]\noutputs.y = "int32[]"\n'
        '[requests.a]\nexpect_error = "INTERNAL"\n',
        {
            "sub/one.toml": '[model]\npath = "one"\nname = "one"\ntags = ["a", "b"]\n[goldens]\npath = "[1]/*.json"\n',
            "sub/two.toml": 'include = "deep/er.toml"\n[model]\npath = "two"\ntags = ["c"]\n'
            '[signatures.s]\ninputs.x = "int32[]"\noutputs.y = "string[]"\n[requests.a]\ninputs = []\n',
            "sub/deep/er.toml": '[compatible]\nbaseline = "old"\naccepted = "accepted.toml"\n',
            "sub/deep/accepted.toml": "",
        },
    )
    assert read.model == {"path": str(tmp_path / "sub/two"), "name": "own", "tags": ["c"]}
    assert read.signatures["s"] == ExpectedSignature("s", {"x": spec("int32[]")}, {"y": spec("int32[]")})
    assert read.goldens[0].files == GoldenFiles("[1]/*.json", tmp_path / "sub")
    assert read.compatible == CompatibleCheck(tmp_path / "sub/deep/old", Policy())
    assert [read.where(*path) for path in (("path",), ("name",), ("signatures", "s"), ("compatible",))] == [
        "sub/two.toml:3",
        "c.tfserving.toml:3",
        "c.tfserving.toml:4",
        "sub/deep/er.toml:1",
    ]
    assert read.where("goldens", 0) == "sub/one.toml:6"


def test_paths_of_a_linked_file_start_at_the_link(model, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "base.toml").write_text('[model]\npath = "exports/a"\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link.toml").symlink_to("../elsewhere/base.toml")
    assert model('include = "sub/../sub/link.toml"\n[model]\n').model["path"] == str(tmp_path / "sub" / "exports" / "a")


def test_a_relative_contract_is_of_the_working_directory(contract, tmp_path):
    contract(MODEL)
    read = read_contract(Path("c.tfserving.toml"))
    assert (read.file, read.models[0].model["path"]) == (tmp_path / "c.tfserving.toml", str(tmp_path / "x"))


def test_a_file_may_be_included_twice(contract):
    others = {
        "a.toml": 'include = "c.toml"\n',
        "b.toml": 'include = "c.toml"\n',
        "c.toml": MODEL,
    }
    assert contract('include = ["a.toml", "b.toml"]\n', others).models
    with pytest.raises(SpecError) as caught:
        contract('include = ["a.toml", "b.toml"]\n', {"c.toml": "[linty]\n"})
    assert len(str(caught.value).splitlines()) == 1


def test_includes_that_go_too_deep_are_named(contract):
    chain = {f"{n}.toml": f'include = "{n + 1}.toml"\n' for n in range(60)}
    with pytest.raises(SpecError, match=r"^49.toml:1: 50 files include each other down to here"):
        contract('include = "0.toml"\n[model]\npath = "x"\n', chain)


def test_each_golden_path_has_its_line(model):
    read = model('[[goldens]]\npath = ["a",\n  "b"]\n[[goldens]]\npath = "c"\n')
    assert [read.where("goldens", number) for number in range(3)] == [f"c.tfserving.toml:{n}" for n in (4, 5, 7)]


@pytest.mark.parametrize(
    ("text", "message"), [(case.text, case.message) for case in REFUSED], ids=[c.id for c in REFUSED]
)
def test_what_cannot_be_meant_is_named_with_its_line(contract, text, message):
    with pytest.raises(SpecError) as caught:
        contract(text)
    assert str(caught.value).startswith(f"c.tfserving.toml:{message}")


@pytest.mark.parametrize(
    ("text", "others", "message"),
    [(case.text, case.others, case.message) for case in REFUSED_BESIDE_OTHERS],
    ids=[case.id for case in REFUSED_BESIDE_OTHERS],
)
def test_what_is_wrong_in_an_included_file_is_named_there(contract, tmp_path, text, others, message):
    with pytest.raises(SpecError) as caught:
        contract(text, others)
    assert str(caught.value) == message.format(here=tmp_path)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_files(contract):
    with pytest.raises(SpecError) as caught:
        contract(
            'include = "common.toml"\n[lint]\nfail_on = 1\n[model]\npath = 2\n[signatures.a]\ninputs.x = "float32"\n'
            'outputs.y = "float23[]"\n',
            {"common.toml": "[lint]\nfailon = 1\n"},
        )
    lines = [line for line in str(caught.value).splitlines() if ".toml:" in line]
    assert [line.partition(": ")[0] for line in lines] == [
        "c.tfserving.toml:3",
        "c.tfserving.toml:5",
        "c.tfserving.toml:7",
        "c.tfserving.toml:8",
        "common.toml:2",
    ]
    with pytest.raises(SpecError) as caught:
        contract(SIGNATURE + '[properties.a]\nrequests = "g"\n[generated]\nsignatures = ["b"]\n')
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [
        "c.tfserving.toml:6",
        "c.tfserving.toml:9",
    ]


def test_a_hundred_mistakes_are_capped(contract):
    with pytest.raises(SpecError) as caught:
        contract("".join(f"[unknown{number}]\n" for number in range(100)))
    assert len(str(caught.value).splitlines()) == 21
    assert str(caught.value).endswith("... and 80 more")


def test_a_contract_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"no\.tfserving\.toml cannot be read: No such file"):
        read_contract(Path(tmp_path / "no.tfserving.toml"))
