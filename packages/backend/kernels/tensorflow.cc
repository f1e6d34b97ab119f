// The fused operations as operations of TensorFlow, through its C interface alone (its C++ one does not survive another
// version). Every operation has the same signature: lists of float32 and int32 tensors in, a list of float32 tensors out,
// and three attributes. Loading this file as a Node add-on after TensorFlow's registers them.
#include <dlfcn.h>
#include <node_api.h>

#include <initializer_list>
#include <mutex>
#include <stdexcept>
#include <string>

#include "pool.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

using namespace coordtok;

namespace {

Pool& pool() {
  // As many threads as TensorFlow takes; never destroyed, as other threads may compute until the process ends.
  static Pool* const one = [] {
    const char* asked = std::getenv("TF_NUM_INTRAOP_THREADS");
    const int threads = asked == nullptr ? 0 : std::atoi(asked);
    return new Pool(threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()));
  }();
  return *one;
}

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

struct Attributes {
  int32_t heads = 0, flags = 0;
  float epsilon = 0;
};

// One call of an operation: its inputs and outputs.
class Call {
 public:
  Call(TF_OpKernelContext* context, const Attributes& given)
      : attributes(given), host(pool().host()), context_(context), status_(TF_NewStatus()) {}
  Call(const Call&) = delete;
  ~Call() {
    for (TF_Tensor* tensor : tensors_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }
  void readInputs() {
    for (int i = 0; i < TF_NumInputs(context_); i++) {
      TF_Tensor* tensor = nullptr;
      TF_GetInput(context_, i, &tensor, status_);
      check();
      tensors_.push_back(tensor);
    }
    count = static_cast<int>(tensors_.size());
  }
  bool flag(int bit) const { return (attributes.flags >> bit & 1) != 0; }
  template <class T = float>
  const T* in(int i) const {
    require(i < count, "an input is missing");
    return static_cast<const T*>(TF_TensorData(tensors_[i]));
  }
  // The next input where the flag is set, else null.
  const float* optional(int bit, int* next) const { return flag(bit) ? in((*next)++) : nullptr; }
  Size dim(int i, int axis) const {
    require(i < count && axis >= 0 && axis < rank(i), "an input has too few axes");
    return TF_Dim(tensors_[i], axis);
  }
  int rank(int i) const { return TF_NumDims(tensors_[i]); }
  Size size(int i) const { return TF_TensorElementCount(tensors_[i]); }
  float* out(int i, std::initializer_list<int64_t> dims) { return allocate(i, dims.begin(), static_cast<int>(dims.size())); }
  float* outLike(int i, int input) {
    int64_t dims[8];
    const int rank = TF_NumDims(tensors_[input]);
    require(rank <= 8, "a tensor has too many axes");
    for (int axis = 0; axis < rank; axis++) dims[axis] = TF_Dim(tensors_[input], axis);
    return allocate(i, dims, rank);
  }

  const Attributes& attributes;
  const Host host;
  int count = 0;

 private:
  float* allocate(int i, const int64_t* dims, int rank) {
    std::size_t bytes = sizeof(float);
    for (int axis = 0; axis < rank; axis++) bytes *= dims[axis];
    TF_Tensor* tensor = TF_AllocateOutput(context_, i, TF_FLOAT, dims, rank, bytes, status_);
    check();
    tensors_.push_back(tensor);
    return static_cast<float*>(TF_TensorData(tensor));
  }
  void check() { require(TF_GetCode(status_) == TF_OK, TF_Message(status_)); }

  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> tensors_;  // the inputs, then the outputs
};

// ---- The operations: the meaning of their inputs is described in packages/core/src/nn/fused.ts ---------------------------

// Inputs: packed [B, N, 3E], or query [B, N, E] and keyValue [B, M, 2E].
Attention attentionOf(const Call& c, int packed) {
  const Size row = c.dim(0, 2), width = packed == 1 ? row / 3 : row, heads = c.attributes.heads, keys = packed == 1 ? 0 : 1;
  require(heads > 0 && width % heads == 0 && c.dim(keys, 0) == c.dim(0, 0), "the heads do not divide the width");
  require(packed == 1 ? row == 3 * width : c.dim(1, 2) == 2 * width, "queries and keys differ in width");
  const float* keyValue = c.in(keys) + (packed == 1 ? width : 0);
  return {c.dim(0, 0), heads, c.dim(0, 1), c.dim(keys, 1), width / heads, c.in(0), keyValue, keyValue + width, row, c.dim(keys, 2), nullptr};
}
void checkBias(const Call& c, const Attention& a, int input) {
  require(a.bias == nullptr || c.size(input) == a.clips * a.keys, "the bias is not [clips, keys]");
}

template <int packed>  // inputs that hold queries, keys and values: 1 or 2
bool attentionCall(Call& c) {
  Attention a = attentionOf(c, packed);
  int next = packed;
  a.bias = c.optional(0, &next);
  checkBias(c, a, packed);
  float* out = c.out(0, {a.clips, a.queries, a.heads * a.width});
  return attention(c.host, a, out, c.flag(1) ? c.out(1, {a.clips, a.heads, 2, a.queries}) : nullptr);
}

template <int packed>
bool attentionGradientCall(Call& c) {  // then: out, statistics, dy, bias
  Attention a = attentionOf(c, packed);
  int next = packed + 3;
  a.bias = c.optional(0, &next);
  checkBias(c, a, packed + 3);
  const Size size = a.clips * a.queries * a.heads * a.width;
  require(c.size(packed) == size && c.size(packed + 2) == size && c.size(packed + 1) == a.clips * a.heads * 2 * a.queries,
          "the gradient differs from the attention in shape");
  float *query = c.outLike(0, 0), *key = packed == 1 ? query + a.heads * a.width : c.outLike(1, 1);
  return attentionBackward(c.host, a, c.in(packed), c.in(packed + 1), c.in(packed + 2), query, key, key + a.heads * a.width);
}

Size rowsOf(const Call& c, int input, Size size) { return size == 0 ? 0 : c.size(input) / size; }

bool layerNormCall(Call& c) {  // x, scale, shift, addend, bias → out, sum
  const Size size = c.dim(1, 0);
  require(c.size(2) == size && (size == 0 || c.size(0) % size == 0), "the sizes of a layer norm differ");
  int next = 3;
  const float *addend = c.optional(0, &next), *bias = c.optional(1, &next);
  require((addend == nullptr || c.size(3) == c.size(0)) && (bias == nullptr || c.size(next - 1) == size), "the addends differ in size");
  float *out = c.outLike(0, 0), *sum = addend == nullptr && bias == nullptr ? nullptr : c.outLike(1, 0);
  return layerNorm(c.host, rowsOf(c, 0, size), size, c.attributes.epsilon, c.in(0), addend, bias, c.in(1), c.in(2), sum, out);
}

bool layerNormGradientCall(Call& c) {  // x, scale, dy, upstream → dx, dScale, dShift, dBias
  const Size size = c.dim(1, 0);
  int next = 3;
  const float* upstream = c.optional(0, &next);
  require(c.size(2) == c.size(0) && (upstream == nullptr || c.size(3) == c.size(0)), "the gradients differ from x in size");
  float *dx = c.outLike(0, 0), *scale = c.out(1, {size}), *shift = c.out(2, {size});
  return layerNormBackward(c.host, rowsOf(c, 0, size), size, c.attributes.epsilon, c.in(0), c.in(1), c.in(2), upstream, dx, scale, shift,
                           c.flag(1) ? c.out(3, {size}) : nullptr);
}

Size lastDim(const Call& c, int input) { return c.dim(input, c.rank(input) - 1); }

bool geluCall(Call& c) {  // x, bias
  int next = 1;
  const float* bias = c.optional(0, &next);
  require(bias == nullptr || c.size(1) == lastDim(c, 0), "the bias differs from x in width");
  return gelu(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), bias, c.outLike(0, 0));
}

