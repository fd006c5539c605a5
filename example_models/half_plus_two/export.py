"""half_plus_two: y = x / 2 + 2, as in TensorFlow Serving's quick start (`saved_model_half_plus_two_cpu`).

The smallest thing that can be served: a tf.Module with two variables and one signature.
"""

import shutil
from pathlib import Path

import tensorflow as tf

EXPORT = Path(__file__).parent / "exports" / "half_plus_two" / "1"


class HalfPlusTwo(tf.Module):
    def __init__(self):
        super().__init__()
        self.a = tf.Variable(0.5, name="a")
        self.b = tf.Variable(2.0, name="b")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(self, x):
        return {"y": self.a * x + self.b}


def main():
    shutil.rmtree(EXPORT, ignore_errors=True)
    model = HalfPlusTwo()
    tf.saved_model.save(model, str(EXPORT), signatures={"serving_default": model.predict})
    # It holds a random uuid, the only bytes that differ from one export to the next; no server reads it.
    (EXPORT / "fingerprint.pb").unlink()


if __name__ == "__main__":
    main()
