// A pool of threads for this library's kernels. Work is cut into chunks whose number and bounds depend on shapes alone,
// so results are the same bytes on any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace unlabel {

// Calls body(context, i) once for each i in [0, count), on several threads; returns when all are done.
void ParallelForRaw(int64_t count, void (*body)(void*, int64_t), void* context);

template <typename Body>
void ParallelFor(int64_t count, const Body& body) {
  ParallelForRaw(
      count, [](void* context, int64_t i) { (*static_cast<const Body*>(context))(i); }, const_cast<Body*>(&body));
}

// Rows [begin, end) of chunk i when `rows` rows of `width` floats are cut into pieces of about 256 KiB, at most 512.
struct Chunks {
  Chunks(int64_t rows, int64_t width) : rows(rows) {
    const int64_t by_size = width > 0 ? 65536 / width : 1;
    const int64_t by_count = (rows + 511) / 512;
    length = by_size > by_count ? by_size : by_count;
    if (length < 1) length = 1;
    count = (rows + length - 1) / length;
  }
  int64_t begin(int64_t i) const { return i * length; }
  int64_t end(int64_t i) const { return (i + 1) * length < rows ? (i + 1) * length : rows; }
  int64_t rows, length, count;
};

// Sums over rows of `width` columns: a chunk's are kept apart and added in order, so threads do not change the result.
class ColumnSums {
 public:
  ColumnSums(int64_t chunks, int64_t width) : width_(width), values_(static_cast<size_t>(chunks * width), 0.0f) {}
  float* of(int64_t chunk) { return values_.data() + chunk * width_; }
  void Total(float* out) const {
    for (int64_t c = 0; c < width_; c++) {
      double sum = 0;
      for (size_t i = static_cast<size_t>(c); i < values_.size(); i += static_cast<size_t>(width_)) sum += values_[i];
      out[c] = static_cast<float>(sum);
    }
  }

 private:
  int64_t width_;
  std::vector<float> values_;
};

}  // namespace unlabel
