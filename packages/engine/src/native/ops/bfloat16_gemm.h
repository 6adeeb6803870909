// Products of matrices in bfloat16: operands rounded to nearest even, sums in float32 (AVX512_BF16). The left operand is packed as rows of
// pairs, the right one as panels of 32 columns; a pair is two neighbours along the axis that is summed over.
#pragma once

#include <cstdint>

namespace unlabel {

constexpr int64_t kPairPanel = 32;  // columns of a panel

// Whether this compiler knew the instructions and this CPU has them. Nothing below may be called where not.
bool HasBfloat16();

// A matrix in memory: element [i, j] at data[i·row_stride + j·column_stride]; one of the strides must be 1.
struct Strided {
  const float* data;
  int64_t row_stride, column_stride;
};

inline int64_t Pairs(int64_t k) { return (k + 1) / 2; }

// Pairs from one packed row of the left operand to the next: whole cache lines, an odd number of them, so that rows lie in different sets.
inline int64_t RowStride(int64_t k) { return ((Pairs(k) + 15) / 16 | 1) * 16; }

// Pairs that PackRows and PackPairPanels write.
inline int64_t RowsSize(int64_t m, int64_t k) { return m * RowStride(k); }
inline int64_t PairPanelsSize(int64_t k, int64_t n) { return (n + kPairPanel - 1) / kPairPanel * kPairPanel * Pairs(k); }

// a [m, k] -> pairs [m][RowStride(k)]; an odd k ends with a zero.
void PackRows(const Strided& a, int64_t m, int64_t k, uint32_t* rows);

// b [k, n] -> panels [⌈n/32⌉][⌈k/2⌉][32] of pairs, zeros beyond n and k.
void PackPairPanels(const Strided& b, int64_t k, int64_t n, uint32_t* panels);

// What is done to a product before it is stored.
struct Finish {
  const float* bias = nullptr;  // [n], added
  bool relu = false;
  bool add = false;  // to what c holds
};

// c[i·ldc + j] = finish(Σp a[i, p]·b[p, j]) of packed operands, for i < m, j < n.
void MultiplyPairs(const uint32_t* rows, const uint32_t* panels, int64_t m, int64_t n, int64_t k, float* c, int64_t ldc,
                   const Finish& finish);

}  // namespace unlabel
