"""VOC07 linear SVMs with scikit-learn's LinearSVC as VISSL calls it, as a yardstick for ours.

    python voc_svm.py FOLDER --serve     first a line of JSON about the process; then for each line read, `select`, selects the
                                         cost of every class, fits it, and prints the seconds

Versions it was run with: scikit-learn 1.9.0, numpy 2.4.6, Python 3.11.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import sklearn
from sklearn.model_selection import cross_val_score
from sklearn.svm import LinearSVC


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    features = np.load(options.folder / "x.npy")
    problem = json.loads((options.folder / "problem.json").read_text())
    flags = np.array(problem["flags"]).reshape(-1, problem["classes"])

    def make(cost):
        return LinearSVC(
            C=cost,
            class_weight={1: 2, -1: 1},
            intercept_scaling=1.0,
            penalty="l2",
            loss="squared_hinge",
            tol=1e-4,
            dual=True,
            max_iter=2000,
        )

    def select():
        start = time.perf_counter()
        x = features.astype(np.float64)
        x /= np.linalg.norm(x, axis=1, keepdims=True) + 1e-5
        for column in flags.T:
            y = np.where(column == 1, 1, -1)
            scores = [cross_val_score(make(c), x, y, cv=3, scoring="average_precision").mean() for c in problem["costs"]]
            make(problem["costs"][int(np.argmax(scores))]).fit(x, y)
        return time.perf_counter() - start

    print(json.dumps({"sklearn": sklearn.__version__, "numpy": np.__version__}), flush=True)
    for line in sys.stdin:
        if line.strip() == "select":
            print(select(), flush=True)


if __name__ == "__main__":
    main()
