// Runs when the binding is loaded: makes this library's kernels known to TensorFlow.
namespace unlabel {

void RegisterBatchNorm();
void RegisterPointwise();

namespace {

[[maybe_unused]] const bool registered = [] {
  RegisterBatchNorm();
  RegisterPointwise();
  return true;
}();

}  // namespace

}  // namespace unlabel
