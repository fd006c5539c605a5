"""Writes the export `promised` beside this file: python tests/server/exports/promised.py

Its signatures keep, or break, what a contract may promise of every answer.

softmax    x float32[n, 3]       probs = the softmax of each row
root       x float32[n]          y = the square root: NaN for what is negative
running    x float32[n]          y = the sum of all rows up to this one: depends on the order, and on the batch
centred    x float32[n]          y = x less the batch's mean: depends on the batch, not on the order
tokens     ids int32[n, length]  sum float32[n] = the sum of the ids, echo int32[n, length] = the ids
average    ids int32[n, length]  y = the mean of the ids, which padding moves
scaled     x float32[n], by float32[] (2 where it is left out)    y = x * by
slope      x float32[n, 2]       y = x[:, 0] - x[:, 1] / 2: rises with the whole of x, falls with its second element
wave       x float32[n]          y = sin(x)
loud       x float32[n]          y = x, once "loud" is printed to stdout
table      ids int64[n]          y = 0, 1, 4, 9 for ids 0 to 3; others are refused
"""

import shutil
import sys
from pathlib import Path

import tensorflow.compat.v1 as tf

HERE = Path(__file__).parent


def signature(inputs, outputs, defaults=None):
    info = tf.saved_model.build_tensor_info
    built = tf.saved_model.build_signature_def(
        {alias: info(tensor) for alias, tensor in inputs.items()},
        {alias: info(tensor) for alias, tensor in outputs.items()},
        "tensorflow/serving/predict",
    )
    for alias, value in (defaults or {}).items():
        built.defaults[alias].CopyFrom(tf.make_tensor_proto(value))
    return built


with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None], "x")
    by = tf.placeholder(tf.float32, [], "by")
    three = tf.placeholder(tf.float32, [None, 3], "three")
    two = tf.placeholder(tf.float32, [None, 2], "two")
    tokens = tf.placeholder(tf.int32, [None, None], "tokens")
    ids = tf.placeholder(tf.int64, [None], "ids")
    numbers = tf.cast(tokens, tf.float32)
    with tf.control_dependencies([tf.print("loud", output_stream=sys.stdout)]):
        loud = tf.identity(x)
    signatures = {
        "softmax": signature({"x": three}, {"probs": tf.nn.softmax(three)}),
        "root": signature({"x": x}, {"y": tf.sqrt(x)}),
        "running": signature({"x": x}, {"y": tf.cumsum(x)}),
        "centred": signature({"x": x}, {"y": x - tf.reduce_mean(x)}),
        "tokens": signature({"ids": tokens}, {"sum": tf.reduce_sum(numbers, axis=1), "echo": tf.identity(tokens)}),
        "average": signature({"ids": tokens}, {"y": tf.reduce_mean(numbers, axis=1)}),
        "scaled": signature({"x": x, "by": by}, {"y": x * by}, {"by": 2.0}),
        "slope": signature({"x": two}, {"y": two[:, 0] - two[:, 1] / 2}),
        "wave": signature({"x": x}, {"y": tf.sin(x)}),
        "loud": signature({"x": x}, {"y": loud}),
        "table": signature({"ids": ids}, {"y": tf.gather([0.0, 1.0, 4.0, 9.0], ids)}),
    }
    shutil.rmtree(HERE / "promised", ignore_errors=True)
    builder = tf.saved_model.Builder(str(HERE / "promised" / "1"))
    builder.add_meta_graph_and_variables(session, ["serve"], signatures)
    builder.save()
shutil.rmtree(HERE / "promised" / "1" / "variables", ignore_errors=True)  # it has none