bool geluGradientCall(Call& c) {  // x, dy, bias → dx, dBias, out
  int next = 2;
  const float* bias = c.optional(0, &next);
  require(c.size(1) == c.size(0) && (bias == nullptr || c.size(2) == lastDim(c, 0)), "the gradient differs from x in size");
  float *dx = c.outLike(0, 0), *sums = c.out(1, {lastDim(c, 0)});
  return geluBackward(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), bias, c.in(1), c.outLike(2, 0), dx, sums);
}

bool addCall(Call& c) {  // x, addend, bias
  int next = 1;
  const float *addend = c.optional(0, &next), *bias = c.optional(1, &next);
  require((addend == nullptr || c.size(1) == c.size(0)) && (bias == nullptr || c.size(next - 1) == lastDim(c, 0)), "the addends differ in size");
  return add(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), addend, bias, c.outLike(0, 0));
}

bool columnSumsCall(Call& c) { return columnSums(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), c.out(0, {lastDim(c, 0)})); }

void checkCells(const Call& c, int cells, int weights, Size tableRows) {
  require(c.size(weights) == c.size(cells), "cells and weights differ in number");
  const int* cell = c.in<int>(cells);
  for (Size i = 0; i < c.size(cells); i++) require(cell[i] >= 0 && cell[i] < tableRows, "a cell lies outside the table");
}

