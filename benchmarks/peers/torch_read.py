"""torch.load of a checkpoint and a copy of its state dict, as a yardstick for ours.

    python torch_read.py FOLDER --serve     first a line of JSON about the process; then for each line read, one repetition and
                                            its seconds: `first` (in a process of its own) or `again`
    python torch_read.py FOLDER --once      prints the seconds of the first read

Versions it was run with: torch 2.15.0, Python 3.11.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()

    def read():
        state = torch.load(options.folder / "model.pt", weights_only=True)["model"]
        copied = {name: tensor.clone() for name, tensor in state.items()}
        return sum(tensor.numel() for tensor in copied.values())

    def timed():
        start = time.perf_counter()
        values = read()
        return time.perf_counter() - start, values

    seconds, values = timed()
    if options.once:
        print(seconds)
        return
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps({"torch": torch.__version__, "values": values, "peakMB": peak}), flush=True)
    for line in sys.stdin:
        if line.strip() == "first":
            command = [sys.executable, __file__, str(options.folder), "--once"]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)
        else:
            print(timed()[0], flush=True)


if __name__ == "__main__":
    main()
