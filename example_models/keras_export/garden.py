"""Writes goldens/keras_export/garden.npz: the measures of 1,400 flowers, the input of garden.json.

Recording adds the answers to the file: too many values to be read in JSON.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main():
    measures = np.random.default_rng(1936).uniform(0, 8, (1400, 4)).astype(np.float32)
    np.savez(HERE / "goldens" / "keras_export" / "garden.npz", measures=measures)


if __name__ == "__main__":
    main()
