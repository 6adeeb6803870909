// A thin layer over TensorFlow's C API for kernels: inputs and outputs as float pointers with shapes, errors as statuses.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

// Several versions of a function, chosen by the CPU when the library is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define UNLABEL_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define UNLABEL_SIMD
#endif

namespace unlabel {

using Shape = std::vector<int64_t>;

inline int64_t SizeOf(const Shape& shape) {
  int64_t size = 1;
  for (int64_t n : shape) size *= n;
  return size;
}

// Attributes of an op, read once when a kernel is made.
struct Attributes {
  explicit Attributes(TF_OpKernelConstruction* construction);
  float epsilon = 0;
  float scale = 1;
  float keep = 1;
  bool relu = false;
  bool nesterov = false;
  bool tanh = false;
  bool packed = false;
  bool keep_sum = false;     // keepSum
  bool transpose_a = false;  // transposeA
  bool transpose_b = false;  // transposeB
  bool in_bfloat16 = false;  // inBfloat16: products
  float smoothing = 0;
  int32_t groups = 1;
  int32_t heads = 1;
  std::vector<int32_t> geometry;  // of a convolution or pool, as its kernel names them
};

// One execution: owns the tensors it hands out.
class Context {
 public:
  explicit Context(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
  ~Context();
  Context(const Context&) = delete;

  const float* Input(int i) { return static_cast<const float*>(TF_TensorData(InputTensor(i))); }
  const int32_t* IntInput(int i) { return static_cast<const int32_t*>(TF_TensorData(InputTensor(i))); }
  Shape InputShape(int i);
  float* Output(int i, const Shape& shape);
  // Memory of this execution's own, from TensorFlow's allocator, which keeps large pieces; nullptr after failing the op.
  void* Temporary(int64_t bytes);

  // Fails the op unless `condition`; returns whether it holds. Nothing is computed after a failure.
  bool Check(bool condition, const char* message);

 private:
  TF_Tensor* InputTensor(int i);
  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> inputs_;
  std::vector<TF_Tensor*> outputs_;
};

using Compute = void (*)(const Attributes&, Context&);

// What is registered: the op's signature in TensorFlow's notation ("x: float") and its kernel.
struct OpSpec {
  const char* name;
  std::vector<const char*> inputs;
  std::vector<const char*> outputs;
  std::vector<const char*> attributes;
};

template <Compute compute>
void Register(const OpSpec& spec);

// Internal to Register.
void RegisterWith(const OpSpec& spec, void* (*create)(TF_OpKernelConstruction*), void (*run)(void*, TF_OpKernelContext*),
                  void (*destroy)(void*));

template <Compute compute>
void Register(const OpSpec& spec) {
  RegisterWith(
      spec,
      [](TF_OpKernelConstruction* construction) -> void* { return new Attributes(construction); },
      [](void* kernel, TF_OpKernelContext* raw) {
        Context context(raw);
        compute(*static_cast<Attributes*>(kernel), context);
      },
      [](void* kernel) { delete static_cast<Attributes*>(kernel); });
}

}  // namespace unlabel
