// Softmax and cross entropy against whole-number labels, smoothed (Szegedy et al., arXiv 1512.00567v3 §7), in one pass each way.
#include <cmath>

#include "op.h"
#include "parallel.h"
#include "vector_math.h"

namespace unlabel {
namespace {

// loss = log Σ exp(z) − (1 − ε)·z[label] − ε·mean(z); the logarithm of the sum is kept for the gradient.
UNLABEL_SIMD float LogSum(const float* __restrict__ z, int64_t width) {
  const float most = MaxOf(z, width);
  float sum = 0;
  for (int64_t from = 0; from < width; from += 256) {
    const int64_t count = width - from < 256 ? width - from : 256;
    float powers[256];
    for (int64_t c = 0; c < count; c++) powers[c] = Exp(z[from + c] - most);
    sum += SumOf(powers, count);
  }
  return most + std::log(sum);
}

UNLABEL_SIMD float MeanOf(const float* __restrict__ z, int64_t width) {
  return SumOf(z, width) / static_cast<float>(width);
}

UNLABEL_SIMD void GradientRow(const float* __restrict__ z, float log_sum, float share, float dy, int64_t width,
                              float* __restrict__ dz) {
  for (int64_t c = 0; c < width; c++) dz[c] = dy * (Exp(z[c] - log_sum) - share);
}

bool Fits(Context& context) {
  const Shape shape = context.InputShape(0);
  return context.Check(shape.size() == 2 && shape[1] > 0 && SizeOf(context.InputShape(1)) == shape[0],
                       "cross entropy: logits must be [M, K], labels [M]");
}

// {logits [M, K], labels [M] int32} -> [loss [M], logSum [M]]; a label outside 0…K−1 is an error
void CrossEntropy(const Attributes& attributes, Context& context) {
  if (!Fits(context)) return;
  const Shape shape = context.InputShape(0);
  const int64_t rows = shape[0], width = shape[1];
  const float* z = context.Input(0);
  const int32_t* labels = context.IntInput(1);
  bool inside = true;
  for (int64_t r = 0; r < rows; r++) inside = inside && labels[r] >= 0 && labels[r] < width;
  if (!context.Check(inside, "cross entropy: a label is outside 0…K−1")) return;
  float *loss = context.Output(0, {rows}), *log_sum = context.Output(1, {rows});
  if (loss == nullptr || log_sum == nullptr) return;
  const float smoothing = attributes.smoothing;
  const Chunks chunks(rows, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    for (int64_t r = chunks.begin(i); r < chunks.end(i); r++) {
      const float* row = z + r * width;
      log_sum[r] = LogSum(row, width);
      const float even = smoothing == 0 ? 0 : smoothing * MeanOf(row, width);
      loss[r] = log_sum[r] - (1 - smoothing) * row[labels[r]] - even;
    }
  });
}

// {logits, labels, logSum, dy [M]} -> dLogits
void CrossEntropyGrad(const Attributes& attributes, Context& context) {
  if (!Fits(context)) return;
  const Shape shape = context.InputShape(0);
  const int64_t rows = shape[0], width = shape[1];
  if (!context.Check(SizeOf(context.InputShape(2)) == rows && SizeOf(context.InputShape(3)) == rows,
                     "cross entropy gradient: logSum and dy must be [M]")) {
    return;
  }
  const float *z = context.Input(0), *log_sum = context.Input(2), *dy = context.Input(3);
  const int32_t* labels = context.IntInput(1);
  float* dz = context.Output(0, shape);
  if (dz == nullptr) return;
  const float smoothing = attributes.smoothing;
  const Chunks chunks(rows, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    for (int64_t r = chunks.begin(i); r < chunks.end(i); r++) {
      GradientRow(z + r * width, log_sum[r], smoothing / static_cast<float>(width), dy[r], width, dz + r * width);
      dz[r * width + labels[r]] -= dy[r] * (1 - smoothing);
    }
  });
}

}  // namespace

void RegisterCrossEntropy() {
  Register<CrossEntropy>({"UnlabelCrossEntropy",
                          {"logits: float", "labels: int32"},
                          {"loss: float", "log_sum: float"},
                          {"smoothing: float"}});
  Register<CrossEntropyGrad>({"UnlabelCrossEntropyGrad",
                              {"logits: float", "labels: int32", "log_sum: float", "dy: float"},
                              {"d_logits: float"},
                              {"smoothing: float"}});
}

}  // namespace unlabel
