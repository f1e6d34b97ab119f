// The arithmetic of transformers: attention, norms, activations, look-ups, optimizer, products.
#include "vectors.h"

namespace coordtok {
namespace {

// ---- Products of small matrices -------------------------------------------------------------------------------------

// c[R, C vectors] (+)= a[R, depth] b[depth, C vectors]; element (r, k) of a is a[r * aRow + k * aStep].
template <int R, int C>
inline void tile(Size depth, const float* a, Size aRow, Size aStep, const float* b, Size bRow, float* c, Size cRow, bool add) {
  V sum[R][C];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < C; j++) sum[r][j] = add ? load(c + r * cRow + j * L) : V{};
  for (Size k = 0; k < depth; k++, a += aStep, b += bRow) {
    V row[C];
    UNROLL for (int j = 0; j < C; j++) row[j] = load(b + j * L);
    UNROLL for (int r = 0; r < R; r++) {
      const float x = a[r * aRow];
      UNROLL for (int j = 0; j < C; j++) sum[r][j] = multiplyAdd(splat(x), row[j], sum[r][j]);
    }
  }
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int j = 0; j < C; j++) store(c + r * cRow + j * L, sum[r][j]);
}

template <int R, int C>
inline void lastRows(Size rows, Size depth, const float* a, Size aRow, Size aStep, const float* b, Size bRow, float* c,
                     Size cRow, bool add) {
  if (rows == R) return tile<R, C>(depth, a, aRow, aStep, b, bRow, c, cRow, add);
  if constexpr (R > 1) lastRows<R - 1, C>(rows, depth, a, aRow, aStep, b, bRow, c, cRow, add);
}

template <int C>
void columnGroup(Size rows, Size depth, const float* a, Size aRow, Size aStep, const float* b, Size bRow, float* c, Size cRow,
                 bool add) {
  constexpr int R = manyRegisters ? (C == 4 ? 6 : C == 3 ? 8 : 12) : (L == 4 ? 4 : 6);
  Size r = 0;
  for (; r + R <= rows; r += R) tile<R, C>(depth, a + r * aRow, aRow, aStep, b, bRow, c + r * cRow, cRow, add);
  if constexpr (R > 1) lastRows<R - 1, C>(rows - r, depth, a + r * aRow, aRow, aStep, b, bRow, c + r * cRow, cRow, add);
}

// c[rows, columns] (+)= a b for a multiple of L columns.
void product(Size rows, Size columns, Size depth, const float* a, Size aRow, Size aStep, const float* b, Size bRow, float* c,
             Size cRow, bool add) {
  constexpr int most = manyRegisters ? 4 : 2;
  for (Size j = 0; j < columns;) {
    const Size left = (columns - j) / L;
    // Five vectors are better cut into 3 + 2 than into 4 + 1.
    const Size take = left >= most ? (most == 4 && left == 5 ? 3 : most) : left;
    if (take == 1) columnGroup<1>(rows, depth, a, aRow, aStep, b + j, bRow, c + j, cRow, add);
    if (take == 2) columnGroup<2>(rows, depth, a, aRow, aStep, b + j, bRow, c + j, cRow, add);
    if constexpr (most == 4) {
      if (take == 3) columnGroup<3>(rows, depth, a, aRow, aStep, b + j, bRow, c + j, cRow, add);
      if (take == 4) columnGroup<4>(rows, depth, a, aRow, aStep, b + j, bRow, c + j, cRow, add);
    }
    j += take * L;
  }
}

// ---- Attention ------------------------------------------------------------------------------------------------------

constexpr Size Q = 64;         // queries of a block: they lie in the lanes, so that a softmax runs down the vectors
constexpr Size K = 48;         // keys of a block
constexpr float masked = -5e8f;  // a bias below it removes its key

// to[columns, Q] = from[count, columns]ᵀ * factor, lanes beyond count 0.
void transposeIn(const float* from, Size row, Size count, Size columns, float factor, float* to) {
  for (Size d = 0; d < columns; d++) {
    for (Size i = 0; i < count; i++) to[d * Q + i] = from[i * row + d] * factor;
    for (Size i = count; i < Q; i++) to[d * Q + i] = 0;
  }
}
void transposeOut(const float* from, Size count, Size columns, const float* factor, float* to, Size row) {
  for (Size i = 0; i < count; i++)
    for (Size d = 0; d < columns; d++) to[i * row + d] = from[d * Q + i] * factor[i];
}
// to[count, pitch] = from[count, columns] * factor, columns beyond 0.
void copyRows(const float* from, Size row, Size count, Size columns, float factor, float* to, Size pitch) {
  for (Size i = 0; i < count; i++) {
    for (Size d = 0; d < columns; d++) to[i * pitch + d] = from[i * row + d] * factor;
    for (Size d = columns; d < pitch; d++) to[i * pitch + d] = 0;
  }
}

