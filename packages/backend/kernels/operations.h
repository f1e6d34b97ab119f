// The operations that a host calls by name; the meaning of their inputs is described in packages/core/src/nn/fused.ts. Each
// checks its inputs, makes its outputs and calls a function of kernels.h. The file that includes this one defines before it
//   require(condition, text): throws the text where the condition does not hold,
//   Call: the inputs, attributes and outputs of one call,
//   List<T>: a list for which room is made when it is constructed.
#pragma once

#include "kernels.h"

namespace coordtok {
namespace {

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
  float* out = c.out(0, a.clips, a.queries, a.heads * a.width);
  return attention(c.host, a, out, c.flag(1) ? c.out(1, a.clips, a.heads, 2, a.queries) : nullptr);
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
  float *dx = c.outLike(0, 0), *scale = c.out(1, size), *shift = c.out(2, size);
  return layerNormBackward(c.host, rowsOf(c, 0, size), size, c.attributes.epsilon, c.in(0), c.in(1), c.in(2), upstream, dx, scale, shift,
                           c.flag(1) ? c.out(3, size) : nullptr);
}

Size lastDim(const Call& c, int input) { return c.dim(input, c.rank(input) - 1); }

bool geluCall(Call& c) {  // x, bias
  int next = 1;
  const float* bias = c.optional(0, &next);
  require(bias == nullptr || c.size(1) == lastDim(c, 0), "the bias differs from x in width");
  return gelu(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), bias, c.outLike(0, 0));
}

bool tanhGeluCall(Call& c) {  // x, bias
  int next = 1;
  const float* bias = c.optional(0, &next);
  require(bias == nullptr || c.size(1) == lastDim(c, 0), "the bias differs from x in width");
  return tanhGelu(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), bias, c.outLike(0, 0));
}

// x [B, N, E], modulation [B, M E] of vectors, of which the attribute heads counts one.
Modulated modulatedOf(const Call& c, int modulation) {
  const Size size = c.dim(0, 2), stride = c.dim(modulation, 1), column = c.attributes.heads * size;
  require(c.rank(modulation) == 2 && c.dim(modulation, 0) == c.dim(0, 0), "the modulation has not one row for each clip");
  require(c.attributes.heads >= 0 && column + size <= stride, "the modulation has too few vectors");
  return {c.dim(0, 0), c.dim(0, 1), size, stride, c.in(0), nullptr, nullptr, c.in(modulation) + column};
}

bool modulatedNormCall(Call& c) {  // x, modulation, addend, bias → out, sum; the attribute is the gate's, before shift and scale
  Modulated m = modulatedOf(c, 1);
  int next = 2;
  m.addend = c.optional(0, &next);
  m.bias = c.optional(1, &next);
  require(m.addend == nullptr || c.size(2) == c.size(0), "the addend differs from x in size");
  require(m.bias == nullptr || (m.addend != nullptr && c.size(3) == m.size), "the bias differs from x in width");
  const Size first = m.addend == nullptr ? 0 : m.size;
  require(c.attributes.heads * m.size + first + 2 * m.size <= m.stride, "the modulation has too few vectors");
  float *out = c.outLike(0, 0), *sum = m.addend == nullptr ? nullptr : c.outLike(1, 0);
  const float* shift = m.gate + first;
  return modulatedNorm(c.host, m, c.attributes.epsilon, shift + m.size, shift, sum, out);
}

bool gatedAddCall(Call& c) {  // x, addend, modulation, bias
  Modulated m = modulatedOf(c, 2);
  int next = 3;
  m.addend = c.in(1);
  m.bias = c.optional(0, &next);
  require(c.size(1) == c.size(0) && (m.bias == nullptr || c.size(3) == m.size), "the addends differ in size");
  return gatedAdd(c.host, m, c.outLike(0, 0));
}

bool geluGradientCall(Call& c) {  // x, dy, bias → dx, dBias, out
  int next = 2;
  const float* bias = c.optional(0, &next);
  require(c.size(1) == c.size(0) && (bias == nullptr || c.size(2) == lastDim(c, 0)), "the gradient differs from x in size");
  float *dx = c.outLike(0, 0), *sums = c.out(1, lastDim(c, 0));
  return geluBackward(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), bias, c.in(1), c.outLike(2, 0), dx, sums);
}

