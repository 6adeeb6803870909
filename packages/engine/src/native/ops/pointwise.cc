// Memory-bound operations in one pass each: seeded dropout, bias with ReLU, max + mean over time with its gradient, SGD with momentum,
// AdamW, moving averages.
#include <vector>

#include "op.h"
#include "parallel.h"

namespace unlabel {
namespace {

constexpr int64_t kPiece = 65536;

// MurmurHash3's 32-bit finaliser.
inline uint32_t Mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

// y = x/(1 − rate) where Mix(base + i·0x9e3779b9) ≥ threshold, else 0; Mix is written out so that the loop vectorises.
UNLABEL_SIMD void DropRows(const float* __restrict__ x, uint32_t begin, int64_t count, uint32_t base,
                           uint32_t threshold, float scale, float* __restrict__ y) {
  for (int64_t k = 0; k < count; k++) {
    uint32_t h = base + (begin + static_cast<uint32_t>(k)) * 0x9e3779b9u;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    h = h ^ (h >> 16);
    const float kept = x[k] * scale;
    y[k] = h >= threshold ? kept : 0;
  }
}

// {x, seed [2] = seed, threshold} -> y; also its own gradient
void SeededDropout(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(SizeOf(context.InputShape(1)) == 2, "dropout: seed must have two elements")) return;
  const float* x = context.Input(0);
  const uint32_t base = Mix(static_cast<uint32_t>(context.IntInput(1)[0]));
  const uint32_t threshold = static_cast<uint32_t>(context.IntInput(1)[1]);
  float* y = context.Output(0, shape);
  if (y == nullptr) return;
  const int64_t size = SizeOf(shape);
  ParallelFor((size + kPiece - 1) / kPiece, [&](int64_t i) {
    const int64_t at = i * kPiece;
    DropRows(x + at, static_cast<uint32_t>(at), size - at < kPiece ? size - at : kPiece, base, threshold,
             attributes.scale, y + at);
  });
}

// x = x·scale + bias + shortcut, of which scale and shortcut may be missing, with a ReLU that lets NaN through.
UNLABEL_SIMD void FinishRows(float* __restrict__ x, const float* __restrict__ scale, const float* __restrict__ bias,
                             const float* __restrict__ shortcut, int64_t rows, int64_t width, bool relu) {
  for (int64_t r = 0; r < rows; r++, x += width) {
    if (shortcut != nullptr) {
      for (int64_t c = 0; c < width; c++) {
        const float v = x[c] * scale[c] + bias[c] + shortcut[c];
        x[c] = relu && v < 0 ? 0 : v;
      }
      shortcut += width;
    } else {
      for (int64_t c = 0; c < width; c++) {
        const float v = x[c] * scale[c] + bias[c];
        x[c] = relu && v < 0 ? 0 : v;
      }
    }
  }
}

// {x [..., C], bias [C], shortcut like x or empty, scale [C] or empty} -> nothing: x itself is changed. For a product that nobody
// else has seen yet.
void FinishProduct(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0), shortcut = context.InputShape(2);
  const int64_t scales = SizeOf(context.InputShape(3));
  if (!context.Check(!shape.empty() && SizeOf(context.InputShape(1)) == shape.back(), "bias: must be as long as x's last axis") ||
      !context.Check(scales == 0 || scales == shape.back(), "scale: must be as long as x's last axis") ||
      !context.Check(shortcut == shape || SizeOf(shortcut) == 0, "shortcut: must have the shape of x") || SizeOf(shape) == 0) {
    return;
  }
  float* x = const_cast<float*>(context.Input(0));
  const float *bias = context.Input(1), *added = SizeOf(shortcut) == 0 ? nullptr : context.Input(2);
  const int64_t width = shape.back();
  const std::vector<float> ones(scales == 0 ? static_cast<size_t>(width) : 0, 1.0f);
  const float* scale = scales == 0 ? ones.data() : context.Input(3);
  const Chunks chunks(SizeOf(shape) / width, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    const int64_t at = chunks.begin(i) * width;
    FinishRows(x + at, scale, bias, added == nullptr ? nullptr : added + at, chunks.end(i) - chunks.begin(i), width,
               attributes.relu);
  });
}

UNLABEL_SIMD void MaxMean(const float* __restrict__ x, int64_t steps, int64_t width, float* __restrict__ y) {
  const float share = 1.0f / static_cast<float>(steps);
  for (int64_t from = 0; from < width; from += 64) {
    const int64_t count = width - from < 64 ? width - from : 64;
    float best[64], sum[64];
    for (int64_t d = 0; d < count; d++) best[d] = sum[d] = x[from + d];
    for (int64_t t = 1; t < steps; t++) {
      const float* __restrict__ row = x + t * width + from;
      for (int64_t d = 0; d < count; d++) {
        best[d] = row[d] > best[d] ? row[d] : best[d];
        sum[d] += row[d];
      }
    }
    for (int64_t d = 0; d < count; d++) y[from + d] = best[d] + sum[d] * share;
  }
}

