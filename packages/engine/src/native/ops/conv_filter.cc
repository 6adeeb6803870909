// The gradient of a convolution in its kernel, d_kernel = Σ over pixels of x around the pixel, times dy there: a product of matrices
// whose left one is never made. Blocks of x and dy are packed into a core's second cache and multiplied tile by tile.
#include <algorithm>
#include <cstring>
#include <vector>

#include "op.h"
#include "parallel.h"

namespace unlabel {
namespace {

typedef float Lane8 __attribute__((vector_size(32), aligned(4), may_alias));

constexpr int64_t kLanes = 16;      // outputs of a tile
constexpr int64_t kTall = 6;        // inputs of a tile: twelve sums of eight lanes stay in sixteen registers
constexpr int64_t kPixels = 224;    // of a block, about: its panels of dy fit the first cache
constexpr int64_t kInputs = 128;    // of a unit of work, at most
constexpr int64_t kOutputs = 256;
constexpr int64_t kUnits = 16;      // wanted at least, for as many threads
constexpr int64_t kGap = 8;         // between panels, so that they do not lie in the same sets of a cache

// A convolution with a kernel [kernel_height, kernel_width, inputs, outputs]; `top` and `left` zeros lie before x, and zeros behind it
// as far as the kernel reaches.
struct ConvShape {
  int64_t images, height, width, inputs;
  int64_t out_height, out_width, outputs;
  int64_t kernel_height, kernel_width;
  int64_t stride, top, left;
};

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Runs of inputs that tiles are made of: sixes, and fours where sixes do not fit, which are as fast.
std::vector<int64_t> PanelsOf(int64_t inputs) {
  std::vector<int64_t> panels(inputs / kTall, kTall);
  const int64_t rest = inputs % kTall;
  if (rest == 2 && !panels.empty()) {
    panels.back() = 4;
    panels.push_back(4);
  } else if (rest > 0) {
    panels.push_back(rest);
  }
  return panels;
}

// Pixels of dy that are packed together: some whole rows, or a part of one; rows count over all images.
struct PixelBlocks {
  explicit PixelBlocks(const ConvShape& s)
      : total_rows(s.images * s.out_height), total_columns(s.out_width) {
    rows = std::max<int64_t>(1, kPixels / total_columns);
    const int64_t pieces = CeilDiv(total_columns, kPixels);
    columns = CeilDiv(total_columns, pieces);
    across = CeilDiv(total_columns, columns);
    count = CeilDiv(total_rows, rows) * across;
  }
  int64_t first_row(int64_t i) const { return i / across * rows; }
  int64_t end_row(int64_t i) const { return std::min(first_row(i) + rows, total_rows); }
  int64_t first_column(int64_t i) const { return i % across * columns; }
  int64_t end_column(int64_t i) const { return std::min(first_column(i) + columns, total_columns); }
  int64_t total_rows, total_columns, rows, columns, across, count;
};

// How tiles walk through what was packed of x. A kernel row of few inputs is one run of them, `window` of kernel_width·inputs, since its
// pixels are neighbours; otherwise a window is one pixel.
struct Walk {
  Walk(const ConvShape& s, int64_t inputs) {
    const bool merged = s.kernel_width > 1 && s.inputs < kTall;
    const int64_t lines = CeilDiv(inputs, 16);
    window = merged ? s.kernel_width * s.inputs : inputs;
    across = merged ? 1 : s.kernel_width;
    pitch = merged ? inputs : 16 * (lines + (lines % 2 == 0 ? 1 : 0));  // no power of two: other sets of the cache
    step = s.kernel_width == 1 ? 1 : s.stride;
    rows = merged ? window : s.inputs;
  }
  int64_t window;  // inputs that tiles are made of
  int64_t across;  // windows in a row of the kernel
  int64_t pitch;   // floats from a pixel to the next
  int64_t step;    // pixels from an output's window to the next output's
  int64_t rows;    // of the kernel as a matrix, of each window
};

// What one thread packs a block into.
struct Packed {
  std::vector<float> x, dy;
  std::vector<int64_t> row_at;  // where x's part for each row of dy begins
  int64_t line = 0;             // floats from a row of x to the next
};

class Packing {
 public:
  Packing(const ConvShape& s, const PixelBlocks& blocks, int64_t block, Packed& to)
      : s_(s),
        to_(to),
        first_row_(blocks.first_row(block)),
        end_row_(blocks.end_row(block)),
        first_column_(blocks.first_column(block)),
        columns_(blocks.end_column(block) - first_column_) {}
  int64_t columns() const { return columns_; }
  int64_t rows() const { return end_row_ - first_row_; }

