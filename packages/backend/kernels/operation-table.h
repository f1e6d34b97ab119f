// Made from packages/*/src/**/fused-operations.ts by "pnpm kernels"; "pnpm check kernels" proves it.
// Every operation as a structure of its inputs and attributes by name. Included by operations.h after view.h.
#pragma once

namespace coordtok {
namespace {

// packed [B, N, 3E], bias [B, N]? → out [B, N, E], statistics [B, heads, 2, N] where statistics
struct SelfAttentionCall {
  static constexpr const char* name = "CoordTokSelfAttention";
  static constexpr int inputs = 2, lists = 0;
  struct Attributes {
    int heads;
    bool statistics;
    template <class Visit>
    void each(const Visit& visit) { visit("heads", heads); visit("statistics", statistics); }
  };
  struct Out {
    enum : int { out, statistics };
  };
  SelfAttentionCall(const Attributes& given, const View* views, int) : heads(given.heads), statistics(given.statistics), packed(needed(views[0])), bias(views[1]) {}
  const int heads;
  const bool statistics;
  const View &packed, &bias;
};

// packed [B, N, 3E], out [B, N, E], statistics [B, heads, 2, N], dy [B, N, E], bias [B, N]? → packedGradient [B, N, 3E]
struct SelfAttentionGradientCall {
  static constexpr const char* name = "CoordTokSelfAttentionGradient";
  static constexpr int inputs = 5, lists = 0;
  struct Attributes {
    int heads;
    template <class Visit>
    void each(const Visit& visit) { visit("heads", heads); }
  };
  struct Out {
    enum : int { packedGradient };
  };
  SelfAttentionGradientCall(const Attributes& given, const View* views, int) : heads(given.heads), packed(needed(views[0])), out(needed(views[1])), statistics(needed(views[2])), dy(needed(views[3])), bias(views[4]) {}
  const int heads;
  const View &packed, &out, &statistics, &dy, &bias;
};

// query [B, N, E], keyValue [B, M, 2E], bias [B, M]? → out [B, N, E], statistics [B, heads, 2, N] where statistics
struct CrossAttentionCall {
  static constexpr const char* name = "CoordTokCrossAttention";
  static constexpr int inputs = 3, lists = 0;
  struct Attributes {
    int heads;
    bool statistics;
    template <class Visit>
    void each(const Visit& visit) { visit("heads", heads); visit("statistics", statistics); }
  };
  struct Out {
    enum : int { out, statistics };
  };
  CrossAttentionCall(const Attributes& given, const View* views, int) : heads(given.heads), statistics(given.statistics), query(needed(views[0])), keyValue(needed(views[1])), bias(views[2]) {}
  const int heads;
  const bool statistics;
  const View &query, &keyValue, &bias;
};

// query [B, N, E], keyValue [B, M, 2E], out [B, N, E], statistics [B, heads, 2, N], dy [B, N, E], bias [B, M]? → queryGradient [B, N, E], keyValueGradient [B, M, 2E]
struct CrossAttentionGradientCall {
  static constexpr const char* name = "CoordTokCrossAttentionGradient";
  static constexpr int inputs = 6, lists = 0;
  struct Attributes {
    int heads;
    template <class Visit>
    void each(const Visit& visit) { visit("heads", heads); }
  };
  struct Out {
    enum : int { queryGradient, keyValueGradient };
  };
  CrossAttentionGradientCall(const Attributes& given, const View* views, int) : heads(given.heads), query(needed(views[0])), keyValue(needed(views[1])), out(needed(views[2])), statistics(needed(views[3])), dy(needed(views[4])), bias(views[5]) {}
  const int heads;
  const View &query, &keyValue, &out, &statistics, &dy, &bias;
};

// x [..., E], scale [E], shift [E], addend [..., E]?, bias [E]? → out [..., E], sum [..., E] where addend or bias
struct LayerNormCall {
  static constexpr const char* name = "CoordTokLayerNorm";
  static constexpr int inputs = 5, lists = 0;
  struct Attributes {
    float epsilon;
    template <class Visit>
    void each(const Visit& visit) { visit("epsilon", epsilon); }
  };
  struct Out {
    enum : int { out, sum };
  };
  LayerNormCall(const Attributes& given, const View* views, int) : epsilon(given.epsilon), x(needed(views[0])), scale(needed(views[1])), shift(needed(views[2])), addend(views[3]), bias(views[4]) {}
  const float epsilon;
  const View &x, &scale, &shift, &addend, &bias;
};

// x [..., E], scale [E], dy [..., E], upstream [..., E]? → sumGradient [..., E], scaleGradient [E], shiftGradient [E], biasGradient [E] where biasGradient
struct LayerNormGradientCall {
  static constexpr const char* name = "CoordTokLayerNormGradient";
  static constexpr int inputs = 4, lists = 0;
  struct Attributes {
    float epsilon;
    bool biasGradient;
    template <class Visit>
    void each(const Visit& visit) { visit("epsilon", epsilon); visit("biasGradient", biasGradient); }
  };
  struct Out {
    enum : int { sumGradient, scaleGradient, shiftGradient, biasGradient };
  };
  LayerNormGradientCall(const Attributes& given, const View* views, int) : epsilon(given.epsilon), biasGradient(given.biasGradient), x(needed(views[0])), scale(needed(views[1])), dy(needed(views[2])), upstream(views[3]) {}
  const float epsilon;
  const bool biasGradient;
  const View &x, &scale, &dy, &upstream;
};

// x [..., E], bias [E]? → out [..., E]
struct GeluCall {
  static constexpr const char* name = "CoordTokGelu";
  static constexpr int inputs = 2, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { out };
  };
  GeluCall(const Attributes&, const View* views, int) : x(needed(views[0])), bias(views[1]) {}
  const View &x, &bias;
};

// x [..., E], dy [..., E], bias [E]? → xGradient [..., E], biasGradient [E], out [..., E]
struct GeluGradientCall {
  static constexpr const char* name = "CoordTokGeluGradient";
  static constexpr int inputs = 3, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { xGradient, biasGradient, out };
  };
  GeluGradientCall(const Attributes&, const View* views, int) : x(needed(views[0])), dy(needed(views[1])), bias(views[2]) {}
  const View &x, &dy, &bias;
};

