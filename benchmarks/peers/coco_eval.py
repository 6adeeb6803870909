"""COCOeval by boxes with pycocotools, as a yardstick for ours.

    python coco_eval.py FOLDER --serve     first a line of JSON about the process; then for each line read, one repetition and
                                           its seconds: `evaluate` (evaluate, accumulate, summarize) or `files` (reading too)

Versions it was run with: pycocotools 2.0.11, numpy 2.4.6, Python 3.11.
"""

import argparse
import contextlib
import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()

    def load():
        truth = COCO(str(options.folder / "gt.json"))
        return truth, truth.loadRes(str(options.folder / "results.json"))

    def evaluate(pair):
        run = COCOeval(*pair, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
        return float(run.stats[0])

    def quiet(function):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            result = function()
        return result, time.perf_counter() - start

    pair, _ = quiet(load)
    ap, seconds = quiet(lambda: evaluate(pair))
    versions = {"pycocotools": version("pycocotools"), "numpy": version("numpy"), "AP": ap}
    print(json.dumps(versions), flush=True)
    works = {"evaluate": lambda: evaluate(pair), "files": lambda: evaluate(load())}
    for line in sys.stdin:
        _, seconds = quiet(works[line.strip()])
        print(seconds, flush=True)


if __name__ == "__main__":
    main()
