"""keras_19458: a re-export after which no client gets through, and the gate that stops it.

keras-team/keras issue 19458 ("Keras 3 / TF SavedModel export issues", April 2024) has a model of one input `x` of
int32 and one layer `y`. Its author saved it with tf.saved_model.save under Keras 2 and again under Keras 3: the same
lines, no warning, and in place of `x` DT_INT32 -> `y` the signature had `inputs` DT_FLOAT -> `output_0`.

Keras 3 still writes it so for a model that is a class of its own: it does not know the dtype of the model's input and
takes that of its weights (_default_save_signature in keras/src/backend/tensorflow/layer.py). For a functional model, as
in the issue, today's Keras keeps int32; the names are lost all the same.

exports/old/1 holds what Keras 2 wrote, its signature written down by hand; exports/new/1 the same weights, saved by
the Keras that is installed. Both are served; `pytest-tfserving diff` compares them without TensorFlow.

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

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.y = keras.layers.Dense(2, name="y")

        def build(self, shape):
            self.y.build(shape)

        def call(self, x):
            return self.y(keras.ops.cast(x, "float32"))

    keras.utils.set_random_seed(19458)
    model = Model()
    model.build((None, 10))

    @tf.function(input_signature=[tf.TensorSpec((None, 10), tf.int32, name="x")])
    def as_keras_2_wrote_it(x):
        return {"y": model(x)}

    shutil.rmtree(EXPORTS, ignore_errors=True)
    module = tf.Module()
    module.weights = model.weights
    tf.saved_model.save(module, str(OLD / "1"), signatures=as_keras_2_wrote_it)
    tf.saved_model.save(model, str(NEW / "1"))


def compare():
    """Prints what the gate says; its exit status."""
    command = ["diff", os.path.relpath(OLD), os.path.relpath(NEW)]
    print("$ pytest-tfserving", *command)
    return cli.main(command)


if __name__ == "__main__":
    if "--export" in sys.argv[1:]:
        export()
    sys.exit(compare())
