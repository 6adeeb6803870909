// Batch normalisation in training, alone (with an optional ReLU) or with a shortcut and a ReLU, forward and backward.
#include "batch_norm.h"

namespace unlabel {
namespace {

// {x, gamma, beta, shortcut like x or none} -> [y, mean, variance]
void Normalize(const Attributes& attributes, Context& context, const float* shortcut) {
  const Shape shape = context.InputShape(0);
  Layout layout;
  if (!LayoutOf(attributes, context, shape, 1, 2, &layout)) return;
  const auto [groups, rows, width] = layout;
  const float *x = context.Input(0), *gamma = context.Input(1), *beta = context.Input(2);
  float* y = context.Output(0, shape);
  float* means = context.Output(1, {groups, width});
  float* variances = context.Output(2, {groups, width});
  if (y == nullptr || means == nullptr || variances == nullptr) return;
  const Chunks chunks(rows, width);
  for (int64_t g = 0; g < groups; g++) {
    const float* from = x + g * rows * width;
    float* to = y + g * rows * width;
    Statistics(from, rows, width, means + g * width, variances + g * width);
    const Affine affine = AffineOf(gamma, beta, means + g * width, variances + g * width, attributes.epsilon, width);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      const int64_t begin = chunks.begin(i), at = begin * width, count = chunks.end(i) - begin;
      const float *scale = affine.scale.data(), *offset = affine.offset.data();
      if (shortcut == nullptr) {
        ScaleRows(from + at, scale, offset, count, width, attributes.relu, to + at);
      } else {
        const float* added = shortcut + g * rows * width;
        AddReluRows(from + at, added + at, scale, offset, count, width, to + at);
      }
    });
  }
}

void BatchNorm(const Attributes& attributes, Context& context) { Normalize(attributes, context, nullptr); }

void BatchNormAddRelu(const Attributes& attributes, Context& context) {
  if (!context.Check(context.InputShape(3) == context.InputShape(0), "batch norm: the shortcut must have x's shape")) return;
  Normalize(attributes, context, context.Input(3));
}

// {x, dy, gamma, beta, mean, variance} -> [dx, dGamma, dBeta]
void BatchNormGrad(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  Layout layout;
  if (!LayoutOf(attributes, context, shape, 2, 4, &layout)) return;
  if (!context.Check(context.InputShape(1) == shape, "batch norm gradient: dy must have x's shape")) return;
  const auto [groups, rows, width] = layout;
  const float *x = context.Input(0), *dy = context.Input(1), *gamma = context.Input(2), *beta = context.Input(3);
  float* dx = context.Output(0, shape);
  if (dx == nullptr) return;
  std::vector<double> d_gamma(width, 0.0), d_beta(width, 0.0);
  const Chunks chunks(rows, width);
  for (int64_t g = 0; g < groups; g++) {
    const float *mean = context.Input(4) + g * width, *variance = context.Input(5) + g * width;
    const float *from = x + g * rows * width, *gradient = dy + g * rows * width;
    float* to = dx + g * rows * width;
    const Affine affine = AffineOf(gamma, beta, mean, variance, attributes.epsilon, width);
    Sums sums(chunks.count, width);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      Block block(width);
      for (int64_t r = chunks.begin(i); r < chunks.end(i); r += kBlock) {
        const int64_t count = r + kBlock < chunks.end(i) ? kBlock : chunks.end(i) - r;
        SumGradients(from + r * width, gradient + r * width, affine.scale.data(), affine.offset.data(), mean, count,
                     width, attributes.relu, block.first(), block.second());
        block.Flush(sums.first(i), sums.second(i));
      }
    });
    std::vector<double> sum(width, 0.0), products(width, 0.0);
    sums.Total(chunks.count, sum.data(), products.data());
    const Backward back =
        BackwardOf(affine, mean, variance, attributes.epsilon, rows, sum, products, d_gamma, d_beta);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      const int64_t at = chunks.begin(i);
      GradientRows(from + at * width, gradient + at * width, affine.scale.data(), affine.offset.data(),
                   back.slope.data(), back.intercept.data(), chunks.end(i) - at, width, attributes.relu,
                   to + at * width);
    });
  }
  WriteVectors(context, d_gamma, d_beta);
}

