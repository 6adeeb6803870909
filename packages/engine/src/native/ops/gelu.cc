// GELU (Hendrycks and Gimpel, arXiv 1606.08415v5), by the error function or its tanh approximation, with the bias of the linear layer
// before it: one pass forward, one back, which sums the bias' gradient too.
#include <vector>

#include "op.h"
#include "parallel.h"
#include "vector_math.h"

namespace unlabel {
namespace {

constexpr float kTanhScale = 0.797884561f;  // √(2/π)
constexpr float kTanhCubic = 0.044715f;

UNLABEL_SIMD void Forward(const float* __restrict__ x, const float* __restrict__ bias, int64_t rows, int64_t width,
                          bool tanh, float* __restrict__ y) {
  for (int64_t r = 0; r < rows; r++, x += width, y += width) {
    if (tanh) {
      for (int64_t c = 0; c < width; c++) {
        const float h = x[c] + bias[c];
        y[c] = 0.5f * h * (1.0f + Tanh(kTanhScale * (h + kTanhCubic * h * h * h)));
      }
    } else {
      for (int64_t c = 0; c < width; c++) {
        const float h = x[c] + bias[c];
        y[c] = h * NormalOf(h).phi;
      }
    }
  }
}

// dx = dy·gelu′(x + bias), sum += dx.
UNLABEL_SIMD void Backward(const float* __restrict__ x, const float* __restrict__ bias, const float* __restrict__ dy,
                           int64_t rows, int64_t width, bool tanh, float* __restrict__ dx, float* __restrict__ sum) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width, dx += width) {
    if (tanh) {
      for (int64_t c = 0; c < width; c++) {
        const float h = x[c] + bias[c];
        const float t = Tanh(kTanhScale * (h + kTanhCubic * h * h * h));
        const float inner = 0.5f * kTanhScale * (1.0f + 3.0f * kTanhCubic * h * h);
        const float g = dy[c] * (0.5f * (1.0f + t) + h * (1.0f - t * t) * inner);
        dx[c] = g;
        sum[c] += g;
      }
    } else {
      for (int64_t c = 0; c < width; c++) {
        const float h = x[c] + bias[c];
        const Normal normal = NormalOf(h);
        const float g = dy[c] * (normal.phi + h * normal.bell * 0.398942280f);
        dx[c] = g;
        sum[c] += g;
      }
    }
  }
}

bool Fits(Context& context) {
  const Shape shape = context.InputShape(0);
  return context.Check(!shape.empty() && SizeOf(context.InputShape(1)) == shape.back(),
                       "gelu: the bias must be as long as x's last axis");
}

// {x [M, C], bias [C]} -> gelu(x + bias)
void Gelu(const Attributes& attributes, Context& context) {
  if (!Fits(context)) return;
  const Shape shape = context.InputShape(0);
  const float *x = context.Input(0), *bias = context.Input(1);
  float* y = context.Output(0, shape);
  if (y == nullptr || SizeOf(shape) == 0) return;
  const int64_t width = shape.back();
  const Chunks chunks(SizeOf(shape) / width, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    const int64_t at = chunks.begin(i);
    Forward(x + at * width, bias, chunks.end(i) - at, width, attributes.tanh, y + at * width);
  });
}

// {x, bias, dy} -> [dx, dBias [C]]
void GeluGrad(const Attributes& attributes, Context& context) {
  if (!Fits(context)) return;
  const Shape shape = context.InputShape(0);
  if (!context.Check(context.InputShape(2) == shape, "gelu gradient: dy must have x's shape")) return;
  const float *x = context.Input(0), *bias = context.Input(1), *dy = context.Input(2);
  const int64_t width = shape.back();
  float *dx = context.Output(0, shape), *d_bias = context.Output(1, {width});
  if (dx == nullptr || d_bias == nullptr || width == 0) return;
  const Chunks chunks(SizeOf(shape) / width, width);
  ColumnSums sums(chunks.count, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    const int64_t at = chunks.begin(i);
    Backward(x + at * width, bias, dy + at * width, chunks.end(i) - at, width, attributes.tanh, dx + at * width,
             sums.of(i));
  });
  sums.Total(d_bias);
}

UNLABEL_SIMD void AddRows(const float* __restrict__ x, int64_t rows, int64_t width, float* __restrict__ sum) {
  for (int64_t r = 0; r < rows; r++, x += width) {
    for (int64_t c = 0; c < width; c++) sum[c] += x[c];
  }
}

// {x [M, C]} -> sum over rows [C]
void ColumnSum(const Attributes&, Context& context) {
  const Shape shape = context.InputShape(0);
  if (!context.Check(!shape.empty(), "column sum: x must be [M, C]")) return;
  const int64_t width = shape.back();
  const float* x = context.Input(0);
  float* y = context.Output(0, {width});
  if (y == nullptr || width == 0) return;
  const Chunks chunks(SizeOf(shape) / width, width);
  ColumnSums sums(chunks.count, width);
  ParallelFor(chunks.count, [&](int64_t i) {
    const int64_t at = chunks.begin(i);
    AddRows(x + at * width, chunks.end(i) - at, width, sums.of(i));
  });
  sums.Total(y);
}

}  // namespace

void RegisterGelu() {
  Register<Gelu>({"UnlabelGelu", {"x: float", "bias: float"}, {"y: float"}, {"tanh: bool"}});
  Register<GeluGrad>(
      {"UnlabelGeluGrad", {"x: float", "bias: float", "dy: float"}, {"dx: float", "d_bias: float"}, {"tanh: bool"}});
  Register<ColumnSum>({"UnlabelColumnSum", {"x: float"}, {"y: float"}, {}});
}

}  // namespace unlabel
