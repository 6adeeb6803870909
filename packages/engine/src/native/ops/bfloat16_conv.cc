// Convolutions in bfloat16: the pixels around each output are packed as rows of a core's second cache and multiplied with the kernel as a
// matrix [KH·KW·I, O]. float32 in and out.
#include <algorithm>
#include <cstring>

#include "bfloat16_gemm.h"
#include "op.h"
#include "parallel.h"
#include "scratch.h"

namespace unlabel {
namespace {

constexpr int64_t kRows = 96;           // outputs of a unit of work, at most
constexpr int64_t kPacked = 128 << 10;  // pairs that are packed for a unit, about: half a MiB
constexpr int64_t kUnits = 16;          // wanted at least, for as many threads

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Geometry {
  int64_t height, width, inputs, out_height, out_width;
  int64_t kernel_height, kernel_width, stride, top, left;
  int64_t terms() const { return kernel_height * kernel_width * inputs; }
};

// What output pixel `at` (over all images) sees, in the kernel's order: in x itself where that is one run, else in `copy` [terms], with
// zeros for what lies outside.
const float* Window(const Geometry& g, const float* x, int64_t at, float* copy) {
  const int64_t row = at / g.out_width, image = row / g.out_height;
  const int64_t top = row % g.out_height * g.stride - g.top, left = at % g.out_width * g.stride - g.left;
  const int64_t line = g.kernel_width * g.inputs, first = std::max<int64_t>(left, 0);
  const int64_t count = std::min(left + g.kernel_width, g.width) - first;
  const bool is_whole = count == g.kernel_width && top >= 0 && top + g.kernel_height <= g.height;
  const auto pixel = [&](int64_t h) { return x + ((image * g.height + h) * g.width + first) * g.inputs; };
  if (is_whole && (g.kernel_height == 1 || line == g.width * g.inputs)) return pixel(top);
  if (!is_whole) std::memset(copy, 0, static_cast<size_t>(g.terms()) * sizeof(float));
  if (count <= 0) return copy;
  for (int64_t k = 0; k < g.kernel_height; k++) {
    if (top + k < 0 || top + k >= g.height) continue;
    std::memcpy(copy + k * line + (first - left) * g.inputs, pixel(top + k),
                static_cast<size_t>(count * g.inputs) * sizeof(float));
  }
  return copy;
}

// {x [N, H, W, I], kernel [KH, KW, I, O]} -> y [N, H', W', O]; geometry: stride, zeros above, on the left, H', W'; behind x zeros as far as
// the kernel reaches
void Conv(const Attributes& attributes, Context& context) {
  const Shape x = context.InputShape(0), kernel = context.InputShape(1);
  const std::vector<int32_t>& given = attributes.geometry;
  if (!context.Check(HasBfloat16(), "bfloat16 convolution: the CPU or the compiler of this engine lacks AVX512_BF16") ||
      !context.Check(x.size() == 4 && kernel.size() == 4 && x[3] == kernel[2] && SizeOf(x) > 0 && SizeOf(kernel) > 0,
                     "bfloat16 convolution: x must be [N, H, W, I] and the kernel [KH, KW, I, O], not empty") ||
      !context.Check(given.size() == 5 && given[0] > 0 && given[1] >= 0 && given[2] >= 0 && given[3] > 0 && given[4] > 0,
                     "bfloat16 convolution: geometry must be stride, top, left, height and width of the output")) {
    return;
  }
  const Geometry g{x[1], x[2], x[3], given[3], given[4], kernel[0], kernel[1], given[0], given[1], given[2]};
  const int64_t outputs = kernel[3], pixels = x[0] * g.out_height * g.out_width, terms = g.terms();
  float* y = context.Output(0, {x[0], g.out_height, g.out_width, outputs});
  if (y == nullptr) return;
  auto* panels =
      static_cast<uint32_t*>(context.Temporary(PairPanelsSize(terms, outputs) * static_cast<int64_t>(sizeof(uint32_t))));
  if (panels == nullptr) return;
  const float *from = context.Input(0), *weights = context.Input(1);
  ParallelFor(CeilDiv(outputs, kPairPanel), [&](int64_t i) {
    const int64_t first = i * kPairPanel;
    PackPairPanels({weights + first, outputs, 1}, terms, std::min(kPairPanel, outputs - first),
                   panels + first * Pairs(terms));
  });
  const int64_t stride = RowStride(terms);
  const int64_t rows = std::min(kRows, std::max<int64_t>(kPacked / stride / 12, 1) * 12), down = CeilDiv(pixels, rows);
  const int64_t parts = std::min(CeilDiv(kUnits, down), CeilDiv(outputs, kPairPanel));
  const int64_t columns = CeilDiv(CeilDiv(outputs, parts), kPairPanel) * kPairPanel;
  ParallelFor(down * parts, [&](int64_t i) {
    const int64_t first = i / parts * rows, column = i % parts * columns;
    const int64_t height = std::min(rows, pixels - first), width = std::min(columns, outputs - column);
    if (width <= 0) return;
    uint32_t* packed = Scratch<uint32_t>(height * stride);
    float* copy = Scratch<float>(terms);
    for (int64_t r = 0; r < height; r++) {
      PackRows({Window(g, from, first + r, copy), terms, 1}, 1, terms, packed + r * stride);
    }
    MultiplyPairs(packed, panels + column * Pairs(terms), height, width, terms, y + first * outputs + column, outputs, {});
  });
}

}  // namespace

void RegisterBfloat16Conv() {
  Register<Conv>({"UnlabelBfloat16Conv", {"x: float", "kernel: float"}, {"y: float"}, {"geometry: list(int)"}});
}

}  // namespace unlabel
