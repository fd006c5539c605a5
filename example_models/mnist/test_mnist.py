"""What clients of mnist rely on: pictures through predict_images, tf.Examples through classify."""

from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving import Code, RequestError

pytestmark = pytest.mark.tfserving("exports/mnist")

DIGITS = [line.split() for line in (Path(__file__).parent / "digits.txt").read_text().splitlines()]


def picture(digit):
    """The digit as digits.txt draws it, three pixels a dot, in the middle of 28 x 28: float32[784]."""
    dots = np.array([[dot == "#" for dot in row[digit]] for row in DIGITS], np.float32)
    return np.pad(np.kron(dots, np.ones((3, 3), np.float32)), [(3, 4), (6, 7)]).reshape(784)


@pytest.mark.tfserving_signature(
    "predict_images", inputs={"images": "float32[batch, 784]"}, outputs={"scores": "float32[batch, 10]"}
)
def test_predict_signature(tfserving): ...


@pytest.mark.tfserving_signature(
    "serving_default",
    inputs={"inputs": "string[batch]"},
    outputs={"classes": "string[batch, 10]", "scores": "float32[batch, 10]"},
)
def test_classify_signature(tfserving): ...


@pytest.mark.tfserving_golden("goldens/mnist", rtol=1e-4)
def test_goldens(): ...


def test_recognises_dirty_digits(tfserving_grpc):
    dirt = np.random.default_rng(0).random((10, 784)) < 0.05
    pictures = np.abs(np.stack([picture(digit) for digit in range(10)]) - dirt).astype(np.float32)
    scores = tfserving_grpc.predict(inputs={"images": pictures}, signature_name="predict_images")["scores"]
    assert scores.argmax(axis=1).tolist() == list(range(10))


def test_classify_ranks_what_predict_scores(tfserving_rest, tfserving_grpc):
    seven = picture(7)
    answer = tfserving_grpc.predict(inputs={"images": [seven]}, signature_name="predict_images")
    expected = {str(digit): pytest.approx(score) for digit, score in enumerate(answer["scores"][0].tolist())}
    for client in (tfserving_rest, tfserving_grpc):
        [ranking] = client.classify(examples=[{"x": seven.tolist()}])
        assert ranking[0][0] == "7"
        assert [score for _, score in ranking] == sorted((score for _, score in ranking), reverse=True)
        assert dict(ranking) == expected


def test_examples_want_decimals(tfserving_rest):
    # JSON's 0 makes an int64 feature and 0.0 a float one, and tf.io.parse_example does not convert.
    with pytest.raises(RequestError, match="Key: x") as refused:
        tfserving_rest.classify(examples=[{"x": [0] * 784}])
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_a_picture_has_784_pixels(tfserving_rest, tfserving_grpc):
    for client in (tfserving_rest, tfserving_grpc):
        with pytest.raises(RequestError, match="784") as refused:
            client.predict(inputs={"images": np.zeros((1, 783), np.float32)}, signature_name="predict_images")
        assert refused.value.code is Code.INVALID_ARGUMENT
