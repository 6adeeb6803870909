"""Encoders of BEATs-base and ATST-Clip small in PyTorch, as a yardstick for ours: same shapes, same arithmetic, fp32 or bf16.

beats: 12 layers of 768, normalised after with DeepNorm's shortcut, 12 heads whose relative position bias (320 buckets) each query gates,
positions by a grouped convolution, feed-forward 3072 with GELU. `embed`: 8 clips of 998 frames x 128 bands, `front-end`: those of 8 waveforms; `step`: 16 rows of 124 visible
tokens, gradients, AdamW. atst: 12 layers of 384, normalised before, stochastic depth to 0.1; `step`: student and teacher on two views of 601
frames x 64 bands, projectors, predictor, cosine loss, gradients, AdamW, moving average.

    python transformer_step.py --model beats --serve     for each line read, `step`, `embed` or `front-end`, runs one and prints seconds
    python transformer_step.py --model atst --profile    the operators of one step by time
    python transformer_step.py --precision bf16 --serve  under torch.autocast in bfloat16: products, attention and convolutions

Versions it was run with: torch 2.15 (CPU), Python 3.11.
"""

import argparse
import copy
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.version.cuda = None  # on the CPU it does not matter that torch and torchaudio were built for different CUDA versions
from torchaudio.compliance import kaldi  # noqa: E402


def buckets_of(tokens, buckets=320, farthest=800):
    """Bucket of key - query, T5's rule in both directions. [N, N]"""
    distance = torch.arange(tokens)[None, :] - torch.arange(tokens)[:, None]
    half, exact = buckets // 2, buckets // 4
    n = distance.abs()
    far = exact + (torch.log(n.clamp(min=1) / exact) / math.log(farthest / exact) * (half - exact)).long()
    return (distance > 0).long() * half + torch.where(n < exact, n, far.clamp(max=half - 1))


class GatedAttention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.size, self.dropout = heads, width // heads, dropout
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.gate = nn.Linear(self.size, 8)
        self.gain = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x, bias):
        b, n, _ = x.shape
        q, k, v = (layer(x).view(b, n, self.heads, self.size).transpose(1, 2) for layer in (self.q, self.k, self.v))
        first, second = torch.sigmoid(self.gate(q).view(b, self.heads, n, 2, 4).sum(-1)).chunk(2, -1)
        gate = first * (second * self.gain - 1) + 2  # [B, H, N, 1]
        drop = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=gate * bias, dropout_p=drop)
        return self.out(y.transpose(1, 2).reshape(b, n, -1))


class BeatsLayer(nn.Module):
    def __init__(self, width, heads, hidden, alpha, dropout):
        super().__init__()
        self.alpha = alpha
        self.attention = GatedAttention(width, heads, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, bias):
        h = self.norm1(self.alpha * x + self.drop(self.attention(x, bias)))
        return self.norm2(self.alpha * h + self.drop(self.fc2(F.gelu(self.fc1(h)))))


class Beats(nn.Module):
    def __init__(self, depth=12, width=768, heads=12, hidden=3072, dropout=0.0):
        super().__init__()
        self.patch = nn.Conv2d(1, 512, 16, stride=16, bias=False)
        self.patch_norm, self.project = nn.LayerNorm(512), nn.Linear(512, width)
        conv = nn.Conv1d(width, width, 128, padding=64, groups=16)
        self.positions = nn.utils.parametrizations.weight_norm(conv, dim=2)
        self.norm = nn.LayerNorm(width)
        self.table = nn.Embedding(320, heads)
        alpha = (2 * depth) ** 0.25
        self.layers = nn.ModuleList(BeatsLayer(width, heads, hidden, alpha, dropout) for _ in range(depth))
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, 0, 0.02)
        self.buckets = {}

    def tokens(self, x):
        """[B, T, 128] -> [B, N, 512]"""
        return self.patch_norm(self.patch(x[:, None]).flatten(2).transpose(1, 2))

    def forward(self, tokens):
        n = tokens.shape[1]
        x = self.project(tokens)
        x = self.norm(x + F.gelu(self.positions(x.transpose(1, 2))[..., :n].transpose(1, 2)))
        if n not in self.buckets:
            self.buckets[n] = buckets_of(n)
        bias = self.table(self.buckets[n]).permute(2, 0, 1)
        for layer in self.layers:
            x = layer(x, bias)
        return x


