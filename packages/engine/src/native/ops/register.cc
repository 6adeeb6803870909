// Runs when the binding is loaded: makes this library's kernels known to TensorFlow.
namespace unlabel {

void RegisterAttention();
void RegisterBatchNorm();
void RegisterBatchNormPool();
void RegisterBfloat16();
void RegisterBfloat16Conv();
void RegisterConvFilter();
void RegisterCrossEntropy();
void RegisterGelu();
void RegisterLayerNorm();
void RegisterMaxPool();
void RegisterPointwise();

namespace {

[[maybe_unused]] const bool registered = [] {
  RegisterAttention();
  RegisterBatchNorm();
  RegisterBatchNormPool();
  RegisterBfloat16();
  RegisterBfloat16Conv();
  RegisterConvFilter();
  RegisterCrossEntropy();
  RegisterGelu();
  RegisterLayerNorm();
  RegisterMaxPool();
  RegisterPointwise();
  return true;
}();

}  // namespace

}  // namespace unlabel
