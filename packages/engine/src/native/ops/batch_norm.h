// What batch normalisation in training is made of, with whatever follows it in the same passes. Ioffe and Szegedy, "Batch
// Normalization", 2015. One pass over x for the statistics and one for the result, where the composition makes a dozen; nothing is
// kept for the gradient but the statistics.
#pragma once

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

}  // namespace
}  // namespace unlabel
