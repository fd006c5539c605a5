"""What clients of custom_tag rely on, the tag and the signature's name included."""

import numpy as np
import pytest

from pytest_tfserving import Code, RequestError

pytestmark = pytest.mark.tfserving("exports/custom_tag", tags=("test_saved_model",))


@pytest.mark.tfserving_signature(
    "test_signature", inputs={"input_x": "float32[batch, 3]"}, outputs={"output": "float32[batch]"}
)
def test_signature(tfserving): ...


@pytest.mark.tfserving_golden("goldens/custom_tag", rtol=1e-5)
def test_goldens(): ...


def test_rest_and_grpc_agree(tfserving_rest, tfserving_grpc):
    inputs = {"input_x": np.random.default_rng(0).random((20, 3), np.float32)}
    np.testing.assert_allclose(
        tfserving_rest.predict(inputs=inputs, signature_name="test_signature")["output"],
        tfserving_grpc.predict(inputs=inputs, signature_name="test_signature")["output"],
        rtol=1e-6,
    )


def test_requests_must_name_the_signature(tfserving_rest, tfserving_grpc):
    inputs = {"input_x": np.zeros((1, 3), np.float32)}
    with pytest.raises(RequestError, match="serving_default") as over_rest:
        tfserving_rest.predict(inputs=inputs)
    with pytest.raises(RequestError, match="serving_default") as over_grpc:
        tfserving_grpc.predict(inputs=inputs)
    # The server looks the signature up at two places, and they disagree about the code.
    assert over_rest.value.code is Code.INVALID_ARGUMENT
    assert over_grpc.value.code is Code.FAILED_PRECONDITION
