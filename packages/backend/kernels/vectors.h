// What the kernels are written in: vectors of the compiler, whatever the processor.
#pragma once
#include "kernels.h"

// Numbers per vector: the one parameter of the build. The compiler's vector extensions do the rest.
#ifndef COORDTOK_LANES
#if defined(__AVX512F__)
#define COORDTOK_LANES 16
#elif defined(__AVX__)
#define COORDTOK_LANES 8
#else
#define COORDTOK_LANES 4
#endif
#endif
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

namespace coordtok {
namespace {

constexpr Size L = COORDTOK_LANES;
// Vector registers decide the register tile.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool manyRegisters = true;
#else
constexpr bool manyRegisters = false;
#endif

typedef float V __attribute__((vector_size(4 * COORDTOK_LANES)));
typedef unsigned U __attribute__((vector_size(4 * COORDTOK_LANES)));
typedef float Unaligned __attribute__((vector_size(4 * COORDTOK_LANES), aligned(4), may_alias));

inline V load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, V v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline V splat(float x) { return x - V{}; }  // x + 0 would turn -0 into 0
// Lanes by number go through memory: indexed vectors came out wrong for wasm.
inline V load(const float* p, Size count) {
  if (count >= L) return load(p);
  float part[L] = {};
  for (Size i = 0; i < count; i++) part[i] = p[i];
  return load(part);
}
inline void store(float* p, V v, Size count) {
  if (count >= L) return store(p, v);
  float part[L];
  store(part, v);
  for (Size i = 0; i < count; i++) p[i] = part[i];
}
// A NaN in a stays. Compilers make of the choice an instruction of relaxed SIMD that may lose it.
inline V larger(V a, V b) {
#if defined(__wasm_relaxed_simd__)
  return __builtin_wasm_pmax_f32x4(a, b);
#else
  return b > a ? b : a;
#endif
}
// a * b + c, rounded once where the build has an instruction for it; compilers find the others themselves.
inline V multiplyAdd(V a, V b, V c) {
#if defined(__wasm_relaxed_simd__)
  return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
#else
  return a * b + c;
#endif
}
inline float total(V v) {
  float part[L];
  store(part, v);
  for (Size half = L / 2; half > 0; half /= 2)
    for (Size i = 0; i < half; i++) part[i] += part[i + half];
  return part[0];
}
inline Size least(Size a, Size b) { return a < b ? a : b; }
inline Size pieces(Size count, Size piece) { return (count + piece - 1) / piece; }
inline Size padded(Size count) { return pieces(count, L) * L; }
inline void fill(float* p, Size count, float x) {
  for (Size i = 0; i < count; i++) p[i] = x;
}

template <class Body>
void parallel(const Host& host, Size tasks, const Body& body) {
  if (tasks <= 0) return;
  auto call = [](void* argument, Size task, int worker) { (*static_cast<const Body*>(argument))(task, worker); };
  host.run(host.self, tasks, call, const_cast<Body*>(&body));
}

constexpr float log2e = 1.44269504f;

// 2^x for x <= 0, to 1.6e-7; exactly 0 below the smallest normal number, NaN stays.
inline V powerOf2(V x) {
  const float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to a whole number in the low bits
  const V floor = splat(-127.f);
  x = larger(x, floor);
  const V t = x + magic;
  const V r = x - (t - magic);
  V p = r * 0.00132647075f + 0.00967151392f;
  p = p * r + 0.0555073395f;
  p = p * r + 0.240222424f;
  p = p * r + 0.693147004f;
  p = p * r + 1.f;
  return p * (V)(((U)t << 23) + (127u << 23));  // the exponent -127 makes 0
}

// The normal distribution's Φ(x) and exp(-x²/2). Φ(-a) exp(a²/2) is a polynomial of 1 / (1 + 0.4 a), fitted to 7e-8.
inline V normalCdf(V x, V* bell) {
  const V a = x < 0.f ? -x : x;
  const V t = 1.f / (1.f + 0.4f * a);
  V p = t * -0.040099971f + 0.20276235f;
  p = p * t + -0.377619773f;
  p = p * t + 0.254897922f;
  p = p * t + -0.0147192394f;
  p = p * t + 0.159260914f;
  p = p * t + 0.155605584f;
  p = p * t + 0.159925163f;
  p = p * t + -1.29929549e-05f;
  *bell = powerOf2(-0.5f * log2e * x * x);
  const V tail = p * *bell;
  return x < 0.f ? tail : 1.f - tail;
}

constexpr Size chunk = 64;  // rows of a task; fixed, so that column sums do not depend on the number of threads
constexpr Size stretch = 1 << 15;  // numbers of a task, where there are no rows

// Calls body(first row, end row, task, worker) for chunks of rows.
template <class Body>
void rowChunks(const Host& host, Size rows, const Body& body) {
  parallel(host, pieces(rows, chunk), [&](Size task, int worker) {
    body(task * chunk, least(rows, (task + 1) * chunk), task, worker);
  });
}

}  // namespace
}  // namespace coordtok
