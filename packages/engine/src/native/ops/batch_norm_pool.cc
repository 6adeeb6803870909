// Batch normalisation in training with ReLU and a 2×2 max pool, forward and backward: the pool's choice is found again.
#include "batch_norm.h"

namespace unlabel {
namespace {

// Rows of pooled outputs, numbered over images and heights of one group.
struct Windows {
  Windows(const Shape& shape, int64_t groups)
      : images(shape[0] / groups), height(shape[1]), columns(shape[2]), width(shape[3]), rows(images * (shape[1] / 2)) {}
  const float* upper(const float* x, int64_t row) const { return x + Offset(row); }
  int64_t Offset(int64_t row) const {
    return ((row / (height / 2)) * height + 2 * (row % (height / 2))) * columns * width;
  }
  int64_t images, height, columns, width, rows;
};

// {x [N, H, W, C], gamma, beta} -> [y, mean, variance]
void BatchNormReluPool(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(shape.size() == 4 && shape[1] >= 2 && shape[2] >= 2, "batch norm with pool: x must be [N, H>1, W>1, C]")) {
    return;
  }
  Layout layout;
  if (!LayoutOf(attributes, context, shape, 1, 2, &layout)) return;
  const auto [groups, rows, width] = layout;
  const float *x = context.Input(0), *gamma = context.Input(1), *beta = context.Input(2);
  float* y = context.Output(0, {shape[0], shape[1] / 2, shape[2] / 2, width});
  float* means = context.Output(1, {groups, width});
  float* variances = context.Output(2, {groups, width});
  if (y == nullptr || means == nullptr || variances == nullptr) return;
  const Windows windows(shape, groups);
  const int64_t row_length = shape[2] * width, pooled_length = (shape[2] / 2) * width;
  for (int64_t g = 0; g < groups; g++) {
    const float* from = x + g * rows * width;
    float* to = y + g * windows.rows * pooled_length;
    Statistics(from, rows, width, means + g * width, variances + g * width);
    const Affine affine = AffineOf(gamma, beta, means + g * width, variances + g * width, attributes.epsilon, width);
    const Chunks chunks(windows.rows, 2 * row_length);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      for (int64_t row = chunks.begin(i); row < chunks.end(i); row++) {
        const float* upper = windows.upper(from, row);
        PoolRow(upper, upper + row_length, affine.scale.data(), affine.offset.data(), windows.columns / 2, width,
                to + row * pooled_length);
      }
    });
  }
}

// {x [N, H, W, C], scale [C], offset [C]} -> max(0, max over 2×2 of scale·x + offset): the stage above in evaluation
void AffineReluPool(const Attributes&, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(shape.size() == 4 && shape[1] >= 2 && shape[2] >= 2 && SizeOf(shape) > 0,
                     "affine with pool: x must be [N, H>1, W>1, C] and not empty")) {
    return;
  }
  const int64_t width = shape[3];
  if (!context.Check(SizeOf(context.InputShape(1)) == width && SizeOf(context.InputShape(2)) == width,
                     "affine with pool: scale and offset must be [C]")) {
    return;
  }
  const float *x = context.Input(0), *scale = context.Input(1), *offset = context.Input(2);
  float* y = context.Output(0, {shape[0], shape[1] / 2, shape[2] / 2, width});
  if (y == nullptr) return;
  const Windows windows(shape, 1);
  const int64_t row_length = shape[2] * width, pooled_length = (shape[2] / 2) * width;
  const Chunks chunks(windows.rows, 2 * row_length);
  ParallelFor(chunks.count, [&](int64_t i) {
    for (int64_t row = chunks.begin(i); row < chunks.end(i); row++) {
      const float* upper = windows.upper(x, row);
      PoolRow(upper, upper + row_length, scale, offset, windows.columns / 2, width, y + row * pooled_length);
    }
  });
}