// One head of one clip.
struct Head {
  const float *query, *key, *value, *bias;
  Size clip, head, column;  // column: of out and of its gradient
  bool kept;                // some key is left
};
Head headOf(const Attention& a, Size index) {
  const Size clip = index / a.heads, head = index % a.heads, column = head * a.width;
  const float* bias = a.bias == nullptr ? nullptr : a.bias + clip * a.keys;
  bool kept = bias == nullptr;
  for (Size k = 0; !kept && k < a.keys; k++) kept = !(bias[k] <= masked);
  const Size keys = clip * a.keys * a.keyRow + column;
  return {a.query + clip * a.queries * a.queryRow + column, a.key + keys, a.value + keys, bias, clip, head, column, kept};
}
float scaleOf(const Attention& a) { return 1.f / __builtin_sqrtf(static_cast<float>(a.width)); }

// Weights of a block of keys from their logits [count, Q] in powers of 2, with a running maximum and sum; out [width, Q] is rescaled.
void softmaxBlock(Size lanes, Size count, const float* bias, float* logits, float* top, float* sum, float* out, Size width) {
  for (Size j = 0; j < lanes; j += L) {
    const V before = load(top + j);
    V most = before;
    for (Size k = 0; k < count; k++) {
      V x = load(logits + k * Q + j);
      if (bias != nullptr) store(logits + k * Q + j, x = x + log2e * bias[k]);
      most = larger(most, x);
    }
    const V safe = most == -__builtin_inff() ? V{} : most;
    const V shrink = powerOf2(before - safe);
    V weights = load(sum + j) * shrink;
    for (Size k = 0; k < count; k++) {
      const V weight = powerOf2(load(logits + k * Q + j) - safe);
      store(logits + k * Q + j, weight);
      weights += weight;
    }
    store(top + j, most);
    store(sum + j, weights);
    for (Size d = 0; d < width; d++) store(out + d * Q + j, load(out + d * Q + j) * shrink);
  }
}

void attendBlock(const Attention& a, const Head& h, Size first, float* scratch, float* out, float* statistics) {
  const Size width = a.width, count = least(Q, a.queries - first), lanes = padded(count);
  float *query = scratch, *result = query + width * Q, *weights = result + width * Q, *top = weights + K * Q, *sum = top + Q;
  transposeIn(h.query + first * a.queryRow, a.queryRow, count, width, scaleOf(a) * log2e, query);
  fill(result, width * Q, 0);
  fill(top, Q, -__builtin_inff());
  fill(sum, Q, 0);
  for (Size k = 0; h.kept && k < a.keys; k += K) {
    const Size keys = least(K, a.keys - k);
    product(keys, lanes, width, h.key + k * a.keyRow, a.keyRow, 1, query, Q, weights, Q, false);
    softmaxBlock(lanes, keys, h.bias == nullptr ? nullptr : h.bias + k, weights, top, sum, result, width);
    product(width, lanes, keys, h.value + k * a.keyRow, 1, a.keyRow, weights, Q, result, Q, true);
  }
  for (Size i = 0; i < Q; i++) {
    if (top[i] == -__builtin_inff()) top[i] = 0;
    sum[i] = sum[i] == 0 ? 0 : 1.f / sum[i];
  }
  const Size all = a.heads * width;
  transposeOut(result, count, width, sum, out + (h.clip * a.queries + first) * all + h.column, all);
  if (statistics == nullptr) return;
  float* own = statistics + (h.clip * a.heads + h.head) * 2 * a.queries + first;
  for (Size i = 0; i < count; i++) own[i] = top[i], own[a.queries + i] = sum[i];
}

