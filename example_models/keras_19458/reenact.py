"""keras_19458: a re-export after which no client gets through, and the gate that stops it.

keras-team/keras issue 19458 ("Keras 3 / TF SavedModel export issues", April 2024) has a model of one input `x` of
int32 and one layer `y`. Its author saved it with tf.saved_model.save under Keras 2 and again under Keras 3: the same
lines, no warning, and where the signature had `x` DT_INT32 -> `y` it had `inputs` DT_FLOAT -> `output_0`.

exports/old/1 has the signature that Keras 2 wrote, exports/new/1 the one that Keras 3 wrote, each spelled out as the
function that Keras made of the model: Keras 2 named tensors after layers; Keras 3 after its own function's argument
and TensorFlow's count of outputs, and it took the dtype of the layers for that of the input. The weights are the same:
a REST client that sends `{"instances": [[1, ...]]}` and names nothing gets the answers of before, all others get none.

Keras 3.15 keeps int32 for such a model, and loses the names still (tf.saved_model.save); model.export() keeps `x` too,
and gives `output_0`. For a model that is a class of its own both still take the dtype of the layers.

    python reenact.py            compares the two exports
    python reenact.py --export   exports both anew first, with TensorFlow
"""

import os
import shutil
import sys
from pathlib import Path

from pytest_tfserving import cli

EXPORTS = Path(__file__).parent / "exports"
OLD, NEW = EXPORTS / "old", EXPORTS / "new"


def export():
    """Writes both exports, with the same weights."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(19458)
    x = keras.Input((10,), name="x", dtype="int32")
    y = keras.layers.Dense(2, name="y")(x)
    model = keras.Model(x, y)

    @tf.function(input_signature=[tf.TensorSpec((None, 10), tf.int32, name="x")])
    def as_keras_2_wrote_it(x):
        return {"y": model(x)}

    @tf.function(input_signature=[tf.TensorSpec((None, 10), tf.float32, name="inputs")])
    def as_keras_3_wrote_it(inputs):
        return model(inputs)

    module = tf.Module()
    module.kept = [variable.value for variable in model.weights]
    shutil.rmtree(EXPORTS, ignore_errors=True)
    tf.saved_model.save(module, str(OLD / "1"), signatures=as_keras_2_wrote_it)
    tf.saved_model.save(module, str(NEW / "1"), signatures=as_keras_3_wrote_it)


def compare():
    """Prints what the gate says; its exit status."""
    command = ["diff", os.path.relpath(OLD), os.path.relpath(NEW)]
    print("$ pytest-tfserving", *command)
    return cli.main(command)


if __name__ == "__main__":
    if "--export" in sys.argv[1:]:
        export()
    sys.exit(compare())
