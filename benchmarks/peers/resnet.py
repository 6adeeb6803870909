"""torchvision's ResNet-50 as a yardstick for ours: forward in evaluation, and a training step with SGD, fp32.

    python resnet.py --serve            for each line read, `forward` or `step`, runs one and prints seconds

The memory format is the faster of the two on this machine, found by three steps of each. Versions it was run with: torch 2.15 (CPU),
torchvision 0.29, Python 3.11.
"""

import argparse
import json
import sys
import time

import torch
import torchvision


class Bench:
    def __init__(self, batch, size, channels_last):
        torch.manual_seed(1)
        self.model = torchvision.models.resnet50()
        self.model.fc = torch.nn.Identity()
        self.x = torch.randn(batch, 3, size, size)
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def forward(self):
        self.model.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            self.model(self.x).sum().item()
        return time.perf_counter() - start

    def step(self):
        self.model.train()
        start = time.perf_counter()
        loss = self.model(self.x).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        loss.item()
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    benches = {name: Bench(options.batch, options.size, name == "channels_last") for name in ("contiguous", "channels_last")}
    trials = {name: [] for name in benches}
    for _ in range(4):  # in turn, as the difference is small; the first of each is a warm-up
        for name, bench in benches.items():
            trials[name].append(bench.step())
    name = min(benches, key=lambda each: min(trials[each][1:]))
    bench = benches[name]
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "format": name}), flush=True)
    for line in sys.stdin:
        work = line.strip()
        if work in ("forward", "step"):
            print(getattr(bench, work)(), flush=True)


if __name__ == "__main__":
    main()
