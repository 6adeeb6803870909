#include "bfloat16_gemm.h"

#include <algorithm>

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<avx512bf16intrin.h>)
#define UNLABEL_BFLOAT16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#include <immintrin.h>
#endif
#endif

namespace unlabel {

#ifdef UNLABEL_BFLOAT16

namespace {

constexpr int64_t kTall = 12;    // rows of a tile: with two vectors of columns 24 sums of the 32 registers
constexpr int64_t kDepth = 512;  // pairs of a panel that are multiplied at a time: they stay in the first cache

inline __mmask16 Mask(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1 << count) - 1);
}

// Numbers [0, count) of a row, at most 32, as sixteen pairs of neighbours.
UNLABEL_BFLOAT16 inline __m512i PairsAlong(const float* from, int64_t count) {
  const __m512 low = _mm512_maskz_loadu_ps(Mask(count), from);
  const __m512 high = count > 16 ? _mm512_maskz_loadu_ps(Mask(count - 16), from + 16) : _mm512_setzero_ps();
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// Sixteen columns of two rows, as pairs of what lies one above the other.
UNLABEL_BFLOAT16 inline __m512i PairsAcross(const float* first, const float* second, __mmask16 mask) {
  const __m512 low = _mm512_maskz_loadu_ps(mask, first);
  const __m512 high = second == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, second);
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                         20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, both);
}

// Sixteen vectors of sixteen pairs, rows for columns.
UNLABEL_BFLOAT16 inline void Transpose(__m512i* v) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      v[4 * i + 2 * j] = _mm512_unpacklo_epi64(t[4 * i + j], t[4 * i + 2 + j]);
      v[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(t[4 * i + j], t[4 * i + 2 + j]);
    }
  }
  // v[4·i + j]: in its 128-bit lane l, column 4·l + j of rows 4·i … 4·i + 3
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    const __m512i a = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88), b = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd), d = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(a, b, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(a, b, 0xdd);
    t[4 + j] = _mm512_shuffle_i32x4(c, d, 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(c, d, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) v[i] = t[i];
}

UNLABEL_BFLOAT16 void PackRowsAlong(const Strided& a, int64_t m, int64_t k, uint32_t* rows) {
  const int64_t stride = RowStride(k);
  for (int64_t i = 0; i < m; i++) {
    const float* from = a.data + i * a.row_stride;
    uint32_t* to = rows + i * stride;
    for (int64_t p = 0; p < k; p += 32) _mm512_storeu_si512(to + p / 2, PairsAlong(from + p, k - p));
  }
}

// Rows 2·p and 2·p + 1 of a matrix whose columns are neighbours, from column j on.
UNLABEL_BFLOAT16 inline __m512i PairsBelow(const float* data, int64_t stride, int64_t p, int64_t k, int64_t j, int64_t n) {
  const float* first = data + 2 * p * stride + j;
  return PairsAcross(first, 2 * p + 1 < k ? first + stride : nullptr, Mask(n - j));
}

// 32 rows of the matrix at a time, as far as they reach: a page of each stays known.
UNLABEL_BFLOAT16 void PackRowsAcross(const Strided& a, int64_t m, int64_t k, uint32_t* rows) {
  const int64_t stride = RowStride(k), pairs = Pairs(k);
  for (int64_t p = 0; p < pairs; p += 16) {
    for (int64_t i = 0; i < m; i += 16) {
      __m512i v[16];
      for (int64_t q = 0; q < 16; q++) {
        v[q] = p + q < pairs ? PairsBelow(a.data, a.column_stride, p + q, k, i, m) : _mm512_setzero_si512();
      }
      Transpose(v);
      const int64_t count = std::min<int64_t>(16, m - i);
      for (int64_t r = 0; r < count; r++) _mm512_storeu_si512(rows + (i + r) * stride + p, v[r]);
    }
  }
}

UNLABEL_BFLOAT16 void PackPanelsAcross(const Strided& b, int64_t k, int64_t n, uint32_t* panels) {
  const int64_t pairs = Pairs(k);
  for (int64_t block = 0; block < pairs; block += 16) {
    const int64_t end = std::min(block + 16, pairs);
    for (int64_t j = 0; j < n; j += kPairPanel) {
      uint32_t* to = panels + j * pairs;
      for (int64_t p = block; p < end; p++) {
        _mm512_storeu_si512(to + p * kPairPanel, PairsBelow(b.data, b.row_stride, p, k, j, n));
        const bool is_wide = j + 16 < n;
        _mm512_storeu_si512(to + p * kPairPanel + 16,
                            is_wide ? PairsBelow(b.data, b.row_stride, p, k, j + 16, n) : _mm512_setzero_si512());
      }
    }
  }
}

UNLABEL_BFLOAT16 void PackPanelsAlong(const Strided& b, int64_t k, int64_t n, uint32_t* panels) {
  const int64_t pairs = Pairs(k);
  for (int64_t j = 0; j < n; j += 16) {
    uint32_t* to = panels + j / kPairPanel * kPairPanel * pairs + j % kPairPanel;
    for (int64_t p = 0; p < pairs; p += 16) {
      __m512i v[16];
      for (int64_t r = 0; r < 16; r++) {
        v[r] = j + r < n ? PairsAlong(b.data + (j + r) * b.column_stride + 2 * p, k - 2 * p) : _mm512_setzero_si512();
      }
      Transpose(v);
      const int64_t count = std::min<int64_t>(16, pairs - p);
      for (int64_t q = 0; q < count; q++) _mm512_storeu_si512(to + (p + q) * kPairPanel, v[q]);
    }
  }
  if (n % kPairPanel == 0 || n % kPairPanel > 16) return;
  uint32_t* rest = panels + n / kPairPanel * kPairPanel * pairs + 16;
  for (int64_t p = 0; p < pairs; p++) _mm512_storeu_si512(rest + p * kPairPanel, _mm512_setzero_si512());
}

// A tile of R rows and a panel's columns, or the first half of them.
template <int R, bool kWhole>
UNLABEL_BFLOAT16 inline __attribute__((always_inline)) void Tile(const uint32_t* a, int64_t stride, const uint32_t* b,
                                                                int64_t pairs, float* c, int64_t ldc, int64_t columns,
                                                                const Finish& finish) {
  __m512 low[R], high[R];
#pragma GCC unroll 12
  for (int r = 0; r < R; r++) low[r] = high[r] = _mm512_setzero_ps();
  for (int r = 0; r < R; r++) __builtin_prefetch(c + r * ldc, 1), __builtin_prefetch(c + r * ldc + 16, 1);
  for (int64_t p = 0; p < pairs; p++, a++, b += kPairPanel) {
    const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      const __m512bh value = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[r * stride]));
      low[r] = _mm512_dpbf16_ps(low[r], value, b0);
      if (kWhole) high[r] = _mm512_dpbf16_ps(high[r], value, b1);
    }
  }
  const __mmask16 m0 = Mask(columns), m1 = Mask(columns - 16);
  if (finish.bias != nullptr) {
    const __m512 bias0 = _mm512_maskz_loadu_ps(m0, finish.bias), bias1 = _mm512_maskz_loadu_ps(m1, finish.bias + 16);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) low[r] = _mm512_add_ps(low[r], bias0), high[r] = _mm512_add_ps(high[r], bias1);
  }
  if (finish.add) {
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      low[r] = _mm512_add_ps(low[r], _mm512_maskz_loadu_ps(m0, c + r * ldc));
      high[r] = _mm512_add_ps(high[r], _mm512_maskz_loadu_ps(m1, c + r * ldc + 16));
    }
  }
  if (finish.relu) {
    const __m512 zero = _mm512_setzero_ps();  // second: what max gives for NaN
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) low[r] = _mm512_max_ps(zero, low[r]), high[r] = _mm512_max_ps(zero, high[r]);
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++) {
    _mm512_mask_storeu_ps(c + r * ldc, m0, low[r]);
    _mm512_mask_storeu_ps(c + r * ldc + 16, m1, high[r]);
  }
}