// What the backward pass of a block of queries works on, in a worker's scratch memory.
struct Backward {
  float *query, *gradient;          // [width, Q], transposed; the logits are in powers of 2
  float *queryRows, *gradientRows;  // [Q, pitch]
  float* queryGradient;             // [width, Q]
  float *weights, *logitGradients;  // [K, Q]
  float *top, *inverse, *along, *scale;  // [Q]
  Size pitch;
  static Size floats(Size width) { return 3 * width * Q + 2 * Q * padded(width) + 2 * K * Q + 4 * Q; }
  Backward(float* p, Size width) : pitch(padded(width)) {
    auto take = [&p](Size count) { return (p += count) - count; };
    query = take(width * Q), gradient = take(width * Q), queryGradient = take(width * Q);
    queryRows = take(Q * pitch), gradientRows = take(Q * pitch);
    weights = take(K * Q), logitGradients = take(K * Q);
    top = take(Q), inverse = take(Q), along = take(Q), scale = take(Q);
  }
};

void loadBlock(const Attention& a, const Head& h, Size first, Size count, const float* out, const float* statistics,
               const float* outGradient, const Backward& w) {
  const Size width = a.width, all = a.heads * width, row = (h.clip * a.queries + first) * all + h.column;
  const float scale = scaleOf(a);
  const float *query = h.query + first * a.queryRow, *gradient = outGradient + row, *result = out + row;
  transposeIn(query, a.queryRow, count, width, scale * log2e, w.query);
  transposeIn(gradient, all, count, width, 1, w.gradient);
  copyRows(query, a.queryRow, count, width, scale, w.queryRows, w.pitch);
  copyRows(gradient, all, count, width, 1, w.gradientRows, w.pitch);
  const float* own = statistics + (h.clip * a.heads + h.head) * 2 * a.queries + first;
  for (Size i = 0; i < Q; i++) {
    V along{};
    for (Size d = 0; i < count && d < width; d += L)
      along += load(gradient + i * all + d, width - d) * load(result + i * all + d, width - d);
    w.along[i] = total(along);
    w.top[i] = i < count ? own[i] : 0;
    w.inverse[i] = i < count ? own[a.queries + i] : 0;
    w.scale[i] = scale;
  }
}

// logits [count, Q] become weights, and the gradients of weights become those of logits.
void softmaxBackward(Size lanes, Size count, const float* bias, const Backward& w) {
  for (Size j = 0; j < lanes; j += L) {
    const V top = load(w.top + j), inverse = load(w.inverse + j), along = load(w.along + j);
    for (Size k = 0; k < count; k++) {
      V x = load(w.weights + k * Q + j);
      if (bias != nullptr) x = x + log2e * bias[k];
      const V weight = powerOf2(x - top) * inverse;
      store(w.weights + k * Q + j, weight);
      store(w.logitGradients + k * Q + j, weight * (load(w.logitGradients + k * Q + j) - along));
    }
  }
}

void attendBlockBackward(const Attention& a, const Head& h, Size count, const Backward& w, float* keyGradient,
                         float* valueGradient) {
  const Size width = a.width, lanes = padded(count);
  fill(w.queryGradient, width * Q, 0);
  for (Size k = 0; k < a.keys; k += K) {
    const Size keys = least(K, a.keys - k);
    const float *key = h.key + k * a.keyRow, *value = h.value + k * a.keyRow;
    product(keys, lanes, width, key, a.keyRow, 1, w.query, Q, w.weights, Q, false);
    product(keys, lanes, width, value, a.keyRow, 1, w.gradient, Q, w.logitGradients, Q, false);
    softmaxBackward(lanes, keys, h.bias == nullptr ? nullptr : h.bias + k, w);
    product(keys, w.pitch, count, w.weights, Q, 1, w.gradientRows, w.pitch, valueGradient + k * w.pitch, w.pitch, true);
    product(keys, w.pitch, count, w.logitGradients, Q, 1, w.queryRows, w.pitch, keyGradient + k * w.pitch, w.pitch, true);
    product(width, lanes, keys, key, 1, a.keyRow, w.logitGradients, Q, w.queryGradient, Q, true);
  }
}

// ---- Rows -----------------------------------------------------------------------------------------------------------

