// Batch normalisation in training, alone (with an optional ReLU) or with ReLU and a 2×2 max pool, forward and backward.
// Ioffe and Szegedy, "Batch Normalization", 2015. One pass over x for the statistics and one for the result, where the
// composition makes a dozen; nothing is kept for the gradient but the statistics: the pool's choice is found again.
#include <cmath>
#include <vector>

#include "norm_rows.h"
#include "op.h"
#include "parallel.h"

namespace unlabel {
namespace {

// Two running sums a channel: a chunk's are kept apart and added in order, so threads do not change the result.
class Sums {
 public:
  Sums(int64_t chunks, int64_t width) : width_(width), values_(static_cast<size_t>(chunks * 2 * width)) {}
  double* first(int64_t chunk) { return values_.data() + chunk * 2 * width_; }
  double* second(int64_t chunk) { return first(chunk) + width_; }
  void Total(int64_t chunks, double* sum, double* products) {
    for (int64_t i = 0; i < chunks; i++) {
      for (int64_t c = 0; c < width_; c++) {
        sum[c] += first(i)[c];
        products[c] += second(i)[c];
      }
    }
  }

 private:
  int64_t width_;
  std::vector<double> values_;
};

// Two float buffers that are flushed into a chunk's doubles after each block of rows.
class Block {
 public:
  explicit Block(int64_t width) : width_(width), values_(static_cast<size_t>(2 * width), 0.0f) {}
  float* first() { return values_.data(); }
  float* second() { return values_.data() + width_; }
  void Flush(double* sum, double* products) {
    for (int64_t c = 0; c < width_; c++) {
      sum[c] += first()[c];
      products[c] += second()[c];
      first()[c] = second()[c] = 0;
    }
  }

 private:
  int64_t width_;
  std::vector<float> values_;
};

struct Affine {
  std::vector<float> scale, offset;
};

// scale·x + offset is the normalised, scaled and shifted x.
Affine AffineOf(const float* gamma, const float* beta, const float* mean, const float* variance, float epsilon,
                int64_t width) {
  Affine affine{std::vector<float>(width), std::vector<float>(width)};
  for (int64_t c = 0; c < width; c++) {
    affine.scale[c] = static_cast<float>(gamma[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon));
    affine.offset[c] = static_cast<float>(beta[c] - static_cast<double>(affine.scale[c]) * mean[c]);
  }
  return affine;
}

void Statistics(const float* x, int64_t rows, int64_t width, float* mean, float* variance) {
  const Chunks chunks(rows, width);
  Sums sums(chunks.count, width);
  // Differences from the first row: no cancellation when the mean is far from zero.
  ParallelFor(chunks.count, [&](int64_t i) {
    Block block(width);
    for (int64_t r = chunks.begin(i); r < chunks.end(i); r += kBlock) {
      const int64_t count = r + kBlock < chunks.end(i) ? kBlock : chunks.end(i) - r;
      SumRows(x + r * width, x, count, width, block.first(), block.second());
      block.Flush(sums.first(i), sums.second(i));
    }
  });
  std::vector<double> sum(width, 0.0), squares(width, 0.0);
  sums.Total(chunks.count, sum.data(), squares.data());
  for (int64_t c = 0; c < width; c++) {
    const double d = sum[c] / rows;
    const double v = squares[c] / rows - d * d;
    mean[c] = static_cast<float>(x[c] + d);
    variance[c] = static_cast<float>(v < 0 ? 0 : v);
  }
}

// dx = scale·(g − Σg/n − x̂·Σ(g·x̂)/n) as slope·x + intercept + scale·g; also dGamma += Σ g·x̂ and dBeta += Σ g.
struct Backward {
  std::vector<float> slope, intercept;
};

Backward BackwardOf(const Affine& affine, const float* mean, const float* variance, float epsilon, int64_t rows,
                    const std::vector<double>& sum, const std::vector<double>& products, std::vector<double>& d_gamma,
                    std::vector<double>& d_beta) {
  const size_t width = sum.size();
  Backward backward{std::vector<float>(width), std::vector<float>(width)};
  for (size_t c = 0; c < width; c++) {
    const double inverse = 1.0 / (static_cast<double>(variance[c]) + epsilon);
    const double slope = -affine.scale[c] * inverse * products[c] / rows;
    backward.slope[c] = static_cast<float>(slope);
    backward.intercept[c] = static_cast<float>(-affine.scale[c] * sum[c] / rows - slope * mean[c]);
    d_gamma[c] += products[c] * std::sqrt(inverse);
    d_beta[c] += sum[c];
  }
  return backward;
}

struct Layout {
  int64_t groups, rows, width;  // rows of one group
};

bool LayoutOf(const Attributes& attributes, Context& context, const Shape& shape, int first_vector, int vectors,
              Layout* layout) {
  if (!context.Check(shape.size() >= 2 && SizeOf(shape) > 0, "batch norm: x must be [..., C] and not empty")) return false;
  const int64_t width = shape.back();
  if (!context.Check(attributes.groups >= 1 && shape[0] % attributes.groups == 0,
                     "batch norm: the first axis is not a multiple of groups")) {
    return false;
  }
  for (int i = 0; i < vectors; i++) {
    const int64_t expected = i < 2 ? width : width * attributes.groups;
    if (!context.Check(SizeOf(context.InputShape(first_vector + i)) == expected,
                       "batch norm: gamma, beta, mean or variance does not have x's number of channels")) {
      return false;
    }
  }
  *layout = {attributes.groups, SizeOf(shape) / width / attributes.groups, width};
  return true;
}

// {x, gamma, beta} -> [y, mean, variance]
void BatchNorm(const Attributes& attributes, Context& context) {
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
      const int64_t at = chunks.begin(i);
      ScaleRows(from + at * width, affine.scale.data(), affine.offset.data(), chunks.end(i) - at, width,
                attributes.relu, to + at * width);
    });
  }
}

void WriteVectors(Context& context, const std::vector<double>& d_gamma, const std::vector<double>& d_beta) {
  const int64_t width = static_cast<int64_t>(d_gamma.size());
  float* gamma = context.Output(1, {width});
  float* beta = context.Output(2, {width});
  if (gamma == nullptr || beta == nullptr) return;
  for (int64_t c = 0; c < width; c++) {
    gamma[c] = static_cast<float>(d_gamma[c]);
    beta[c] = static_cast<float>(d_beta[c]);
  }
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
  Register<BatchNormReluPool>(
      {"UnlabelBatchNormReluPool", forward, statistics, {"epsilon: float", "groups: int"}});
  Register<AffineReluPool>(
      {"UnlabelAffineReluPool", {"x: float", "scale: float", "offset: float"}, {"y: float"}, {}});
  Register<BatchNormReluPoolGrad>(
      {"UnlabelBatchNormReluPoolGrad", backward, gradients, {"epsilon: float", "groups: int"}});
}

}  // namespace unlabel