// {x, dy [N, ⌊H/2⌋, ⌊W/2⌋, C], gamma, beta, mean, variance} -> [dx, dGamma, dBeta]
void BatchNormReluPoolGrad(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(shape.size() == 4 && shape[1] >= 2 && shape[2] >= 2, "batch norm with pool: x must be [N, H>1, W>1, C]")) {
    return;
  }
  Layout layout;
  if (!LayoutOf(attributes, context, shape, 2, 4, &layout)) return;
  const auto [groups, rows, width] = layout;
  if (!context.Check(context.InputShape(1) == Shape({shape[0], shape[1] / 2, shape[2] / 2, width}),
                     "batch norm with pool: dy must be [N, H/2, W/2, C]")) {
    return;
  }
  const float *x = context.Input(0), *dy = context.Input(1), *gamma = context.Input(2), *beta = context.Input(3);
  float* dx = context.Output(0, shape);
  if (dx == nullptr) return;
  std::vector<double> d_gamma(width, 0.0), d_beta(width, 0.0);
  const Windows windows(shape, groups);
  const int64_t row_length = shape[2] * width, pooled_length = (shape[2] / 2) * width;
  const Chunks chunks(windows.rows, 2 * row_length);
  for (int64_t g = 0; g < groups; g++) {
    const float *mean = context.Input(4) + g * width, *variance = context.Input(5) + g * width;
    const float *from = x + g * rows * width, *gradient = dy + g * windows.rows * pooled_length;
    float* to = dx + g * rows * width;
    const Affine affine = AffineOf(gamma, beta, mean, variance, attributes.epsilon, width);
    Sums sums(chunks.count, width);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      Block block(width);
      for (int64_t row = chunks.begin(i); row < chunks.end(i); row++) {
        const float* upper = windows.upper(from, row);
        SumPoolGradients(upper, upper + row_length, gradient + row * pooled_length, affine.scale.data(),
                         affine.offset.data(), mean, windows.columns / 2, width, block.first(), block.second());
        block.Flush(sums.first(i), sums.second(i));
      }
    });
    std::vector<double> sum(width, 0.0), products(width, 0.0);
    sums.Total(chunks.count, sum.data(), products.data());
    const Backward back =
        BackwardOf(affine, mean, variance, attributes.epsilon, rows, sum, products, d_gamma, d_beta);
    // Elements outside every window (an odd last row or column) still carry the statistics' gradient.
    const auto rest = [&, width = width](int64_t begin, int64_t count) {
      for (int64_t e = begin; e < begin + count; e++) {
        to[e] = back.slope[e % width] * from[e] + back.intercept[e % width];
      }
    };
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      for (int64_t row = chunks.begin(i); row < chunks.end(i); row++) {
        const int64_t at = windows.Offset(row);
        PoolGradientRow(from + at, from + at + row_length, gradient + row * pooled_length, affine.scale.data(),
                        affine.offset.data(), back.slope.data(), back.intercept.data(), windows.columns / 2, width,
                        to + at, to + at + row_length);
        if (windows.columns % 2 != 0) {
          rest(at + row_length - width, width);
          rest(at + 2 * row_length - width, width);
        }
      }
    });
    if (windows.height % 2 != 0) {
      for (int64_t n = 0; n < windows.images; n++) rest(((n + 1) * windows.height - 1) * row_length, row_length);
    }
  }
  WriteVectors(context, d_gamma, d_beta);
}

}  // namespace

void RegisterBatchNormPool() {
  const std::vector<const char*> statistics = {"y: float", "mean: float", "variance: float"};
  const std::vector<const char*> gradients = {"dx: float", "d_gamma: float", "d_beta: float"};
  Register<BatchNormReluPool>({"UnlabelBatchNormReluPool",
                               {"x: float", "gamma: float", "beta: float"},
                               statistics,
                               {"epsilon: float", "groups: int"}});
  Register<AffineReluPool>(
      {"UnlabelAffineReluPool", {"x: float", "scale: float", "offset: float"}, {"y: float"}, {}});
  Register<BatchNormReluPoolGrad>(
      {"UnlabelBatchNormReluPoolGrad",
       {"x: float", "dy: float", "gamma: float", "beta: float", "mean: float", "variance: float"},
       gradients,
       {"epsilon: float", "groups: int"}});
}

}  // namespace unlabel