// A row's mean and 1 / sqrt(variance + epsilon).
inline void moments(const float* x, Size size, float epsilon, float* mean, float* inverse) {
  V sum{};
  for (Size i = 0; i < size; i += L) sum += load(x + i, size - i);
  const float middle = total(sum) / static_cast<float>(size);
  V squares{};
  Size i = 0;
  for (; i + L <= size; i += L) {
    const V away = load(x + i) - middle;
    squares += away * away;
  }
  float rest = 0;
  for (; i < size; i++) rest += (x[i] - middle) * (x[i] - middle);
  *mean = middle;
  *inverse = 1.f / __builtin_sqrtf((total(squares) + rest) / static_cast<float>(size) + epsilon);
}

// A row of x + gate * (addend + bias).
inline void gateRow(const Modulated& m, Size r, float* out) {
  const float *gate = m.gate + r / m.tokens * m.stride, *x = m.x + r * m.size, *addend = m.addend + r * m.size;
  for (Size i = 0; i < m.size; i += L) {
    const Size n = m.size - i;
    V v = load(addend + i, n);
    if (m.bias != nullptr) v += load(m.bias + i, n);
    store(out + i, load(x + i, n) + load(gate + i, n) * v, n);
  }
}

// Adds up the partial column sums [chunks, which of count, columns] of the tasks; what nobody asked for is null.
void finishSums(Size chunks, Size count, Size columns, const float* partial, float* const* out) {
  for (Size s = 0; s < count; s++) {
    if (out[s] == nullptr) continue;
    fill(out[s], columns, 0);
    for (Size c = 0; c < chunks; c++)
      for (Size i = 0; i < columns; i++) out[s][i] += partial[(c * count + s) * columns + i];
  }
}

}  // namespace

int vectorLanes() { return L; }

bool attention(const Host& host, const Attention& a, float* out, float* statistics) {
  const Size blocks = pieces(a.queries, Q), floats = 2 * a.width * Q + K * Q + 2 * Q;
  float* scratch = host.scratch(host.self, floats * host.threads);
  if (scratch == nullptr) return false;
  parallel(host, a.clips * a.heads * blocks, [&](Size task, int worker) {
    attendBlock(a, headOf(a, task / blocks), task % blocks * Q, scratch + worker * floats, out, statistics);
  });
  return true;
}

bool attentionBackward(const Host& host, const Attention& a, const float* out, const float* statistics, const float* outGradient,
                       float* queryGradient, float* keyGradient, float* valueGradient) {
  const Size pitch = padded(a.width), blocks = pieces(a.queries, Q), heads = a.clips * a.heads;
  // Few heads on many threads are cut into parts, each with its own sums for the keys.
  const Size parts = heads == 0 || host.threads == 1 ? 1 : least(pieces(4 * host.threads, heads), blocks > 0 ? blocks : 1);
  const Size own = Backward::floats(a.width), sums = 2 * a.keys * pitch;
  float* scratch = host.scratch(host.self, own * host.threads + sums * heads * parts);
  if (scratch == nullptr) return false;
  float* partial = scratch + own * host.threads;
  parallel(host, heads * parts, [&](Size task, int worker) {
    const Head h = headOf(a, task / parts);
    const Backward w(scratch + worker * own, a.width);
    float* gradients = partial + task * sums;
    fill(gradients, sums, 0);
    const Size part = task % parts, end = blocks * (part + 1) / parts;
    for (Size block = blocks * part / parts; block < end; block++) {
      const Size first = block * Q, count = least(Q, a.queries - first);
      loadBlock(a, h, first, count, out, statistics, outGradient, w);
      attendBlockBackward(a, h, count, w, gradients, gradients + a.keys * pitch);
      float* target = queryGradient + (h.clip * a.queries + first) * a.queryRow + h.column;
      transposeOut(w.queryGradient, count, a.width, w.scale, target, a.queryRow);
    }
  });
  parallel(host, heads * 2, [&](Size task, int) {
    const Head h = headOf(a, task / 2);
    const float* from = partial + task / 2 * parts * sums + task % 2 * a.keys * pitch;
    float* to = (task % 2 == 0 ? keyGradient : valueGradient) + h.clip * a.keys * a.keyRow + h.column;
    for (Size k = 0; k < a.keys; k++)
      for (Size d = 0; d < a.width; d++) {
        float sum = 0;
        for (Size part = 0; part < parts; part++) sum += from[part * sums + k * pitch + d];
        to[k * a.keyRow + d] = sum;
      }
  });
  return true;
}

