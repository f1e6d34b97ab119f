// The fused operations as operations of TensorFlow, through its C interface alone (its C++ one does not survive another
// version). Every operation takes a list of float32 and one of int32 tensors, of which `present` says which inputs of its table they
// are (bit i: the i-th), and its own attributes, and gives a list of float32 tensors. Loading this file as a Node add-on after
// TensorFlow's registers them.
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

}  // namespace
}  // namespace coordtok

#include "view.h"

namespace coordtok {
namespace {

// The tensors of one call: its inputs and its outputs.
class Results {
 public:
  explicit Results(TF_OpKernelContext* context) : host(pool().host()), context_(context), status_(TF_NewStatus()) {}
  Results(const Results&) = delete;
  ~Results() {
    for (TF_Tensor* tensor : tensors_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }
  // The named inputs, absent ones among them, then those of the lists.
  std::vector<View> readInputs(int named, int32_t present) {
    std::vector<View> views;
    const int given = TF_NumInputs(context_);
    int next = 0;
    for (int i = 0; i < named; i++) views.push_back((present >> i & 1) != 0 && next < given ? read(next++) : View{nullptr, 0, -1, {}});
    while (next < given) views.push_back(read(next++));
    return views;
  }
  template <class... Dims>
  float* make(int i, Dims... dims) {
    const int64_t all[] = {static_cast<int64_t>(dims)..., 0};
    return allocate(i, all, sizeof...(dims));
  }
  float* like(int i, const View& view) {
    int64_t dims[mostAxes];
    for (int axis = 0; axis < view.rank; axis++) dims[axis] = view.dims[axis];
    return allocate(i, dims, view.rank);
  }

  const Host host;

 private:
  View read(int i) {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, i, &tensor, status_);
    check();
    tensors_.push_back(tensor);
    View view{TF_TensorData(tensor), static_cast<Size>(TF_TensorElementCount(tensor)), TF_NumDims(tensor), {}};
    require(view.rank <= mostAxes, "a tensor has too many axes");
    for (int axis = 0; axis < view.rank; axis++) view.dims[axis] = TF_Dim(tensor, axis);
    return view;
  }
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
  std::vector<TF_Tensor*> tensors_;
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

#define NAME(Name, ...) Name##Call::name,
constexpr const char* operationNames[] = {COORDTOK_OPERATIONS(NAME)};
#undef NAME
constexpr int operationCount = sizeof operationNames / sizeof *operationNames;

template <class Call>
struct Kernel {
  int32_t present = 0;
  typename Call::Attributes attributes{};
};

struct AttributeReader {
  TF_OpKernelConstruction* construction;
  TF_Status* status;
  void operator()(const char* name, int& value) const {
    int32_t read = 0;
    if (good()) TF_OpKernelConstruction_GetAttrInt32(construction, name, &read, status);
    value = read;
  }
  void operator()(const char* name, bool& value) const {
    TF_Bool read = 0;
    if (good()) TF_OpKernelConstruction_GetAttrBool(construction, name, &read, status);
    value = read != 0;
  }
  void operator()(const char* name, float& value) const {
    if (good()) TF_OpKernelConstruction_GetAttrFloat(construction, name, &value, status);
  }
  bool good() const { return TF_GetCode(status) == TF_OK; }
};

struct AttributeDefiner {
  TF_OpDefinitionBuilder* definition;
  void operator()(const char* name, const int&) const { add(name, ": int"); }
  void operator()(const char* name, const bool&) const { add(name, ": bool"); }
  void operator()(const char* name, const float&) const { add(name, ": float"); }
  void add(const char* name, const char* type) const { TF_OpDefinitionBuilderAddAttr(definition, (std::string(name) + type).c_str()); }
};

template <class Call>
void* createKernel(TF_OpKernelConstruction* construction) {
  auto* kernel = new Kernel<Call>;
  TF_Status* status = TF_NewStatus();
  TF_OpKernelConstruction_GetAttrInt32(construction, "present", &kernel->present, status);
  kernel->attributes.each(AttributeReader{construction, status});
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return kernel;
}
template <class Call>
void deleteKernel(void* kernel) {
  delete static_cast<Kernel<Call>*>(kernel);
}

void fail(TF_OpKernelContext* context, TF_Code code, const char* message) {
  TF_Status* status = TF_NewStatus();
  TF_SetStatus(status, code, message);
  TF_OpKernelContext_Failure(context, status);
  TF_DeleteStatus(status);
}

template <class Call>
void computeKernel(void* given, TF_OpKernelContext* context) {
  const std::lock_guard<std::mutex> turn(pool().turn);
  try {
    const auto* kernel = static_cast<Kernel<Call>*>(given);
    Results results(context);
    const std::vector<View> views = results.readInputs(Call::inputs, kernel->present);
    if (!compute(Call(kernel->attributes, views.data(), static_cast<int>(views.size())), results))
      fail(context, TF_RESOURCE_EXHAUSTED, "there is no memory left");
  } catch (const std::exception& thrown) {
    fail(context, TF_INVALID_ARGUMENT, thrown.what());
  }
}

void unknownShape(TF_ShapeInferenceContext* context, TF_Status* status) { TF_ShapeInferenceContextSetUnknownShape(context, status); }

template <class Call>
void registerOperation(TF_Status* status) {
  if (TF_GetCode(status) != TF_OK) return;
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(Call::name);
  for (const char* attribute : {"N: int >= 0", "I: int >= 0", "M: int >= 1", "present: int"})
    TF_OpDefinitionBuilderAddAttr(definition, attribute);
  typename Call::Attributes{}.each(AttributeDefiner{definition});
  TF_OpDefinitionBuilderAddInput(definition, "inputs: N * float");
  TF_OpDefinitionBuilderAddInput(definition, "indices: I * int32");
  TF_OpDefinitionBuilderAddOutput(definition, "outputs: M * float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, unknownShape);
  TF_RegisterOpDefinition(definition, status);
  if (TF_GetCode(status) != TF_OK) return;
  TF_KernelBuilder* kernel = TF_NewKernelBuilder(Call::name, "CPU", createKernel<Call>, computeKernel<Call>, deleteKernel<Call>);
  TF_RegisterKernelBuilder(Call::name, kernel, status);
}

void registerOperations(TF_Status* status) {
#define REGISTER(Name, ...) registerOperation<Name##Call>(status);
  COORDTOK_OPERATIONS(REGISTER)
#undef REGISTER
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
    registerOperations(status);
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
    napi_create_string_utf8(env, operationNames[i], NAPI_AUTO_LENGTH, &value);
    napi_set_element(env, names, i, value);
  }
  set(env, exports, "operations", names);
  napi_create_int32(env, pool().host().threads, &value);
  set(env, exports, "threads", value);
  napi_create_int32(env, vectorLanes(), &value);
  set(env, exports, "lanes", value);
  return exports;
}
