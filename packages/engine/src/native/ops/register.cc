// Runs when the binding is loaded: makes this library's kernels known to TensorFlow.
namespace unlabel {

void RegisterAttention();
void RegisterBatchNorm();
void RegisterCrossEntropy();
void RegisterGelu();
void RegisterLayerNorm();
void RegisterPointwise();

namespace {

[[maybe_unused]] const bool registered = [] {
  RegisterAttention();
  RegisterBatchNorm();
  RegisterCrossEntropy();
  RegisterGelu();
  RegisterLayerNorm();
  RegisterPointwise();
  return true;
}();

}  // namespace

}  // namespace unlabel
