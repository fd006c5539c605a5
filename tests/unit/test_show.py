"""`pytest-tfserving show`: its text is a contract's tables, its JSON is everything, its exit status is for CI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_tfserving.commands.show import run
from pytest_tfserving.contracts.file import read_contract
from pytest_tfserving.inspection import inspect
from pytest_tfserving.report.inspection import inspection_text, size_text
from pytest_tfserving.wire import tensorflow_pb2 as tf

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "conformance" / "models"
EXPORTS = sorted(
    path.parent
    for folder in (MODELS, ROOT / "example_models", ROOT / "tests" / "server" / "exports")
    for path in folder.glob("**/saved_model.pb")
    if "broken" not in str(path)
)


def shown(capsys, *arguments):
    """The exit status and what was printed on stdout and stderr."""
    status = run([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def read_back(text, directory):
    """The signatures of printed text, as a contract file's reader has them: {signature: (method, inputs, outputs)}."""
    contract = directory / "model.tfserving.toml"
    contract.write_text(f'[model]\npath = "."\n{text}', encoding="utf-8")
    [model] = read_contract(contract).models
    return {name: (s.method, dict(s.inputs or {}), dict(s.outputs or {})) for name, s in model.signatures.items()}


def signatures_of(directory):
    """The same of the export; a contract has no method but the three that are served."""
    signatures = inspect(directory, None).schema.callable_signatures
    methods = {
        name: s.method if s.method in ("predict", "classify", "regress") else None for name, s in signatures.items()
    }
    return {name: (methods[name], dict(s.inputs), dict(s.outputs)) for name, s in signatures.items()}