class BeatsBench:
    def __init__(self, dropout, autocast):
        self.autocast = autocast
        self.model = Beats(dropout=dropout)
        encoder = [p for name, p in self.model.named_parameters() if not name.startswith("patch")]
        self.optimizer = torch.optim.AdamW(encoder, lr=1e-5, weight_decay=0.01)
        self.visible, self.target = torch.randn(16, 124, 512), torch.randn(16, 124, 768)
        self.frames = torch.randn(8, 998, 128)
        self.waves = 0.1 * torch.randn(8, 1, 160000)

    def step(self):
        self.model.train()
        with self.autocast():
            loss = F.mse_loss(self.model(self.visible), self.target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def front_end(self):
        for wave in self.waves:
            kaldi.fbank(wave * 2**15, num_mel_bins=128, sample_frequency=16000, frame_length=25, frame_shift=10)

    def embed(self):
        self.model.eval()
        with torch.inference_mode(), self.autocast():
            return self.model(self.model.tokens(self.frames)).mean(1).sum().item()


class AtstBlock(nn.Module):
    def __init__(self, width, heads, rate):
        super().__init__()
        self.heads, self.rate = heads, rate
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def path(self, x):
        if self.rate == 0 or not self.training:
            return x
        keep = 1 - self.rate
        return x * torch.empty(x.shape[0], 1, 1).bernoulli_(keep).div_(keep)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + self.path(self.proj(y))
        return x + self.path(self.fc2(F.gelu(self.fc1(self.norm2(x)))))


class Atst(nn.Module):
    def __init__(self, depth=12, width=384, heads=6, path=0.1):
        super().__init__()
        self.embed = nn.Linear(256, width)
        self.cls, self.positions = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 251, width))
        self.blocks = nn.ModuleList(AtstBlock(width, heads, path * i / (depth - 1)) for i in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.projector = self.head(width)
        for p in self.parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, 0, 0.02)

    @staticmethod
    def head(inputs):
        return nn.Sequential(
            nn.Linear(inputs, 4096, bias=False), nn.BatchNorm1d(4096), nn.ReLU(), nn.Linear(4096, 256, bias=False)
        )

    def forward(self, x):  # [B, 64, T]
        b, bands, frames = x.shape
        x = x[..., : frames // 4 * 4].reshape(b, bands, frames // 4, 4).permute(0, 2, 1, 3).reshape(b, frames // 4, -1)
        x = torch.cat([self.cls.expand(b, -1, -1), self.embed(x)], 1)
        x = x + self.positions[:, : x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.projector(self.norm(x)[:, 0])


class AtstBench:
    def __init__(self, batch, autocast):
        self.autocast = autocast
        self.student = Atst()
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.predictor = Atst.head(256)
        trained = [*self.student.parameters(), *self.predictor.parameters()]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.04, eps=1e-6)
        self.views = [torch.randn(batch, 64, 601) for _ in range(2)]

    def step(self):
        for module in (self.student, self.teacher, self.predictor):
            module.train()
        both = torch.cat(self.views)
        with self.autocast():
            with torch.no_grad():
                first, second = self.teacher(both).chunk(2)
            guesses = self.predictor(self.student(both))
            loss = (1 - F.cosine_similarity(guesses, torch.cat([second, first]))).mean() * 2
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), self.student.parameters()):
                slow.mul_(0.99).add_(fast, alpha=0.01)
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=["beats", "atst"], default="beats")
    parser.add_argument("--batch", type=int, default=16, help="clips of an ATST step")
    parser.add_argument("--dropout", type=float, default=0.0, help="of BEATs, attention included")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    is_bf16 = options.precision == "bf16"

    def autocast():
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16)

    beats = options.model == "beats"
    bench = BeatsBench(options.dropout, autocast) if beats else AtstBench(options.batch, autocast)

    def seconds(name):
        start = time.perf_counter()
        getattr(bench, name.replace("-", "_"))()
        return time.perf_counter() - start

    if options.serve:
        info = {"torch": torch.__version__, "precision": options.precision, "threads": torch.get_num_threads()}
        print(json.dumps(info), flush=True)
        for line in sys.stdin:
            print(seconds(line.strip()), flush=True)
        return
    names = ["step", "embed", "front-end"] if options.model == "beats" else ["step"]
    for name in names:
        seconds(name)
        if options.profile:
            with torch.profiler.profile() as profile:
                seconds(name)
            print(name, profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=20))
        else:
            print(json.dumps({name: [seconds(name) for _ in range(options.reps)]}))


if __name__ == "__main__":
    main()
