// What is done to the thread that will load TensorFlow, before it does.
#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

namespace {

constexpr size_t kSignalStack = 256 * 1024;

// Keeps signals away from this thread and those it starts from here on, TensorFlow's and this package's. Its oneDNN has products of
// matrices (jit_avx_gemm_f32, jit_avx512_common_gemm_f32) that point the stack pointer at a buffer on the heap: the frame of a signal
// that arrives meanwhile, a window's new size or a child's end, is written over whatever lies before that buffer
// (uxlfoundation/oneDNN#4845; mended by #4855, later than TensorFlow 2.21). Handlers are libuv's, which work on any thread.
// SIGPROF is for this thread alone (--cpu-prof) and has a stack of its own; faults of an instruction are not kept.
void KeepSignalsAway() {
  std::thread([] {
    for (;;) pause();
  }).detach();  // so that there is a thread to take them
  sigset_t kept;
  sigfillset(&kept);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&kept, fault);
  stack_t stack = {};
  stack.ss_sp = mmap(nullptr, kSignalStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack.ss_size = kSignalStack;
  if (stack.ss_sp != MAP_FAILED && sigaltstack(&stack, nullptr) == 0) sigdelset(&kept, SIGPROF);
  pthread_sigmask(SIG_BLOCK, &kept, nullptr);
}

// Loads TensorFlow's framework library with standard error closed: its initialisers announce oneDNN there before any setting
// can stop them. The binding, loaded next, finds the library in memory. Failures are left for the binding to report.
void LoadQuietly() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&LoadQuietly), &self) == 0 || self.dli_fname == nullptr) return;
  const std::string path(self.dli_fname);
  const std::string library = path.substr(0, path.rfind('/')) + "/../../tensorflow/libtensorflow_framework.so.2";
  std::fflush(stderr);
  const int standard_error = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (standard_error < 0 || nowhere < 0) return;
  dup2(nowhere, STDERR_FILENO);
  dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  std::fflush(stderr);
  dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  close(nowhere);
}

}  // namespace

NAPI_MODULE_INIT() {
  (void)env;
  KeepSignalsAway();
  LoadQuietly();
  return exports;
}
