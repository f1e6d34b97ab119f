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

struct Attributes {
  int heads, flags;
  float epsilon;
};

// A tensor as the importer writes it down.
struct View {
  const void* data;
  Size size;
  int rank;
  Size dims[8];
};

class Call {
 public:
  Call(const Attributes& given, const View* views, int viewCount)
      : attributes(given), host(oneThread()), count(viewCount), views_(views) {}
  bool flag(int bit) const { return (attributes.flags >> bit & 1) != 0; }
  template <class T = float>
  const T* in(int i) const {
    require(i < count, "an input is missing");
    return static_cast<const T*>(views_[i].data);
  }
  const float* optional(int bit, int* next) const { return flag(bit) ? in((*next)++) : nullptr; }
  Size dim(int i, int axis) const {
    require(i < count && axis >= 0 && axis < rank(i), "an input has too few axes");
    return views_[i].dims[axis];
  }
  int rank(int i) const { return views_[i].rank; }
  Size size(int i) const { return views_[i].size; }
  template <class... Dims>
  float* out(int i, Dims... dims) {
    const Size all[] = {static_cast<Size>(dims)..., 0};
    return hostOutput(i, sizeof...(dims), all);
  }
  float* outLike(int i, int input) { return hostOutput(i, rank(input), views_[input].dims); }

  const Attributes attributes;
  const Host host;
  const int count;

 private:
  const View* views_;
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

#define OPERATION(name, call)                                                                                   \
  EXPORT(#name) int name(int heads, int flags, float epsilon, const View* inputs, int count) { \
    Call one({heads, flags, epsilon}, inputs, count);                                                           \
    return call(one) ? 1 : 0;                                                                                   \
  }
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
