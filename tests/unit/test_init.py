"""`pytest-tfserving init`: what it writes of an export, what it leaves alone, and what it refuses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import tomlkit

from pytest_tfserving.commands.init import run
from pytest_tfserving.contracts.file import read_contract
from pytest_tfserving.golden.sample import sample_of
from pytest_tfserving.golden.store import find_files, read_cases
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.savedmodel import read_schema
from pytest_tfserving.schema import Signature
from pytest_tfserving.wire import tensorflow_pb2 as tf
from tests.conftest import EXAMPLES, MODELS

METHODS = {name: f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress")}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Commands are typed in a directory of their own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def init(capsys):
    """init(*arguments) is the exit status, the lines that were printed and those of stderr."""

    def init(*arguments):
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return init


def export(path, signatures, *tag_sets):
    """Writes an export of signatures, name -> (inputs, outputs, method), in a graph for each set of tags."""
    model = tf.SavedModel()
    for tags in tag_sets or [("serve",)]:
        graph = model.meta_graphs.add()
        graph.meta_info_def.tags.extend(tags)
        for name, (inputs, outputs, method) in signatures.items():
            signature = graph.signature_def[name]
            signature.method_name = METHODS.get(method, method)
            for infos, specs in ((signature.inputs, inputs), (signature.outputs, outputs)):
                for alias, text in specs.items():
                    infos[alias].CopyFrom(tensor_info(text))
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / "saved_model.pb").write_bytes(model.SerializeToString())
    return path


def tensor_info(text):
    if text == "resource":
        return tf.TensorInfo(dtype=tf.DT_RESOURCE)
    spec = parse_tensor_spec(text)
    enums = {"float32": tf.DT_FLOAT, "string": tf.DT_STRING, "int32": tf.DT_INT32, "float16": tf.DT_HALF}
    info = tf.TensorInfo(dtype=enums[spec.dtype])
    info.tensor_shape.unknown_rank = spec.shape is None
    for size in spec.shape or ():
        info.tensor_shape.dim.add(size=-1 if size is None else size)
    return info


ONE = {"serving_default": ({"x": "float32[?]"}, {"y": "float32[?]"}, "predict")}
TWO = {**ONE, "other": ({"a": "int32[?, 3]", "b": "float32[]"}, {"c": "float32[?, 2]"}, "predict")}


def test_a_first_contract(init, here):
    export("exports/half/1", ONE)
    status, out, err = init("exports/half")
    assert (status, err) == (0, [])
    assert out == [
        "wrote goldens/half/serving_default.json: a request of made-up values",
        "wrote half.tfserving.toml: 1 signature",
        "next: pytest half.tfserving.toml --tfserving-update",
    ]
    assert (here / "half.tfserving.toml").read_text().partition("\n\n")[2] == (
        '[model]\npath = "exports/half"\n\n'
        '[signatures.serving_default]\nmethod = "predict"\ninputs.x = "float32[batch]"\noutputs.y = "float32[batch]"\n\n'
        '[goldens]\npath = "goldens/half"\n\n[lint]\n'
    )
    assert json.loads((here / "goldens/half/serving_default.json").read_text()) == {
        "signature_name": "serving_default",
        "inputs": {"x": [0.1, 0.2]},
    }
    [model] = read_contract(here / "half.tfserving.toml").models
    assert model.lint
    assert list(model.signatures) == ["serving_default"]
    assert find_files(model.goldens[0].files.pattern, model.goldens[0].files.base)


MODELS_TO_READ = [
    *(path for path in sorted(EXAMPLES.glob("*/exports/*"))),
    *(
        MODELS / name
        for name in ("dtypes", "errors", "examples", "multi_io", "shapes", "text_tf1", "counter", "custom_tag")
    ),
]


@pytest.mark.parametrize("path", MODELS_TO_READ, ids=lambda path: f"{path.parents[1].name}-{path.name}")
def test_what_is_written_of_real_exports_is_a_contract_and_survives_tomlkit(init, here, path):
    status, _, err = init(path)
    assert (status, err) == (0, [])
    file = here / f"{path.name}.tfserving.toml"
    assert tomlkit.dumps(tomlkit.parse(file.read_text())) == file.read_text()
    [model] = read_contract(file).models
    schema = read_schema(max(path.glob("[0-9]*")), model.model.get("tags", ("serve",)))
    assert list(model.signatures) == list(schema.callable_signatures)
    for goldens in model.goldens:
        for golden in find_files(goldens.files.pattern, goldens.files.base):
            [case] = read_cases(golden)
            assert case.signature_name in model.signatures
            assert case.answer is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "written"),
    [
        ({"x": "float32[?, 3]"}, {"y": "float32[?]"}, ["float32[batch, 3]", "float32[batch]"]),
        ({"x": "float32[?, ?]"}, {"y": "float32[?, ?, 2]"}, ["float32[batch, ?]", "float32[batch, ?, 2]"]),
        ({"x": "float32[?]"}, {"y": "float32[]"}, ["float32[?]", "float32[]"]),
        ({"x": "float32[?]"}, {"y": "float32[3]", "z": "float32[?]"}, ["float32[batch]", "float32[3]", "float32[batch]"]),
        ({"x": "float32[2]"}, {"y": "float32[?]"}, ["float32[2]", "float32[?]"]),
        ({"x": "float32[...]"}, {"y": "float32[?]"}, ["float32[...]", "float32[?]"]),
        ({}, {"y": "float32[?]"}, ["float32[?]"]),
    ],
)  # fmt: skip
def test_first_dimensions_that_are_open_on_both_sides_are_the_batch(init, here, inputs, outputs, written):
    export("exports/a", {"s": (inputs, outputs, "predict")})
    assert init("exports/a")[0] == 0
    signature = read_contract(here / "a.tfserving.toml").models[0].signatures["s"]
    assert [str(spec) for spec in (*signature.inputs.values(), *signature.outputs.values())] == written


@pytest.mark.parametrize(
    ("specs", "inputs"),
    [
        ({"x": "float32[]"}, {"x": 0.1}),
        ({"x": "float32[?, 2]"}, {"x": [[0.1, 0.2], [0.3, 0.4]]}),
        ({"x": "float32[3]", "y": "int64[?]"}, {"x": [0.1, 0.2, 0.3], "y": [1, 2]}),
        ({"x": "int32[?, ?]"}, {"x": [[1, 2], [3, 1]]}),
        ({"x": "bool[?]", "s": "string[?]"}, {"x": [True, False], "s": ["text", "text"]}),
        ({"x": "complex64[?]"}, {"x": [[0.1, 0.2], [0.3, 0.4]]}),
        ({"x": "float32[...]"}, {"x": 0.1}),
        ({"x": "float32[0]"}, {"x": []}),
        ({"x": "float32[]", "k": "int32[] = 5"}, {"x": 0.1, "k": 5}),
        ({"x": "float32[]", "k": "string[2] = ..."}, {"x": 0.1}),
        ({}, {}),
    ],
)
def test_requests_are_small_and_fit_the_signature(specs, inputs):
    sample = sample_of(signature_of(specs))
    assert (sample.inputs, sample.problem) == (inputs, "")


def test_inner_open_dimensions_of_pictures_are_large_enough_for_a_convolution():
    [picture] = sample_of(signature_of({"x": "float32[?, ?, ?, 3]"})).inputs.values()
    assert (len(picture), len(picture[0]), len(picture[0][0]), len(picture[0][0][0])) == (2, 32, 32, 3)


@pytest.mark.parametrize(
    ("specs", "outputs", "transport"),
    [
        ({"x": "float32[]"}, {"y": "float32[]"}, None),
        ({"x": "float16[]"}, {"y": "float32[]"}, "grpc"),
        ({"x": "float32[]"}, {"y": "uint16[]"}, "grpc"),
        ({"x": "bfloat16[]"}, {"y": "complex128[]"}, "grpc"),
        ({"x": "float32[]", "a": "int32[] = 5"}, {"y": "float32[]"}, None),
        ({"x": "float32[]", "a": "int32[] = ..."}, {"y": "float32[]"}, "grpc"),
    ],
)
def test_what_rest_cannot_carry_goes_over_grpc(specs, outputs, transport):
    assert sample_of(signature_of(specs, outputs)).transport == transport


@pytest.mark.parametrize(
    ("specs", "method", "problem"),
    [
        ({"inputs": "string[?]"}, "classify", "inputs takes serialized tf.Examples"),
        ({"inputs": "string[?]"}, "regress", "inputs takes serialized tf.Examples"),
        ({"examples": "string[?]"}, "predict", "examples takes serialized tf.Examples"),
        ({"image_bytes": "string[?]"}, "predict", "image_bytes takes encoded bytes, such as a picture"),
        ({"photo_jpeg": "string[?]"}, "predict", "photo_jpeg takes encoded bytes, such as a picture"),
        ({"x": "float32[?, 224, 224, 3]"}, "predict", "301,056 values are too many to make up"),
    ],
)
def test_what_cannot_be_guessed_is_said(specs, method, problem):
    assert sample_of(signature_of(specs, method=method)).problem == problem


def signature_of(inputs, outputs=None, method="predict"):
    sides = ({alias: parse_tensor_spec(text) for alias, text in specs.items()} for specs in (inputs, outputs or {}))
    return Signature("s", *sides, METHODS[method])


def test_a_signature_without_a_request_is_named_in_the_contract(init, here):
    export("exports/a", {**ONE, "classify": ({"inputs": "string[?]"}, {"scores": "float32[?, 2]"}, "classify")})
    status, out, _ = init("exports/a", "--goldens", "g")
    why = "classify has no request yet, for inputs takes serialized tf.Examples: write one into g/classify.json"
    assert (status, out[-2:]) == (0, [why, "next: pytest a.tfserving.toml --tfserving-update"])
    assert f'[goldens]\n# {why}\npath = "g"\n' in (here / "a.tfserving.toml").read_text()


def test_without_any_request_goldens_wait_as_a_comment(init, here):
    export("exports/a", {"s": ({"image_bytes": "string[?]"}, {"y": "float32[?]"}, "predict")})
    status, out, _ = init("exports/a")
    assert (status, out[-1]) == (0, "next: pytest a.tfserving.toml")
    assert "\n# [goldens]\n# s has no request yet, for image_bytes takes" in (here / "a.tfserving.toml").read_text()
    assert read_contract(here / "a.tfserving.toml").models[0].goldens == ()
    assert not (here / "goldens").exists()


def test_a_tensor_that_no_client_can_send_leaves_its_signature_a_comment(init, here):
    export("exports/a", {**ONE, "table": ({"handle": "resource"}, {"y": "float32[]"}, "predict")})
    assert init("exports/a")[0] == 0
    text = (here / "a.tfserving.toml").read_text()
    assert "# [signatures.table]\n# method" in text
    assert list(read_contract(here / "a.tfserving.toml").models[0].signatures) == ["serving_default"]


NAMES = [
    "a.b",
    "a b",
    'say "x"',
    "tensorflow/serving/predict",
    "..",
    "Ünïcode",
    "new\nline",
    "A",
    "a",
    "[x]*",
    "x" * 300,
]


def test_names_of_any_kind_are_written_and_read(init, here):
    export("exports/a", {name: ({name: "float32[?]"}, {name: "float32[?]"}, "predict") for name in NAMES})
    assert init("exports/a")[0] == 0
    [model] = read_contract(here / "a.tfserving.toml").models
    assert {name: list(signature.inputs) for name, signature in model.signatures.items()} == {n: [n] for n in NAMES}
    cases = [read_cases(file)[0] for file in (here / "goldens/a").iterdir()]
    assert sorted(case.signature_name for case in cases) == sorted(NAMES)
    assert len({case.file.name.lower() for case in cases}) == len(NAMES)


@pytest.mark.parametrize(
    ("tag_sets", "arguments", "tags"),
    [
        ([("serve",)], [], None),
        ([("serve",), ("serve", "gpu")], [], None),
        ([("serve",), ("serve", "gpu")], ["--tags", "gpu,serve"], ["gpu", "serve"]),
        ([("other",)], [], ["other"]),
    ],
)
def test_tags_are_those_given_else_those_of_the_only_graph(init, here, tag_sets, arguments, tags):
    export("exports/a", ONE, *tag_sets)
    assert init("exports/a", *arguments)[0] == 0
    assert read_contract(here / "a.tfserving.toml").models[0].model.get("tags") == tags


@pytest.mark.parametrize(
    ("arguments", "file", "path", "goldens"),
    [
        (["exports/a"], "a.tfserving.toml", "exports/a", "goldens/a"),
        (["exports/a/1"], "a.tfserving.toml", "exports/a/1", "goldens/a"),
        (["exports/a", "-o", "b.tfserving.toml"], "b.tfserving.toml", "exports/a", "goldens/a"),
        (["exports/a", "-o", "exports"], "exports/a.tfserving.toml", "a", "goldens/a"),
        (["exports/a", "-o", "new/b.tfserving.toml"], "new/b.tfserving.toml", "../exports/a", "goldens/a"),
        (["exports/a", "--goldens", "exports/g"], "a.tfserving.toml", "exports/a", "exports/g"),
        (["exports/a", "-o", "exports", "--goldens", "g"], "exports/a.tfserving.toml", "a", "../g"),
    ],
)
def test_paths_in_the_contract_start_at_its_directory(init, here, arguments, file, path, goldens):
    export("exports/a/1", ONE)
    assert init(*arguments)[0] == 0
    document = tomlkit.parse((here / file).read_text())
    assert (document["model"]["path"], document["goldens"]["path"]) == (path, goldens)
    assert ((here / file).parent / goldens / "serving_default.json").is_file()


def test_a_name_that_pytest_does_not_collect_is_noted(init):
    export("exports/a", ONE)
    status, out, _ = init("exports/a", "-o", "a.toml")
    assert (status, out[-2]) == (
        0,
        "note: pytest collects contracts by their name, *.tfserving.toml, and a.toml is none",
    )


def test_the_initialiser_is_no_signature(init, here):
    export("exports/a", {**ONE, "__saved_model_init_op": ({}, {"init": "float32[...]"}, "")})
    assert init("exports/a")[0] == 0
    assert list(read_contract(here / "a.tfserving.toml").models[0].signatures) == ["serving_default"]


class TestExisting:
    """A contract and goldens that are there."""

    MINE = '# mine\n[model]\npath = "exports/a"\n\n[signatures.serving_default]  # by hand\ninputs.x="float32[rows]"\n'

    @pytest.fixture(autouse=True)
    def existing(self, here):
        export("exports/a", TWO)
        (here / "a.tfserving.toml").write_text(self.MINE)

    def test_it_is_not_written_over(self, init, here):
        status, out, err = init("exports/a")
        assert (status, out) == (2, [])
        assert err == [
            "pytest-tfserving init: a.tfserving.toml is there already; --merge adds signatures that it lacks, "
            "--force replaces it"
        ]
        assert (here / "a.tfserving.toml").read_text() == self.MINE
        assert not (here / "goldens").exists()

    def test_force_replaces_it(self, init, here):
        status, out, _ = init("exports/a", "--force")
        assert (status, out[2]) == (0, "replaced a.tfserving.toml: 2 signatures")
        assert "mine" not in (here / "a.tfserving.toml").read_text()

    def test_a_golden_is_never_written_over(self, init, here):
        golden = here / "goldens" / "a" / "serving_default.json"
        golden.parent.mkdir(parents=True)
        golden.write_text("mine")
        status, out, _ = init("exports/a", "--force")
        assert status == 0
        assert "kept goldens/a/serving_default.json: a golden is never written over" in out
        assert golden.read_text() == "mine"

    def test_merge_adds_signatures_and_keeps_all_else(self, init, here):
        status, out, _ = init("exports/a", "--merge")
        assert (status, out[0]) == (0, "added to a.tfserving.toml: other")
        assert (here / "a.tfserving.toml").read_text() == self.MINE + (
            '\n[signatures.other]\nmethod = "predict"\ninputs.a = "int32[batch, 3]"\ninputs.b = "float32[]"\n'
            'outputs.c = "float32[batch, 2]"\n'
        )
        assert init("exports/a", "--merge")[1] == ["a.tfserving.toml has every signature of the export; nothing to add"]

    def test_merge_writes_requests_where_the_contract_has_its_goldens(self, init, here):
        (here / "g").mkdir()
        (here / "a.tfserving.toml").write_text(self.MINE + '[goldens]\npath = "g"\n')
        assert "wrote g/other.json: a request of made-up values" in init("exports/a", "--merge")[1]
        assert [file.name for file in (here / "g").iterdir()] == ["other.json"]

    def test_merge_knows_signatures_of_included_files(self, init, here):
        (here / "common.toml").write_text('[signatures.other]\nmethod = "predict"\n')
        (here / "a.tfserving.toml").write_text('include = "common.toml"\n' + self.MINE)
        assert init("exports/a", "--merge")[1] == ["a.tfserving.toml has every signature of the export; nothing to add"]

    def test_merge_takes_the_tags_of_the_contract(self, init, here):
        export("exports/a", TWO, ("serve",), ("b",))
        (here / "a.tfserving.toml").write_text('[model]\npath = "exports/a"\ntags = ["b"]\n')
        assert init("exports/a", "--merge")[0] == 0

    def test_merge_into_no_file_writes_one(self, init, here):
        assert init("exports/a", "--merge", "-o", "b.tfserving.toml")[0] == 0
        assert len(read_contract(here / "b.tfserving.toml").models[0].signatures) == 2

    @pytest.mark.parametrize(
        "text",
        [
            '[model]\npath = "exports/a"\n',
            '[model]\npath = "exports/a"\n[lint]\n# the end',
            '[model]\npath = "exports/a"\n[signatures]\n[lint]\n',
            '[signatures.serving_default]\ninputs.x = "float32[n]"\n[model]\npath = "exports/a"\n[signatures.third]\n'
            'method = "predict"\n[lint]\n# the end\n',
            '[signatures]\nserving_default = { method = "predict" }  # inline\n[model]\npath = "exports/a"\n',
            'signatures.serving_default.method = "predict"\n[model]\npath = "./exports/../exports/a"\n',
            '\ufeff[model]  # behind a byte order mark\npath = "exports/a"\n',
            'model.path = "exports/a"\r\n[signatures.serving_default]\r\nmethod = "predict"\r\n',
            '[models.first]\npath = "exports/b"\n[models.second]\npath = "exports/a"\n# comment\n'
            '[models.second.signatures.serving_default]\nmethod = "predict"\n[models.third]\npath = "exports/c"\n',
            '[models.second]\npath = "exports/a"\n[models.second.lint]\n[signatures.third]\nmethod = "predict"\n',
        ],
    )  # fmt: skip
    def test_merge_keeps_every_line_in_its_place(self, init, here, text):
        file = here / "a.tfserving.toml"
        file.write_bytes(text.encode())
        before = read_contract(file)
        status, _, err = init("exports/a", "--merge")
        assert (status, err) == (0, [])
        after = file.read_bytes().decode()
        lines = iter(after.splitlines(keepends=True))
        assert all(
            any(line == other for other in lines) for line in text.splitlines(keepends=True) if line.endswith("\n")
        )
        for old, new in itertools.zip_longest(before.models, read_contract(file).models):
            assert new.model == old.model
            assert list(new.signatures)[: len(old.signatures)] == list(old.signatures) or set(old.signatures) < set(
                new.signatures
            )
            added = {"serving_default", "other"} if str(old.model["path"]).endswith("/a") else set()
            assert set(new.signatures) == set(old.signatures) | added

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('[model]\npath = "exports/b"\n', "is a contract for another model: its path is exports/b; give another FILE"),
            ('[models.x]\npath = "b"\n[models.y]\npath = "c"\n', "is a contract for another model: its path is b, c; "),
            ('[model]\npth = "exports/b"\n', "a.tfserving.toml:2: unknown key model.pth; did you mean path?"),
            (
                '[model]\npath = "exports/a"\n[properties.gone]\nrequests = "g"\n',
                "left as it is: a.tfserving.toml:3: no [signatures.gone] in this contract (known: other, serving_default)",
            ),
            ('[[goldens]]\npath = "g"\n[model]\npath = "exports/a"\n[[goldens]]\npath = "h"\n', "no table can be added"),
            ("signatures = { }\nmodel = { path = 'exports/a' }", "no table can be added"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_merged_is_left_as_it_is(self, init, here, text, message):
        file = here / "a.tfserving.toml"
        file.write_text(text)
        status, out, err = init("exports/a", "--merge")
        assert (status, out) == (2, [])
        assert message in err[0]
        assert file.read_text() == text
        assert not (here / "goldens").exists()


@pytest.mark.parametrize(
    ("signatures", "arguments", "message"),
    [
        ({}, ["exports/a"], "exports/a has no signature that a client could call; export it with signatures="),
        (ONE, ["exports/b"], "no such directory: "),
        (ONE, ["exports/a", "--tags", "gpu"], "no graph with tags {gpu} in "),
        (ONE, ["exports/a", "-o", "exports/a/saved_model.pb/x.tfserving.toml"], "cannot read or write "),
        (ONE, ["exports/a", "--goldens", "exports/a/saved_model.pb"], "cannot read or write "),
    ],
)
def test_what_cannot_be_written_is_said(init, here, signatures, arguments, message):
    export("exports/a", signatures)
    status, out, err = init(*arguments)
    assert (status, out) == (2, [])
    assert err[0].startswith("pytest-tfserving init: ")
    assert message in err[0]
    assert not list(here.glob("*.toml"))


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "--force", "--merge"], ["a", "--what"]])
def test_a_wrong_command_line_ends_with_2(arguments):
    with pytest.raises(SystemExit, match="2"):
        run(arguments)


def test_a_draft_that_cannot_be_put_in_place_leaves_nothing(init, here, monkeypatch):
    export("exports/a", ONE)
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError(28, "No space left", str(target)))
    )
    status, _, err = init("exports/a")
    assert (status, err) == (
        2,
        [f"pytest-tfserving init: cannot read or write {here}/goldens/a/serving_default.json: No space left"],
    )
    assert [path.name for path in here.rglob("*") if path.is_file()] == ["saved_model.pb"]


def test_what_is_said_of_many_signatures_is_short(init, here):
    export("exports/a", {f"s{number}": ONE["serving_default"] for number in range(1_000)})
    status, out, _ = init("exports/a", "--goldens", "g")
    assert status == 0
    assert out[-3:] == [
        "and 990 more",
        "wrote a.tfserving.toml: 1,000 signatures",
        "next: pytest a.tfserving.toml --tfserving-update",
    ]
    assert len(list((here / "g").iterdir())) == 1_000
