// The loops over rows of channels that batch normalisation spends its time in. Written so that the compiler vectorises over
// channels; sums over rows stay in order.
#pragma once

#include <cstdint>

#include "op.h"

namespace unlabel {
namespace {

// Eight floats and the eight masks a comparison gives; loaded from any address.
typedef float Floats __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t Masks __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;

// Rows summed in single precision before they are added up in double.
constexpr int64_t kBlock = 64;

// sum += Σ (x − shift), squares += Σ (x − shift)² over rows of `width` channels.
UNLABEL_SIMD void SumRows(const float* __restrict__ x, const float* __restrict__ shift, int64_t rows, int64_t width,
                          float* __restrict__ sum, float* __restrict__ squares) {
  for (int64_t r = 0; r < rows; r++, x += width) {
    for (int64_t c = 0; c < width; c++) {
      const float d = x[c] - shift[c];
      sum[c] += d;
      squares[c] += d * d;
    }
  }
}

// y = scale·x + offset, with a ReLU that lets NaN through.
UNLABEL_SIMD void ScaleRows(const float* __restrict__ x, const float* __restrict__ scale,
                            const float* __restrict__ offset, int64_t rows, int64_t width, bool relu,
                            float* __restrict__ y) {
  for (int64_t r = 0; r < rows; r++, x += width, y += width) {
    if (relu) {
      for (int64_t c = 0; c < width; c++) {
        const float v = scale[c] * x[c] + offset[c];
        y[c] = v < 0 ? 0 : v;
      }
    } else {
      for (int64_t c = 0; c < width; c++) y[c] = scale[c] * x[c] + offset[c];
    }
  }
}

// y = scale·x + offset + shortcut behind a ReLU that lets NaN through.
UNLABEL_SIMD void AddReluRows(const float* __restrict__ x, const float* __restrict__ shortcut,
                              const float* __restrict__ scale, const float* __restrict__ offset, int64_t rows,
                              int64_t width, float* __restrict__ y) {
  for (int64_t r = 0; r < rows; r++, x += width, shortcut += width, y += width) {
    for (int64_t c = 0; c < width; c++) {
      const float v = scale[c] * x[c] + offset[c] + shortcut[c];
      y[c] = v < 0 ? 0 : v;
    }
  }
}

// g = dy where y > 0, else 0; with the sums of SumGradients.
UNLABEL_SIMD void SumOpenGradients(const float* __restrict__ x, const float* __restrict__ dy, const float* __restrict__ y,
                                   const float* __restrict__ mean, int64_t rows, int64_t width, float* __restrict__ sum,
                                   float* __restrict__ products, float* __restrict__ g) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width, y += width, g += width) {
    for (int64_t c = 0; c < width; c++) {
      const float d = dy[c];
      const float open = y[c] > 0 ? d : 0;
      g[c] = open;
      sum[c] += open;
      products[c] += open * (x[c] - mean[c]);
    }
  }
}

// sum += Σ g, products += Σ g·(x − mean), where g is dy behind the ReLU.
UNLABEL_SIMD void SumGradients(const float* __restrict__ x, const float* __restrict__ dy,
                               const float* __restrict__ scale, const float* __restrict__ offset,
                               const float* __restrict__ mean, int64_t rows, int64_t width, bool relu,
                               float* __restrict__ sum, float* __restrict__ products) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width) {
    if (relu) {
      for (int64_t c = 0; c < width; c++) {
        const float d = dy[c];  // loaded whatever the ReLU says: a load under a condition keeps the loop scalar
        const float g = scale[c] * x[c] + offset[c] > 0 ? d : 0;
        sum[c] += g;
        products[c] += g * (x[c] - mean[c]);
      }
    } else {
      for (int64_t c = 0; c < width; c++) {
        sum[c] += dy[c];
        products[c] += dy[c] * (x[c] - mean[c]);
      }
    }
  }
}

// dx = slope·x + intercept + scale·g.
UNLABEL_SIMD void GradientRows(const float* __restrict__ x, const float* __restrict__ dy,
                               const float* __restrict__ scale, const float* __restrict__ offset,
                               const float* __restrict__ slope, const float* __restrict__ intercept, int64_t rows,
                               int64_t width, bool relu, float* __restrict__ dx) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width, dx += width) {
    if (relu) {
      for (int64_t c = 0; c < width; c++) {
        const float d = dy[c];
        const float g = scale[c] * x[c] + offset[c] > 0 ? d : 0;
        dx[c] = slope[c] * x[c] + intercept[c] + scale[c] * g;
      }
    } else {
      for (int64_t c = 0; c < width; c++) dx[c] = slope[c] * x[c] + intercept[c] + scale[c] * dy[c];
    }
  }
}

// One row of pooled outputs from two rows of x: y = max(0, max over 2×2 of scale·x + offset).
UNLABEL_SIMD void PoolRow(const float* __restrict__ upper, const float* __restrict__ lower,
                          const float* __restrict__ scale, const float* __restrict__ offset, int64_t columns,
                          int64_t width, float* __restrict__ y) {
  for (int64_t w = 0; w < columns; w++, upper += 2 * width, lower += 2 * width, y += width) {
    const float* __restrict__ right = upper + width;
    const float* __restrict__ corner = lower + width;
    for (int64_t c = 0; c < width; c++) {
      const float s = scale[c], o = offset[c];
      const float v0 = s * upper[c] + o, v1 = s * right[c] + o, v2 = s * lower[c] + o, v3 = s * corner[c] + o;
      float best = v1 > v0 ? v1 : v0;
      best = v2 > best ? v2 : best;
      best = v3 > best ? v3 : best;
      y[c] = best < 0 ? 0 : best;
    }
  }
}

