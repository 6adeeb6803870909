// Products of matrices that fit a core's cache, for operations that need one inside a loop. Left operand with any strides, right operand
// packed into panels of 16 columns.
#pragma once

#include <cstdint>

namespace unlabel {

constexpr int64_t kPanel = 16;

// Floats that PackPanels writes for a [k, n] matrix.
inline int64_t PanelSize(int64_t k, int64_t n) { return k * ((n + kPanel - 1) / kPanel) * kPanel; }

// b[p·row_stride + j·column_stride] -> panels [⌈n/16⌉][k][16], the last filled up with zeros.
void PackPanels(const float* b, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, float* panels);

// c[i·ldc + j] = (add ? c : 0) + Σp a[i·row_stride + p·column_stride]·b[p, j] for i < m, j < n.
void Multiply(const float* a, int64_t row_stride, int64_t column_stride, const float* panels, int64_t m, int64_t n,
              int64_t k, float* c, int64_t ldc, bool add);

}  // namespace unlabel
