// The largest element of each size × size window, with a border that never is one; forward and backward.
#include <algorithm>

#include "op.h"
#include "parallel.h"

namespace unlabel {
namespace {

constexpr int64_t kWide = 64;  // channels at a time

struct Windows {
  int64_t images, height, width, channels, out_height, out_width;
  int64_t size, stride, padding;
};

bool WindowsOf(const Attributes& attributes, Context& context, Windows* windows) {
  const Shape x = context.InputShape(0);
  const std::vector<int32_t>& g = attributes.geometry;
  if (!context.Check(x.size() == 4 && SizeOf(x) > 0, "max pool: x must be [N, H, W, C] and not empty") ||
      !context.Check(g.size() == 3 && g[0] > 0 && g[1] > 0 && g[2] >= 0 && g[2] < g[0],
                     "max pool: geometry must be size, stride and a padding below size") ||
      !context.Check(x[1] + 2 * g[2] >= g[0] && x[2] + 2 * g[2] >= g[0], "max pool: x is smaller than a window")) {
    return false;
  }
  const auto outputs = [&](int64_t n) { return (n + 2 * g[2] - g[0]) / g[1] + 1; };
  *windows = {x[0], x[1], x[2], x[3], outputs(x[1]), outputs(x[2]), g[0], g[1], g[2]};
  return true;
}

// Where a window lies in its image, without the border.
struct Window {
  Window(const Windows& s, int64_t row, int64_t column)
      : top(std::max<int64_t>(row * s.stride - s.padding, 0)),
        left(std::max<int64_t>(column * s.stride - s.padding, 0)),
        bottom(std::min(row * s.stride - s.padding + s.size, s.height)),
        right(std::min(column * s.stride - s.padding + s.size, s.width)) {}
  int64_t top, left, bottom, right;
};

// best = the larger of best and x; NaN is larger than all.
UNLABEL_SIMD void Larger(const float* __restrict__ x, int64_t count, float* __restrict__ best) {
  for (int64_t c = 0; c < count; c++) {
    const float v = x[c], b = best[c];
    best[c] = v > b ? v : v != v ? v : b;
  }
}

// The same, with the number of the element that best is.
UNLABEL_SIMD void LargerAt(const float* __restrict__ x, int64_t count, int32_t number, float* __restrict__ best,
                           int32_t* __restrict__ chosen) {
  for (int64_t c = 0; c < count; c++) {
    const float v = x[c], b = best[c];
    const int32_t held = chosen[c];
    const bool is_larger = v > b;
    best[c] = is_larger ? v : b;
    chosen[c] = is_larger ? number : held;
  }
}

UNLABEL_SIMD void AddChosen(const float* __restrict__ dy, const int32_t* __restrict__ chosen, int64_t count,
                            int32_t number, float* __restrict__ dx) {
  for (int64_t c = 0; c < count; c++) {
    const float d = dy[c], g = chosen[c] == number ? d : 0;
    dx[c] += g;
  }
}

// {x [N, H, W, C]} -> y [N, H', W', C]
void MaxPool(const Attributes& attributes, Context& context) {
  Windows s;
  if (!WindowsOf(attributes, context, &s)) return;
  const float* x = context.Input(0);
  float* y = context.Output(0, {s.images, s.out_height, s.out_width, s.channels});
  if (y == nullptr) return;
  ParallelFor(s.images * s.out_height, [&](int64_t i) {
    const float* image = x + i / s.out_height * s.height * s.width * s.channels;
    float* to = y + i * s.out_width * s.channels;
    for (int64_t column = 0; column < s.out_width; column++, to += s.channels) {
      const Window window(s, i % s.out_height, column);
      const float* first = image + (window.top * s.width + window.left) * s.channels;
      std::copy(first, first + s.channels, to);
      for (int64_t h = window.top; h < window.bottom; h++) {
        for (int64_t w = window.left; w < window.right; w++) {
          Larger(image + (h * s.width + w) * s.channels, s.channels, to);
        }
      }
    }
  });
}

// {x, dy} -> dx: each window's gradient goes to its first largest element. One image is one thread's, since windows overlap.
void MaxPoolGrad(const Attributes& attributes, Context& context) {
  Windows s;
  if (!WindowsOf(attributes, context, &s)) return;
  if (!context.Check(context.InputShape(1) == Shape({s.images, s.out_height, s.out_width, s.channels}),
                     "max pool gradient: dy must have the result's shape")) {
    return;
  }
  const float *x = context.Input(0), *dy = context.Input(1);
  float* dx = context.Output(0, context.InputShape(0));
  if (dx == nullptr) return;
  const int64_t image_size = s.height * s.width * s.channels, out_size = s.out_height * s.out_width * s.channels;
  ParallelFor(s.images, [&](int64_t image) {
    const float *from = x + image * image_size, *gradient = dy + image * out_size;
    float* to = dx + image * image_size;
    std::fill(to, to + image_size, 0.0f);
    for (int64_t row = 0; row < s.out_height; row++) {
      for (int64_t column = 0; column < s.out_width; column++, gradient += s.channels) {
        const Window window(s, row, column);
        for (int64_t c = 0; c < s.channels; c += kWide) {
          const int64_t count = std::min(kWide, s.channels - c);
          const auto at = [&](int64_t h, int64_t w) { return (h * s.width + w) * s.channels + c; };
          float best[kWide];
          int32_t chosen[kWide] = {};
          std::copy(from + at(window.top, window.left), from + at(window.top, window.left) + count, best);
          int32_t number = 0;
          for (int64_t h = window.top; h < window.bottom; h++) {
            for (int64_t w = window.left; w < window.right; w++, number++) {
              if (number > 0) LargerAt(from + at(h, w), count, number, best, chosen);
            }
          }
          number = 0;
          for (int64_t h = window.top; h < window.bottom; h++) {
            for (int64_t w = window.left; w < window.right; w++, number++) {
              AddChosen(gradient + c, chosen, count, number, to + at(h, w));
            }
          }
        }
      }
    }
  });
}

}  // namespace

void RegisterMaxPool() {
  Register<MaxPool>({"UnlabelPaddedMaxPool", {"x: float"}, {"y: float"}, {"geometry: list(int)"}});
  Register<MaxPoolGrad>({"UnlabelPaddedMaxPoolGrad", {"x: float", "dy: float"}, {"dx: float"}, {"geometry: list(int)"}});
}

}  // namespace unlabel
