"""mnist: softmax regression with a predict and a classify signature, as in TensorFlow Serving's basic tutorial.

Exported with TF1's SavedModelBuilder, like the tutorial's mnist_saved_model.py: `predict_images`
takes pictures, and `serving_default` takes serialized tf.Examples and names the classes through a
lookup table, which `main_op` fills when a server loads the model.

No data set is downloaded. The weights are set, not trained: logit k falls with the squared
distance between the picture and digit k as digits.txt draws it, which is linear in the picture
because the picture's own square cancels in the softmax.
"""

import shutil
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

HERE = Path(__file__).parent
EXPORT = HERE / "exports" / "mnist" / "1"
SHARPNESS = 0.05


class DigitNames(tf.lookup.KeyValueTensorInitializer):
    # A table whose initializer has no name for it to share writes a random uuid into the graph.
    _shared_name = "digit_names"


def drawn_digits():
    """The ten digits of digits.txt, three pixels a dot, in the middle of 28 x 28: float32[10, 784]."""
    sheet = [line.split() for line in (HERE / "digits.txt").read_text().splitlines()]
    dots = np.array([[[dot == "#" for dot in row[digit]] for row in sheet] for digit in range(10)])
    pixels = dots.repeat(3, axis=1).repeat(3, axis=2)
    return np.pad(pixels, [(0, 0), (3, 4), (6, 7)]).reshape(10, 784).astype(np.float32)


def main():
    tf.disable_v2_behavior()
    shutil.rmtree(EXPORT, ignore_errors=True)
    digits = drawn_digits()

    serialized_examples = tf.placeholder(tf.string, [None], name="tf_example")
    features = tf.io.parse_example(serialized_examples, {"x": tf.io.FixedLenFeature([784], tf.float32)})
    # The name under which predict_images feeds pictures, past the parsing.
    x = tf.identity(features["x"], name="x")
    w = tf.Variable(2 * SHARPNESS * digits.T, name="w")
    b = tf.Variable(-SHARPNESS * np.square(digits).sum(axis=1), name="b")
    y = tf.nn.softmax(tf.matmul(x, w) + b, name="y")

    scores, indices = tf.nn.top_k(y, 10)
    digit_names = DigitNames(np.arange(10), [str(digit) for digit in range(10)])
    table = tf.lookup.StaticHashTable(digit_names, default_value="UNKNOWN")
    classes = table.lookup(tf.cast(indices, tf.int64))

    info = tf.saved_model.build_tensor_info
    predict_images = tf.saved_model.build_signature_def(
        inputs={"images": info(x)},
        outputs={"scores": info(y)},
        method_name=tf.saved_model.PREDICT_METHOD_NAME,
    )
    classify = tf.saved_model.build_signature_def(
        inputs={tf.saved_model.CLASSIFY_INPUTS: info(serialized_examples)},
        outputs={
            tf.saved_model.CLASSIFY_OUTPUT_CLASSES: info(classes),
            tf.saved_model.CLASSIFY_OUTPUT_SCORES: info(scores),
        },
        method_name=tf.saved_model.CLASSIFY_METHOD_NAME,
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.Builder(str(EXPORT))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map={
                "predict_images": predict_images,
                tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: classify,
            },
            main_op=tf.tables_initializer(),
            # The builder's own saver writes a random uuid into the graph.
            saver=tf.train.Saver(),
        )
        builder.save()


if __name__ == "__main__":
    main()
