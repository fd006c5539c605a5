"""What clients of text_cnn rely on."""

from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving import Code, RequestError

pytestmark = pytest.mark.tfserving("exports/text_cnn")

VOCABULARY = (Path(__file__).parent / "vocab.txt").read_text().split()


def instance(sentence, keep_prob=1.0):
    """A sentence as clients send it: ids of its words, padded to eight with [PAD], which is 0."""
    ids = [VOCABULARY.index(word if word in VOCABULARY else "[UNK]") for word in sentence.split()]
    return {"input": ids + [0] * (8 - len(ids)), "keep_prob": keep_prob}


@pytest.mark.tfserving_signature(
    "serving_default",
    inputs={"input": "int32[batch, 8]", "keep_prob": "float32[batch]"},
    outputs={"scores": "float32[batch, 2]", "label": "string[batch]", "keyword": "string[batch]"},
)
def test_signature(tfserving): ...


@pytest.mark.tfserving_golden("goldens/text_cnn", rtol=1e-5)
def test_goldens(): ...


def test_the_tutorials_call(tfserving_rest):
    answer = tfserving_rest.predict(instances=[{"input": [2, 4, 7, 10, 12, 0, 0, 0], "keep_prob": 0.5}])
    assert answer["label"].tolist() == [b"negative"]
    assert answer["keyword"].tolist() == [b"good"]


@pytest.mark.parametrize(
    ("sentence", "label", "keyword"),
    [
        ("a great film", b"positive", b"great"),
        ("the plot is dull and the film awful", b"negative", b"awful"),
        ("never good", b"negative", b"good"),
        ("not bad", b"positive", b"bad"),
        ("the robots were funny", b"positive", b"funny"),
    ],
)
def test_reads_sentences(tfserving_rest, sentence, label, keyword):
    answer = tfserving_rest.predict(instances=[instance(sentence)])
    assert (answer["label"][0], answer["keyword"][0]) == (label, keyword)


def test_a_row_does_not_depend_on_its_batch(tfserving_rest):
    rows = [instance("a great film", keep_prob=0.5), instance("not bad"), instance("the plot is awful")]
    together = tfserving_rest.predict(instances=rows)["scores"]
    alone = [tfserving_rest.predict(instances=[row])["scores"][0] for row in rows]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_dropout_is_not_for_serving(tfserving_rest):
    # At 0.5 the filter that hears "awful" is off: a client that copies the tutorials' 0.5 gets no answer here.
    scores = tfserving_rest.predict(
        instances=[instance("an awful film", keep_prob) for keep_prob in (1.0, 0.5)],
    )["scores"]
    assert scores[0, 0] > 0.9
    assert scores[1].tolist() == [0.5, 0.5]


def test_keep_prob_cannot_be_left_out(tfserving_rest):
    with pytest.raises(RequestError, match="keys must be equal to: input,keep_prob") as refused:
        tfserving_rest.predict(instances=[{"input": [2, 4, 7, 12, 0, 0, 0, 0]}])
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_ids_must_be_in_the_vocabulary(tfserving_rest, tfserving_grpc):
    inputs = {"input": np.full((1, 8), len(VOCABULARY), np.int32), "keep_prob": np.ones(1, np.float32)}
    for client in (tfserving_rest, tfserving_grpc):
        with pytest.raises(RequestError, match="18 is not in") as refused:
            client.predict(inputs=inputs)
        assert refused.value.code is Code.INVALID_ARGUMENT
