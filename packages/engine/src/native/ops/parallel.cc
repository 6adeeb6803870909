#include "parallel.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

namespace unlabel {
namespace {

// One call's work. Shared, so that a worker that wakes late looks at a finished job instead of a dead one.
struct Job {
  int64_t count;
  void (*body)(void*, int64_t);
  void* context;
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};

  void Work() {
    for (;;) {
      const int64_t i = next.fetch_add(1);
      if (i >= count) return;
      body(context, i);
      done.fetch_add(1);
    }
  }
};

class Pool {
 public:
  Pool() {
    const char* wanted = std::getenv("TF_NUM_INTRAOP_THREADS");
    int threads = wanted != nullptr ? std::atoi(wanted) : 0;
    if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
    helpers_ = threads > 1 ? threads - 1 : 0;
    for (int i = 0; i < helpers_; i++) std::thread(&Pool::Help, this).detach();
  }

  void Run(int64_t count, void (*body)(void*, int64_t), void* context) {
    if (helpers_ == 0 || count <= 1) {
      for (int64_t i = 0; i < count; i++) body(context, i);
      return;
    }
    auto job = std::make_shared<Job>();
    job->count = count;
    job->body = body;
    job->context = context;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = job;
      serial_++;
    }
    wake_.notify_all();
    job->Work();
    while (job->done.load() < count) std::this_thread::yield();
  }

 private:
  void Help() {
    uint64_t seen = 0;
    for (;;) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return serial_ != seen; });
        seen = serial_;
        job = job_;
      }
      job->Work();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<Job> job_;
  uint64_t serial_ = 0;
  int helpers_ = 0;
};

}  // namespace

void ParallelForRaw(int64_t count, void (*body)(void*, int64_t), void* context) {
  static Pool* pool = new Pool();  // never deleted: its threads outlive static destructors
  pool->Run(count, body, context);
}

}  // namespace unlabel