bool weightedRowsCall(Call& c) {  // table [R, C], weights [corners, P]; cells [corners, P] → [P, C]
  checkCells(c, 2, 1, c.dim(0, 0));
  const Size columns = c.dim(0, 1), points = c.dim(2, 1);
  return weightedRows(c.host, points, c.dim(2, 0), columns, c.in(0), c.in<int>(2), c.in(1), c.out(0, {points, columns}), columns);
}

bool weightedRowsGradientCall(Call& c) {  // dy [P, C], weights; cells → [R, C], R in the attribute heads
  checkCells(c, 2, 1, c.attributes.heads);
  const Size columns = c.dim(0, 1), rows = c.attributes.heads;
  require(c.dim(0, 0) == c.dim(2, 1), "the gradient and the cells differ in points");
  return weightedRowsBackward(c.host, c.dim(2, 1), c.dim(2, 0), columns, rows, c.in<int>(2), c.in(1), c.in(0), columns, c.out(0, {rows, columns}));
}

// Pointers to and sizes of `lists` lists of tensors of equal length, after `skip` other inputs.
struct Lists {
  Lists(const Call& c, int skip, int lists) : length((c.count - skip) / lists) {
    require(length * lists + skip == c.count, "the lists differ in length");
    for (int i = 0; i < length * lists; i++) {
      pointers.push_back(c.in(skip + i));
      if (i < length) sizes.push_back(c.size(skip + i));
      require(c.size(skip + i) == sizes[i % length], "the tensors of the lists differ in size");
    }
  }
  const float* const* list(int i) const { return pointers.data() + i * length; }
  const int length;
  std::vector<const float*> pointers;
  std::vector<Size> sizes;
};
std::vector<float*> outputLists(Call& c, int skip, int length, int lists) {
  std::vector<float*> outputs;
  for (int i = 0; i < length * lists; i++) outputs.push_back(c.outLike(i, skip + i % length));
  return outputs;
}

bool adamwCall(Call& c) {  // settings [9], then params, gradients, first and second moments → params, first, second
  const Lists in(c, 1, 4);
  require(c.size(0) == 9, "AdamW takes nine settings");
  const float* s = c.in(0);
  const std::vector<float*> out = outputLists(c, 1, in.length, 3);
  float* const* to = out.data();
  return adamw(c.host, {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]}, in.length, in.sizes.data(), in.list(0), in.list(1), in.list(2), in.list(3),
               to, to + in.length, to + 2 * in.length);
}

bool blendCall(Call& c) {  // share [1], then two lists
  const Lists in(c, 1, 2);
  require(c.size(0) == 1, "a blend takes one share");
  return blend(c.host, in.length, in.sizes.data(), c.in(0)[0], in.list(0), in.list(1), outputLists(c, 1, in.length, 1).data());
}

bool sumOfSquaresCall(Call& c) {
  const Lists in(c, 0, 1);
  double sum = 0;
  if (!sumOfSquares(c.host, in.length, in.sizes.data(), in.list(0), &sum)) return false;
  c.out(0, {})[0] = static_cast<float>(sum);
  return true;
}

// ---- Registration -----------------------------------------------------------------------------------------------------

struct Operation {
  const char* name;
  bool (*call)(Call&);
};
constexpr Operation operations[] = {
    {"CoordTokSelfAttention", attentionCall<1>},
    {"CoordTokSelfAttentionGradient", attentionGradientCall<1>},
    {"CoordTokCrossAttention", attentionCall<2>},
    {"CoordTokCrossAttentionGradient", attentionGradientCall<2>},
    {"CoordTokLayerNorm", layerNormCall},
    {"CoordTokLayerNormGradient", layerNormGradientCall},
    {"CoordTokGelu", geluCall},
    {"CoordTokGeluGradient", geluGradientCall},
    {"CoordTokAdd", addCall},
    {"CoordTokColumnSums", columnSumsCall},
    {"CoordTokWeightedRows", weightedRowsCall},
    {"CoordTokWeightedRowsGradient", weightedRowsGradientCall},
    {"CoordTokAdamW", adamwCall},
    {"CoordTokBlend", blendCall},
    {"CoordTokSumOfSquares", sumOfSquaresCall},
};
constexpr int operationCount = sizeof operations / sizeof *operations;