// Rows that are no whole tile: in halves, so that few versions of a tile are compiled.
template <bool kWhole>
UNLABEL_BFLOAT16 void Tiles(const uint32_t* a, int64_t stride, const uint32_t* b, int64_t pairs, int64_t m, float* c,
                            int64_t ldc, int64_t columns, const Finish& finish) {
  const auto next = [&](int64_t rows) __attribute__((always_inline)) { m -= rows, a += rows * stride, c += rows * ldc; };
  for (; m >= kTall; next(kTall)) Tile<kTall, kWhole>(a, stride, b, pairs, c, ldc, columns, finish);
  if (m >= 8) Tile<8, kWhole>(a, stride, b, pairs, c, ldc, columns, finish), next(8);
  if (m >= 4) Tile<4, kWhole>(a, stride, b, pairs, c, ldc, columns, finish), next(4);
  if (m >= 2) Tile<2, kWhole>(a, stride, b, pairs, c, ldc, columns, finish), next(2);
  if (m >= 1) Tile<1, kWhole>(a, stride, b, pairs, c, ldc, columns, finish);
}

}  // namespace

bool HasBfloat16() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bf16");
  return has;
}

void PackRows(const Strided& a, int64_t m, int64_t k, uint32_t* rows) {
  if (a.column_stride == 1) return PackRowsAlong(a, m, k, rows);
  PackRowsAcross(a, m, k, rows);
}

void PackPairPanels(const Strided& b, int64_t k, int64_t n, uint32_t* panels) {
  if (b.column_stride == 1) return PackPanelsAcross(b, k, n, panels);
  PackPanelsAlong(b, k, n, panels);
}

void MultiplyPairs(const uint32_t* rows, const uint32_t* panels, int64_t m, int64_t n, int64_t k, float* c, int64_t ldc,
                   const Finish& finish) {
  const int64_t pairs = Pairs(k), stride = RowStride(k);
  for (int64_t j = 0; j < n; j += kPairPanel) {
    for (int64_t p = 0; p == 0 || p < pairs; p += kDepth) {
      const int64_t depth = std::min(kDepth, pairs - p);
      const bool first = p == 0, last = p + depth >= pairs;
      const auto tiles = n - j > 16 ? Tiles<true> : Tiles<false>;
      tiles(rows + p, stride, panels + j * pairs + p * kPairPanel, depth, m, c + j, ldc, std::min(kPairPanel, n - j),
            {last && finish.bias != nullptr ? finish.bias + j : nullptr, last && finish.relu, !first || finish.add});
    }
  }
}

#else

bool HasBfloat16() { return false; }
void PackRows(const Strided&, int64_t, int64_t, uint32_t*) {}
void PackPairPanels(const Strided&, int64_t, int64_t, uint32_t*) {}
void MultiplyPairs(const uint32_t*, const uint32_t*, int64_t, int64_t, int64_t, float*, int64_t, const Finish&) {}

#endif

}  // namespace unlabel