bool addCall(Call& c) {  // x, addend, bias
  int next = 1;
  const float *addend = c.optional(0, &next), *bias = c.optional(1, &next);
  require((addend == nullptr || c.size(1) == c.size(0)) && (bias == nullptr || c.size(next - 1) == lastDim(c, 0)), "the addends differ in size");
  return add(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), addend, bias, c.outLike(0, 0));
}

bool columnSumsCall(Call& c) { return columnSums(c.host, rowsOf(c, 0, lastDim(c, 0)), lastDim(c, 0), c.in(0), c.out(0, lastDim(c, 0))); }

bool productCall(Call& c) {  // a, a batch of matrices unless it is transposed, b; the attribute heads: 1 where a is transposed, plus 2 where b is
  const bool a = (c.attributes.heads & 1) != 0, b = (c.attributes.heads & 2) != 0, batch = c.rank(0) == 3;
  require(c.rank(0) == 2 || (batch && !a), "a product takes matrices");
  const Size depth = a ? c.dim(0, 0) : lastDim(c, 0), each = c.dim(0, a || batch ? 1 : 0), columns = c.dim(1, b ? 0 : 1);
  require(c.dim(1, b ? 1 : 0) == depth, "the factors of a product do not fit");
  float* out = batch ? c.out(0, c.dim(0, 0), each, columns) : c.out(0, each, columns);
  return gemm(c.host, {1, batch ? c.dim(0, 0) * each : each, columns, depth, c.in(0), c.in(1), a, b, 0, 0}, out);
}

void checkCells(const Call& c, int cells, int weights, Size tableRows) {
  require(c.size(weights) == c.size(cells), "cells and weights differ in number");
  const int* cell = c.in<int>(cells);
  for (Size i = 0; i < c.size(cells); i++) require(cell[i] >= 0 && cell[i] < tableRows, "a cell lies outside the table");
}

bool weightedRowsCall(Call& c) {  // table [R, C], weights [corners, P]; cells [corners, P] → [P, C]
  checkCells(c, 2, 1, c.dim(0, 0));
  const Size columns = c.dim(0, 1), points = c.dim(2, 1);
  return weightedRows(c.host, points, c.dim(2, 0), columns, c.in(0), c.in<int>(2), c.in(1), c.out(0, points, columns), columns);
}

bool weightedRowsGradientCall(Call& c) {  // dy [P, C], weights; cells → [R, C], R in the attribute heads
  checkCells(c, 2, 1, c.attributes.heads);
  const Size columns = c.dim(0, 1), rows = c.attributes.heads;
  require(c.dim(0, 0) == c.dim(2, 1), "the gradient and the cells differ in points");
  return weightedRowsBackward(c.host, c.dim(2, 1), c.dim(2, 0), columns, rows, c.in<int>(2), c.in(1), c.in(0), columns, c.out(0, rows, columns));
}

bool meanSquaredDifferenceCall(Call& c) {  // a, b [rows, size] → [rows]
  require(c.rank(0) == 2 && c.dim(0, 1) > 0 && c.size(1) == c.size(0), "the two differ in size");
  return meanSquaredDifference(c.host, c.dim(0, 0), c.dim(0, 1), c.in(0), c.in(1), c.out(0, c.dim(0, 0)));
}

bool biasReluCall(Call& c) {  // x, bias, beside, besideBias → [rows, columns of both]
  const Size columns = lastDim(c, 0), rows = rowsOf(c, 0, columns);
  int next = 2;
  const float *beside = c.optional(0, &next), *besideBias = c.optional(1, &next);
  const Size more = beside == nullptr ? 0 : lastDim(c, 2);
  require(c.size(1) == columns && (beside == nullptr) == (besideBias == nullptr), "the bias differs from x in width");
  require(beside == nullptr || (c.size(2) == rows * more && c.size(3) == more), "the tensors beside each other differ in size");
  return biasRelu(c.host, rows, columns, c.in(0), c.in(1), more, beside, besideBias, c.out(0, rows, columns + more));
}