bool layerNorm(const Host& host, Size rows, Size size, float epsilon, const float* x, const float* addend, const float* bias,
               const float* scale, const float* shift, float* sum, float* out) {
  const bool adds = addend != nullptr || bias != nullptr;
  rowChunks(host, rows, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++) {
      const float* row = x + r * size;
      float* normal = out + r * size;
      if (adds) {
        float* to = sum == nullptr ? normal : sum + r * size;
        for (Size i = 0; i < size; i += L) {
          V v = load(row + i, size - i);
          if (addend != nullptr) v += load(addend + r * size + i, size - i);
          if (bias != nullptr) v += load(bias + i, size - i);
          store(to + i, v, size - i);
        }
        row = to;
      }
      float mean, inverse;
      moments(row, size, epsilon, &mean, &inverse);
      for (Size i = 0; i < size; i += L) {
        const V v = (load(row + i, size - i) - mean) * inverse;
        store(normal + i, v * load(scale + i, size - i) + load(shift + i, size - i), size - i);
      }
    }
  });
  return true;
}

bool modulatedNorm(const Host& host, const Modulated& m, float epsilon, const float* scale, const float* shift, float* sum, float* out) {
  rowChunks(host, m.clips * m.tokens, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++) {
      const Size own = r / m.tokens * m.stride, size = m.size;
      const float* row = m.x + r * size;
      if (m.addend != nullptr) gateRow(m, r, sum + r * size), row = sum + r * size;
      float mean, inverse;
      moments(row, size, epsilon, &mean, &inverse);
      for (Size i = 0; i < size; i += L) {
        const Size n = size - i;
        const V v = (load(row + i, n) - mean) * inverse;
        store(out + r * size + i, v * (load(scale + own + i, n) + 1.f) + load(shift + own + i, n), n);
      }
    }
  });
  return true;
}

bool gatedAdd(const Host& host, const Modulated& m, float* out) {
  rowChunks(host, m.clips * m.tokens, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++) gateRow(m, r, out + r * m.size);
  });
  return true;
}

bool layerNormBackward(const Host& host, Size rows, Size size, float epsilon, const float* x, const float* scale,
                       const float* outGradient, const float* upstream, float* xGradient, float* scaleGradient,
                       float* shiftGradient, float* biasGradient) {
  const Size chunks = pieces(rows, chunk);
  float* partial = host.scratch(host.self, chunks * 3 * size);
  if (partial == nullptr) return false;
  rowChunks(host, rows, [&](Size first, Size end, Size task, int) {
    float *scales = partial + task * 3 * size, *shifts = scales + size, *biases = shifts + size;
    fill(scales, 3 * size, 0);
    for (Size r = first; r < end; r++) {
      const float *row = x + r * size, *dy = outGradient + r * size;
      float mean, inverse;
      moments(row, size, epsilon, &mean, &inverse);
      V sum{}, along{};
      for (Size i = 0; i < size; i += L) {
        const Size n = size - i;
        const V g = load(dy + i, n), normal = (load(row + i, n) - mean) * inverse, scaled = g * load(scale + i, n);
        sum += scaled;
        along += scaled * normal;
        store(scales + i, load(scales + i, n) + g * normal, n);
        store(shifts + i, load(shifts + i, n) + g, n);
      }
      const float meanScaled = total(sum) / static_cast<float>(size), meanAlong = total(along) / static_cast<float>(size);
      for (Size i = 0; i < size; i += L) {
        const Size n = size - i;
        const V normal = (load(row + i, n) - mean) * inverse, scaled = load(dy + i, n) * load(scale + i, n);
        V dx = (scaled - meanScaled - normal * meanAlong) * inverse;
        if (upstream != nullptr) dx += load(upstream + r * size + i, n);
        store(xGradient + r * size + i, dx, n);
        if (biasGradient != nullptr) store(biases + i, load(biases + i, n) + dx, n);
      }
    }
  });
  float* const out[] = {scaleGradient, shiftGradient, biasGradient};
  finishSums(chunks, 3, size, partial, out);
  return true;
}

bool gelu(const Host& host, Size rows, Size columns, const float* x, const float* bias, float* out) {
  rowChunks(host, rows, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++)
      for (Size i = 0; i < columns; i += L) {
        const Size n = columns - i, at = r * columns + i;
        V v = load(x + at, n), bell;
        if (bias != nullptr) v += load(bias + i, n);
        store(out + at, v * normalCdf(v, &bell), n);
      }
  });
  return true;
}

