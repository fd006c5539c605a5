"""`pytest-tfserving diff`: what it compares, what it prints, its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pytest_tfserving.commands.diff import run
from pytest_tfserving.dtypes import dtype_enum
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.wire import tensorflow_pb2 as tf
from tests.conftest import EXAMPLES

MAIN = "import sys; from pytest_tfserving.commands.diff import run; sys.exit(run(sys.argv[1:]))"

KERAS = EXAMPLES / "keras_19458" / "exports"


def write_export(directory: Path, tags: tuple[str, ...] = ("serve",), **signatures: tuple[dict, dict]) -> Path:
    """A SavedModel without a graph: its signatures' inputs and outputs as specs by name."""
    graph = tf.MetaGraphDef()
    graph.meta_info_def.tags.extend(tags)
    for name, sides in signatures.items():
        signature = graph.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for infos, specs in zip((signature.inputs, signature.outputs), sides, strict=True):
            for alias, text in specs.items():
                spec = parse_tensor_spec(text)
                info = infos[alias]
                info.name, info.dtype = f"{alias}:0", dtype_enum(spec.dtype)
                info.tensor_shape.SetInParent()
                for size in spec.shape or ():
                    info.tensor_shape.dim.add(size=-1 if size is None else size)
    directory.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
    return directory


@pytest.fixture(autouse=True)
def exports(tmp_path, monkeypatch):
    """In the working directory: `old`; `same` as it; `new`, whose input is renamed; `more`, with a signature more."""
    monkeypatch.chdir(tmp_path)
    default = ({"x": "float32[?]"}, {"y": "float32[?]"})
    write_export(Path("old/1"), serving_default=default)
    write_export(Path("same/7"), serving_default=default)
    write_export(Path("new/1"), serving_default=({"inputs": "float32[?]"}, {"y": "float32[?]"}))
    write_export(Path("more/1"), serving_default=default, b=({"x": "int8[?]"}, {"y": "int8[?]"}))


def contract(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


CONTRACT = """\
[model]
path = "old"

[signatures.serving_default]
inputs.x = "float32[batch]"
outputs.y = "float32[batch]"
"""

OTHERS = """\
[models.first]
path = "old"
signatures.serving_default.inputs.x = "float32[batch]"

[models.second]
path = "old"
signatures.serving_default.inputs.inputs = "float32[batch]"
"""


class TestWhatIsCompared:
    @pytest.mark.parametrize(
        ("old", "new", "status"),
        [
            ("old", "old", 0),
            ("old", "same", 0),
            ("old/1", "same/7", 0),
            ("old", "more", 0),
            ("old", "new", 1),
            ("more", "old", 1),
            ("m.tfserving.toml", "old", 0),
            ("m.tfserving.toml", "more", 0),
            ("m.tfserving.toml", "new", 1),
            ("m.tfserving.toml", "m.tfserving.toml", 0),
            ("new", "m.tfserving.toml", 1),
            ("o.tfserving.toml::first", "old", 0),
            ("o.tfserving.toml::second", "old", 1),
            ("o.tfserving.toml::second", "new", 0),
            ("o.tfserving.toml::first", "o.tfserving.toml::second", 1),
        ],
    )
    def test_exports_and_contracts(self, capsys, old, new, status):
        contract("m.tfserving.toml", CONTRACT)
        contract("o.tfserving.toml", OTHERS)
        assert run([old, new]) == status, capsys.readouterr()

    def test_the_newest_version_of_a_base_directory(self):
        write_export(Path("old/2"), serving_default=({"inputs": "float32[?]"}, {"y": "float32[?]"}))
        assert run(["old", "new"]) == 0
        assert run(["old/1", "new"]) == 1

    def test_tags(self, capsys):
        for name in ("gpu_old", "gpu_new"):
            write_export(Path(name), ("serve", "gpu"), serving_default=({"x": "int8[?]"}, {"y": "int8[?]"}))
        assert run(["gpu_old", "gpu_new", "--tags", "gpu,serve"]) == 0
        assert run(["gpu_old", "gpu_new"]) == 2
        assert "no graph with tags {serve} in" in capsys.readouterr().err


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "status"),
        [
            ([], 1),
            (["--severity", "input-renamed=risky"], 0),
            (["--severity=input-renamed=risky", "--fail-on=risky"], 1),
            (["--severity", "input-renamed=off", "--fail-on", "safe"], 0),
            (["--severity", "input-renamed=safe", "--severity", "input-renamed=breaking"], 1),
            (["--accept", "accepted.toml"], 0),
            (["--accept", "other.toml"], 1),
            (["--accept", "other.toml", "--accept", "accepted.toml", "--fail-on", "safe"], 0),
        ],
    )
    def test_status(self, options, status):
        Path("accepted.toml").write_text('[[accepted]]\nrule = "input-renamed"\ntensor = "x"\nreason = "all moved"\n')
        Path("other.toml").write_text('[[accepted]]\nrule = "input-renamed"\ntensor = "z"\nreason = "all moved"\n')
        assert run(["old", "new", *options]) == status

    def test_fail_on_safe(self):
        assert run(["old", "more"]) == 0
        assert run(["old", "more", "--fail-on", "safe"]) == 1