bool featureDistanceCall(Call& c) {  // features, head, other; without the last, its half of features comes after the rest
  const Size channels = lastDim(c, 0);
  int next = 2;
  const float* other = c.optional(0, &next);
  const Size pairs = other == nullptr ? c.dim(0, 0) / 2 : c.dim(0, 0);
  require(c.rank(0) == 4 && c.size(1) == channels && (other == nullptr ? c.dim(0, 0) == 2 * pairs : c.size(2) == c.size(0)),
          "the features differ in size");
  const Size positions = c.dim(0, 1) * c.dim(0, 2);
  if (other == nullptr) other = c.in(0) + pairs * positions * channels;
  return featureDistance(c.host, pairs, positions, channels, c.attributes.epsilon, c.in(0), other, c.in(1), c.out(0, pairs));
}

bool ssimCall(Call& c) {  // reference, other, window [11], constants [2] → [F, 2, C]
  require(c.rank(0) == 4 && c.size(1) == c.size(0) && c.size(2) == ssimTaps && c.size(3) == 2, "the frames differ in size");
  require(c.dim(0, 1) >= ssimTaps && c.dim(0, 2) >= ssimTaps, "the frames are smaller than the window");
  const float* constants = c.in(3);
  const Ssim one{c.dim(0, 0), c.dim(0, 1), c.dim(0, 2), c.dim(0, 3), c.in(0), c.in(1), c.in(2), constants[0], constants[1]};
  return ssim(c.host, one, c.out(0, one.frames, 2, one.channels));
}

// Pointers to and sizes of `lists` lists of tensors of equal length, after `skip` other inputs.
struct Lists {
  Lists(const Call& c, int skip, int lists) : length((c.count - skip) / lists), pointers(c.count), sizes(length) {
    require(length * lists + skip == c.count, "the lists differ in length");
    for (int i = 0; i < length * lists; i++) {
      pointers.push_back(c.in(skip + i));
      if (i < length) sizes.push_back(c.size(skip + i));
      require(c.size(skip + i) == sizes[i % length], "the tensors of the lists differ in size");
    }
  }
  const float* const* list(int i) const { return pointers.data() + i * length; }
  const int length;
  List<const float*> pointers;
  List<Size> sizes;
};
List<float*> outputLists(Call& c, int skip, int length, int lists) {
  List<float*> outputs(length * lists);
  for (int i = 0; i < length * lists; i++) outputs.push_back(c.outLike(i, skip + i % length));
  return outputs;
}

bool adamwCall(Call& c) {  // settings [9], then params, gradients, first and second moments → params, first, second
  const Lists in(c, 1, 4);
  require(c.size(0) == 9, "AdamW takes nine settings");
  const float* s = c.in(0);
  const List<float*> out = outputLists(c, 1, in.length, 3);
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
  c.out(0)[0] = static_cast<float>(sum);
  return true;
}

}  // namespace
}  // namespace coordtok

// Name and function of every operation.
#define COORDTOK_OPERATIONS(X) \
  X(CoordTokSelfAttention, attentionCall<1>) \
  X(CoordTokSelfAttentionGradient, attentionGradientCall<1>) \
  X(CoordTokCrossAttention, attentionCall<2>) \
  X(CoordTokCrossAttentionGradient, attentionGradientCall<2>) \
  X(CoordTokLayerNorm, layerNormCall) \
  X(CoordTokLayerNormGradient, layerNormGradientCall) \
  X(CoordTokGelu, geluCall) \
  X(CoordTokGeluGradient, geluGradientCall) \
  X(CoordTokTanhGelu, tanhGeluCall) \
  X(CoordTokModulatedNorm, modulatedNormCall) \
  X(CoordTokGatedAdd, gatedAddCall) \
  X(CoordTokAdd, addCall) \
  X(CoordTokColumnSums, columnSumsCall) \
  X(CoordTokProduct, productCall) \
  X(CoordTokWeightedRows, weightedRowsCall) \
  X(CoordTokWeightedRowsGradient, weightedRowsGradientCall) \
  X(CoordTokAdamW, adamwCall) \
  X(CoordTokBlend, blendCall) \
  X(CoordTokSumOfSquares, sumOfSquaresCall) \
  X(CoordTokMeanSquaredDifference, meanSquaredDifferenceCall) \
  X(CoordTokBiasRelu, biasReluCall) \
  X(CoordTokFeatureDistance, featureDistanceCall) \
  X(CoordTokSsim, ssimCall)