@pytest.mark.parametrize("directory", EXPORTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_text_is_read_back_as_the_same_signatures(capsys, tmp_path, directory):
    status, out, err = shown(capsys, directory, "--all")
    assert (status, err) == (0, "")
    assert read_back(out, tmp_path) == signatures_of(directory)


def test_a_whole_text(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, out, _ = shown(capsys, "tests/conformance/models/versions")
    assert (
        out
        == """\
# tests/conformance/models/versions, version 3, the latest of 3, 2, 1

[signatures.serving_default]
method = "predict"
inputs.x         = "float32[?]"  # serving_default_x:0
outputs.output_0 = "float32[?]"  # StatefulPartitionedCall:0

# tags         serve
# written by   TensorFlow 2.21.0
# variables    4 bytes in 1 tensor
#   k  float32[]
# assets       none
# ops          45 nodes of 18 ops; signatures run Identity, Mul, NoOp, ReadVariableOp,
#              StatefulPartitionedCall, VarHandleOp
# files        10.5 kB in 4 files
#   fingerprint.pb                           96 bytes
#   saved_model.pb                           10.1 kB
#   variables/variables.data-00000-of-00001  131 bytes
#   variables/variables.index                188 bytes
"""
    )


class TestVersions:
    def test_another_is_shown_when_it_is_asked_for(self, capsys):
        status, out, _ = shown(capsys, MODELS / "versions", "--version", "1")
        assert status == 0
        assert out.startswith(f"# {MODELS / 'versions'}, version 1 of 3, 2, 1\n")
        assert "\noutputs.y" in out  # which is output_0 in version 3

    def test_one_that_is_not_there(self, capsys):
        assert shown(capsys, MODELS / "versions", "--version=7") == (
            2, "", f"pytest-tfserving show: {MODELS / 'versions'} has no version 7; it has 3, 2, 1\n",
        )  # fmt: skip


class TestNames:
    """Names come from files that anybody may have written."""

    @pytest.fixture
    def odd(self, tmp_path):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
        for name in ("a b", 'quo"te', "back\\slash", "dotted.name", "größe", "line\nfeed", "\x1b[31mred", ""):
            signature = graph.signature_def[name]
            signature.method_name = "tensorflow/serving/predict"
            for infos in (signature.inputs, signature.outputs):
                infos[name].dtype, infos[name].name = tf.DT_FLOAT, f"{name}:0"
        graph.graph_def.node.add(name="n", op="Odd\nOp\x1b[0m")
        graph.asset_file_def.add(filename="new\nline")
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        return tmp_path

    def test_are_quoted_so_that_they_are_read_back(self, capsys, odd):
        _, out, _ = shown(capsys, odd)
        assert set(tomllib.loads(out)["signatures"]) == set(signatures_of(odd))
        assert "\x1b" not in out
        assert all(line.startswith(("#", "[", "method", "inputs", "outputs")) for line in out.splitlines() if line)

    def test_are_whole_in_json(self, capsys, odd):
        _, out, _ = shown(capsys, odd, "--json")
        assert set(json.loads(out)["signatures"]) == set(signatures_of(odd))

    def test_lint_survives_them(self, capsys, odd):
        status, out, err = shown(capsys, odd, "--lint")
        assert (status, err) == (1, "")
        assert "\x1b" not in out


class TestMany:
    @pytest.fixture
    def many(self, tmp_path):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
        for number in range(10_000):
            graph.signature_def[f"s{number}"].inputs["x"].name = "x:0"
        for number in range(150):
            graph.signature_def["serving_default"].inputs[f"x{number}"].dtype = tf.DT_FLOAT
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        return tmp_path

    def test_are_bounded_unless_all_are_asked_for(self, capsys, many):
        _, out, _ = shown(capsys, many)
        assert len(out.splitlines()) < 250
        assert "\n[signatures.serving_default]\n" in out  # the one that clients mean comes first
        assert "# ... and 50 more inputs; --all shows them\n" in out
        assert "# ... and 9971 more signatures; --all shows them\n" in out
        tomllib.loads(out)
        assert len(signatures_of(many)) == 10_001
        assert shown(capsys, many, "--all")[1].count("\n[signatures.") == 10_001


def test_no_signature(capsys, tmp_path):
    graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
    (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
    status, out, _ = shown(capsys, tmp_path)
    assert status == 0
    assert "\n# no signature\n" in out


class TestJson:
    @pytest.mark.parametrize("directory", EXPORTS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_holds_everything(self, capsys, directory):
        status, out, _ = shown(capsys, directory, "--json")
        document = json.loads(out)
        inspection = inspect(directory, None)
        assert status == 0
        assert document["path"] == str(directory)
        assert document["size"] == inspection.size
        assert list(document["signatures"]) == list(inspection.schema.callable_signatures)
        assert {op for op, value in document["ops"].items() if value["served"]} == inspection.served_ops
        assert "lint" not in document

    def test_a_tensor(self, capsys):
        _, out, _ = shown(capsys, MODELS / "shapes", "--json")
        assert json.loads(out)["signatures"]["mixed"]["inputs"]["x"] == {
            "spec": "float32[?, 2]", "dtype": "float32", "shape": [None, 2], "default": None, "tensor": "mixed_x:0",
        }  # fmt: skip

    def test_is_ascii_so_that_every_terminal_has_it(self, capsys, tmp_path):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["größe"]))
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        _, out, _ = shown(capsys, tmp_path, "--json")
        assert out.isascii()
        assert json.loads(out)["tags"] == ["größe"]

    def test_with_lint(self, capsys):
        status, out, _ = shown(capsys, MODELS / "broken_vars", "--json", "--lint")
        lint = json.loads(out)["lint"]
        assert status == 1
        assert not lint["holds"]
        assert [finding["rule"] for finding in lint["findings"] if finding["fails"]] == ["variables-incomplete"]


class TestLint:
    @pytest.mark.parametrize(
        ("model", "options", "status", "says"),
        [
            ("errors", [], 0, "no findings"),
            ("versions", [], 0, "risky: generated-name at serving_default.outputs.output_0"),
            ("versions", ["--fail-on=risky"], 1, "1 risky"),
            ("broken_vars", [], 1, "breaking: variables-incomplete at the model"),
            ("ids", [], 0, "3 safe (not shown)"),
            ("ids", ["--all"], 0, "safe: int64-in-json at serving_default.inputs.id"),
            ("ids", ["--fail-on=safe"], 1, "safe: int64-in-json"),
        ],
    )
    def test_the_status_is_the_verdict(self, capsys, model, options, status, says):
        result, out, err = shown(capsys, MODELS / model, "--lint", *options)
        assert (result, err) == (status, "")
        assert says in out


class TestBadInput:
    @pytest.mark.parametrize(
        ("path", "complaint"),
        [
            (MODELS / "broken_pb", "does not parse as a SavedModel"),
            (MODELS / "versoins", f"no such directory: {MODELS / 'versoins'}; did you mean {MODELS / 'versions'}?"),
            (MODELS / "versions" / "1" / "saved_model.pb", "is a file; an export is the directory"),
        ],
    )  # fmt: skip
    def test_is_said_on_stderr(self, capsys, path, complaint):
        status, out, err = shown(capsys, path)
        assert (status, out) == (2, "")
        assert err.startswith("pytest-tfserving show: ")
        assert complaint in err
        assert err.count("\n") == 1

    def test_tags_that_no_graph_has(self, capsys):
        status, _, err = shown(capsys, MODELS / "versions", "--tags=serve,gpu")
        assert status == 2
        assert "no graph with tags {serve, gpu}" in err
        assert "it has {serve}" in err

    @pytest.mark.parametrize(
        "arguments", [[], ["a", "b"], ["a", "--version=x"], ["a", "--fail-on=bad"], ["a", "--nope"]]
    )
    def test_a_command_line_that_cannot_be_meant(self, capsys, arguments):
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        assert ended.value.code == 2
        assert "usage: pytest-tfserving show" in capsys.readouterr().err


def start(*arguments, **options):
    """`show` as a process of its own."""
    command = "import sys; from pytest_tfserving.commands.show import run; sys.exit(run(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", command, *map(str, arguments)], stderr=subprocess.PIPE, text=True, check=False, **options
    )