// x [..., E], bias [E]? → out [..., E]
struct TanhGeluCall {
  static constexpr const char* name = "CoordTokTanhGelu";
  static constexpr int inputs = 2, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { out };
  };
  TanhGeluCall(const Attributes&, const View* views, int) : x(needed(views[0])), bias(views[1]) {}
  const View &x, &bias;
};

// x [B, N, E], modulation [B, vectors E], addend [B, N, E]?, bias [E]? → out [B, N, E], sum [B, N, E] where addend
struct ModulatedNormCall {
  static constexpr const char* name = "CoordTokModulatedNorm";
  static constexpr int inputs = 4, lists = 0;
  struct Attributes {
    float epsilon;
    int vector;
    template <class Visit>
    void each(const Visit& visit) { visit("epsilon", epsilon); visit("vector", vector); }
  };
  struct Out {
    enum : int { out, sum };
  };
  ModulatedNormCall(const Attributes& given, const View* views, int) : epsilon(given.epsilon), vector(given.vector), x(needed(views[0])), modulation(needed(views[1])), addend(views[2]), bias(views[3]) {}
  const float epsilon;
  const int vector;
  const View &x, &modulation, &addend, &bias;
};

// x [B, N, E], addend [B, N, E], modulation [B, vectors E], bias [E]? → out [B, N, E]
struct GatedAddCall {
  static constexpr const char* name = "CoordTokGatedAdd";
  static constexpr int inputs = 4, lists = 0;
  struct Attributes {
    int vector;
    template <class Visit>
    void each(const Visit& visit) { visit("vector", vector); }
  };
  struct Out {
    enum : int { out };
  };
  GatedAddCall(const Attributes& given, const View* views, int) : vector(given.vector), x(needed(views[0])), addend(needed(views[1])), modulation(needed(views[2])), bias(views[3]) {}
  const int vector;
  const View &x, &addend, &modulation, &bias;
};