  // Inputs [first, first + inputs) of x around the block's pixels, with zeros where x has none. Of a kernel one pixel wide
  // only the columns that are used are packed.
  void PackX(const float* x, int64_t first, int64_t inputs, int64_t pitch) {
    const int64_t width = s_.kernel_width == 1 ? columns_ : (columns_ - 1) * s_.stride + s_.kernel_width;
    const int64_t column_step = s_.kernel_width == 1 ? s_.stride : 1;
    to_.line = width * pitch;
    FindRows();
    to_.x.resize(lines_.size() * static_cast<size_t>(to_.line));
    float* to = to_.x.data();
    const size_t bytes = static_cast<size_t>(inputs) * sizeof(float);
    for (int64_t line : lines_) {
      for (int64_t c = 0; c < width; c++, to += pitch) {
        const int64_t column = first_column_ * s_.stride - s_.left + c * column_step;
        if (line >= 0 && column >= 0 && column < s_.width) {
          std::memcpy(to, x + (line * s_.width + column) * s_.inputs + first, bytes);
        } else {
          std::memset(to, 0, bytes);
        }
      }
    }
  }

  // Outputs [first, first + outputs) of dy, panels of sixteen: [pixel, output of the panel], zeros beyond.
  void PackDy(const float* dy, int64_t first, int64_t outputs) {
    const int64_t pixels = rows() * columns_, panels = CeilDiv(outputs, kLanes), panel = pixels * kLanes + kGap;
    to_.dy.resize(static_cast<size_t>(panels * panel));
    float* to = to_.dy.data();
    for (int64_t r = first_row_; r < end_row_; r++) {
      const float* from = dy + (r * s_.out_width + first_column_) * s_.outputs + first;
      for (int64_t c = 0; c < columns_; c++, from += s_.outputs, to += kLanes) {
        const int64_t whole = outputs / kLanes;
        for (int64_t j = 0; j < whole; j++) std::memcpy(to + j * panel, from + j * kLanes, kLanes * sizeof(float));
        const int64_t rest = outputs - whole * kLanes;
        if (rest == 0) continue;
        std::memset(to + whole * panel, 0, kLanes * sizeof(float));
        std::memcpy(to + whole * panel, from + whole * kLanes, static_cast<size_t>(rest) * sizeof(float));
      }
    }
  }

 private:
  // Rows of x that the block's rows of dy need, each once; -1 is a row of zeros.
  void FindRows() {
    to_.row_at.clear();
    int64_t image = -1, next = 0;
    for (int64_t r = first_row_; r < end_row_; r++) {
      const int64_t top = r % s_.out_height * s_.stride - s_.top;
      if (r / s_.out_height != image || top > next) next = top;
      image = r / s_.out_height;
      to_.row_at.push_back((static_cast<int64_t>(lines_.size()) - (next - top)) * to_.line);
      for (; next < top + s_.kernel_height; next++) {
        lines_.push_back(next >= 0 && next < s_.height ? image * s_.height + next : -1);
      }
    }
  }

