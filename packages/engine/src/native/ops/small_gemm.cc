#include "small_gemm.h"

#include "op.h"

namespace unlabel {
namespace {

// Vectors at any address, in structures because a template's argument would lose the attributes.
struct Eight {
  typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
};
struct Sixteen {
  typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
};

// A tile of R rows and one panel: few enough that its sums stay in registers. Each sum is over k in order, whatever the tile.
template <typename Vector, int R>
inline __attribute__((always_inline)) void Tile(const float* a, int64_t row_stride, int64_t column_stride,
                                                const float* b, int64_t k, float* c, int64_t ldc, int64_t columns,
                                                bool add) {
  using Lanes = typename Vector::Lanes;
  constexpr int kParts = kPanel * sizeof(float) / sizeof(Lanes), kWide = kPanel / kParts;
  Lanes sums[R][kParts] = {};
  for (int64_t p = 0; p < k; p++, a += column_stride, b += kPanel) {
    Lanes right[kParts];
#pragma GCC unroll 2
    for (int t = 0; t < kParts; t++) right[t] = *reinterpret_cast<const Lanes*>(b + t * kWide);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      const float value = a[r * row_stride];
#pragma GCC unroll 2
      for (int t = 0; t < kParts; t++) sums[r][t] += value * right[t];
    }
  }
  if (columns == kPanel) {
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 2
      for (int t = 0; t < kParts; t++) {
        Lanes* to = reinterpret_cast<Lanes*>(c + r * ldc + t * kWide);
        *to = add ? *to + sums[r][t] : sums[r][t];
      }
    }
    return;
  }
  for (int r = 0; r < R; r++) {
    float row[kPanel];
    for (int t = 0; t < kParts; t++) *reinterpret_cast<Lanes*>(row + t * kWide) = sums[r][t];
    for (int64_t j = 0; j < columns; j++) c[r * ldc + j] = add ? c[r * ldc + j] + row[j] : row[j];
  }
}

// R rows at a time, as long as there are so many; what is left is done by half as many.
template <typename Vector, int R>
inline __attribute__((always_inline)) void MultiplyTiles(const float* a, int64_t row_stride, int64_t column_stride,
                                                         const float* panels, int64_t m, int64_t n, int64_t k, float* c,
                                                         int64_t ldc, bool add) {
  int64_t i = 0;
  for (; i + R <= m; i += R) {
    for (int64_t j = 0; j < n; j += kPanel) {
      const int64_t columns = n - j < kPanel ? n - j : kPanel;
      Tile<Vector, R>(a + i * row_stride, row_stride, column_stride, panels + j * k, k, c + i * ldc + j, ldc, columns, add);
    }
  }
  if constexpr (R > 1) {
    if (i == m) return;
    MultiplyTiles<Vector, R / 2>(a + i * row_stride, row_stride, column_stride, panels, m - i, n, k, c + i * ldc, ldc, add);
  }
}

#if defined(__x86_64__)
// target_clones has no version with both of these, and products live on fused multiplication and addition.
__attribute__((target("avx2,fma"))) void MultiplyFma(const float* a, int64_t row_stride, int64_t column_stride,
                                                     const float* panels, int64_t m, int64_t n, int64_t k, float* c,
                                                     int64_t ldc, bool add) {
  MultiplyTiles<Eight, 6>(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
}

__attribute__((target("avx512f"))) void MultiplyWide(const float* a, int64_t row_stride, int64_t column_stride,
                                                     const float* panels, int64_t m, int64_t n, int64_t k, float* c,
                                                     int64_t ldc, bool add) {
  MultiplyTiles<Sixteen, 12>(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
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
  static const bool is_wide = __builtin_cpu_supports("avx512f");
  if (is_wide) return MultiplyWide(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
  static const bool has_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_fma) return MultiplyFma(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
#endif
  MultiplyTiles<Eight, 6>(a, row_stride, column_stride, panels, m, n, k, c, ldc, add);
}

}  // namespace unlabel
