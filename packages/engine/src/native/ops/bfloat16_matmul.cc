// Products of matrices and of batches of them in bfloat16, with the bias and the ReLU of a dense layer: float32 in and out.
#include <algorithm>

#include "bfloat16_gemm.h"
#include "op.h"
#include "parallel.h"
#include "scratch.h"

namespace unlabel {
namespace {

constexpr int64_t kRows = 96;    // of a unit of work, at most: they stay in the second cache
constexpr int64_t kUnits = 16;   // wanted at least, for as many threads
constexpr int64_t kPanels = 16;  // of the right operand that are packed together

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Which matrix of an operand belongs to each of the product's: axes of one element repeat, missing ones too.
std::vector<int64_t> Batches(const Shape& operand, const Shape& batch) {
  std::vector<int64_t> at(static_cast<size_t>(SizeOf(batch)), 0);
  const size_t missing = batch.size() - (operand.size() - 2);
  for (size_t i = 0; i < at.size(); i++) {
    int64_t rest = static_cast<int64_t>(i), step = 1;
    for (size_t axis = batch.size(); axis-- > missing;) {
      const int64_t length = operand[axis - missing];
      // `rest` counts the axes up to this one
      at[i] += length == 1 ? 0 : rest % batch[axis] * step;
      rest /= batch[axis], step *= length;
    }
  }
  return at;
}

bool Broadcast(const Shape& a, const Shape& b, Shape* batch) {
  const size_t rank = std::max(a.size(), b.size()) - 2;
  batch->assign(rank, 1);
  for (const Shape* shape : {&a, &b}) {
    const size_t missing = rank - (shape->size() - 2);
    for (size_t axis = missing; axis < rank; axis++) {
      const int64_t length = (*shape)[axis - missing];
      if (length == 1) continue;
      if ((*batch)[axis] != 1 && (*batch)[axis] != length) return false;
      (*batch)[axis] = length;
    }
  }
  return true;
}

// {a […, M, K], b […, K, N], bias [N] or empty} -> relu(a·b + bias) […, M, N]; transposeA, transposeB: of the last two axes
void MatMul(const Attributes& attributes, Context& context) {
  if (!context.Check(HasBfloat16(), "bfloat16 product: the CPU or the compiler of this engine lacks AVX512_BF16")) return;
  const Shape a = context.InputShape(0), b = context.InputShape(1);
  Shape batch;
  if (!context.Check(a.size() >= 2 && b.size() >= 2 && Broadcast(a, b, &batch),
                     "bfloat16 product: operands must be […, M, K] and […, K, N], their batches equal or one")) {
    return;
  }
  const bool ta = attributes.transpose_a, tb = attributes.transpose_b;
  const int64_t m = a[a.size() - (ta ? 1 : 2)], k = a[a.size() - (ta ? 2 : 1)], n = b[b.size() - (tb ? 2 : 1)];
  const int64_t biases = SizeOf(context.InputShape(2));
  if (!context.Check(b[b.size() - (tb ? 1 : 2)] == k && (biases == 0 || biases == n),
                     "bfloat16 product: inner axes differ, or bias is not [N]")) {
    return;
  }
  Shape shape = batch;
  shape.insert(shape.end(), {m, n});
  float* c = context.Output(0, shape);
  if (c == nullptr || SizeOf(shape) == 0) return;
  const float *from_a = context.Input(0), *from_b = context.Input(1);
  const float* bias = biases == 0 ? nullptr : context.Input(2);

  const int64_t size = PairPanelsSize(k, n), matrices = SizeOf(b) / std::max<int64_t>(k * n, 1);
  auto* panels = static_cast<uint32_t*>(context.Temporary(matrices * size * static_cast<int64_t>(sizeof(uint32_t))));
  if (panels == nullptr) return;
  const int64_t pieces = CeilDiv(n, kPanels * kPairPanel);
  ParallelFor(k == 0 ? 0 : matrices * pieces, [&](int64_t i) {
    const int64_t matrix = i / pieces, column = i % pieces * kPanels * kPairPanel;
    const float* at = from_b + matrix * k * n + column * (tb ? k : 1);
    PackPairPanels({at, tb ? 1 : n, tb ? k : 1}, k, std::min(kPanels * kPairPanel, n - column),
                   panels + matrix * size + column * Pairs(k));
  });

  const std::vector<int64_t> a_at = Batches(a, batch), b_at = Batches(b, batch);
  const int64_t down = CeilDiv(m, kRows), rows = CeilDiv(CeilDiv(m, down), 12) * 12, batches = SizeOf(batch);
  const int64_t parts = std::min(CeilDiv(kUnits, down * batches), CeilDiv(n, kPairPanel));
  const int64_t columns = CeilDiv(CeilDiv(n, parts), kPairPanel) * kPairPanel;
  ParallelFor(batches * down * parts, [&](int64_t i) {
    const int64_t at = i / (down * parts), row = i / parts % down * rows, column = i % parts * columns;
    const int64_t height = std::min(rows, m - row), width = std::min(columns, n - column);
    if (height <= 0 || width <= 0) return;
    uint32_t* packed = Scratch<uint32_t>(RowsSize(height, k));
    PackRows({from_a + a_at[at] * m * k + row * (ta ? 1 : k), ta ? 1 : k, ta ? m : 1}, height, k, packed);
    MultiplyPairs(packed, panels + b_at[at] * size + column * Pairs(k), height, width, k, c + (at * m + row) * n + column, n,
                  {bias == nullptr ? nullptr : bias + column, attributes.relu});
  });
}

}  // namespace

void RegisterBfloat16() {
  Register<MatMul>({"UnlabelBfloat16MatMul",
                    {"a: float", "b: float", "bias: float"},
                    {"c: float"},
                    {"transposeA: bool", "transposeB: bool", "relu: bool"}});
}

}  // namespace unlabel