void* createKernel(TF_OpKernelConstruction* construction) {
  auto* attributes = new Attributes;
  TF_Status* status = TF_NewStatus();
  TF_OpKernelConstruction_GetAttrInt32(construction, "heads", &attributes->heads, status);
  if (TF_GetCode(status) == TF_OK) TF_OpKernelConstruction_GetAttrInt32(construction, "flags", &attributes->flags, status);
  if (TF_GetCode(status) == TF_OK) TF_OpKernelConstruction_GetAttrFloat(construction, "epsilon", &attributes->epsilon, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return attributes;
}
void deleteKernel(void* attributes) { delete static_cast<Attributes*>(attributes); }

void fail(TF_OpKernelContext* context, TF_Code code, const char* message) {
  TF_Status* status = TF_NewStatus();
  TF_SetStatus(status, code, message);
  TF_OpKernelContext_Failure(context, status);
  TF_DeleteStatus(status);
}

template <int index>
void compute(void* attributes, TF_OpKernelContext* context) {
  const std::lock_guard<std::mutex> turn(pool().turn);
  try {
    Call call(context, *static_cast<Attributes*>(attributes));
    call.readInputs();
    if (!operations[index].call(call)) fail(context, TF_RESOURCE_EXHAUSTED, "there is no memory left");
  } catch (const std::exception& thrown) {
    fail(context, TF_INVALID_ARGUMENT, thrown.what());
  }
}

void unknownShape(TF_ShapeInferenceContext* context, TF_Status* status) { TF_ShapeInferenceContextSetUnknownShape(context, status); }

template <int index>
void registerFrom(TF_Status* status) {
  if constexpr (index < operationCount) {
    const char* name = operations[index].name;
    TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(name);
    for (const char* attribute : {"N: int >= 0", "I: int >= 0", "M: int >= 1", "heads: int = 0", "flags: int = 0", "epsilon: float = 0"})
      TF_OpDefinitionBuilderAddAttr(definition, attribute);
    TF_OpDefinitionBuilderAddInput(definition, "inputs: N * float");
    TF_OpDefinitionBuilderAddInput(definition, "indices: I * int32");
    TF_OpDefinitionBuilderAddOutput(definition, "outputs: M * float");
    TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, unknownShape);
    TF_RegisterOpDefinition(definition, status);
    if (TF_GetCode(status) != TF_OK) return;
    TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", createKernel, compute<index>, deleteKernel), status);
    if (TF_GetCode(status) == TF_OK) registerFrom<index + 1>(status);
  }
}

void set(napi_env env, napi_value object, const char* name, napi_value value) { napi_set_named_property(env, object, name, value); }

// Node unloads an add-on when the last thread that loaded it ends, but TensorFlow keeps calling it and cannot be told twice.
void stayLoaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&stayLoaded), &info) != 0) dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

}  // namespace

// Called once in every thread of Node that loads the add-on; TensorFlow is told once in the process.
extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static std::once_flag once;
  static std::string problem;
  std::call_once(once, [] {
    stayLoaded();
    TF_Status* status = TF_NewStatus();
    registerFrom<0>(status);
    if (TF_GetCode(status) != TF_OK) problem = TF_Message(status);
    TF_DeleteStatus(status);
  });
  if (!problem.empty()) {
    napi_throw_error(env, nullptr, problem.c_str());
    return nullptr;
  }
  napi_value names, value;
  napi_create_array_with_length(env, operationCount, &names);
  for (int i = 0; i < operationCount; i++) {
    napi_create_string_utf8(env, operations[i].name, NAPI_AUTO_LENGTH, &value);
    napi_set_element(env, names, i, value);
  }
  set(env, exports, "operations", names);
  napi_create_int32(env, pool().host().threads, &value);
  set(env, exports, "threads", value);
  napi_create_int32(env, vectorLanes(), &value);
  set(env, exports, "lanes", value);
  return exports;
}
