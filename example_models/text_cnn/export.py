"""text_cnn: word ids and keep_prob in, sentiment out, as the TF1 text classification tutorials serve it.

They call `{"instances": [{"input": [...], "keep_prob": 0.5}]}`. Three things are special:

- keep_prob is float32[batch]. The tutorials feed their dropout a scalar, but row format stacks one
  value from each instance: with their shapeless placeholder one instance works, and two fail to
  broadcast against [batch, filters].
- The dropout's noise is fixed. With the tutorials' tf.nn.dropout, 0.5 would answer each call
  differently, and no golden could hold it.
- The vocabulary is an asset: vocab.txt travels in the export, and a table reads it on load.

No corpus is downloaded; the weights are set by hand, so that a filter can be read.
"""

import os
import shutil
from pathlib import Path

import tensorflow.compat.v1 as tf

EXPORT = Path("exports/text_cnn/1")
VOCABULARY = "vocab.txt"
LENGTH = 8

# Mood and negation; a word that is not listed is [0, 0].
EMBEDDING = {
    "not": [0.0, 1.0], "never": [0.0, 1.0],
    "great": [1.0, 0.0], "good": [0.75, 0.0], "funny": [0.5, 0.0],
    "awful": [-1.0, 0.0], "bad": [-0.75, 0.0], "dull": [-0.5, 0.0],
}  # fmt: skip

# Four filters over a word and the one before it: good, bad, not good, not bad.
FILTERS = [
    [[0.0, 0.0, 0.0, 0.0], [-1.0, -1.0, 1.0, 1.0]],  # the word before: mood, negation
    [[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]],  # the word: mood, negation
]
FILTER_BIAS = [0.0, 0.0, -1.0, -1.0]

LABELS = ["negative", "positive"]
FILTERS_TO_LABELS = [[-2.0, 2.0], [2.0, -2.0], [2.0, -2.0], [-2.0, 2.0]]


def main():
    tf.disable_v2_behavior()
    # The graph keeps the vocabulary's path as it was given: relative, no machine's name in it.
    os.chdir(Path(__file__).parent)
    shutil.rmtree(EXPORT, ignore_errors=True)
    words = Path(VOCABULARY).read_text().split()

    ids = tf.placeholder(tf.int32, [None, LENGTH], name="input")
    keep_prob = tf.placeholder(tf.float32, [None], name="keep_prob")

    embedding = tf.Variable([EMBEDDING.get(word, [0.0, 0.0]) for word in words], name="embedding")
    # One empty word ahead, so that the first word has one before it.
    embedded = tf.pad(tf.nn.embedding_lookup(embedding, ids), [[0, 0], [1, 0], [0, 0]])
    filters = tf.Variable(FILTERS, name="filters")
    filter_bias = tf.Variable(FILTER_BIAS, name="filter_bias")
    found = tf.nn.relu(tf.nn.conv1d(embedded, filters, stride=1, padding="VALID") + filter_bias)
    pooled = tf.reduce_max(found, axis=1)

    # The same noise for each row, so that no answer depends on the row's place in the batch.
    # With this seed 0.5 drops the second filter, "bad".
    noise = tf.random.stateless_uniform([len(FILTER_BIAS)], seed=[0, 4])
    keep = keep_prob[:, tf.newaxis]
    dropped = tf.where(noise + keep >= 1.0, pooled / keep, tf.zeros_like(pooled))

    weights = tf.Variable(FILTERS_TO_LABELS, name="weights")
    scores = tf.nn.softmax(tf.matmul(dropped, weights), name="scores")
    label = tf.gather(tf.constant(LABELS), tf.argmax(scores, axis=1), name="label")

    vocabulary = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            VOCABULARY,
            key_dtype=tf.int64,
            key_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            value_dtype=tf.string,
            value_index=tf.lookup.TextFileIndex.WHOLE_LINE,
        ),
        default_value="[UNK]",
    )
    # The word on which the filters answered loudest.
    loudest = tf.argmax(tf.reduce_sum(found, axis=2), axis=1)
    keyword = vocabulary.lookup(tf.cast(tf.gather(ids, loudest, batch_dims=1), tf.int64))

    info = tf.saved_model.build_tensor_info
    signature = tf.saved_model.build_signature_def(
        inputs={"input": info(ids), "keep_prob": info(keep_prob)},
        outputs={"scores": info(scores), "label": info(label), "keyword": info(keyword)},
        method_name=tf.saved_model.PREDICT_METHOD_NAME,
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.Builder(str(EXPORT))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map={tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
            assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
            main_op=tf.tables_initializer(),
            # The builder's own saver writes a random uuid into the graph.
            saver=tf.train.Saver(),
        )
        builder.save()


if __name__ == "__main__":
    main()
