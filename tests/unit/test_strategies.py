"""Requests made from a signature: what they keep to, what they shrink to, what cannot be made up."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from pytest_tfserving.contracts.check import ExpectedSignature, find_size_conflicts
from pytest_tfserving.contracts.promises import Values
from pytest_tfserving.contracts.strategies import Strategies, inputs
from pytest_tfserving.dtypes import DTYPES
from pytest_tfserving.errors import SpecError
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.schema import INIT_OP_SIGNATURE, ModelSchema, Signature
from pytest_tfserving.tensors import as_array, name_of

NO_LIMITS = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(NO_LIMITS, max_examples=30)


def signature(name="serving_default", method="predict", **specs):
    parsed = {alias: parse_tensor_spec(spec) for alias, spec in specs.items()}
    return Signature(name, parsed, {}, f"tensorflow/serving/{method}")


def expected(**specs):
    return ExpectedSignature("serving_default", {alias: parse_tensor_spec(spec) for alias, spec in specs.items()})


def requests_of(strategy, count=60):
    """What a strategy gives in `count` draws."""
    drawn = []

    @settings(NO_LIMITS, max_examples=count, phases=[Phase.generate], derandomize=True)
    @given(strategy)
    def draw(request):
        drawn.append(request)

    draw()
    return drawn


@st.composite
def signatures(draw):
    """A signature, and what a contract says of it."""
    dimensions = st.sampled_from(["?", "batch", "n", "0", "1", "3", "2<=m<=70", "?<=4", "5<=?"])
    said, served = {}, {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c_bytes", "d"]), unique=True)):
        dtype = draw(st.sampled_from(sorted(DTYPES)))
        shape = draw(st.lists(dimensions, max_size=3) | st.none())
        said[name] = f"{dtype}[{'...' if shape is None else ', '.join(shape)}]"
        fixed = None if shape is None else [size if size.isdigit() else "?" for size in shape]
        served[name] = f"{dtype}[{'...' if fixed is None else ', '.join(fixed)}]"
    return signature(**served), expected(**said)


class TestEveryRequest:
    @settings(NO_LIMITS, max_examples=100)
    @given(st.data(), signatures())
    def test_it_fits_the_signature_and_the_contract(self, data, both):
        served, contract = both
        request = data.draw(inputs(served, contract))
        assert request.keys() == served.inputs.keys()
        assert find_size_conflicts(contract, request, {}) == []
        for name, spec in served.inputs.items():
            assert name_of(request[name]) == spec.dtype
            assert as_array(request[name], spec.dtype) is request[name] or spec.dtype == "string"
            if spec.dtype == "string":
                assert all(isinstance(item, bytes) for item in request[name].ravel())
            elif spec.dtype != "bool":
                assert np.isfinite(request[name].astype("c16")).all()

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "int64", "uint64"])
    @pytest.mark.parametrize("limits", [(0, 1), (0.1, 100.3), (None, 3.7), (-2, None), (5, 5)], ids=str)
    @pytest.mark.parametrize("shape", ["", "40, 50"])
    def test_numbers_keep_to_their_limits(self, dtype, limits, shape):
        low, high = limits
        for request in requests_of(
            inputs(signature(x=f"{dtype}[{shape}]"), values={"x": Values(min=low, max=high)}), 8
        ):
            values = request["x"].astype("f8")
            assert low is None or (values >= low).all()
            assert high is None or (values <= high).all()

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_no_float_is_subnormal(self, dtype):
        least = np.finfo(dtype).tiny
        for request in requests_of(
            inputs(signature(x=f"{dtype}[9]"), values={"x": Values(min=-1, max=float(least) / 2)})
        ):
            assert ((request["x"] == 0) | (np.abs(request["x"]) >= least)).all()

    @pytest.mark.parametrize(
        ("dtype", "one_of", "occurring"),
        [
            ("string", ("en", b"\xff"), {b"en", b"\xff"}),
            ("int64", (1, 2), {1, 2}),
            ("bool", (True,), {True}),
            ("float32", (float("inf"), 1.0), {float("inf"), 1.0}),
        ],
    )
    @pytest.mark.parametrize("shape", ["5", "1000"])
    def test_one_of_means_nothing_else(self, dtype, one_of, occurring, shape):
        drawn = requests_of(inputs(signature(x=f"{dtype}[{shape}]"), values={"x": Values(one_of=one_of)}), 30)
        assert {item for request in drawn for item in request["x"].tolist()} == occurring

    @pytest.mark.parametrize("length", [(0, 0), (3, 3), (2, 5), (100, 5000)], ids=str)
    @pytest.mark.parametrize("name", ["text", "image_bytes"])
    def test_strings_keep_to_their_length(self, name, length):
        drawn = requests_of(inputs(signature(**{name: "string[3]"}), values={name: Values(length=length)}))
        lengths = {len(item) for request in drawn for item in request[name].tolist()}
        assert {*length} <= lengths
        assert all(length[0] <= size <= length[1] for size in lengths)

    def test_strings_are_text_unless_the_name_says_bytes(self):
        drawn = requests_of(inputs(signature(text="string[3]", image_bytes="string[3]")))
        assert all(item.decode() is not None for request in drawn for item in request["text"].tolist())
        with pytest.raises(UnicodeDecodeError):
            [item.decode() for request in drawn for item in request["image_bytes"].tolist()]


class TestSizes:
    def test_a_first_dimension_without_a_name_is_the_batch(self):
        for request in requests_of(inputs(signature(a="float32[?, ?]", b="int32[?]", c="string[?, 2]"))):
            assert request["a"].shape[0] == request["b"].shape[0] == request["c"].shape[0]

    def test_other_open_dimensions_vary_on_their_own(self):
        shapes = {request["a"].shape for request in requests_of(inputs(signature(a="float32[?, ?, ?]")))}
        assert any(len(set(shape)) == 3 for shape in shapes)

    def test_sizes_are_small_and_reach_the_limits_that_a_contract_names(self):
        drawn = requests_of(inputs(signature(x="float32[?, ?]"), expected(x="float32[batch<=64, 3<=n]")))
        batches, others = ({request["x"].shape[axis] for request in drawn} for axis in (0, 1))
        assert {1, 64} <= batches <= {1, 2, 3, 4, 5, 64}
        assert {3} < others <= {3, 4, 5, 6, 7}

    def test_the_limits_of_an_outputs_dimension_hold_for_its_inputs(self):
        contract = ExpectedSignature("serving_default", None, {"y": parse_tensor_spec("float32[batch<=2]")})
        drawn = requests_of(inputs(signature(x="float32[batch]"), contract), 20)
        assert {request["x"].shape for request in drawn} == {(1,), (2,)}

    def test_no_size_is_0_unless_it_must_be(self):
        for request in requests_of(inputs(signature(x="float32[?, 0]"), expected(x="float32[batch, 0]"))):
            assert request["x"].shape[0] > 0
            assert request["x"].shape[1] == 0

    def test_a_tensor_of_unknown_rank_has_a_few(self):
        drawn = requests_of(inputs(signature(x="float32[...]")))
        assert {request["x"].ndim for request in drawn} == {0, 1, 2, 3}

    @pytest.mark.parametrize("spec", ["float32[batch<=1000000, 224, 224, 3]", "float32[batch<=100000, batch]"])
    def test_no_tensor_is_larger_than_half_a_million_elements(self, spec):
        drawn = requests_of(inputs(signature(x=spec)), 10)
        assert 400_000 < max(request["x"].size for request in drawn) <= 1 << 19


class TestMany:
    """Hypothesis takes 8 KiB of choices an example; a signature may have more values than that."""

    @pytest.mark.parametrize(
        "specs",
        [
            {"image": "float32[batch, 224, 224, 3]", "k": "float32[]"},
            {f"feature_{index}": "float32[?]" for index in range(500)},
            {f"text_{index}": "string[?, 100]" for index in range(50)},
        ],
        ids=["an image", "500 inputs", "5,000 strings"],
    )
    def test_all_are_made(self, specs):
        drawn = requests_of(inputs(signature(**specs)), 5)
        assert len(drawn) == 5
        name = next(iter(specs))
        assert len({request[name].tobytes() for request in drawn if request[name].dtype != object}) != 1

    def test_noise_is_there_and_shrinks_away(self):
        images = inputs(signature(image="float32[batch, 20, 20, 1]"), values={"image": Values(min=0, max=255)})
        assert any(len(np.unique(request["image"])) > 100 for request in requests_of(images))
        smallest = find(
            images, lambda request: (request["image"] > 7).any(), settings=settings(NO_LIMITS, max_examples=50)
        )
        assert smallest["image"].shape == (1, 20, 20, 1)
        assert set(np.unique(smallest["image"])) <= {0.0, 8.0}


class TestShrinking:
    @pytest.mark.parametrize(
        ("specs", "failing", "smallest"),
        [
            ({"x": "float32[?]"}, lambda x: True, {"x": [0.0]}),
            ({"x": "float32[?, 2]"}, lambda x: (x < -10).any(), {"x": [[0.0, -11.0]]}),
            ({"x": "int64[?]"}, lambda x: len(x) > 2, {"x": [0, 0, 0]}),
            ({"x": "int8[]"}, lambda x: x >= 100, {"x": 100}),
            ({"x": "string[?]"}, lambda x: any(item > b"" for item in x), {"x": [b"0"]}),
            ({"x": "bool[2]"}, lambda x: x.any(), {"x": [False, True]}),
            ({"x": "complex64[]"}, lambda x: x.imag > 1, {"x": 2j}),
            ({"x": "float32[...]"}, lambda x: x.ndim > 1, {"x": [[0.0]]}),
            ({"x": "float32[?]", "k": "int32[] = 5"}, lambda x: True, {"x": [0.0]}),
        ],
        ids=["anything", "a number", "a size", "an integer", "text", "bool", "complex", "unknown rank", "left out"],
    )
    def test_it_goes_to_few_small_values(self, specs, failing, smallest):
        found = find(
            inputs(signature(**specs)),
            lambda request: failing(request["x"]),
            settings=settings(NO_LIMITS, max_examples=500),
        )
        assert {name: array.tolist() for name, array in found.items()} == smallest


class TestLeftOut:
    SPECS = signature(x="float32[?]", k="int32[] = 5", m="int32[] = ...")

    def test_inputs_with_a_default_are_there_or_not(self):
        drawn = {frozenset(request) for request in requests_of(inputs(self.SPECS))}
        assert drawn == {frozenset({"x", *others}) for others in ([], ["k"], ["m"], ["k", "m"])}

    def test_or_always_there_for_rest(self):
        assert {frozenset(request) for request in requests_of(inputs(self.SPECS, leave_out=False))} == {
            frozenset("xkm")
        }


class TestWhatCannotBeMadeUp:
    @pytest.mark.parametrize(
        ("served", "values", "message"),
        [
            (signature(x="uint8[?]"), {"x": Values(min=300)}, "no uint8 lies in 300.., which was said of the input 'x'"),
            (signature(x="int32[?]"), {"x": Values(min=0.2, max=0.8)}, "no int32 lies in 0.2..0.8, which was said of the input 'x'"),
            (signature(x="float16[?]"), {"x": Values(min=1e6, max=1e7)}, "no float16 lies in 1000000.0..10000000.0, which was said of the input 'x'"),
            (
                signature(x="uint8[?]"),
                {"x": Values(one_of=(1, 300))},
                "one_of of the input 'x' has no uint8 values: 'x': 300 does not fit uint8",
            ),
            (
                signature(x="int32[?]"),
                {"x": Values(one_of=(1.5,))},
                "one_of of the input 'x' has no int32 values: input 'x': the signature says int32, received float64 of "
                "shape [1]; convert it first if that is meant, for example with .astype('int32')",
            ),
            (
                signature(method="classify", inputs="string[?]"),
                {},
                "signature 'serving_default' (classify) takes serialized tf.Examples in 'inputs', which cannot be made up; "
                'leave the signature out of [generated] signatures, or say which to send, for example inputs.inputs = { one_of = [{ b64 = "..." }] }',
            ),
        ],
    )  # fmt: skip
    def test_is_said_before_anything_is_drawn(self, served, values, message):
        with pytest.raises(SpecError) as caught:
            inputs(served, None, values)
        assert str(caught.value) == message


class TestStrategies:
    """What `tfserving.strategies` is."""

    SCHEMA = ModelSchema(
        {
            "serving_default": signature(x="float32[?]"),
            "other": signature("other", n="int32[]"),
            INIT_OP_SIGNATURE: Signature(INIT_OP_SIGNATURE, {}, {}),
        }
    )

    def test_a_test_says_sizes_and_values_as_a_contract_does(self):
        requests = Strategies(self.SCHEMA).inputs(specs={"x": "float32[7<=n<=7]"}, values={"x": {"min": 2, "max": 3}})
        for request in requests_of(requests, 20):
            assert request["x"].shape == (7,)
            assert ((request["x"] >= 2) & (request["x"] <= 3)).all()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"specs": {"x": "flot32[n]"}}, "no such dtype; did you mean float32?"),
            ({"specs": {"x": "float32[n<=3, n<=4]"}}, "dimension 'n' has two meanings"),
            ({"values": {"x": {"mn": 0}}}, "strategies.inputs: inputs.x"),
            ({"values": {"z": {"min": 0}}}, "strategies.inputs: inputs.z"),
        ],
    )
    def test_what_cannot_be_meant(self, arguments, message):
        with pytest.raises(SpecError) as caught:
            Strategies(self.SCHEMA).inputs(**arguments)
        assert message in str(caught.value)

    @FEW
    @given(st.data())
    def test_it_is_drawn_from_in_a_tests_body(self, data):
        request = data.draw(Strategies(self.SCHEMA).inputs())
        assert math.prod(request["x"].shape) == len(request["x"])

    def test_a_signature_that_is_not_there(self):
        with pytest.raises(SpecError) as caught:
            Strategies(self.SCHEMA).inputs(INIT_OP_SIGNATURE)
        assert str(caught.value) == (
            "the model has no signature '__saved_model_init_op'; it has 'serving_default', 'other'"
        )


class TestWithoutHypothesis:
    """It is an extra of the package."""

    @staticmethod
    def run(code):
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        return process.stdout + process.stderr

    @pytest.mark.parametrize("module", ["strategies", "refusals", "generated"])
    def test_it_is_said_how_to_get_it(self, module):
        said = self.run(f"import sys; sys.modules['hypothesis'] = None; import pytest_tfserving.contracts.{module}")
        assert said.endswith(
            "pytest_tfserving.errors.SpecError: generated requests need hypothesis: "
            "pip install 'pytest-tfserving[hypothesis]'\n"
        )

    def test_nothing_that_every_run_loads_imports_it(self):
        loaded = "import sys, pytest_tfserving.plugin, pytest_tfserving.fixtures, pytest_tfserving.markers"
        assert self.run(f"{loaded}; print('hypothesis' in sys.modules)") == "False\n"
