"""keras_export: a small classifier through `keras.Model.export`, the way Keras 3 hands a model to a server.

export() writes two signatures of the same function, `serving_default` and `serve`. The input is
called as its keras.Input, the output always `output_0`. It traces the model with training=False,
so the Dropout layer does nothing here, unlike keep_prob in text_cnn.

A second export holds the same weights, but not the same bytes: TensorFlow lists a function's
variables in the order of a set, Keras saves that list, and fingerprint.pb holds a random uuid.

No data set is downloaded: the model is fitted on seeded points around three flowers' typical
measures (sepal length and width, petal length and width, in cm).
"""

import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

EXPORT = Path(__file__).parent / "exports" / "keras_export" / "1"

#          setosa  versicolor  virginica
TYPICAL = [[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]]


def main():
    keras.utils.set_random_seed(1936)
    tf.config.experimental.enable_op_determinism()
    shutil.rmtree(EXPORT, ignore_errors=True)

    species = np.repeat(np.arange(3), 50)
    flowers = np.random.default_rng(1936).normal(np.array(TYPICAL)[species], 0.3)

    measures = keras.Input((4,), name="measures")
    hidden = keras.layers.Dense(8, activation="relu")(measures)
    hidden = keras.layers.Dropout(0.2)(hidden)
    probabilities = keras.layers.Dense(3, activation="softmax")(hidden)
    model = keras.Model(measures, probabilities, name="flowers")
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(flowers.astype(np.float32), species, epochs=100, verbose=0)

    model.export(str(EXPORT))


if __name__ == "__main__":
    main()
