"""Audio files to log-mel with torchaudio, as a yardstick for ours: decode (libsndfile), resample 44.1 -> 16 kHz, 64 mel bands.

    python front_end.py FOLDER --serve     first a line of JSON about the process; then for each line read, `one-thread` or
                                           `all-cores`, does all files of the folder once and prints the seconds

Versions it was run with: torch 2.15 (CPU), torchaudio 2.11, soundfile 0.14, Python 3.11.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import soundfile
import torch

torch.version.cuda = None  # on the CPU it does not matter that torch and torchaudio were built for different CUDA versions
import torchaudio  # noqa: E402

RATE = 16000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.wav"))
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=RATE, n_fft=1024, win_length=1024, hop_length=160, n_mels=64, f_min=60, f_max=7800
    )
    resamplers = {}

    def work(path):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        audio = torch.from_numpy(samples.mean(axis=1))
        if rate not in resamplers:
            resamplers[rate] = torchaudio.transforms.Resample(rate, RATE)
        with torch.inference_mode():
            return (mel(resamplers[rate](audio)) + torch.finfo(torch.float32).eps).log().numel()

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {"one-thread": 1, "all-cores": cores}

    def run(name):
        torch.set_num_threads(threads[name])
        start = time.perf_counter()
        for path in files:
            work(path)
        return time.perf_counter() - start

    info = {"torch": torch.__version__, "torchaudio": torchaudio.__version__, "cores": cores}
    print(json.dumps(info), flush=True)
    for line in sys.stdin:
        print(run(line.strip()), flush=True)


if __name__ == "__main__":
    main()