  const ConvShape& s_;
  Packed& to_;
  std::vector<int64_t> lines_;
  const int64_t first_row_, end_row_, first_column_, columns_;
};

// Sums of one panel of inputs and one of outputs over a block: to [R, outputs].
template <int R>
inline __attribute__((always_inline)) void Tile(const float* a, int64_t step, const int64_t* row_at, int64_t rows,
                                                int64_t columns, const float* b, float* to, int64_t to_stride,
                                                int64_t lanes, bool add) {
  Lane8 low[R] = {}, high[R] = {};
  for (int r = 0; r < R; r++) __builtin_prefetch(to + r * to_stride, 1);
  for (int64_t row = 0; row < rows; row++) {
    const float* p = a + row_at[row];
    for (int64_t c = 0; c < columns; c++, p += step, b += kLanes) {
      const Lane8 b0 = *reinterpret_cast<const Lane8*>(b), b1 = *reinterpret_cast<const Lane8*>(b + 8);
#pragma GCC unroll 6
      for (int r = 0; r < R; r++) {
        low[r] += p[r] * b0;
        high[r] += p[r] * b1;
      }
    }
  }
  if (lanes == kLanes) {
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
      Lane8 *t0 = reinterpret_cast<Lane8*>(to + r * to_stride), *t1 = reinterpret_cast<Lane8*>(to + r * to_stride + 8);
      *t0 = add ? *t0 + low[r] : low[r];
      *t1 = add ? *t1 + high[r] : high[r];
    }
    return;
  }
  for (int r = 0; r < R; r++) {
    float sums[kLanes];
    *reinterpret_cast<Lane8*>(sums) = low[r];
    *reinterpret_cast<Lane8*>(sums + 8) = high[r];
    for (int64_t j = 0; j < lanes; j++) to[r * to_stride + j] = add ? to[r * to_stride + j] + sums[j] : sums[j];
  }
}

// A block's part of a unit: to [kernel_height, kernel_width, inputs, outputs] at the unit's first input and output.
struct Unit {
  const ConvShape& s;
  const Walk& walk;
  const Packed& packed;
  const std::vector<int64_t>& panels;
  int64_t rows, columns, outputs;
  float* to;
  bool add;
};

inline __attribute__((always_inline)) void SumTiles(const Unit& u) {
  const int64_t step = u.walk.step * u.walk.pitch, to_stride = u.s.outputs;
  const int64_t panel = u.rows * u.columns * kLanes + kGap;
  const int64_t* row_at = u.packed.row_at.data();
  for (int64_t j = 0; j < u.outputs; j += kLanes) {
    const float* b = u.packed.dy.data() + j / kLanes * panel;
    const int64_t lanes = std::min(kLanes, u.outputs - j);
    for (int64_t k = 0; k < u.s.kernel_height * u.walk.across; k++) {
      const float* a = u.packed.x.data() + k / u.walk.across * u.packed.line + k % u.walk.across * u.walk.pitch;
      float* to = u.to + k * u.walk.rows * to_stride + j;
      for (int64_t tall : u.panels) {
        switch (tall) {
          case 1: Tile<1>(a, step, row_at, u.rows, u.columns, b, to, to_stride, lanes, u.add); break;
          case 2: Tile<2>(a, step, row_at, u.rows, u.columns, b, to, to_stride, lanes, u.add); break;
          case 3: Tile<3>(a, step, row_at, u.rows, u.columns, b, to, to_stride, lanes, u.add); break;
          case 4: Tile<4>(a, step, row_at, u.rows, u.columns, b, to, to_stride, lanes, u.add); break;
          case 5: Tile<5>(a, step, row_at, u.rows, u.columns, b, to, to_stride, lanes, u.add); break;
          default: Tile<6>(a, step, row_at, u.rows, u.columns, b, to, to_stride, lanes, u.add);
        }
        a += tall;
        to += tall * to_stride;
      }
    }
  }
}

#if defined(__x86_64__)
// target_clones has no version with both of these, and products live on fused multiplication and addition.
__attribute__((target("avx2,fma"))) void SumTilesFma(const Unit& unit) { SumTiles(unit); }
#endif

void SumTilesBest(const Unit& unit) {
#if defined(__x86_64__)
  static const bool has_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_fma) return SumTilesFma(unit);
#endif
  SumTiles(unit);
}

