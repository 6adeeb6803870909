"""The linear probe with scikit-learn, as a yardstick for ours: StandardScaler, then LogisticRegression at each strength.

    python probe.py FOLDER --serve     first a line of JSON about the process; then for each line read, `fit`, fits once and
                                       prints the seconds

A strength s of ours is C = 1 / (s * width) here. Versions it was run with: scikit-learn 1.9.1, numpy 2.4.6, Python 3.11.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    x = np.load(options.folder / "x.npy")
    problem = json.loads((options.folder / "problem.json").read_text())
    y = np.array(problem["labels"])

    def fit():
        start = time.perf_counter()
        z = StandardScaler().fit_transform(x)
        for strength in problem["strengths"]:
            model = LogisticRegression(C=1 / (strength * problem["width"]), tol=1e-6, max_iter=1000)
            model.fit(z, y)
        return time.perf_counter() - start

    print(json.dumps({"sklearn": sklearn.__version__, "numpy": np.__version__}), flush=True)
    for line in sys.stdin:
        if line.strip() == "fit":
            print(fit(), flush=True)


if __name__ == "__main__":
    main()
