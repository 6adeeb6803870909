// Loads TensorFlow's framework library with standard error closed: its initialisers announce oneDNN there before any setting
// can stop them. The binding, loaded next, finds the library in memory. Failures are left for the binding to report.
#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

#include <cstdio>
#include <string>

NAPI_MODULE_INIT() {
  (void)env;
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&napi_register_module_v1), &self) == 0 || self.dli_fname == nullptr) return exports;
  const std::string path(self.dli_fname);
  const std::string library = path.substr(0, path.rfind('/')) + "/../../tensorflow/libtensorflow_framework.so.2";
  std::fflush(stderr);
  const int standard_error = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (standard_error < 0 || nowhere < 0) return exports;
  dup2(nowhere, STDERR_FILENO);
  dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  std::fflush(stderr);
  dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  close(nowhere);
  return exports;
}
