#include "op.h"

#include <cstdio>

namespace unlabel {

Attributes::Attributes(TF_OpKernelConstruction* construction) {
  // An attribute an op does not have is left at its default.
  TF_Status* status = TF_NewStatus();
  float number = 0;
  int32_t integer = 0;
  TF_Bool flag = 0;
  const auto has = [&](const char* name) { return TF_OpKernelConstruction_HasAttr(construction, name, status); };
  const auto read_float = [&](const char* name, float* target) {
    if (!has(name)) return;
    TF_OpKernelConstruction_GetAttrFloat(construction, name, &number, status);
    if (TF_GetCode(status) == TF_OK) *target = number;
  };
  const auto read_bool = [&](const char* name, bool* target) {
    if (!has(name)) return;
    TF_OpKernelConstruction_GetAttrBool(construction, name, &flag, status);
    if (TF_GetCode(status) == TF_OK) *target = flag != 0;
  };
  const auto read_int = [&](const char* name, int32_t* target) {
    if (!has(name)) return;
    TF_OpKernelConstruction_GetAttrInt32(construction, name, &integer, status);
    if (TF_GetCode(status) == TF_OK) *target = integer;
  };
  read_float("epsilon", &epsilon);
  read_float("scale", &scale);
  read_float("keep", &keep);
  read_bool("relu", &relu);
  read_bool("nesterov", &nesterov);
  read_float("smoothing", &smoothing);
  read_bool("tanh", &tanh);
  read_bool("packed", &packed);
  read_bool("keepSum", &keep_sum);
  read_bool("transposeA", &transpose_a);
  read_bool("transposeB", &transpose_b);
  read_bool("inBfloat16", &in_bfloat16);
  read_int("groups", &groups);
  read_int("heads", &heads);
  if (has("geometry")) {
    int32_t length = 0, bytes = 0;
    TF_OpKernelConstruction_GetAttrSize(construction, "geometry", &length, &bytes, status);
    geometry.resize(length > 0 ? static_cast<size_t>(length) : 0);
    TF_OpKernelConstruction_GetAttrInt32List(construction, "geometry", geometry.data(), length, status);
    if (TF_GetCode(status) != TF_OK) geometry.clear();
  }
  TF_DeleteStatus(status);
}

Context::~Context() {
  for (TF_Tensor* tensor : inputs_) {
    if (tensor != nullptr) TF_DeleteTensor(tensor);
  }
  for (TF_Tensor* tensor : outputs_) TF_DeleteTensor(tensor);
  TF_DeleteStatus(status_);
}

TF_Tensor* Context::InputTensor(int i) {
  if (inputs_.empty()) inputs_.resize(TF_NumInputs(context_), nullptr);
  if (inputs_[i] == nullptr) TF_GetInput(context_, i, &inputs_[i], status_);
  return inputs_[i];
}

Shape Context::InputShape(int i) {
  TF_Tensor* tensor = InputTensor(i);
  Shape shape(TF_NumDims(tensor));
  for (size_t d = 0; d < shape.size(); d++) shape[d] = TF_Dim(tensor, static_cast<int>(d));
  return shape;
}

float* Context::Output(int i, const Shape& shape) {
  TF_Tensor* tensor = TF_AllocateOutput(context_, i, TF_FLOAT, shape.data(), static_cast<int>(shape.size()),
                                        static_cast<size_t>(SizeOf(shape)) * sizeof(float), status_);
  if (TF_GetCode(status_) != TF_OK) {
    TF_OpKernelContext_Failure(context_, status_);
    return nullptr;
  }
  outputs_.push_back(tensor);
  return static_cast<float*>(TF_TensorData(tensor));
}

void* Context::Temporary(int64_t bytes) {
  TF_AllocatorAttributes where = {TF_ALLOCATOR_ATTRIBUTES_STRUCT_SIZE, 1};
  TF_Tensor* tensor = TF_AllocateTemp(context_, TF_UINT8, &bytes, 1, &where, status_);
  if (TF_GetCode(status_) != TF_OK) {
    TF_OpKernelContext_Failure(context_, status_);
    return nullptr;
  }
  outputs_.push_back(tensor);
  return TF_TensorData(tensor);
}

bool Context::Check(bool condition, const char* message) {
  if (condition) return true;
  TF_SetStatus(status_, TF_INVALID_ARGUMENT, message);
  TF_OpKernelContext_Failure(context_, status_);
  return false;
}

void RegisterWith(const OpSpec& spec, void* (*create)(TF_OpKernelConstruction*), void (*run)(void*, TF_OpKernelContext*),
                  void (*destroy)(void*)) {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(spec.name);
  for (const char* attribute : spec.attributes) TF_OpDefinitionBuilderAddAttr(definition, attribute);
  for (const char* input : spec.inputs) TF_OpDefinitionBuilderAddInput(definition, input);
  for (const char* output : spec.outputs) TF_OpDefinitionBuilderAddOutput(definition, output);
  TF_RegisterOpDefinition(definition, status);
  if (TF_GetCode(status) == TF_OK) {
    TF_RegisterKernelBuilder(spec.name, TF_NewKernelBuilder(spec.name, "CPU", create, run, destroy), status);
  }
  if (TF_GetCode(status) != TF_OK) std::fprintf(stderr, "%s: %s\n", spec.name, TF_Message(status));
  TF_DeleteStatus(status);
}

}  // namespace unlabel
