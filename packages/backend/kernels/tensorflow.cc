// The fused operations as operations of TensorFlow, through its C interface alone (its C++ one does not survive another
// version). Every operation has the same signature: lists of float32 and int32 tensors in, a list of float32 tensors out,
// and three attributes. Loading this file as a Node add-on after TensorFlow's registers them.
#include <dlfcn.h>
#include <node_api.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <mutex>
#include <stdexcept>
#include <string>

#include "pool.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

namespace coordtok {
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
  template <class... Dims>
  float* out(int i, Dims... dims) {
    const int64_t all[] = {static_cast<int64_t>(dims)..., 0};
    return allocate(i, all, sizeof...(dims));
  }
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

template <class T>
struct List : std::vector<T> {
  explicit List(Size capacity) { this->reserve(capacity); }
};

}  // namespace
}  // namespace coordtok

#include "operations.h"

using namespace coordtok;

namespace {

// ---- Registration -----------------------------------------------------------------------------------------------------

struct Operation {
  const char* name;
  bool (*call)(Call&);
};
#define OPERATION(name, call) {#name, call},
constexpr Operation operations[] = {COORDTOK_OPERATIONS(OPERATION)};
#undef OPERATION
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

// glibc gives the memory of large freed tensors back to the system and fetches it anew, page by page, for the next ones: up to
// a third of a training step. What the user has set stays.
void keepFreedMemory() {
#if defined(__GLIBC__)
  const struct {
    const char* name;
    int option, value;
  } settings[] = {{"MALLOC_MMAP_MAX_", M_MMAP_MAX, 0}, {"MALLOC_TRIM_THRESHOLD_", M_TRIM_THRESHOLD, -1}, {"MALLOC_TOP_PAD_", M_TOP_PAD, 500'000'000}};
  for (const auto& setting : settings)
    if (std::getenv(setting.name) == nullptr) mallopt(setting.option, setting.value);
#endif
}

}  // namespace

// Called once in every thread of Node that loads the add-on; TensorFlow is told once in the process.
extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static std::once_flag once;
  static std::string problem;
  std::call_once(once, [] {
    stayLoaded();
    keepFreedMemory();
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
