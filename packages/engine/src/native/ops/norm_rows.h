// The loops over rows of channels that batch normalisation spends its time in. Written so that the compiler vectorises over
// channels; sums over rows stay in order.
#pragma once

#include <cstdint>

#include "op.h"

namespace unlabel {
namespace {

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

// sum += Σ g, products += Σ g·(x − mean), where g is dy behind the ReLU.
UNLABEL_SIMD void SumGradients(const float* __restrict__ x, const float* __restrict__ dy,
                               const float* __restrict__ scale, const float* __restrict__ offset,
                               const float* __restrict__ mean, int64_t rows, int64_t width, bool relu,
                               float* __restrict__ sum, float* __restrict__ products) {
  for (int64_t r = 0; r < rows; r++, x += width, dy += width) {
    if (relu) {
      for (int64_t c = 0; c < width; c++) {
        const float g = scale[c] * x[c] + offset[c] > 0 ? dy[c] : 0;
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
        const float g = scale[c] * x[c] + offset[c] > 0 ? dy[c] : 0;
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
      const float g = best > 0 ? dy[c] : 0;
      sum[c] += g;
      products[c] += g * (x - mean[c]);
    }
  }
}

UNLABEL_SIMD void PoolGradientRow(const float* __restrict__ upper, const float* __restrict__ lower,
                                  const float* __restrict__ dy, const float* __restrict__ scale,
                                  const float* __restrict__ offset, const float* __restrict__ slope,
                                  const float* __restrict__ intercept, int64_t columns, int64_t width,
                                  float* __restrict__ d_upper, float* __restrict__ d_lower) {
  for (int64_t w = 0; w < columns; w++) {
    const float* __restrict__ right = upper + width;
    const float* __restrict__ corner = lower + width;
    float* __restrict__ d_right = d_upper + width;
    float* __restrict__ d_corner = d_lower + width;
    for (int64_t c = 0; c < width; c++) {
      const float s = scale[c], o = offset[c], m = slope[c], k = intercept[c];
      const float x0 = upper[c], x1 = right[c], x2 = lower[c], x3 = corner[c];
      const float v0 = s * x0 + o, v1 = s * x1 + o, v2 = s * x2 + o, v3 = s * x3 + o;
      float best = v1 > v0 ? v1 : v0;
      best = v2 > best ? v2 : best;
      best = v3 > best ? v3 : best;
      const float g = best > 0 ? s * dy[c] : 0;
      // The first that equals the largest, in row-major order.
      const float g0 = v0 == best ? g : 0;
      const float g1 = v1 == best ? g - g0 : 0;
      const float g2 = v2 == best ? g - g0 - g1 : 0;
      const float g3 = g - g0 - g1 - g2;
      d_upper[c] = m * x0 + k + g0;
      d_right[c] = m * x1 + k + g1;
      d_lower[c] = m * x2 + k + g2;
      d_corner[c] = m * x3 + k + g3;
    }
    upper += 2 * width;
    lower += 2 * width;
    dy += width;
    d_upper += 2 * width;
    d_lower += 2 * width;
  }
}

}  // namespace
}  // namespace unlabel