// The sums of SumGradients behind the pool: each window's gradient goes to its first largest element.
UNLABEL_SIMD void SumPoolGradients(const float* __restrict__ upper, const float* __restrict__ lower,
                                   const float* __restrict__ dy, const float* __restrict__ scale,
                                   const float* __restrict__ offset, const float* __restrict__ mean, int64_t columns,
                                   int64_t width, float* __restrict__ sum, float* __restrict__ products) {
  for (int64_t w = 0; w < columns; w++, upper += 2 * width, lower += 2 * width, dy += width) {
    const float* __restrict__ right = upper + width;
    const float* __restrict__ corner = lower + width;
    for (int64_t c = 0; c < width; c++) {
      const float s = scale[c], o = offset[c];
      const float x0 = upper[c], x1 = right[c], x2 = lower[c], x3 = corner[c];
      const float v0 = s * x0 + o, v1 = s * x1 + o, v2 = s * x2 + o, v3 = s * x3 + o;
      float best = v0, x = x0;
      x = v1 > best ? x1 : x;
      best = v1 > best ? v1 : best;
      x = v2 > best ? x2 : x;
      best = v2 > best ? v2 : best;
      x = v3 > best ? x3 : x;
      best = v3 > best ? v3 : best;
      const float d = dy[c];
      const float g = best > 0 ? d : 0;
      sum[c] += g;
      products[c] += g * (x - mean[c]);
    }
  }
}

// One element of a window's gradient: the pool's choice is its first largest, in row-major order.
inline void PoolGradientElement(const float* x[4], const float* dy, float scale, float offset, float slope,
                                float intercept, float* dx[4], int64_t c) {
  float v[4];
  int first = 0;
  for (int i = 0; i < 4; i++) {
    v[i] = scale * x[i][c] + offset;
    if (v[i] > v[first]) first = i;
  }
  for (int i = 0; i < 4; i++) dx[i][c] = slope * x[i][c] + intercept;
  if (v[first] > 0) dx[first][c] += scale * dy[c];
}

// dx = slope·x + intercept, and scale·dy more where the pool chose. Written with vector types: the compiler turns this
// chain of conditions into branches, seven times slower.
UNLABEL_SIMD void PoolGradientRow(const float* upper, const float* lower, const float* dy, const float* scale,
                                  const float* offset, const float* slope, const float* intercept, int64_t columns,
                                  int64_t width, float* d_upper, float* d_lower) {
  for (int64_t w = 0; w < columns; w++) {
    const float* x[4] = {upper, upper + width, lower, lower + width};
    float* dx[4] = {d_upper, d_upper + width, d_lower, d_lower + width};
    int64_t c = 0;
    for (; c + kLanes <= width; c += kLanes) {
      const Floats s = *reinterpret_cast<const Floats*>(scale + c), o = *reinterpret_cast<const Floats*>(offset + c);
      const Floats m = *reinterpret_cast<const Floats*>(slope + c), k = *reinterpret_cast<const Floats*>(intercept + c);
      const Floats x0 = *reinterpret_cast<const Floats*>(x[0] + c), x1 = *reinterpret_cast<const Floats*>(x[1] + c);
      const Floats x2 = *reinterpret_cast<const Floats*>(x[2] + c), x3 = *reinterpret_cast<const Floats*>(x[3] + c);
      const Floats v0 = s * x0 + o, v1 = s * x1 + o, v2 = s * x2 + o, v3 = s * x3 + o;
      const Floats top = v1 > v0 ? v1 : v0, bottom = v3 > v2 ? v3 : v2;
      const Floats best = bottom > top ? bottom : top;
      const Floats zero = {};
      Floats g = best > zero ? s * *reinterpret_cast<const Floats*>(dy + c) : zero;
      const Masks is0 = v0 == best, is1 = (v1 == best) & ~is0, is2 = (v2 == best) & ~(is0 | is1);
      const Masks is3 = ~(is0 | is1 | is2);
      *reinterpret_cast<Floats*>(dx[0] + c) = m * x0 + k + (is0 ? g : zero);
      *reinterpret_cast<Floats*>(dx[1] + c) = m * x1 + k + (is1 ? g : zero);
      *reinterpret_cast<Floats*>(dx[2] + c) = m * x2 + k + (is2 ? g : zero);
      *reinterpret_cast<Floats*>(dx[3] + c) = m * x3 + k + (is3 ? g : zero);
    }
    for (; c < width; c++) PoolGradientElement(x, dy, scale[c], offset[c], slope[c], intercept[c], dx, c);
    upper += 2 * width;
    lower += 2 * width;
    dy += width;
    d_upper += 2 * width;
    d_lower += 2 * width;
  }
}

}  // namespace
}  // namespace unlabel
