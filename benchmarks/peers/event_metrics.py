"""Event metrics with sed_eval, as HEAR's tool calls it, as a yardstick for ours.

    python event_metrics.py FOLDER --serve     first a line of JSON about the process; then for each line read, one repetition
                                               and its seconds: `onset`, `offset` or `segments`; `maestro` is not this side's

Versions it was run with: sed_eval 0.2.1, dcase_util 0.2.20, numpy 1.26, Python 3.11.
"""

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import dcase_util
import sed_eval


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    pairs = json.loads((options.folder / "pairs.json").read_text())
    labels = sorted({f"L{e['label']}" for p in pairs for e in p["reference"]})

    def container(events):
        return dcase_util.containers.MetaDataContainer(
            [
                {"event_label": f"L{e['label']}", "event_onset": e["start"] / 1000, "event_offset": e["end"] / 1000, "file": "f"}
                for e in events
            ]
        )

    lists = [(container(p["reference"]), container(p["estimated"])) for p in pairs]

    def events(**arguments):
        metrics = sed_eval.sound_event.EventBasedMetrics(event_label_list=labels, empty_system_output_handling="zero_score", event_matching_type="optimal", **arguments)
        for reference, estimated in lists:
            metrics.evaluate(reference, estimated)
        return metrics.results_overall_metrics()["f_measure"]["f_measure"]

    def segments():
        metrics = sed_eval.sound_event.SegmentBasedMetrics(event_label_list=labels, time_resolution=1)
        for reference, estimated in lists:
            metrics.evaluate(reference, estimated)
        return metrics.results_overall_metrics()["error_rate"]["error_rate"]

    works = {
        "onset": lambda: events(t_collar=0.2, evaluate_onset=True, evaluate_offset=False),
        "offset": lambda: events(t_collar=0.05, percentage_of_length=0.2, evaluate_onset=True, evaluate_offset=True),
        "segments": segments,
        "maestro": lambda: None,
    }
    start = time.perf_counter()
    first = {"onset": works["onset"]()}
    print(json.dumps({"sed_eval": version("sed_eval"), **first}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        works[line.strip()]()
        print(max(time.perf_counter() - start, 1e-9), flush=True)


if __name__ == "__main__":
    main()
