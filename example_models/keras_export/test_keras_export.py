"""What clients of keras_export rely on."""

import numpy as np
import pytest

from pytest_tfserving import Code, RequestError

pytestmark = pytest.mark.tfserving("exports/keras_export")

SETOSA = [5.1, 3.5, 1.4, 0.2]
VERSICOLOR = [6.0, 2.9, 4.5, 1.5]
VIRGINICA = [6.3, 3.3, 6.0, 2.5]


@pytest.mark.tfserving_signature(
    "serving_default", inputs={"measures": "float32[batch, 4]"}, outputs={"output_0": "float32[batch, 3]"}
)
@pytest.mark.tfserving_signature(
    "serve", inputs={"measures": "float32[batch, 4]"}, outputs={"output_0": "float32[batch, 3]"}
)
def test_signatures(tfserving): ...


@pytest.mark.tfserving_golden("goldens/keras_export", rtol=1e-4)
def test_goldens(): ...


def test_tells_the_species_apart(tfserving_rest):
    # One input: in row format an instance is its bare value.
    probabilities = tfserving_rest.predict(instances=[SETOSA, VERSICOLOR, VIRGINICA])["output_0"]
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_both_signatures_answer_alike(tfserving_grpc):
    inputs = {"measures": np.float32([SETOSA, VIRGINICA])}
    np.testing.assert_array_equal(
        tfserving_grpc.predict(inputs=inputs, signature_name="serve")["output_0"],
        tfserving_grpc.predict(inputs=inputs, signature_name="serving_default")["output_0"],
    )


def test_a_flower_without_its_batch_is_refused(tfserving_rest):
    # Without a list around it, row format takes each measure for a flower.
    with pytest.raises(RequestError) as refused:
        tfserving_rest.predict(instances=SETOSA)
    assert refused.value.code is Code.INVALID_ARGUMENT