class TestProcess:
    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            ([MODELS / "versions"], 0),
            ([MODELS / "versions", "--lint"], 0),
            ([MODELS / "broken_vars", "--lint"], 1),
            ([MODELS / "broken_pb"], 2),
            ([], 2),
        ],
    )
    def test_exit_status(self, arguments, status):
        ended = start(*arguments, stdout=subprocess.DEVNULL)
        assert ended.returncode == status
        assert "Traceback" not in ended.stderr

    def test_a_reader_that_went_away(self):
        reader, writer = os.pipe()
        os.close(reader)
        ended = start(MODELS / "versions", "--json", stdout=writer)
        os.close(writer)
        assert (ended.returncode, ended.stderr) == (0, "")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
    def test_a_full_disk(self):
        with Path("/dev/full").open("w") as full:
            ended = start(MODELS / "versions", stdout=full)
        assert ended.returncode == 2
        assert ended.stderr.splitlines() == [
            "pytest-tfserving show: cannot read or write standard output: No space left on device"
        ]

    def test_a_terminal_without_the_characters(self, tmp_path):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["größe"]))
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        ended = start(tmp_path, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert (ended.returncode, ended.stderr) == (0, "")
        assert r"# tags         gr\xf6\xdfe" in ended.stdout

    def test_nothing_heavy_is_imported(self):
        command = (
            "import sys; from pytest_tfserving.commands.show import run; run(sys.argv[1:]); "
            "print(*sys.modules, file=sys.stderr)"
        )
        arguments = [sys.executable, "-c", command, str(MODELS / "multi_io"), "--lint", "--json"]
        ended = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert not {"numpy", "grpc", "requests", "pytest", "tensorflow"} & set(ended.stderr.split())


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB"),
        (999_950, "1.0 MB"), (12_345_678, "12.3 MB"), (4_200_000_000, "4.2 GB"), (7_000_000_000_000, "7.0 TB"),
    ],
)  # fmt: skip
def test_sizes(size, text):
    assert size_text(size) == text


def test_what_no_contract_may_have_is_a_comment(tmp_path):
    graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
    graph.signature_def["s"].outputs["t"].dtype = tf.DT_RESOURCE
    graph.signature_def["s"].method_name = "score"
    (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
    text = inspection_text(inspect(tmp_path))
    assert text.startswith('[signatures.s]\n# method = "score"\n# outputs.t = "resource[...]"  #\n\n')