bool tanhGelu(const Host& host, Size rows, Size columns, const float* x, const float* bias, float* out) {
  constexpr float scale = 2 * 0.797884561f * log2e, cubic = 0.044715f;  // twice sqrt(2 / pi)
  rowChunks(host, rows, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++)
      for (Size i = 0; i < columns; i += L) {
        const Size at = r * columns + i, n = columns - i;
        const V v = bias == nullptr ? load(x + at, n) : load(x + at, n) + load(bias + i, n);
        const V u = scale * v * (1.f + cubic * v * v), e = powerOf2(u < 0.f ? u : -u);
        store(out + at, v * (u < 0.f ? e : 1.f + V{}) / (1.f + e), n);
      }
  });
  return true;
}

bool geluBackward(const Host& host, Size rows, Size columns, const float* x, const float* bias, const float* outGradient,
                  float* out, float* xGradient, float* biasGradient) {
  const Size chunks = pieces(rows, chunk);
  float* partial = host.scratch(host.self, chunks * columns);
  if (partial == nullptr) return false;
  rowChunks(host, rows, [&](Size first, Size end, Size task, int) {
    float* biases = partial + task * columns;
    fill(biases, columns, 0);
    for (Size r = first; r < end; r++)
      for (Size i = 0; i < columns; i += L) {
        const Size n = columns - i, at = r * columns + i;
        V v = load(x + at, n), bell;
        if (bias != nullptr) v += load(bias + i, n);
        const V cdf = normalCdf(v, &bell);
        const V dx = load(outGradient + at, n) * (cdf + v * bell * 0.398942280f);
        if (out != nullptr) store(out + at, v * cdf, n);
        store(xGradient + at, dx, n);
        store(biases + i, load(biases + i, n) + dx, n);
      }
  });
  finishSums(chunks, 1, columns, partial, &biasGradient);
  return true;
}

bool add(const Host& host, Size rows, Size columns, const float* x, const float* addend, const float* bias, float* out) {
  rowChunks(host, rows, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++)
      for (Size i = 0; i < columns; i += L) {
        const Size n = columns - i, at = r * columns + i;
        V v = load(x + at, n);
        if (addend != nullptr) v += load(addend + at, n);
        if (bias != nullptr) v += load(bias + i, n);
        store(out + at, v, n);
      }
  });
  return true;
}

bool columnSums(const Host& host, Size rows, Size columns, const float* x, float* out) {
  const Size chunks = pieces(rows, chunk);
  float* partial = host.scratch(host.self, chunks * columns);
  if (partial == nullptr) return false;
  rowChunks(host, rows, [&](Size first, Size end, Size task, int) {
    float* sums = partial + task * columns;
    fill(sums, columns, 0);
    for (Size r = first; r < end; r++)
      for (Size i = 0; i < columns; i++) sums[i] += x[r * columns + i];
  });
  finishSums(chunks, 1, columns, partial, &out);
  return true;
}

bool softmaxRows(const Host& host, Size rows, Size columns, const float* x, float* out) {
  rowChunks(host, rows, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++) {
      const float* row = x + r * columns;
      float *weights = out + r * columns, top = -__builtin_inff(), sum = 0;
      for (Size i = 0; i < columns; i++) top = row[i] > top ? row[i] : top;
      for (Size i = 0; i < columns; i += L) {
        const Size n = columns - i;
        const V weight = powerOf2((load(row + i, n) - top) * log2e);
        store(weights + i, weight, n);
        sum += total(n >= L ? weight : load(weights + i, n));
      }
      const float inverse = 1.f / sum;
      for (Size i = 0; i < columns; i++) weights[i] *= inverse;
    }
  });
  return true;
}

bool erfOf(const Host& host, Size count, const float* x, float* out) {
  rowChunks(host, pieces(count, L), [&](Size first, Size end, Size, int) {
    for (Size i = first * L; i < end * L; i += L) {
      V bell;
      const V twice = 2.f * normalCdf(load(x + i, count - i) * 1.41421356f, &bell);
      store(out + i, twice - 1.f, count - i);
    }
  });
  return true;
}

// ---- Look-ups -------------------------------------------------------------------------------------------------------