UNLABEL_SIMD void MaxMeanGradient(const float* __restrict__ x, const float* __restrict__ dy, int64_t steps,
                                  int64_t width, float* __restrict__ dx) {
  const float share = 1.0f / static_cast<float>(steps);
  for (int64_t from = 0; from < width; from += 64) {
    const int64_t count = width - from < 64 ? width - from : 64;
    float best[64], rest[64], mean[64];
    for (int64_t d = 0; d < count; d++) {
      best[d] = x[from + d];
      rest[d] = dy[from + d];  // what of the maximum's gradient is not given away yet
      mean[d] = rest[d] * share;
    }
    for (int64_t t = 1; t < steps; t++) {
      const float* __restrict__ row = x + t * width + from;
      for (int64_t d = 0; d < count; d++) best[d] = row[d] > best[d] ? row[d] : best[d];
    }
    for (int64_t t = 0; t < steps; t++) {
      const float* __restrict__ row = x + t * width + from;
      float* __restrict__ out = dx + t * width + from;
      for (int64_t d = 0; d < count; d++) {
        const float left = rest[d];  // loaded whatever the comparison says: a load under a condition keeps the loop scalar
        const float taken = row[d] == best[d] ? left : 0;
        rest[d] = left - taken;
        out[d] = mean[d] + taken;
      }
    }
  }
}

// {x [B, T, D]} -> y [B, D]
void MaxMeanTime(const Attributes&, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(shape.size() == 3 && shape[1] >= 1, "max-mean: x must be [B, T>0, D]")) return;
  const float* x = context.Input(0);
  float* y = context.Output(0, {shape[0], shape[2]});
  if (y == nullptr) return;
  ParallelFor(shape[0], [&](int64_t b) { MaxMean(x + b * shape[1] * shape[2], shape[1], shape[2], y + b * shape[2]); });
}

// {x [B, T, D], dy [B, D]} -> dx
void MaxMeanTimeGrad(const Attributes&, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(shape.size() == 3 && shape[1] >= 1, "max-mean: x must be [B, T>0, D]")) return;
  if (!context.Check(context.InputShape(1) == Shape({shape[0], shape[2]}), "max-mean: dy must be [B, D]")) return;
  const float *x = context.Input(0), *dy = context.Input(1);
  float* dx = context.Output(0, shape);
  if (dx == nullptr) return;
  ParallelFor(shape[0], [&](int64_t b) {
    const int64_t at = b * shape[1] * shape[2];
    MaxMeanGradient(x + at, dy + b * shape[2], shape[1], shape[2], dx + at);
  });
}

UNLABEL_SIMD void SgdRow(const float* __restrict__ p, const float* __restrict__ g, const float* __restrict__ v,
                         int64_t count, float lr, float momentum, float decay, float look_ahead,
                         float* __restrict__ p_new, float* __restrict__ v_new) {
  for (int64_t k = 0; k < count; k++) {
    const float gradient = g[k] + decay * p[k];
    const float velocity = momentum * v[k] + gradient;
    v_new[k] = velocity;
    p_new[k] = p[k] - lr * (look_ahead != 0 ? gradient + look_ahead * velocity : velocity);
  }
}

// {param, grad, velocity, rates [3] = lr, momentum, weight decay} -> [param, velocity], as torch.optim.SGD
void SgdMomentum(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  const int64_t size = SizeOf(shape);
  if (!context.Check(SizeOf(context.InputShape(1)) == size && SizeOf(context.InputShape(2)) == size &&
                         SizeOf(context.InputShape(3)) == 3,
                     "sgd: param, grad and velocity must have one shape, rates three elements")) {
    return;
  }
  const float *p = context.Input(0), *g = context.Input(1), *v = context.Input(2), *rates = context.Input(3);
  float *p_new = context.Output(0, shape), *v_new = context.Output(1, shape);
  if (p_new == nullptr || v_new == nullptr) return;
  ParallelFor((size + kPiece - 1) / kPiece, [&](int64_t i) {
    const int64_t at = i * kPiece;
    SgdRow(p + at, g + at, v + at, size - at < kPiece ? size - at : kPiece, rates[0], rates[1], rates[2],
           attributes.nesterov ? rates[1] : 0, p_new + at, v_new + at);
  });
}

