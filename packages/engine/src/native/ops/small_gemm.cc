#include "small_gemm.h"

#include "op.h"

namespace unlabel {
namespace {

typedef float Lane8 __attribute__((vector_size(32), aligned(4), may_alias));

// A tile of R rows and one panel: 2·R accumulators, R at most 6, so that they stay in sixteen registers.
template <int R>
inline __attribute__((always_inline)) void Tile(const float* a, int64_t row_stride, int64_t column_stride,
                                                const float* b, int64_t k, float* c, int64_t ldc, int64_t columns,
                                                bool add) {
  Lane8 low[R] = {}, high[R] = {};
  for (int64_t p = 0; p < k; p++, a += column_stride, b += kPanel) {
    const Lane8 b0 = *reinterpret_cast<const Lane8*>(b), b1 = *reinterpret_cast<const Lane8*>(b + 8);
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
      const float value = a[r * row_stride];
      low[r] += value * b0;
      high[r] += value * b1;
    }
  }
  if (columns == kPanel) {
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
      Lane8 *c0 = reinterpret_cast<Lane8*>(c + r * ldc), *c1 = reinterpret_cast<Lane8*>(c + r * ldc + 8);
      *c0 = add ? *c0 + low[r] : low[r];
      *c1 = add ? *c1 + high[r] : high[r];
    }
    return;
  }
  for (int r = 0; r < R; r++) {
    float row[kPanel];
    *reinterpret_cast<Lane8*>(row) = low[r];
    *reinterpret_cast<Lane8*>(row + 8) = high[r];
    for (int64_t j = 0; j < columns; j++) c[r * ldc + j] = add ? c[r * ldc + j] + row[j] : row[j];
  }
}

inline __attribute__((always_inline)) void MultiplyTiles(const float* a, int64_t row_stride, int64_t column_stride,
                                                         const float* panels, int64_t m, int64_t n, int64_t k, float* c,
                                                         int64_t ldc, bool add) {
  for (int64_t i = 0; i < m; i += 6) {
    const float* rows = a + i * row_stride;
    for (int64_t j = 0; j < n; j += kPanel) {
      const int64_t columns = n - j < kPanel ? n - j : kPanel;
      const float* b = panels + j * k;
      float* to = c + i * ldc + j;
      switch (m - i) {
        case 1: Tile<1>(rows, row_stride, column_stride, b, k, to, ldc, columns, add); break;
        case 2: Tile<2>(rows, row_stride, column_stride, b, k, to, ldc, columns, add); break;
        case 3: Tile<3>(rows, row_stride, column_stride, b, k, to, ldc, columns, add); break;
        case 4: Tile<4>(rows, row_stride, column_stride, b, k, to, ldc, columns, add); break;
        case 5: Tile<5>(rows, row_stride, column_stride, b, k, to, ldc, columns, add); break;
        default: Tile<6>(rows, row_stride, column_stride, b, k, to, ldc, columns, add);
      }
    }
  }
}

#if defined(__x86_64__)
// target_clones has no version with both of these, and products live on fused multiplication and addition.
__attribute__((target("avx2,fma"))) void MultiplyFma(const float* a, int64_t row_stride, int64_t column_stride,
                                                     const float* panels, int64_t m, int64_t n, int64_t k, float* c,
                                                     int64_t ldc, bool add) {
  MultiplyTiles(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
}
#endif

}  // namespace

void PackPanels(const float* b, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, float* panels) {
  for (int64_t j = 0; j < n; j += kPanel) {
    const int64_t columns = n - j < kPanel ? n - j : kPanel;
    for (int64_t p = 0; p < k; p++, panels += kPanel) {
      const float* from = b + p * row_stride + j * column_stride;
      for (int64_t t = 0; t < columns; t++) panels[t] = from[t * column_stride];
      for (int64_t t = columns; t < kPanel; t++) panels[t] = 0;
    }
  }
}

void Multiply(const float* a, int64_t row_stride, int64_t column_stride, const float* panels, int64_t m, int64_t n,
              int64_t k, float* c, int64_t ldc, bool add) {
#if defined(__x86_64__)
  static const bool has_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_fma) return MultiplyFma(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
#endif
  MultiplyTiles(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
}

}  // namespace unlabel