// x [..., E], addend [..., E]?, bias [E]? → out [..., E]
struct AddCall {
  static constexpr const char* name = "CoordTokAdd";
  static constexpr int inputs = 3, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { out };
  };
  AddCall(const Attributes&, const View* views, int) : x(needed(views[0])), addend(views[1]), bias(views[2]) {}
  const View &x, &addend, &bias;
};

// x [..., E] → sums [E]
struct ColumnSumsCall {
  static constexpr const char* name = "CoordTokColumnSums";
  static constexpr int inputs = 1, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { sums };
  };
  ColumnSumsCall(const Attributes&, const View* views, int) : x(needed(views[0])) {}
  const View &x;
};

// a [M, K] | [B, M, K], b [K, N] → out [M, N] | [B, M, N]
struct ProductCall {
  static constexpr const char* name = "CoordTokProduct";
  static constexpr int inputs = 2, lists = 0;
  struct Attributes {
    bool transposeA;
    bool transposeB;
    template <class Visit>
    void each(const Visit& visit) { visit("transposeA", transposeA); visit("transposeB", transposeB); }
  };
  struct Out {
    enum : int { out };
  };
  ProductCall(const Attributes& given, const View* views, int) : transposeA(given.transposeA), transposeB(given.transposeB), a(needed(views[0])), b(needed(views[1])) {}
  const bool transposeA;
  const bool transposeB;
  const View &a, &b;
};

// settings [9], params…, gradients…, firstMoments…, secondMoments… → newParams…, newFirstMoments…, newSecondMoments…
struct AdamWCall {
  static constexpr const char* name = "CoordTokAdamW";
  static constexpr int inputs = 1, lists = 4;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { newParams, newFirstMoments, newSecondMoments };
  };
  AdamWCall(const Attributes&, const View* views, int count) : settings(needed(views[0])), listed(views + 1), listedCount(count - 1) {}
  const View &settings;
  const View* const listed;  // the tensors of all lists, one list after the other
  const int listedCount;
};

// share [1], a…, b… → blended…
struct BlendCall {
  static constexpr const char* name = "CoordTokBlend";
  static constexpr int inputs = 1, lists = 2;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { blended };
  };
  BlendCall(const Attributes&, const View* views, int count) : share(needed(views[0])), listed(views + 1), listedCount(count - 1) {}
  const View &share;
  const View* const listed;  // the tensors of all lists, one list after the other
  const int listedCount;
};

// x… → sum []
struct SumOfSquaresCall {
  static constexpr const char* name = "CoordTokSumOfSquares";
  static constexpr int inputs = 0, lists = 1;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { sum };
  };
  SumOfSquaresCall(const Attributes&, const View* views, int count) : listed(views + 0), listedCount(count - 0) {}
  const View* const listed;  // the tensors of all lists, one list after the other
  const int listedCount;
};

// a [rows, size], b [rows, size] → means [rows]
struct MeanSquaredDifferenceCall {
  static constexpr const char* name = "CoordTokMeanSquaredDifference";
  static constexpr int inputs = 2, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { means };
  };
  MeanSquaredDifferenceCall(const Attributes&, const View* views, int) : a(needed(views[0])), b(needed(views[1])) {}
  const View &a, &b;
};

// x [..., C], bias [C], beside [..., D]?, besideBias [D]? → out [rows, C + D]
struct BiasReluCall {
  static constexpr const char* name = "CoordTokBiasRelu";
  static constexpr int inputs = 4, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { out };
  };
  BiasReluCall(const Attributes&, const View* views, int) : x(needed(views[0])), bias(needed(views[1])), beside(views[2]), besideBias(views[3]) {}
  const View &x, &bias, &beside, &besideBias;
};

// features [F, h, w, C], head [C], other [F, h, w, C]? → distances [F]
struct FeatureDistanceCall {
  static constexpr const char* name = "CoordTokFeatureDistance";
  static constexpr int inputs = 3, lists = 0;
  struct Attributes {
    float epsilon;
    template <class Visit>
    void each(const Visit& visit) { visit("epsilon", epsilon); }
  };
  struct Out {
    enum : int { distances };
  };
  FeatureDistanceCall(const Attributes& given, const View* views, int) : epsilon(given.epsilon), features(needed(views[0])), head(needed(views[1])), other(views[2]) {}
  const float epsilon;
  const View &features, &head, &other;
};

