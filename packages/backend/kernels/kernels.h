// The fused operations as plain functions over float32 arrays, row-major. They use no library, so that one source makes
// the native operations and the wasm file; a host gives them threads and scratch memory.
// Every function returns false when the host has no scratch memory left, and has then written nothing useful.
// Results do not depend on the number of threads, except for attentionBackward, where they may differ in rounding.
#pragma once

namespace coordtok {

typedef long Size;  // 32 bits on wasm, as its pointers

struct Host {
  void* self;
  int threads;  // at least 1
  // Calls body(argument, task, worker) once for each task 0 … tasks-1 and returns when all are done; 0 <= worker < threads.
  void (*run)(void* self, Size tasks, void (*body)(void* argument, Size task, int worker), void* argument);
  // One block, aligned to 64 bytes, valid until the next call; null when there is none.
  float* (*scratch)(void* self, Size floats);
};

// Numbers in a vector of this build: 16 with AVX-512, 8 with AVX, else 4.
int vectorLanes();

// Softmax attention of `heads` heads; head h has columns [h * width, (h + 1) * width) of each row. The logits are scaled by
// 1 / sqrt(width); bias, if any, is [clips, keys] and added to them. A clip whose bias removes every key gives 0.
struct Attention {
  Size clips, heads, queries, keys, width;
  const float *query, *key, *value;  // [clips, queries, …] and [clips, keys, …], first column of each
  Size queryRow, keyRow;             // floats from one row to the next
  const float* bias;
};
// out [clips, queries, heads * width]; statistics, if any, [clips, heads, 2, queries]: largest logit / ln 2, 1 / sum of weights.
bool attention(const Host&, const Attention&, float* out, float* statistics);
// The three gradients have the layout of query, key and value.
bool attentionBackward(const Host&, const Attention&, const float* out, const float* statistics, const float* outGradient,
                       float* queryGradient, float* keyGradient, float* valueGradient);

// sum = x + addend + bias, out = (sum - mean) / sqrt(variance + epsilon) * scale + shift over rows [rows, size].
// addend, bias and sum may be null.
bool layerNorm(const Host&, Size rows, Size size, float epsilon, const float* x, const float* addend, const float* bias,
               const float* scale, const float* shift, float* sum, float* out);
// xGradient = gradient of the norm at x, plus upstream if any; biasGradient, if any, its column sums.
bool layerNormBackward(const Host&, Size rows, Size size, float epsilon, const float* x, const float* scale,
                       const float* outGradient, const float* upstream, float* xGradient, float* scaleGradient,
                       float* shiftGradient, float* biasGradient);

// Tokens [clips, tokens, size] whose clips are scaled, shifted and gated by vectors of their own; one clip's lies `stride` floats after
// that of the one before.
struct Modulated {
  Size clips, tokens, size, stride;
  const float *x, *addend, *bias, *gate;  // addend (with a gate) and bias may be null
};
// sum = x + gate * (addend + bias), where there is an addend; out = norm of that * (1 + scale) + shift.
bool modulatedNorm(const Host&, const Modulated&, float epsilon, const float* scale, const float* shift, float* sum, float* out);
// out = x + gate * (addend + bias)
bool gatedAdd(const Host&, const Modulated&, float* out);

// out = gelu(x + bias) over [rows, columns]; bias may be null.
bool gelu(const Host&, Size rows, Size columns, const float* x, const float* bias, float* out);
// The same with the approximation by a tanh.
bool tanhGelu(const Host&, Size rows, Size columns, const float* x, const float* bias, float* out);
// Also gives gelu(x + bias) again where `out` is not null; xGradient may be outGradient; biasGradient may be null.
bool geluBackward(const Host&, Size rows, Size columns, const float* x, const float* bias, const float* outGradient,
                  float* out, float* xGradient, float* biasGradient);

// out = x + addend + bias over [rows, columns]; addend and bias may be null.
bool add(const Host&, Size rows, Size columns, const float* x, const float* addend, const float* bias, float* out);
bool columnSums(const Host&, Size rows, Size columns, const float* x, float* out);
bool softmaxRows(const Host&, Size rows, Size columns, const float* x, float* out);
bool erfOf(const Host&, Size count, const float* x, float* out);

// out[p, 0 … columns) = sum over corners c of weights[c, p] * table[cells[c, p], 0 … columns); rows of out lie outRow apart.
bool weightedRows(const Host&, Size points, Size corners, Size columns, const float* table, const int* cells,
                  const float* weights, float* out, Size outRow);
// tableGradient [tableRows, columns] is set, not added to.
bool weightedRowsBackward(const Host&, Size points, Size corners, Size columns, Size tableRows, const int* cells,
                          const float* weights, const float* outGradient, Size outRow, float* tableGradient);

// Lists of `count` tensors of sizes[i] numbers.
struct AdamW {
  float beta1, rest1, beta2, rest2;  // rest = 1 - beta, which float32 would not know exactly
  float epsilon, rootCorrection, stepSize;
  float decay;  // 1 - learning rate * weight decay
  float gradientScale;
};
bool adamw(const Host&, const AdamW&, Size count, const Size* sizes, const float* const* params, const float* const* gradients,
           const float* const* firsts, const float* const* seconds, float* const* newParams, float* const* newFirsts,
           float* const* newSeconds);
// out = a * (1 - share) + b * share
bool blend(const Host&, Size count, const Size* sizes, float share, const float* const* a, const float* const* b, float* const* out);
bool sumOfSquares(const Host&, Size count, const Size* sizes, const float* const* x, double* result);

// out [rows]: the mean of (a - b)^2 over each row of [rows, size].
bool meanSquaredDifference(const Host&, Size rows, Size size, const float* a, const float* b, float* out);

// out = max(x + bias, 0) over [rows, columns], and the same of `beside` in the columns after them, which may be 0 in number.
bool biasRelu(const Host&, Size rows, Size columns, const float* x, const float* bias, Size besideColumns, const float* beside,
              const float* besideBias, float* out);

// out [pairs]: how far features a and b [pairs, positions, channels] are apart, each divided by its norm over the channels +
// epsilon: squared differences, weighted by the head, summed over channels; the mean over positions.
bool featureDistance(const Host&, Size pairs, Size positions, Size channels, float epsilon, const float* a, const float* b,
                     const float* head, float* out);

// SSIM of frames [frames, height, width, channels] under a separable window, at positions where it lies within the frame.
constexpr int ssimTaps = 11;
struct Ssim {
  Size frames, height, width, channels;
  const float *a, *b;
  const float* window;        // [ssimTaps]
  float luminance, contrast;  // twice the constants C1 and C2 that keep the two quotients apart from 0 / 0
};
// out [frames, 2, channels]: the means over positions of SSIM and of its contrast term.
bool ssim(const Host&, const Ssim&, float* out);

// out [batch, rows, columns] = a b; a [batch, rows, depth] or transposed [batch, depth, rows], b [batch, depth, columns] or
// transposed; aBatch and bBatch: floats from one matrix to the next, 0 to use one for all.
struct Gemm {
  Size batch, rows, columns, depth;
  const float *a, *b;
  bool transposeA, transposeB;
  Size aBatch, bBatch;
};
bool gemm(const Host&, const Gemm&, float* out);

}  // namespace coordtok
