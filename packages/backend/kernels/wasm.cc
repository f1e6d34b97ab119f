// The fused operations as a wasm module that works inside the memory of another one: it imports that memory and has no data
// of its own, so that nothing needs a place in it but the stack, which the importer sets aside and `__stack_pointer` names.
#include "kernels.h"

#define IMPORT(name) extern "C" __attribute__((import_module("host"), import_name(name)))
#define EXPORT(name) extern "C" __attribute__((export_name(name)))

IMPORT("scratch") float* hostScratch(coordtok::Size floats);
IMPORT("table") void* hostTable(coordtok::Size bytes);  // lives until the call returns
IMPORT("output") float* hostOutput(int index, int rank, const coordtok::Size* dims);
IMPORT("letter") void hostLetter(int letter);
IMPORT("fail") __attribute__((noreturn)) void hostFail();  // throws the letters since the last call

namespace coordtok {
namespace {

// The text goes letter by letter: as constants of the code, since there is no data.
template <int N>
__attribute__((always_inline)) inline void require(bool holds, const char (&text)[N]) {
  if (holds) return;
  _Pragma("clang loop unroll(full)") for (int i = 0; i < N - 1; i++) hostLetter(text[i]);
  hostFail();
}

void runInTurn(void*, Size tasks, void (*body)(void* argument, Size task, int worker), void* argument) {
  for (Size task = 0; task < tasks; task++) body(argument, task, 0);
}
float* scratchOf(void*, Size floats) { return hostScratch(floats); }
inline Host oneThread() { return {nullptr, 1, runInTurn, scratchOf}; }

}  // namespace
}  // namespace coordtok

#include "view.h"

namespace coordtok {
namespace {

class Results {
 public:
  template <class... Dims>
  float* make(int i, Dims... dims) {
    const Size all[] = {static_cast<Size>(dims)..., 0};
    return hostOutput(i, sizeof...(dims), all);
  }
  float* like(int i, const View& view) { return hostOutput(i, view.rank, view.dims); }

  const Host host = oneThread();
};

template <class T>
class List {
 public:
  explicit List(Size capacity) : items_(static_cast<T*>(hostTable(capacity * static_cast<Size>(sizeof(T))))) {}
  void push_back(T item) { items_[count_++] = item; }
  T* data() { return items_; }
  const T* data() const { return items_; }
  const T& operator[](Size i) const { return items_[i]; }

 private:
  T* items_;
  Size count_ = 0;
};

}  // namespace
}  // namespace coordtok

#include "operations.h"

using namespace coordtok;

template <class Call>
int runCall(const typename Call::Attributes& attributes, const View* inputs, int count) {
  require(count >= Call::inputs, "an input is missing");
  Results results;
  return compute(Call(attributes, inputs, count), results) ? 1 : 0;
}

#define OPERATION(Name, parameters, ...) \
  EXPORT("CoordTok" #Name) int call##Name parameters { return runCall<Name##Call>(__VA_ARGS__, inputs, count); }
COORDTOK_OPERATIONS(OPERATION)
#undef OPERATION

// What takes the place of the importer's own kernels.
EXPORT("gemm") int wasmGemm(Size batch, Size rows, Size columns, Size depth, const float* a, const float* b, int transposeA,
                            int transposeB, Size aBatch, Size bBatch, float* out) {
  return gemm(oneThread(), {batch, rows, columns, depth, a, b, transposeA != 0, transposeB != 0, aBatch, bBatch}, out) ? 1 : 0;
}
EXPORT("addBias") int wasmAddBias(Size rows, Size columns, const float* bias, float* x) {
  return add(oneThread(), rows, columns, x, nullptr, bias, x) ? 1 : 0;
}
EXPORT("columnSums") int wasmColumnSums(Size rows, Size columns, const float* x, float* out) {
  return columnSums(oneThread(), rows, columns, x, out) ? 1 : 0;
}
EXPORT("softmaxRows") int wasmSoftmaxRows(Size rows, Size columns, const float* x, float* out) {
  return softmaxRows(oneThread(), rows, columns, x, out) ? 1 : 0;
}
EXPORT("erfOf") int wasmErf(Size count, const float* x, float* out) { return erfOf(oneThread(), count, x, out) ? 1 : 0; }