// {x, dy, gamma, mean, variance, y} of a batch norm with a shortcut and a ReLU -> [dx, dGamma, dBeta, dShortcut]: the gradient
// behind the ReLU is the shortcut's, and is made in the pass that sums it.
void BatchNormAddReluGrad(const Attributes& attributes, Context& context) {
  const Shape shape = context.InputShape(0);
  Layout layout;
  if (!LayoutOf(attributes, context, shape, 2, 1, &layout)) return;
  const auto [groups, rows, width] = layout;
  if (!context.Check(context.InputShape(1) == shape && context.InputShape(5) == shape,
                     "batch norm gradient: dy and y must have x's shape") ||
      !context.Check(SizeOf(context.InputShape(3)) == groups * width && SizeOf(context.InputShape(4)) == groups * width,
                     "batch norm gradient: mean and variance must be [groups, channels]")) {
    return;
  }
  const float *x = context.Input(0), *dy = context.Input(1), *gamma = context.Input(2), *y = context.Input(5);
  float *dx = context.Output(0, shape), *d_shortcut = context.Output(3, shape);
  if (dx == nullptr || d_shortcut == nullptr) return;
  std::vector<double> d_gamma(width, 0.0), d_beta(width, 0.0);
  const std::vector<float> no_offset(width, 0.0f);
  const Chunks chunks(rows, width);
  for (int64_t g = 0; g < groups; g++) {
    const float *mean = context.Input(3) + g * width, *variance = context.Input(4) + g * width;
    const int64_t first = g * rows * width;
    const Affine affine = AffineOf(gamma, no_offset.data(), mean, variance, attributes.epsilon, width);
    Sums sums(chunks.count, width);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      Block block(width);
      for (int64_t r = chunks.begin(i); r < chunks.end(i); r += kBlock) {
        const int64_t count = r + kBlock < chunks.end(i) ? kBlock : chunks.end(i) - r, at = first + r * width;
        SumOpenGradients(x + at, dy + at, y + at, mean, count, width, block.first(), block.second(), d_shortcut + at);
        block.Flush(sums.first(i), sums.second(i));
      }
    });
    std::vector<double> sum(width, 0.0), products(width, 0.0);
    sums.Total(chunks.count, sum.data(), products.data());
    const Backward back =
        BackwardOf(affine, mean, variance, attributes.epsilon, rows, sum, products, d_gamma, d_beta);
    ParallelFor(chunks.count, [&, width = width](int64_t i) {
      const int64_t at = first + chunks.begin(i) * width;
      GradientRows(x + at, d_shortcut + at, affine.scale.data(), affine.offset.data(), back.slope.data(),
                   back.intercept.data(), chunks.end(i) - chunks.begin(i), width, false, dx + at);
    });
  }
  WriteVectors(context, d_gamma, d_beta);
}

}  // namespace

void RegisterBatchNorm() {
  const std::vector<const char*> forward = {"x: float", "gamma: float", "beta: float"};
  const std::vector<const char*> backward = {"x: float",    "dy: float",   "gamma: float",
                                             "beta: float", "mean: float", "variance: float"};
  const std::vector<const char*> statistics = {"y: float", "mean: float", "variance: float"};
  const std::vector<const char*> gradients = {"dx: float", "d_gamma: float", "d_beta: float"};
  Register<BatchNorm>(
      {"UnlabelBatchNorm", forward, statistics, {"epsilon: float", "relu: bool", "groups: int"}});
  Register<BatchNormGrad>(
      {"UnlabelBatchNormGrad", backward, gradients, {"epsilon: float", "relu: bool", "groups: int"}});
  Register<BatchNormAddRelu>({"UnlabelBatchNormAddRelu",
                              {"x: float", "gamma: float", "beta: float", "shortcut: float"},
                              statistics,
                              {"epsilon: float", "groups: int"}});
  Register<BatchNormAddReluGrad>(
      {"UnlabelBatchNormAddReluGrad",
       {"x: float", "dy: float", "gamma: float", "mean: float", "variance: float", "y: float"},
       {"dx: float", "d_gamma: float", "d_beta: float", "d_shortcut: float"},
       {"epsilon: float", "groups: int"}});
}

}  // namespace unlabel