// reference [F, H, W, C], other [F, H, W, C], window [11], constants [2] → means [F, 2, C]
struct SsimCall {
  static constexpr const char* name = "CoordTokSsim";
  static constexpr int inputs = 4, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { means };
  };
  SsimCall(const Attributes&, const View* views, int) : reference(needed(views[0])), other(needed(views[1])), window(needed(views[2])), constants(needed(views[3])) {}
  const View &reference, &other, &window, &constants;
};

// table [R, C], weights [corners, P], cells int32 [corners, P] → out [P, C]
struct WeightedRowsCall {
  static constexpr const char* name = "CoordTokWeightedRows";
  static constexpr int inputs = 3, lists = 0;
  struct Attributes {
    template <class Visit>
    void each(const Visit&) {}
  };
  struct Out {
    enum : int { out };
  };
  WeightedRowsCall(const Attributes&, const View* views, int) : table(needed(views[0])), weights(needed(views[1])), cells(needed(views[2])) {}
  const View &table, &weights, &cells;
};

// dy [P, C], weights [corners, P], cells int32 [corners, P] → tableGradient [rows, C]
struct WeightedRowsGradientCall {
  static constexpr const char* name = "CoordTokWeightedRowsGradient";
  static constexpr int inputs = 3, lists = 0;
  struct Attributes {
    int rows;
    template <class Visit>
    void each(const Visit& visit) { visit("rows", rows); }
  };
  struct Out {
    enum : int { tableGradient };
  };
  WeightedRowsGradientCall(const Attributes& given, const View* views, int) : rows(given.rows), dy(needed(views[0])), weights(needed(views[1])), cells(needed(views[2])) {}
  const int rows;
  const View &dy, &weights, &cells;
};

}  // namespace
}  // namespace coordtok

// Of every operation its name, the parameters of a call, and the attributes among them.
#define COORDTOK_OPERATIONS(X) \
  X(SelfAttention, (int heads, bool statistics, const View* inputs, int count), {heads, statistics}) \
  X(SelfAttentionGradient, (int heads, const View* inputs, int count), {heads}) \
  X(CrossAttention, (int heads, bool statistics, const View* inputs, int count), {heads, statistics}) \
  X(CrossAttentionGradient, (int heads, const View* inputs, int count), {heads}) \
  X(LayerNorm, (float epsilon, const View* inputs, int count), {epsilon}) \
  X(LayerNormGradient, (float epsilon, bool biasGradient, const View* inputs, int count), {epsilon, biasGradient}) \
  X(Gelu, (const View* inputs, int count), {}) \
  X(GeluGradient, (const View* inputs, int count), {}) \
  X(TanhGelu, (const View* inputs, int count), {}) \
  X(ModulatedNorm, (float epsilon, int vector, const View* inputs, int count), {epsilon, vector}) \
  X(GatedAdd, (int vector, const View* inputs, int count), {vector}) \
  X(Add, (const View* inputs, int count), {}) \
  X(ColumnSums, (const View* inputs, int count), {}) \
  X(Product, (bool transposeA, bool transposeB, const View* inputs, int count), {transposeA, transposeB}) \
  X(AdamW, (const View* inputs, int count), {}) \
  X(Blend, (const View* inputs, int count), {}) \
  X(SumOfSquares, (const View* inputs, int count), {}) \
  X(MeanSquaredDifference, (const View* inputs, int count), {}) \
  X(BiasRelu, (const View* inputs, int count), {}) \
  X(FeatureDistance, (float epsilon, const View* inputs, int count), {epsilon}) \
  X(Ssim, (const View* inputs, int count), {}) \
  X(WeightedRows, (const View* inputs, int count), {}) \
  X(WeightedRowsGradient, (int rows, const View* inputs, int count), {rows})
