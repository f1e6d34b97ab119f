// What a host calls by name: one function per operation of operation-table.h. Each checks its inputs, makes its outputs and calls
// a function of kernels.h. The file that includes this one defines before it, besides what view.h asks for,
//   Results: `host`, and the outputs of one call: make(index, dims...), like(index, view),
//   List<T>: a list for which room is made when it is constructed.
#pragma once

#include "operation-table.h"

namespace coordtok {
namespace {

Size rowsOf(const View& x, Size size) { return size == 0 ? 0 : x.size / size; }

// ---- Attention ----------------------------------------------------------------------------------------------------------

template <class Call>
Attention selfAttentionOf(const Call& c) {
  const Size row = c.packed.dim(2), width = row / 3, heads = c.heads;
  require(heads > 0 && width % heads == 0, "the heads do not divide the width");
  require(row == 3 * width, "queries and keys differ in width");
  const Size clips = c.packed.dim(0), tokens = c.packed.dim(1);
  require(!c.bias.present() || c.bias.size == clips * tokens, "the bias is not [clips, keys]");
  const float* packed = c.packed.floats();
  return {clips, heads, tokens, tokens, width / heads, packed, packed + width, packed + 2 * width, row, row, c.bias.floats()};
}

template <class Call>
Attention crossAttentionOf(const Call& c) {
  const Size width = c.query.dim(2), heads = c.heads, clips = c.query.dim(0), keys = c.keyValue.dim(1);
  require(heads > 0 && width % heads == 0 && c.keyValue.dim(0) == clips, "the heads do not divide the width");
  require(c.keyValue.dim(2) == 2 * width, "queries and keys differ in width");
  require(!c.bias.present() || c.bias.size == clips * keys, "the bias is not [clips, keys]");
  const float* keyValue = c.keyValue.floats();
  return {clips, heads, c.query.dim(1), keys, width / heads, c.query.floats(), keyValue, keyValue + width, width, 2 * width, c.bias.floats()};
}

template <class Call>
bool attend(const Call& c, const Attention& a, Results& results) {
  float* out = results.make(Call::Out::out, a.clips, a.queries, a.heads * a.width);
  return attention(results.host, a, out, c.statistics ? results.make(Call::Out::statistics, a.clips, a.heads, 2, a.queries) : nullptr);
}
bool compute(const SelfAttentionCall& c, Results& results) { return attend(c, selfAttentionOf(c), results); }
bool compute(const CrossAttentionCall& c, Results& results) { return attend(c, crossAttentionOf(c), results); }

template <class Call>
void checkGradient(const Call& c, const Attention& a) {
  const Size size = a.clips * a.queries * a.heads * a.width;
  require(c.out.size == size && c.dy.size == size && c.statistics.size == a.clips * a.heads * 2 * a.queries,
          "the gradient differs from the attention in shape");
}
bool compute(const SelfAttentionGradientCall& c, Results& results) {
  const Attention a = selfAttentionOf(c);
  checkGradient(c, a);
  const Size width = a.heads * a.width;
  float* packed = results.like(SelfAttentionGradientCall::Out::packedGradient, c.packed);
  return attentionBackward(results.host, a, c.out.floats(), c.statistics.floats(), c.dy.floats(), packed, packed + width, packed + 2 * width);
}
bool compute(const CrossAttentionGradientCall& c, Results& results) {
  const Attention a = crossAttentionOf(c);
  checkGradient(c, a);
  float* query = results.like(CrossAttentionGradientCall::Out::queryGradient, c.query);
  float* key = results.like(CrossAttentionGradientCall::Out::keyValueGradient, c.keyValue);
  return attentionBackward(results.host, a, c.out.floats(), c.statistics.floats(), c.dy.floats(), query, key, key + a.heads * a.width);
}

// ---- Norms, activations, sums ---------------------------------------------------------------------------------------------

bool compute(const LayerNormCall& c, Results& results) {
  using Out = LayerNormCall::Out;
  const Size size = c.scale.dim(0);
  require(c.shift.size == size && (size == 0 || c.x.size % size == 0), "the sizes of a layer norm differ");
  require((!c.addend.present() || c.addend.size == c.x.size) && (!c.bias.present() || c.bias.size == size), "the addends differ in size");
  float* out = results.like(Out::out, c.x);
  float* sum = c.addend.present() || c.bias.present() ? results.like(Out::sum, c.x) : nullptr;
  return layerNorm(results.host, rowsOf(c.x, size), size, c.epsilon, c.x.floats(), c.addend.floats(), c.bias.floats(), c.scale.floats(),
                   c.shift.floats(), sum, out);
}

bool compute(const LayerNormGradientCall& c, Results& results) {
  using Out = LayerNormGradientCall::Out;
  const Size size = c.scale.dim(0);
  require(c.dy.size == c.x.size && (!c.upstream.present() || c.upstream.size == c.x.size), "the gradients differ from x in size");
  float *sum = results.like(Out::sumGradient, c.x), *scale = results.make(Out::scaleGradient, size), *shift = results.make(Out::shiftGradient, size);
  return layerNormBackward(results.host, rowsOf(c.x, size), size, c.epsilon, c.x.floats(), c.scale.floats(), c.dy.floats(), c.upstream.floats(),
                           sum, scale, shift, c.biasGradient ? results.make(Out::biasGradient, size) : nullptr);
}

template <class Call>
bool activate(const Call& c, Results& results, bool (*activation)(const Host&, Size, Size, const float*, const float*, float*)) {
  const Size columns = c.x.last();
  require(!c.bias.present() || c.bias.size == columns, "the bias differs from x in width");
  return activation(results.host, rowsOf(c.x, columns), columns, c.x.floats(), c.bias.floats(), results.like(Call::Out::out, c.x));
}
bool compute(const GeluCall& c, Results& results) { return activate(c, results, gelu); }
bool compute(const TanhGeluCall& c, Results& results) { return activate(c, results, tanhGelu); }

bool compute(const GeluGradientCall& c, Results& results) {
  using Out = GeluGradientCall::Out;
  const Size columns = c.x.last();
  require(c.dy.size == c.x.size && (!c.bias.present() || c.bias.size == columns), "the gradient differs from x in size");
  float *x = results.like(Out::xGradient, c.x), *bias = results.make(Out::biasGradient, columns), *out = results.like(Out::out, c.x);
  return geluBackward(results.host, rowsOf(c.x, columns), columns, c.x.floats(), c.bias.floats(), c.dy.floats(), out, x, bias);
}

// Vectors as wide as x lie side by side in a row of the modulation for each clip.
template <class Call>
Modulated modulatedOf(const Call& c) {
  const Size size = c.x.dim(2), stride = c.modulation.dim(1), column = c.vector * size;
  require(c.modulation.rank == 2 && c.modulation.dim(0) == c.x.dim(0), "the modulation has not one row for each clip");
  require(c.vector >= 0 && column + size <= stride, "the modulation has too few vectors");
  require(!c.addend.present() || c.addend.size == c.x.size, "the addend differs from x in size");
  require(!c.bias.present() || (c.addend.present() && c.bias.size == size), "the bias differs from x in width");
  return {c.x.dim(0), c.x.dim(1), size, stride, c.x.floats(), c.addend.floats(), c.bias.floats(), c.modulation.floats() + column};
}

bool compute(const ModulatedNormCall& c, Results& results) {
  using Out = ModulatedNormCall::Out;
  const Modulated m = modulatedOf(c);
  const Size first = c.addend.present() ? m.size : 0;  // a gate comes before shift and scale
  require(c.vector * m.size + first + 2 * m.size <= m.stride, "the modulation has too few vectors");
  float *out = results.like(Out::out, c.x), *sum = c.addend.present() ? results.like(Out::sum, c.x) : nullptr;
  const float* shift = m.gate + first;
  return modulatedNorm(results.host, m, c.epsilon, shift + m.size, shift, sum, out);
}

bool compute(const GatedAddCall& c, Results& results) {
  return gatedAdd(results.host, modulatedOf(c), results.like(GatedAddCall::Out::out, c.x));
}

bool compute(const AddCall& c, Results& results) {
  const Size columns = c.x.last();
  require((!c.addend.present() || c.addend.size == c.x.size) && (!c.bias.present() || c.bias.size == columns), "the addends differ in size");
  return add(results.host, rowsOf(c.x, columns), columns, c.x.floats(), c.addend.floats(), c.bias.floats(), results.like(AddCall::Out::out, c.x));
}

bool compute(const ColumnSumsCall& c, Results& results) {
  const Size columns = c.x.last();
  return columnSums(results.host, rowsOf(c.x, columns), columns, c.x.floats(), results.make(ColumnSumsCall::Out::sums, columns));
}

bool compute(const ProductCall& c, Results& results) {
  const bool batch = c.a.rank == 3;
  require(c.a.rank == 2 || (batch && !c.transposeA), "a product takes matrices");
  const Size depth = c.transposeA ? c.a.dim(0) : c.a.last(), rows = c.a.dim(c.transposeA || batch ? 1 : 0);
  const Size columns = c.b.dim(c.transposeB ? 0 : 1), clips = batch ? c.a.dim(0) : 1;
  require(c.b.dim(c.transposeB ? 1 : 0) == depth, "the factors of a product do not fit");
  constexpr int index = ProductCall::Out::out;
  float* out = batch ? results.make(index, clips, rows, columns) : results.make(index, rows, columns);
  return gemm(results.host, {1, clips * rows, columns, depth, c.a.floats(), c.b.floats(), c.transposeA, c.transposeB, 0, 0}, out);
}

// ---- Look-ups -----------------------------------------------------------------------------------------------------------

template <class Call>
void checkCells(const Call& c, Size tableRows) {
  require(c.weights.size == c.cells.size, "cells and weights differ in number");
  const int* cell = c.cells.integers();
  for (Size i = 0; i < c.cells.size; i++) require(cell[i] >= 0 && cell[i] < tableRows, "a cell lies outside the table");
}

bool compute(const WeightedRowsCall& c, Results& results) {
  checkCells(c, c.table.dim(0));
  const Size columns = c.table.dim(1), corners = c.cells.dim(0), points = c.cells.dim(1);
  float* out = results.make(WeightedRowsCall::Out::out, points, columns);
  return weightedRows(results.host, points, corners, columns, c.table.floats(), c.cells.integers(), c.weights.floats(), out, columns);
}

bool compute(const WeightedRowsGradientCall& c, Results& results) {
  checkCells(c, c.rows);
  const Size columns = c.dy.dim(1), corners = c.cells.dim(0), points = c.cells.dim(1), rows = c.rows;
  require(c.dy.dim(0) == points, "the gradient and the cells differ in points");
  float* table = results.make(WeightedRowsGradientCall::Out::tableGradient, rows, columns);
  return weightedRowsBackward(results.host, points, corners, columns, rows, c.cells.integers(), c.weights.floats(), c.dy.floats(), columns, table);
}

// ---- What metrics are made of -----------------------------------------------------------------------------------------------

bool compute(const MeanSquaredDifferenceCall& c, Results& results) {
  require(c.a.rank == 2 && c.a.dim(1) > 0 && c.b.size == c.a.size, "the two differ in size");
  const Size rows = c.a.dim(0);
  float* means = results.make(MeanSquaredDifferenceCall::Out::means, rows);
  return meanSquaredDifference(results.host, rows, c.a.dim(1), c.a.floats(), c.b.floats(), means);
}

bool compute(const BiasReluCall& c, Results& results) {
  const bool both = c.beside.present();
  const Size columns = c.x.last(), rows = rowsOf(c.x, columns), more = both ? c.beside.last() : 0;
  require(c.bias.size == columns && both == c.besideBias.present(), "the bias differs from x in width");
  require(!both || (c.beside.size == rows * more && c.besideBias.size == more), "the tensors beside each other differ in size");
  float* out = results.make(BiasReluCall::Out::out, rows, columns + more);
  return biasRelu(results.host, rows, columns, c.x.floats(), c.bias.floats(), more, c.beside.floats(), c.besideBias.floats(), out);
}

bool compute(const FeatureDistanceCall& c, Results& results) {
  const Size channels = c.features.last(), frames = c.features.dim(0), pairs = c.other.present() ? frames : frames / 2;
  require(c.features.rank == 4 && c.head.size == channels && (c.other.present() ? c.other.size == c.features.size : frames == 2 * pairs),
          "the features differ in size");
  const Size positions = c.features.dim(1) * c.features.dim(2);
  const float* a = c.features.floats();
  const float* b = c.other.present() ? c.other.floats() : a + pairs * positions * channels;
  float* distances = results.make(FeatureDistanceCall::Out::distances, pairs);
  return featureDistance(results.host, pairs, positions, channels, c.epsilon, a, b, c.head.floats(), distances);
}

bool compute(const SsimCall& c, Results& results) {
  const View& x = c.reference;
  require(x.rank == 4 && c.other.size == x.size && c.window.size == ssimTaps && c.constants.size == 2, "the frames differ in size");
  require(x.dim(1) >= ssimTaps && x.dim(2) >= ssimTaps, "the frames are smaller than the window");
  const float* constants = c.constants.floats();
  const Ssim one{x.dim(0), x.dim(1), x.dim(2), x.dim(3), x.floats(), c.other.floats(), c.window.floats(), constants[0], constants[1]};
  return ssim(results.host, one, results.make(SsimCall::Out::means, one.frames, 2, one.channels));
}

// ---- The optimizer --------------------------------------------------------------------------------------------------------

// Pointers to and sizes of the tensors of lists of equal length.
struct Lists {
  template <class Call>
  explicit Lists(const Call& c) : length(c.listedCount / Call::lists), views_(c.listed), pointers_(c.listedCount), sizes(length) {
    require(length * Call::lists == c.listedCount, "the lists differ in length");
    for (int i = 0; i < c.listedCount; i++) {
      pointers_.push_back(views_[i].floats());
      if (i < length) sizes.push_back(views_[i].size);
      require(views_[i].size == sizes[i % length], "the tensors of the lists differ in size");
    }
  }
  const float* const* list(int i) const { return pointers_.data() + i * length; }
  // `lists` lists of outputs like the tensors of the first list.
  List<float*> outputs(Results& results, int lists) const {
    List<float*> made(length * lists);
    for (int i = 0; i < length * lists; i++) made.push_back(results.like(i, views_[i % length]));
    return made;
  }
  const int length;

 private:
  const View* views_;
  List<const float*> pointers_;

 public:
  List<Size> sizes;
};

bool compute(const AdamWCall& c, Results& results) {
  const Lists in(c);
  require(c.settings.size == 9, "AdamW takes nine settings");
  const float* s = c.settings.floats();
  const List<float*> out = in.outputs(results, 3);
  float* const* to = out.data();
  return adamw(results.host, {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]}, in.length, in.sizes.data(), in.list(0), in.list(1), in.list(2),
               in.list(3), to, to + in.length, to + 2 * in.length);
}

bool compute(const BlendCall& c, Results& results) {
  const Lists in(c);
  require(c.share.size == 1, "a blend takes one share");
  const List<float*> out = in.outputs(results, 1);
  return blend(results.host, in.length, in.sizes.data(), c.share.floats()[0], in.list(0), in.list(1), out.data());
}

bool compute(const SumOfSquaresCall& c, Results& results) {
  const Lists in(c);
  double sum = 0;
  if (!sumOfSquares(results.host, in.length, in.sizes.data(), in.list(0), &sum)) return false;
  results.make(SumOfSquaresCall::Out::sum)[0] = static_cast<float>(sum);
  return true;
}

}  // namespace
}  // namespace coordtok