struct AdamRates {
  // 1 − β comes along, because single precision has lost most of it by the time it is subtracted here.
  float step, beta1, rest1, beta2, rest2, eps, root, decay;
};

UNLABEL_SIMD void AdamRow(const float* __restrict__ p, const float* __restrict__ g, const float* __restrict__ m,
                          const float* __restrict__ v, int64_t count, const AdamRates& rates, float* __restrict__ p_new,
                          float* __restrict__ m_new, float* __restrict__ v_new) {
  const AdamRates r = rates;
  for (int64_t k = 0; k < count; k++) {
    const float first = r.beta1 * m[k] + r.rest1 * g[k];
    const float second = r.beta2 * v[k] + r.rest2 * (g[k] * g[k]);
    m_new[k] = first;
    v_new[k] = second;
    p_new[k] = p[k] - r.decay * p[k] - r.step * first / (__builtin_sqrtf(second) * r.root + r.eps);
  }
}

// {param, grad, first, second, rates [8]} -> [param, first, second], as torch.optim.AdamW. rates = lr/(1 − β₁ᵗ), β₁, 1 − β₁,
// β₂, 1 − β₂, ε, 1/√(1 − β₂ᵗ), lr·λ
void AdamW(const Attributes&, Context& context) {
  const Shape shape = context.InputShape(0);
  const int64_t size = SizeOf(shape);
  bool fits = SizeOf(context.InputShape(4)) == 8;
  for (int i : {1, 2, 3}) fits = fits && SizeOf(context.InputShape(i)) == size;
  if (!context.Check(fits, "adamw: param, grad and moments must have one size, rates eight elements")) return;
  const float *p = context.Input(0), *g = context.Input(1), *m = context.Input(2), *v = context.Input(3);
  const float* r = context.Input(4);
  const AdamRates rates{r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]};
  float *p_new = context.Output(0, shape), *m_new = context.Output(1, shape), *v_new = context.Output(2, shape);
  if (p_new == nullptr || m_new == nullptr || v_new == nullptr) return;
  ParallelFor((size + kPiece - 1) / kPiece, [&](int64_t i) {
    const int64_t at = i * kPiece;
    AdamRow(p + at, g + at, m + at, v + at, size - at < kPiece ? size - at : kPiece, rates, p_new + at, m_new + at,
            v_new + at);
  });
}

UNLABEL_SIMD void EmaRow(const float* __restrict__ target, const float* __restrict__ source, int64_t count, float decay,
                         float rest, float* __restrict__ y) {
  for (int64_t k = 0; k < count; k++) y[k] = decay * target[k] + rest * source[k];
}

// {target, source, rates [2] = decay, 1 - decay} -> decay·target + (1 - decay)·source
void Ema(const Attributes&, Context& context) {
  const Shape shape = context.InputShape(0);
  const int64_t size = SizeOf(shape);
  if (!context.Check(SizeOf(context.InputShape(1)) == size && SizeOf(context.InputShape(2)) == 2,
                     "ema: target and source must have one size, rates two elements")) {
    return;
  }
  const float *target = context.Input(0), *source = context.Input(1), *rates = context.Input(2);
  float* y = context.Output(0, shape);
  if (y == nullptr) return;
  ParallelFor((size + kPiece - 1) / kPiece, [&](int64_t i) {
    const int64_t at = i * kPiece;
    EmaRow(target + at, source + at, size - at < kPiece ? size - at : kPiece, rates[0], rates[1], y + at);
  });
}

}  // namespace

void RegisterPointwise() {
  Register<SeededDropout>({"UnlabelSeededDropout", {"x: float", "seed: int32"}, {"y: float"}, {"scale: float"}});
  Register<FinishProduct>({"UnlabelFinishProduct",
                           {"x: float", "bias: float", "shortcut: float", "scale: float"},
                           {},
                           {"relu: bool"}});
  Register<MaxMeanTime>({"UnlabelMaxMeanTime", {"x: float"}, {"y: float"}, {}});
  Register<MaxMeanTimeGrad>({"UnlabelMaxMeanTimeGrad", {"x: float", "dy: float"}, {"dx: float"}, {}});
  Register<SgdMomentum>({"UnlabelSgdMomentum",
                         {"param: float", "grad: float", "velocity: float", "rates: float"},
                         {"new_param: float", "new_velocity: float"},
                         {"nesterov: bool"}});
  Register<Ema>({"UnlabelEma", {"target: float", "source: float", "rates: float"}, {"new_target: float"}, {}});
  Register<AdamW>({"UnlabelAdamW",
                   {"param: float", "grad: float", "first: float", "second: float", "rates: float"},
                   {"new_param: float", "new_first: float", "new_second: float"},
                   {}});
}

}  // namespace unlabel
