"""The DeLoRes-S training step and embedding in PyTorch, as a yardstick for ours: same shapes, same arithmetic, fp32.

Network: 3 x (conv 3x3 64, batch norm, ReLU, max pool 2) -> linear 512-2048, ReLU, dropout 0.3, linear 2048-2048, ReLU over 12 time
steps -> max + mean over time -> projector 3 x 2048 -> Barlow term. SGD, momentum 0.9, weight decay 1e-4.

    python delores_step.py --batch 64 --reps 10          prints one JSON object with medians in seconds
    python delores_step.py --serve                       for each line read, `step` or `embed`, runs one and prints seconds

Versions it was run with: torch 2.15 (CPU), Python 3.11.
"""

import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, bands=64, width=2048, dropout=0.3):
        super().__init__()
        stages, channels = [], 1
        for _ in range(3):
            stages += [nn.Conv2d(channels, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)]
            channels = 64
        self.stages = nn.Sequential(*stages)
        flat = 64 * (bands // 8)
        self.head = nn.Sequential(
            nn.Linear(flat, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, x):  # [B, 1, bands, frames]
        h = self.stages(x).permute(0, 3, 2, 1).flatten(2)  # [B, T/8, bands/8 * 64]
        h = self.head(h)
        return h.amax(1) + h.mean(1)  # [B, width]


class Projector(nn.Module):
    def __init__(self, width=2048):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width, bias=False),
        )
        self.norm = nn.BatchNorm1d(width, affine=False)

    def forward(self, h):
        return self.norm(self.layers(h))


def barlow(a, b, weight=5e-5, scale=1 / 32):
    c = a.T @ b / len(a)
    on = (c.diagonal() - 1).square().sum()
    off = c.square().sum() - c.diagonal().square().sum()
    return weight * scale * (on + off)


class Bench:
    def __init__(self, batch, frames, channels_last):
        torch.manual_seed(1)
        self.encoder, self.projector = Encoder(), Projector()
        if channels_last:
            self.encoder = self.encoder.to(memory_format=torch.channels_last)
        parameters = [*self.encoder.parameters(), *self.projector.parameters()]
        self.optimizer = torch.optim.SGD(parameters, lr=0.03, momentum=0.9, weight_decay=1e-4)
        self.views = [torch.randn(batch, 1, 64, frames) for _ in range(2)]

    def step(self):
        self.encoder.train()
        start = time.perf_counter()
        a, b = (self.projector(self.encoder(x)) for x in self.views)
        loss = barlow(a, b)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        loss.item()
        return time.perf_counter() - start

    def embed(self):
        self.encoder.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            self.encoder(self.views[0]).sum().item()
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    bench = Bench(options.batch, options.frames, options.channels_last)
    if options.serve:
        print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
        for line in sys.stdin:
            name = line.strip()
            if name in ("step", "embed"):
                print(getattr(bench, name)(), flush=True)
        return
    seconds = {}
    for name in ("step", "embed"):
        run = getattr(bench, name)
        run()
        seconds[name] = statistics.median(run() for _ in range(options.reps))
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), **seconds}))


if __name__ == "__main__":
    main()
