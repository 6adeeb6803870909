// Working memory of a thread, kept from call to call.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace unlabel {

// Room for `count` numbers at a cache line's start. What it held is lost with the thread's next call for the same type.
template <typename T>
T* Scratch(int64_t count) {
  struct Free {
    void operator()(T* held) const { std::free(held); }
  };
  static thread_local std::unique_ptr<T, Free> held;
  static thread_local size_t size = 0;
  const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  if (size < bytes) {
    held.reset();
    held.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    size = bytes;
  }
  return held.get();
}

}  // namespace unlabel
