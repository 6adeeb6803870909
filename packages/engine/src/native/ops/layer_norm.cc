// Layer normalisation (Ba et al., arXiv 1607.06450v1) of x, or of x + scale·shortcut: one pass forward, one back. Of the forward pass
// only the mean and inverse deviation of each row are kept; a sum that nobody needs is computed again.
#include <cmath>
#include <vector>

#include "op.h"
#include "parallel.h"
#include "vector_math.h"

namespace unlabel {
namespace {

// row = x + scale·shortcut; a shortcut of nullptr is left out.
inline __attribute__((always_inline)) const float* SumRow(const float* x, const float* shortcut, float scale,
                                                          int64_t width, float* row) {
  if (shortcut == nullptr) return x;
  for (int64_t c = 0; c < width; c++) row[c] = x[c] + scale * shortcut[c];
  return row;
}

UNLABEL_SIMD void ForwardRows(const float* x, const float* shortcut, float scale, const float* __restrict__ gamma,
                              const float* __restrict__ beta, float epsilon, int64_t rows, int64_t width, float* scratch,
                              float* sum, float* __restrict__ y, float* __restrict__ stats) {
  for (int64_t r = 0; r < rows; r++) {
    float* held = sum != nullptr ? sum + r * width : scratch;
    const float* s = SumRow(x + r * width, shortcut == nullptr ? nullptr : shortcut + r * width, scale, width, held);
    const float mean = SumOf(s, width) / static_cast<float>(width);
    float* __restrict__ out = y + r * width;
    for (int64_t c = 0; c < width; c++) out[c] = s[c] - mean;
    const float inverse = 1.0f / std::sqrt(DotOf(out, out, width) / static_cast<float>(width) + epsilon);
    for (int64_t c = 0; c < width; c++) out[c] = out[c] * inverse * gamma[c] + beta[c];
    stats[2 * r] = mean;
    stats[2 * r + 1] = inverse;
  }
}

// dx = inverse·(g − mean(g) − x̂·mean(g·x̂)) + dSum with g = dy·gamma; dGamma += dy·x̂, dBeta += dy.
UNLABEL_SIMD void BackwardRows(const float* x, const float* shortcut, float scale, const float* dy, const float* d_sum,
                               const float* __restrict__ gamma, const float* __restrict__ stats, int64_t rows,
                               int64_t width, float* __restrict__ normal, float* dx, float* d_shortcut,
                               float* __restrict__ d_gamma, float* __restrict__ d_beta) {
  float* __restrict__ g = normal + width;
  for (int64_t r = 0; r < rows; r++) {
    const float mean = stats[2 * r], inverse = stats[2 * r + 1];
    const float* s = SumRow(x + r * width, shortcut == nullptr ? nullptr : shortcut + r * width, scale, width, normal);
    const float* __restrict__ dy_row = dy + r * width;
    for (int64_t c = 0; c < width; c++) {
      const float n = (s[c] - mean) * inverse;
      normal[c] = n;
      g[c] = dy_row[c] * gamma[c];
      d_gamma[c] += dy_row[c] * n;
      d_beta[c] += dy_row[c];
    }
    const float average = SumOf(g, width) / static_cast<float>(width);
    const float along = DotOf(g, normal, width) / static_cast<float>(width);
    float* out = dx + r * width;
    for (int64_t c = 0; c < width; c++) g[c] = inverse * (g[c] - average - normal[c] * along);
    if (d_sum != nullptr) {
      for (int64_t c = 0; c < width; c++) g[c] += d_sum[r * width + c];
    }
    for (int64_t c = 0; c < width; c++) out[c] = g[c];
    if (d_shortcut != nullptr) {
      for (int64_t c = 0; c < width; c++) d_shortcut[r * width + c] = scale * g[c];
    }
  }
}

const float* Optional(Context& context, int i) { return SizeOf(context.InputShape(i)) == 0 ? nullptr : context.Input(i); }

// {x […, D], shortcut (empty for none), gamma, beta} -> [sum (empty unless keep_sum), y, stats [rows, 2]]
void LayerNorm(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  const int64_t size = SizeOf(shape), other = SizeOf(context.InputShape(1));
  if (!context.Check(!shape.empty() && size > 0, "layer norm: x must be [..., D] and not empty")) return;
  const int64_t width = shape.back();
  if (!context.Check((other == 0 || other == size) && SizeOf(context.InputShape(2)) == width &&
                         SizeOf(context.InputShape(3)) == width,
                     "layer norm: shortcut must have x's shape, gamma and beta its width")) {
    return;
  }
  const float *x = context.Input(0), *gamma = context.Input(2), *beta = context.Input(3);
  const float* shortcut = Optional(context, 1);
  float* sum = context.Output(0, attributes.keep_sum ? shape : Shape{0});
  float *y = context.Output(1, shape), *stats = context.Output(2, {size / width, 2});
  if (y == nullptr || stats == nullptr || (attributes.keep_sum && sum == nullptr)) return;
  if (!attributes.keep_sum) sum = nullptr;
  const Chunks chunks(size / width, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    std::vector<float> scratch(static_cast<size_t>(width));
    const int64_t row = chunks.begin(i), at = row * width;
    ForwardRows(x + at, shortcut == nullptr ? nullptr : shortcut + at, attributes.scale, gamma, beta, attributes.epsilon,
                chunks.end(i) - row, width, scratch.data(), sum == nullptr ? nullptr : sum + at, y + at,
                stats + 2 * row);
  });
}

// {x, shortcut (or empty), dy, dSum (or empty), gamma, stats} -> [dx, dShortcut (empty when it is dx or there is none), dGamma, dBeta]
void LayerNormGrad(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  const int64_t size = SizeOf(shape), other = SizeOf(context.InputShape(1)), summed = SizeOf(context.InputShape(3));
  if (!context.Check(!shape.empty() && size > 0 && SizeOf(context.InputShape(2)) == size, "layer norm gradient: dy must have x's shape")) {
    return;
  }
  const int64_t width = shape.back(), rows = size / width;
  if (!context.Check((other == 0 || other == size) && (summed == 0 || summed == size) &&
                         SizeOf(context.InputShape(4)) == width && SizeOf(context.InputShape(5)) == 2 * rows,
                     "layer norm gradient: shortcut, dSum, gamma or stats does not fit x")) {
    return;
  }
  const float *x = context.Input(0), *dy = context.Input(2), *gamma = context.Input(4), *stats = context.Input(5);
  const float *shortcut = Optional(context, 1), *d_sum = Optional(context, 3);
  const bool scales = shortcut != nullptr && attributes.scale != 1;
  float* dx = context.Output(0, shape);
  float* d_shortcut = context.Output(1, scales ? shape : Shape{0});
  float *d_gamma = context.Output(2, {width}), *d_beta = context.Output(3, {width});
  if (dx == nullptr || d_gamma == nullptr || d_beta == nullptr || (scales && d_shortcut == nullptr)) return;
  if (!scales) d_shortcut = nullptr;
  const Chunks chunks(rows, width);
  ColumnSums gammas(chunks.count, width), betas(chunks.count, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    std::vector<float> scratch(static_cast<size_t>(2 * width));
    const int64_t row = chunks.begin(i), at = row * width;
    BackwardRows(x + at, shortcut == nullptr ? nullptr : shortcut + at, attributes.scale, dy + at,
                 d_sum == nullptr ? nullptr : d_sum + at, gamma, stats + 2 * row, chunks.end(i) - row, width,
                 scratch.data(), dx + at, d_shortcut == nullptr ? nullptr : d_shortcut + at, gammas.of(i), betas.of(i));
  });
  gammas.Total(d_gamma);
  betas.Total(d_beta);
}

}  // namespace

void RegisterLayerNorm() {
  Register<LayerNorm>({"UnlabelLayerNorm",
                       {"x: float", "shortcut: float", "gamma: float", "beta: float"},
                       {"sum: float", "y: float", "stats: float"},
                       {"epsilon: float", "scale: float", "keepSum: bool"}});
  Register<LayerNormGrad>({"UnlabelLayerNormGrad",
                           {"x: float", "shortcut: float", "dy: float", "d_sum: float", "gamma: float", "stats: float"},
                           {"dx: float", "d_shortcut: float", "d_gamma: float", "d_beta: float"},
                           {"scale: float"}});
}

}  // namespace unlabel