class TestOutput:
    def test_text(self, capsys):
        assert run(["old", "new"]) == 1
        assert capsys.readouterr().out == (
            "old -> new\n"
            "\n"
            "breaking: input-renamed at serving_default.inputs.x\n"
            "    input x (float32[?]) is called inputs (float32[?]) now: requests that send x are refused; a lone\n"
            "    input that REST sends bare needs no name; send inputs\n"
            "\n"
            "1 breaking\n"
        )

    def test_safe_ones_are_counted_and_with_all_shown(self, capsys):
        run(["old", "more"])
        assert capsys.readouterr().out == "old -> more\n\n1 safe (not shown)\n"
        run(["old", "more", "--all"])
        assert "safe: signature-added at b\n" in capsys.readouterr().out

    def test_json(self, capsys):
        assert run(["old", "new", "--format", "json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert (document["old"], document["new"], document["holds"]) == ("old", "new", False)
        assert [finding["rule"] for finding in document["findings"]] == ["input-renamed"]

    @pytest.mark.parametrize(
        ("old", "new", "file"),
        [
            ("old", "new", "new/1/saved_model.pb"),
            ("m.tfserving.toml", "new", "new/1/saved_model.pb"),
            ("new", "m.tfserving.toml", "m.tfserving.toml"),
            ("new", "o.tfserving.toml::first", "o.tfserving.toml"),
            ("new", "a::b/m.tfserving.toml", "a%3A%3Ab/m.tfserving.toml"),
        ],
    )
    def test_github(self, capsys, old, new, file):
        Path("a::b").mkdir()
        contract("a::b/m.tfserving.toml", CONTRACT)
        contract("m.tfserving.toml", CONTRACT)
        contract("o.tfserving.toml", OTHERS)
        assert run([old, new, "--format", "github"]) == 1
        first = capsys.readouterr().out.splitlines()[0]
        assert first.startswith(f"::error file={file},title=input-renamed serving_default.inputs.")

    def test_junit(self, capsys):
        assert run(["old", "new", "--format", "junit"]) == 1
        [suite] = ElementTree.fromstring(capsys.readouterr().out.encode())
        assert (suite.get("name"), suite.get("failures")) == ("pytest-tfserving diff old new", "1")


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nowhere", "new"], "no such directory: "),
            (["old", "ol"], "no such directory: "),
            (["old", "m.tfserving.tml"], "no such directory: "),
            (["empty", "new"], "no SavedModel in "),
            (["damaged", "new"], "does not parse as a SavedModel"),
            (["old/1/saved_model.pb", "new"], "is a file; an export is the directory that holds saved_model.pb"),
            (["mm.tfserving.toml", "new"], "no such contract file: mm.tfserving.toml; did you mean m.tfserving.toml?"),
            (["broken.tfserving.toml", "new"], "broken.tfserving.toml:1: "),
            (["nothing.tfserving.toml", "new"], "promises no signature"),
            (["o.tfserving.toml", "new"], "has several models; say which: o.tfserving.toml::first, o.tfserving.toml::second"),
            (["o.tfserving.toml::secnd", "new"], "has no model 'secnd'; did you mean second? (it has first, second)"),
            (["old::first", "new"], "::NAME is for contract files"),
            (["http://localhost:1", "new"], "is no address of a served model; write http://host:8501/v1/models/NAME"),
            (["ftp://localhost/m", "new"], "is no address of a served model"),
            (["old", "http://127.0.0.1:1/v1/models/m"], "http://127.0.0.1:1 does not answer"),
            (["old", "grpc://127.0.0.1:1/m"], "127.0.0.1:1"),
            (["old", "new", "--fail-on", "never"], "--fail-on: 'never' is no level; levels are breaking, risky, safe"),
            (["old", "new", "--severity", "input-renamed"], "--severity: 'input-renamed' is no RULE=LEVEL"),
            (["old", "new", "--severity", "input-rename=off"], "--severity: no such rule: 'input-rename'; did you mean 'input-renamed'?"),
            (["old", "new", "--severity", "input-renamed=none"], "'none' is no level"),
            (["old", "new", "--accept", "nowhere.toml"], "nowhere.toml cannot be read"),
            (["old", "new", "--accept", "reasonless.toml"], "reasonless.toml:1: why is input-renamed accepted?"),
        ],
    )  # fmt: skip
    def test_it_says_what_and_stops(self, capsys, arguments, message):
        contract("m.tfserving.toml", CONTRACT)
        contract("o.tfserving.toml", OTHERS)
        contract("broken.tfserving.toml", "[model\n")
        contract("nothing.tfserving.toml", '[model]\npath = "old"\n')
        Path("reasonless.toml").write_text('[[accepted]]\nrule = "input-renamed"\n')
        Path("empty").mkdir()
        Path("damaged").mkdir()
        Path("damaged/saved_model.pb").write_bytes(b"\xff\xfe garbage")
        assert run(arguments) == 2
        out, err = capsys.readouterr()
        assert not out and err.startswith("pytest-tfserving diff: ") and message in err

    @pytest.mark.parametrize("arguments", [[], ["old"], ["old", "new", "more"], ["old", "new", "--format", "xml"]])
    def test_a_command_line_that_cannot_be_meant(self, capsys, arguments):
        with pytest.raises(SystemExit) as stopped:
            run(arguments)
        assert stopped.value.code == 2
        assert capsys.readouterr().err.startswith("usage: pytest-tfserving diff")