bool weightedRows(const Host& host, Size points, Size corners, Size columns, const float* table, const int* cells,
                  const float* weights, float* out, Size outRow) {
  rowChunks(host, points, [&](Size first, Size end, Size, int) {
    for (Size p = first; p < end; p++)
      for (Size c = 0; c < corners; c++) {
        const float *row = table + static_cast<Size>(cells[c * points + p]) * columns, weight = weights[c * points + p];
        float* to = out + p * outRow;
        for (Size i = 0; i < columns; i++) to[i] = c == 0 ? row[i] * weight : to[i] + row[i] * weight;
      }
  });
  return true;
}

bool weightedRowsBackward(const Host& host, Size points, Size corners, Size columns, Size tableRows, const int* cells,
                          const float* weights, const float* outGradient, Size outRow, float* tableGradient) {
  // Each task owns some columns, so that no two add to the same number.
  parallel(host, pieces(columns, chunk), [&](Size task, int) {
    const Size begin = task * chunk, end = least(columns, begin + chunk);
    for (Size r = 0; r < tableRows; r++) fill(tableGradient + r * columns + begin, end - begin, 0);
    for (Size c = 0; c < corners; c++)
      for (Size p = 0; p < points; p++) {
        float *to = tableGradient + static_cast<Size>(cells[c * points + p]) * columns, weight = weights[c * points + p];
        for (Size i = begin; i < end; i++) to[i] += outGradient[p * outRow + i] * weight;
      }
  });
  return true;
}

// ---- Lists of tensors -----------------------------------------------------------------------------------------------

namespace {

// Calls body(tensor, begin, end, task) for stretches of all tensors, at most `stretch` numbers each.
template <class Body>
void stretches(const Host& host, Size count, const Size* sizes, const Body& body) {
  Size tasks = 0;
  for (Size i = 0; i < count; i++) tasks += pieces(sizes[i], stretch);
  parallel(host, tasks, [&](Size task, int) {
    Size tensor = 0, own = task;
    for (; own >= pieces(sizes[tensor], stretch); tensor++) own -= pieces(sizes[tensor], stretch);
    body(tensor, own * stretch, least(sizes[tensor], (own + 1) * stretch), task);
  });
}

}  // namespace

bool adamw(const Host& host, const AdamW& a, Size count, const Size* sizes, const float* const* params,
           const float* const* gradients, const float* const* firsts, const float* const* seconds, float* const* newParams,
           float* const* newFirsts, float* const* newSeconds) {
  stretches(host, count, sizes, [&](Size t, Size begin, Size end, Size) {
    const float *param = params[t], *gradient = gradients[t], *first = firsts[t], *second = seconds[t];
    float *__restrict newParam = newParams[t], *__restrict newFirst = newFirsts[t], *__restrict newSecond = newSeconds[t];
    const float inverse = 1.f / a.rootCorrection;
    for (Size i = begin; i < end; i++) {
      const float g = gradient[i] * a.gradientScale;
      const float m = first[i] * a.beta1 + g * a.rest1, v = second[i] * a.beta2 + g * g * a.rest2;
      newFirst[i] = m;
      newSecond[i] = v;
      newParam[i] = param[i] * a.decay - m / (__builtin_sqrtf(v) * inverse + a.epsilon) * a.stepSize;
    }
  });
  return true;
}

bool blend(const Host& host, Size count, const Size* sizes, float share, const float* const* a, const float* const* b,
           float* const* out) {
  stretches(host, count, sizes, [&](Size t, Size begin, Size end, Size) {
    const float *from = a[t], *to = b[t];
    float* __restrict result = out[t];
    for (Size i = begin; i < end; i++) result[i] = from[i] * (1.f - share) + to[i] * share;
  });
  return true;
}

bool sumOfSquares(const Host& host, Size count, const Size* sizes, const float* const* x, double* result) {
  Size tasks = 0;
  for (Size i = 0; i < count; i++) tasks += pieces(sizes[i], stretch);
  float* partial = host.scratch(host.self, tasks + 1);
  if (partial == nullptr) return false;
  stretches(host, count, sizes, [&](Size t, Size begin, Size end, Size task) {
    V sums[4] = {};
    for (Size i = begin; i < end; i += 4 * L)
      for (Size j = 0; j < 4 && i + j * L < end; j++) {
        const V v = load(x[t] + i + j * L, end - i - j * L);
        sums[j] += v * v;
      }
    partial[task] = total((sums[0] + sums[1]) + (sums[2] + sums[3]));
  });
  *result = 0;
  for (Size i = 0; i < tasks; i++) *result += static_cast<double>(partial[i]);
  return true;
}

