"""MoCo v2's two views with torchvision's transforms on PIL images, one thread, as its loader's workers make them.

    python image_views.py --serve            for each line `views` read, makes two views of every image and prints seconds

Versions it was run with: torchvision 0.29, Pillow 13.0, torch 2.15, Python 3.11.
"""

import argparse
import json
import random
import sys
import time

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageFilter
from torchvision.transforms import v2


def blur(image):
    return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(0.1, 2.0)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    noise = np.random.default_rng(1)
    images = [Image.fromarray(noise.integers(0, 256, (375, 500, 3), dtype=np.uint8)) for _ in range(options.images)]
    view = v2.Compose([
        v2.RandomResizedCrop(224, scale=(0.2, 1.0), antialias=True),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        v2.RandomGrayscale(p=0.2),
        v2.RandomApply([v2.Lambda(blur)], p=0.5),
        v2.RandomHorizontalFlip(),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ])
    versions = {"torchvision": torchvision.__version__, "Pillow": PIL.__version__, "threads": 1}
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        if line.strip() == "views":
            start = time.perf_counter()
            for image in images:
                view(image), view(image)
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
