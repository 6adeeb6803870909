// A pool of threads for this library's kernels. Work is cut into chunks whose number and bounds depend on shapes alone,
// so results are the same bytes on any number of threads.
#pragma once

#include <cstdint>

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

}  // namespace unlabel