// The same bytes on any number of threads.
void ConvFilterGradient(ConvShape s, const float* x, const float* dy, float* d_kernel) {
  if (s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.top == 0 && s.left == 0) {
    s.width = s.out_width = s.images * s.out_height * s.out_width;  // a product of two matrices
    s.images = s.height = s.out_height = 1;
  }
  const PixelBlocks blocks(s);
  const int64_t input_parts = CeilDiv(s.inputs, kInputs), output_parts = CeilDiv(s.outputs, kOutputs);
  const int64_t inputs_each = CeilDiv(s.inputs, input_parts), outputs_each = CeilDiv(s.outputs, output_parts * kLanes) * kLanes;
  const int64_t parts = input_parts * output_parts;
  const int64_t splits = std::min(blocks.count, CeilDiv(kUnits, parts));
  const int64_t size = s.kernel_height * s.kernel_width * s.inputs * s.outputs;
  std::vector<float> partial(static_cast<size_t>((splits - 1) * size));
  ParallelFor(parts * splits, [&](int64_t i) {
    thread_local Packed packed;
    const int64_t split = i / parts, input = i % parts / output_parts * inputs_each,
                  output = i % output_parts * outputs_each;
    const int64_t inputs = std::min(inputs_each, s.inputs - input), outputs = std::min(outputs_each, s.outputs - output);
    if (inputs <= 0 || outputs <= 0) return;
    const Walk walk(s, inputs);
    const std::vector<int64_t> panels = PanelsOf(walk.window);
    float* to = (split == 0 ? d_kernel : partial.data() + (split - 1) * size) + input * s.outputs + output;
    const int64_t first = blocks.count * split / splits, end = blocks.count * (split + 1) / splits;
    for (int64_t block = first; block < end; block++) {
      Packing packing(s, blocks, block, packed);
      packing.PackX(x, input, inputs, walk.pitch);
      packing.PackDy(dy, output, outputs);
      SumTilesBest({s, walk, packed, panels, packing.rows(), packing.columns(), outputs, to, block != first});
    }
  });
  if (splits == 1) return;
  const Chunks chunks(size, 1);
  ParallelFor(chunks.count, [&](int64_t i) {
    for (int64_t split = 1; split < splits; split++) {
      const float* from = partial.data() + (split - 1) * size;
      for (int64_t k = chunks.begin(i); k < chunks.end(i); k++) d_kernel[k] += from[k];
    }
  });
}

// {x [N, H, W, I], dy [N, H', W', O]} -> the kernel's gradient; geometry: kernel height, width, stride, zeros above, on the left
void ConvFilterGrad(const Attributes& attributes, Context& context) {
  const Shape x = context.InputShape(0), dy = context.InputShape(1);
  const std::vector<int32_t>& g = attributes.geometry;
  if (!context.Check(x.size() == 4 && dy.size() == 4 && x[0] == dy[0] && SizeOf(x) > 0 && SizeOf(dy) > 0,
                     "filter gradient: x must be [N, H, W, I] and dy [N, H', W', O], not empty") ||
      !context.Check(g.size() == 5 && g[0] > 0 && g[1] > 0 && g[2] > 0 && g[3] >= 0 && g[4] >= 0,
                     "filter gradient: geometry must be kernel height, kernel width, stride, top, left")) {
    return;
  }
  float* d_kernel = context.Output(0, {g[0], g[1], x[3], dy[3]});
  if (d_kernel == nullptr) return;
  ConvFilterGradient({x[0], x[1], x[2], x[3], dy[1], dy[2], dy[3], g[0], g[1], g[2], g[3], g[4]}, context.Input(0),
                     context.Input(1), d_kernel);
}

}  // namespace

void RegisterConvFilter() {
  Register<ConvFilterGrad>(
      {"UnlabelConvFilterGrad", {"x: float", "dy: float"}, {"d_kernel: float"}, {"geometry: list(int)"}});
}

}  // namespace unlabel