class TestProcess:
    """The command as CI runs it."""

    def diff(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], capture_output=True, text=True, check=False, **options
        )

    @pytest.mark.parametrize(("old", "new", "status"), [("old", "same", 0), ("old", "new", 1), ("old", "nowhere", 2)])
    def test_status_and_no_traceback(self, old, new, status):
        process = self.diff(old, new)
        assert process.returncode == status
        assert "Traceback" not in process.stderr and bool(process.stderr) == (status == 2)

    def test_names_that_the_terminal_cannot_print(self):
        write_export(Path("odd/1"), serving_default=({"größe": "float32[?]"}, {"y": "float32[?]"}))
        process = self.diff("old", "odd", env={"PATH": "", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
        assert process.returncode == 1 and not process.stderr
        assert "gr\\xf6\\xdfe" in process.stdout

    def test_a_reader_that_is_gone(self):
        command = subprocess.Popen(
            [sys.executable, "-c", MAIN, "old", "new"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        command.stdout.close()
        with command.stderr:
            assert not command.stderr.read()
        assert command.wait() == 1

    def test_neither_tensorflow_nor_a_client_is_imported(self):
        main = MAIN.replace("sys.exit(", "status = ").removesuffix(")")
        names = "('tensorflow', 'numpy', 'grpc', 'requests', 'pytest')"
        process = subprocess.run(
            [sys.executable, "-c", f"{main}; print([name for name in {names} if name in sys.modules])", "old", "new"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert process.stdout.endswith("[]\n")


class TestKeras19458:
    """The demo: a re-export after which no client gets through."""

    def test_the_gate_names_all_three_breaks(self, capsys):
        assert run([str(KERAS / "old"), str(KERAS / "new"), "--format", "json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert [(f["rule"], f["tensor"], f["old"], f["new"], f["fails"]) for f in document["findings"]] == [
            ("input-renamed", "x", "x", "inputs", True),
            ("input-dtype-changed", "x", "int32[?, 10]", "float32[?, 10]", True),
            ("output-renamed", "y", "y", "output_0", True),
        ]

    def test_a_model_is_compatible_with_itself(self, capsys):
        assert run([str(KERAS / "old"), str(KERAS / "old"), "--fail-on", "safe"]) == 0
        assert capsys.readouterr().out.endswith("\nno findings\n")