// ---- Products of any matrices (where the backend's own are slow) --------------------------------------------------------

namespace {

constexpr Size rowBlock = 96, depthBlock = 256, strip = manyRegisters ? 4 * L : 2 * L;

// to[depth, pitch] = from, whose element (k, j) is from[k * row + j * step], columns beyond `count` 0; reads run along memory.
void pack(const float* from, Size row, Size step, Size depth, Size count, float* to, Size pitch) {
  for (Size k = 0; count < pitch && k < depth; k++) fill(to + k * pitch + count, pitch - count, 0);
  if (step == 1)
    for (Size k = 0; k < depth; k++)
      for (Size j = 0; j < count; j++) to[k * pitch + j] = from[k * row + j];
  else
    for (Size j = 0; j < count; j++)
      for (Size k = 0; k < depth; k++) to[k * pitch + j] = from[k * row + j * step];
}

void gemmRows(const Gemm& g, Size matrix, Size first, float* scratch, float* out) {
  const Size rows = least(rowBlock, g.rows - first);
  float *packedA = scratch, *packedB = packedA + rowBlock * depthBlock, *edge = packedB + depthBlock * strip;
  const Size aRow = g.transposeA ? 1 : g.depth, aStep = g.transposeA ? g.rows : 1;
  const Size bRow = g.transposeB ? 1 : g.columns, bStep = g.transposeB ? g.depth : 1;
  const float *a = g.a + matrix * g.aBatch + first * aRow, *b = g.b + matrix * g.bBatch;
  float* c = out + (matrix * g.rows + first) * g.columns;
  if (g.depth == 0) fill(c, rows * g.columns, 0);
  for (Size k = 0; k < g.depth; k += depthBlock) {
    const Size depth = least(depthBlock, g.depth - k);
    pack(a + k * aStep, aStep, aRow, depth, rows, packedA, rowBlock);
    for (Size j = 0; j < g.columns; j += strip) {
      const Size columns = least(strip, g.columns - j);
      pack(b + k * bRow + j * bStep, bRow, bStep, depth, columns, packedB, strip);
      const bool whole = columns == strip;
      float* to = whole ? c + j : edge;
      product(rows, strip, depth, packedA, 1, rowBlock, packedB, strip, to, whole ? g.columns : strip, whole && k > 0);
      for (Size r = 0; !whole && r < rows; r++)
        for (Size i = 0; i < columns; i++) {
          float* at = c + r * g.columns + j + i;
          *at = k > 0 ? *at + edge[r * strip + i] : edge[r * strip + i];
        }
    }
  }
}

// For few rows, where the time goes into reading b: it is read once, in place.
void gemmColumns(const Gemm& g, Size matrix, Size first, Size columns, float* out) {
  constexpr Size step = 32;
  const Size aRow = g.transposeA ? 1 : g.depth, aStep = g.transposeA ? g.rows : 1;
  const float *a = g.a + matrix * g.aBatch, *b = g.b + matrix * g.bBatch + first;
  for (Size k = 0; k < g.depth; k += step)
    product(g.rows, columns, least(step, g.depth - k), a + k * aStep, aRow, aStep, b + k * g.columns, g.columns,
            out + matrix * g.rows * g.columns + first, g.columns, k > 0);
}

}  // namespace

bool gemm(const Host& host, const Gemm& g, float* out) {
  if (g.rows <= 32 && g.columns % L == 0 && g.depth > 0 && !g.transposeB) {
    const Size width = 8 * L, parts = pieces(g.columns, width);
    parallel(host, g.batch * parts, [&](Size task, int) {
      const Size first = task % parts * width;
      gemmColumns(g, task / parts, first, least(width, g.columns - first), out);
    });
    return true;
  }
  const Size floats = rowBlock * depthBlock + depthBlock * strip + rowBlock * strip, blocks = pieces(g.rows, rowBlock);
  float* scratch = host.scratch(host.self, floats * host.threads);
  if (scratch == nullptr) return false;
  parallel(host, g.batch * blocks, [&](Size task, int worker) {
    gemmRows(g, task / blocks, task % blocks * rowBlock, scratch + worker * floats, out);
  });
  return true;
}

}  // namespace coordtok
