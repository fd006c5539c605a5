"""Writes the export `lazy` beside this file: python tests/server/exports/lazy.py

`y` is `x`; the first request that the model ever runs takes some tenths of a second more, as where a model makes a table
when it is first needed. What a warm-up file is for.
"""

from pathlib import Path

import tensorflow as tf

TURNS = 100_000  # some microseconds each


class Lazy(tf.Module):
    def __init__(self):
        super().__init__()
        self.made = tf.Variable(0, dtype=tf.int64, name="made")

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="x")])
    def predict(self, x):
        made = tf.while_loop(lambda i: i < TURNS, lambda i: [i + 1], [self.made.read_value()])[0]
        with tf.control_dependencies([self.made.assign(made)]):
            return {"y": x + made - TURNS}


target = Path(__file__).parent / "lazy" / "1"
model = Lazy()
tf.saved_model.save(model, str(target), signatures=model.predict)
(target / "fingerprint.pb").unlink()  # a random uuid
