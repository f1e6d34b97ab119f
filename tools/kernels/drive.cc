// Runs every operation of packages/backend/kernels on its thread pool over odd sizes and compares it with float64.
// sanitize.sh builds it with AddressSanitizer and with ThreadSanitizer. `drive time` measures times instead.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "pool.h"

using namespace coordtok;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

static std::mt19937 engine(1);
static Floats normal(Size count, float deviation = 1) {
  std::normal_distribution<float> draw(0, deviation);
  Floats values(count);
  for (float& value : values) value = draw(engine);
  return values;
}

static int failures = 0;
static void compare(const std::string& what, const Floats& got, const Doubles& expected, double allowed = 2e-6, double least = 1e-30) {
  double most = least, error = 0;
  for (double value : expected) most = std::max(most, std::abs(value));
  for (std::size_t i = 0; i < got.size(); i++) error = std::max(error, std::isnan(got[i]) ? 1e9 : std::abs(got[i] - expected[i]));
  if (!(error <= allowed * most)) failures++, std::printf("%s: error %.2e of the maximum\n", what.c_str(), error / most);
}

static void checkAttention(Pool& pool, Size clips, Size heads, Size queries, Size keys, Size width, bool biased, float deviation) {
  const Size all = heads * width, row = all, keyRow = 2 * all;
  const Floats query = normal(clips * queries * row, deviation), packed = normal(clips * keys * keyRow), dy = normal(clips * queries * all);
  Floats bias(clips * keys);
  for (Size i = 0; i < clips * keys; i++) bias[i] = (clips > 1 && i < keys) || i % 3 == 1 ? -1e9f : 0.1f * static_cast<float>(i % 5);
  Floats out(clips * queries * all), statistics(clips * heads * 2 * queries), dq(query.size()), dkv(packed.size());
  const Attention a{clips, heads, queries, keys, width, query.data(), packed.data(), packed.data() + all, row, keyRow, biased ? bias.data() : nullptr};
  attention(pool.host(), a, out.data(), statistics.data());
  attentionBackward(pool.host(), a, out.data(), statistics.data(), dy.data(), dq.data(), dkv.data(), dkv.data() + all);
  Doubles o(out.size()), q(dq.size()), kv(dkv.size()), logits(keys), weights(keys);
  for (Size c = 0; c < clips; c++)
    for (Size h = 0; h < heads; h++)
      for (Size i = 0; i < queries; i++) {
        const Size at = (c * queries + i) * all + h * width;
        double top = -1e300, sum = 0, along = 0;
        bool kept = !biased;
        for (Size k = 0; k < keys; k++) {
          const Size key = (c * keys + k) * keyRow + h * width;
          double dot = 0;
          for (Size d = 0; d < width; d++) dot += double(query[at + d]) * packed[key + d];
          logits[k] = dot / std::sqrt(double(width)) + (biased ? bias[c * keys + k] : 0);
          if (biased && bias[c * keys + k] > -5e8f) kept = true;
          top = std::max(top, logits[k]);
        }
        for (Size k = 0; k < keys; k++) sum += weights[k] = std::exp(logits[k] - top);
        for (Size k = 0; k < keys; k++) weights[k] = kept ? weights[k] / sum : 0;
        for (Size k = 0; k < keys; k++)
          for (Size d = 0; d < width; d++) o[at + d] += weights[k] * packed[(c * keys + k) * keyRow + all + h * width + d];
        for (Size d = 0; d < width; d++) along += o[at + d] * dy[at + d];
        for (Size k = 0; k < keys; k++) {
          const Size key = (c * keys + k) * keyRow + h * width, value = key + all;
          double upstream = 0;
          for (Size d = 0; d < width; d++) upstream += double(dy[at + d]) * packed[value + d];
          const double gradient = weights[k] * (upstream - along) / std::sqrt(double(width));
          for (Size d = 0; d < width; d++) {
            kv[value + d] += weights[k] * dy[at + d];
            kv[key + d] += gradient * query[at + d];
            q[at + d] += gradient * packed[key + d];
          }
        }
      }
  const std::string name = "attention " + std::to_string(clips) + "x" + std::to_string(heads) + "x" + std::to_string(queries) + "x" + std::to_string(keys) + "x" + std::to_string(width);
  // A weight is only as exact as its logit, which is a float32.
  const double allowed = 2e-6 * std::max(1.f, deviation / 10);
  compare(name, out, o, allowed);
  compare(name + " query gradient", dq, q, allowed, 1);
  compare(name + " key and value gradients", dkv, kv, allowed);
}

static void checkRows(Pool& pool, Size rows, Size size) {
  const std::string name = std::to_string(rows) + "x" + std::to_string(size);
  const Floats x = normal(rows * size, 2), y = normal(rows * size), bias = normal(size), scale = normal(size), shift = normal(size), dy = normal(rows * size), up = normal(rows * size);
  const float epsilon = 1e-5f;
  Floats sum(x.size()), out(x.size()), dx(x.size()), dScale(size), dShift(size), dBias(size);
  layerNorm(pool.host(), rows, size, epsilon, x.data(), y.data(), bias.data(), scale.data(), shift.data(), sum.data(), out.data());
  layerNormBackward(pool.host(), rows, size, epsilon, sum.data(), scale.data(), dy.data(), up.data(), dx.data(), dScale.data(), dShift.data(), dBias.data());
  Doubles eOut(x.size()), eDx(x.size()), eScale(size), eShift(size), eBias(size), eSum(x.size());
  for (Size r = 0; r < rows; r++) {
    double mean = 0, variance = 0, a = 0, b = 0;
    for (Size i = 0; i < size; i++) mean += (eSum[r * size + i] = double(x[r * size + i]) + y[r * size + i] + bias[i]) / size;
    for (Size i = 0; i < size; i++) variance += std::pow(eSum[r * size + i] - mean, 2) / size;
    const double inverse = 1 / std::sqrt(variance + epsilon);
    for (Size i = 0; i < size; i++) {
      const double n = (eSum[r * size + i] - mean) * inverse, g = double(dy[r * size + i]) * scale[i];
      eOut[r * size + i] = n * scale[i] + shift[i];
      a += g / size, b += g * n / size, eScale[i] += dy[r * size + i] * n, eShift[i] += dy[r * size + i];
    }
    for (Size i = 0; i < size; i++) {
      const double n = (eSum[r * size + i] - mean) * inverse;
      eDx[r * size + i] = (double(dy[r * size + i]) * scale[i] - a - n * b) * inverse + up[r * size + i];
      eBias[i] += eDx[r * size + i];
    }
  }
  // A single number has variance 0; its norm is its rounding error divided by sqrt(epsilon).
  if (size > 1) {
    compare("norm " + name, out, eOut);
    compare("norm " + name + " gradient", dx, eDx, 4e-6);
    compare("norm " + name + " scale gradient", dScale, eScale, 4e-6);
    compare("norm " + name + " bias gradient", dBias, eBias, 4e-6);
  }
  compare("norm " + name + " sum", sum, eSum);
  compare("norm " + name + " shift gradient", dShift, eShift, 2e-6, 10);

  Floats hidden(x.size()), again(x.size());
  gelu(pool.host(), rows, size, x.data(), bias.data(), hidden.data());
  geluBackward(pool.host(), rows, size, x.data(), bias.data(), dy.data(), again.data(), dx.data(), dBias.data());
  std::fill(eBias.begin(), eBias.end(), 0);
  Doubles eErf(x.size()), eSoft(x.size()), eAdd(x.size());
  for (Size i = 0; i < rows * size; i++) {
    const double v = double(x[i]) + bias[i % size], cdf = std::erfc(-v / std::sqrt(2.0)) / 2;
    eOut[i] = v * cdf;
    eDx[i] = dy[i] * (cdf + v * std::exp(-v * v / 2) / std::sqrt(2 * M_PI));
    eBias[i % size] += eDx[i];
    eErf[i] = std::erf(double(x[i]));
    eAdd[i] = double(x[i]) + y[i];
  }
  compare("gelu " + name, hidden, eOut);
  compare("gelu again " + name, again, eOut);
  compare("gelu gradient " + name, dx, eDx);
  compare("gelu bias gradient " + name, dBias, eBias, 4e-6);
  erfOf(pool.host(), rows * size, x.data(), out.data());
  compare("erf " + name, out, eErf);
  add(pool.host(), rows, size, x.data(), y.data(), nullptr, out.data());
  compare("add " + name, out, eAdd);
  columnSums(pool.host(), rows, size, dy.data(), dShift.data());
  compare("column sums " + name, dShift, eShift, 2e-6, 10);
  for (Size r = 0; r < rows; r++) {
    double total = 0;
    for (Size i = 0; i < size; i++) total += std::exp(double(x[r * size + i]));
    for (Size i = 0; i < size; i++) eSoft[r * size + i] = std::exp(double(x[r * size + i])) / total;
  }
  softmaxRows(pool.host(), rows, size, x.data(), out.data());
  compare("softmax " + name, out, eSoft);
}

static void checkLookup(Pool& pool, Size points, Size corners, Size columns, Size tableRows) {
  const Floats table = normal(tableRows * columns), weights = normal(corners * points), dy = normal(points * columns * 2);
  std::vector<int> cells(corners * points);
  for (int& cell : cells) cell = static_cast<int>(engine() % tableRows);
  Floats out(points * columns * 2, 7), gradient(table.size());
  weightedRows(pool.host(), points, corners, columns, table.data(), cells.data(), weights.data(), out.data() + columns, 2 * columns);
  weightedRowsBackward(pool.host(), points, corners, columns, tableRows, cells.data(), weights.data(), dy.data() + columns, 2 * columns, gradient.data());
  Doubles expected(out.size(), 7), expectedGradient(table.size());
  for (Size p = 0; p < points; p++)
    for (Size i = 0; i < columns; i++) {
      double& sum = expected[p * 2 * columns + columns + i] = 0;
      for (Size c = 0; c < corners; c++) {
        const Size cell = cells[c * points + p] * columns + i;
        sum += double(weights[c * points + p]) * table[cell];
        expectedGradient[cell] += double(weights[c * points + p]) * dy[p * 2 * columns + columns + i];
      }
    }
  compare("weighted rows", out, expected);
  compare("weighted rows gradient", gradient, expectedGradient);
}

static void checkLists(Pool& pool) {
  const std::vector<Size> sizes{0, 1, 17, 33000, 70001};
  std::vector<Floats> parts[7];
  float* pointers[7][5];
  for (int k = 0; k < 7; k++)
    for (int i = 0; i < 5; i++) {
      parts[k].push_back(normal(sizes[i]));
      if (k == 3) for (float& value : parts[k][i]) value *= value;
      pointers[k][i] = parts[k][i].data();
    }
  const AdamW settings{0.9f, 0.1f, 0.99f, 0.01f, 1e-8f, 0.3f, 0.01f, 0.999f, 0.5f};
  adamw(pool.host(), settings, 5, sizes.data(), pointers[0], pointers[1], pointers[2], pointers[3], pointers[4], pointers[5], pointers[6]);
  Doubles expected;
  Floats got;
  double norm = 0, found = 0;
  for (int i = 0; i < 5; i++)
    for (Size j = 0; j < sizes[i]; j++) {
      const double g = parts[1][i][j] * 0.5, m = parts[2][i][j] * 0.9 + g * 0.1, v = parts[3][i][j] * 0.99 + g * g * 0.01;
      expected.push_back(parts[0][i][j] * 0.999 - m / (std::sqrt(v) / 0.3 + 1e-8) * 0.01);
      got.push_back(parts[4][i][j]);
      norm += double(parts[1][i][j]) * parts[1][i][j];
    }
  compare("adamw", got, expected);
  sumOfSquares(pool.host(), 5, sizes.data(), pointers[1], &found);
  compare("sum of squares", {static_cast<float>(found)}, {norm});
  blend(pool.host(), 5, sizes.data(), 0.25f, pointers[0], pointers[1], pointers[4]);
  expected.clear(), got.clear();
  for (Size j = 0; j < sizes[4]; j++) expected.push_back(parts[0][4][j] * 0.75 + parts[1][4][j] * 0.25), got.push_back(parts[4][4][j]);
  compare("blend", got, expected);
}

static void checkModulation(Pool& pool, Size clips, Size tokens, Size size) {
  const Size count = clips * tokens * size;
  const Floats x = normal(count), addend = normal(count), bias = normal(size), vectors = normal(clips * 3 * size);
  Floats sum(count), out(count), gated(count), active(count);
  const Modulated m{clips, tokens, size, 3 * size, x.data(), addend.data(), bias.data(), vectors.data()};
  modulatedNorm(pool.host(), m, 1e-6f, vectors.data() + 2 * size, vectors.data() + size, sum.data(), out.data());
  gatedAdd(pool.host(), m, gated.data());
  tanhGelu(pool.host(), clips * tokens, size, x.data(), bias.data(), active.data());
  Doubles sums, gelus;
  for (Size i = 0; i < count; i++) {
    const Size clip = i / (tokens * size), column = i % size;
    sums.push_back(x[i] + double(vectors[clip * 3 * size + column]) * (double(addend[i]) + bias[column]));
    const double v = double(x[i]) + bias[column];
    gelus.push_back(v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v))) / 2);
  }
  compare("gated sum", sum, sums), compare("gated add", gated, sums), compare("tanh gelu", active, gelus);
}

static void checkMeasures(Pool& pool, Size frames, Size height, Size width, Size channels) {
  const Size size = height * width * channels;
  const Floats a = normal(frames * size), b = normal(frames * size), head = normal(channels);
  Floats means(frames), same(frames), distances(frames), similarity(frames * 2 * channels), window(ssimTaps, 1.f / ssimTaps);
  meanSquaredDifference(pool.host(), frames, size, a.data(), b.data(), means.data());
  Doubles expected;
  for (Size f = 0; f < frames; f++) {
    double total = 0;
    for (Size i = f * size; i < (f + 1) * size; i++) total += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    expected.push_back(total / size);
  }
  compare("mean squared difference", means, expected);
  featureDistance(pool.host(), frames, height * width, channels, 1e-10f, a.data(), a.data(), head.data(), distances.data());
  compare("distance of equal features", distances, Doubles(frames, 0));
  ssim(pool.host(), {frames, height, width, channels, a.data(), a.data(), window.data(), 1e-4f, 9e-4f}, similarity.data());
  compare("SSIM of equal frames", similarity, Doubles(similarity.size(), 1));
  Floats beside(frames * height * width * (channels + 2));
  biasRelu(pool.host(), frames * height * width, channels, a.data(), head.data(), 2, b.data(), window.data(), beside.data());
}

static void checkGemm(Pool& pool, Size batch, Size rows, Size columns, Size depth, bool ta, bool tb) {
  const Floats a = normal(batch * rows * depth), b = normal(batch * columns * depth);
  Floats out(batch * rows * columns, 9);
  gemm(pool.host(), {batch, rows, columns, depth, a.data(), b.data(), ta, tb, rows * depth, columns * depth}, out.data());
  Doubles expected(out.size());
  for (Size m = 0; m < batch; m++)
    for (Size r = 0; r < rows; r++)
      for (Size c = 0; c < columns; c++)
        for (Size k = 0; k < depth; k++)
          expected[(m * rows + r) * columns + c] += double(a[m * rows * depth + (ta ? k * rows + r : r * depth + k)]) * b[m * columns * depth + (tb ? c * depth + k : k * columns + c)];
  compare("gemm", out, expected);
}

static void timed(const char* what, double flop, const std::function<void()>& call) {
  double best = 1e9;
  for (int i = 0; i < 12; i++) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::printf("%-34s %8.3f ms  %7.1f G/s\n", what, best * 1e3, flop / best / 1e9);
}

static void measure(Pool& pool) {
  for (Size width : {32, 64}) {
    const Size heads = 8, n = 1024, all = heads * width;
    const Floats packed = normal(n * 3 * all), dy = normal(n * all);
    Floats out(n * all), statistics(heads * 2 * n), gradient(packed.size());
    const Attention a{1, heads, n, n, width, packed.data(), packed.data() + all, packed.data() + 2 * all, 3 * all, 3 * all, nullptr};
    const double flop = 4.0 * heads * n * n * width;
    timed(width == 32 ? "attention (1,8,1024,32)" : "attention (1,8,1024,64)", flop, [&] { attention(pool.host(), a, out.data(), statistics.data()); });
    timed("  backward", 2.5 * flop, [&] { attentionBackward(pool.host(), a, out.data(), statistics.data(), dy.data(), gradient.data(), gradient.data() + all, gradient.data() + 2 * all); });
  }
  const Size rows = 2048, size = 512;
  const Floats x = normal(rows * size), dy = normal(rows * size), scale = normal(size);
  Floats out(rows * size), dx(rows * size), a(size), b(size), c(size);
  timed("layer norm [2048,512]", rows * size, [&] { layerNorm(pool.host(), rows, size, 1e-5f, x.data(), nullptr, nullptr, scale.data(), scale.data(), nullptr, out.data()); });
  timed("  backward", rows * size, [&] { layerNormBackward(pool.host(), rows, size, 1e-5f, x.data(), scale.data(), dy.data(), nullptr, dx.data(), a.data(), b.data(), c.data()); });
  timed("gelu [2048,512]", rows * size, [&] { gelu(pool.host(), rows, size, x.data(), scale.data(), out.data()); });
  timed("  backward", rows * size, [&] { geluBackward(pool.host(), rows, size, x.data(), scale.data(), dy.data(), out.data(), dx.data(), a.data()); });
  const Floats m = normal(1024 * 1024);
  Floats product(1024 * 1024);
  timed("gemm 1024", 2.0 * 1024 * 1024 * 1024, [&] { gemm(pool.host(), {1, 1024, 1024, 1024, m.data(), m.data(), false, false, 0, 0}, product.data()); });
  timed("gemm 1024 both transposed", 2.0 * 1024 * 1024 * 1024, [&] { gemm(pool.host(), {1, 1024, 1024, 1024, m.data(), m.data(), true, true, 0, 0}, product.data()); });
}

int main(int count, char** arguments) {
  const bool time = count > 1 && std::strcmp(arguments[1], "time") == 0;
  for (int threads : {1, 2, 5}) {
    Pool pool(threads);
    if (time) {
      if (threads > 2) break;
      std::printf("%d threads\n", threads), measure(pool);
      continue;
    }
    for (Size width : {1, 20, 32, 50, 64, 77, 128}) checkAttention(pool, 2, 3, 70, 101, width, width % 2 == 0, 1);
    checkAttention(pool, 1, 1, 1, 1, 8, false, 1);
    checkAttention(pool, 1, 2, 129, 48, 16, true, 300);
    checkAttention(pool, 1, 2, 0, 5, 16, false, 1);
    checkAttention(pool, 1, 2, 5, 0, 16, false, 1);
    for (Size size : {1, 7, 16, 33, 100, 257}) checkRows(pool, size == 33 ? 1 : 131, size);
    checkRows(pool, 0, 8);
    checkLookup(pool, 133, 4, 8, 20);
    checkLookup(pool, 5, 1, 130, 7);
    checkLists(pool);
    for (Size size : {1, 7, 16, 50}) checkModulation(pool, 3, 70, size), checkModulation(pool, 1, 0, size);
    checkMeasures(pool, 3, 45, 37, 7), checkMeasures(pool, 1, 11, 11, 3);
    for (int mode = 0; mode < 4; mode++) checkGemm(pool, 2, 101, 67, 300, mode % 2 == 1, mode > 1), checkGemm(pool, 1, 1, 1, 1, mode % 2 == 1, mode > 1), checkGemm(pool, 1, 5, 3, 0, false, false), checkGemm(pool, 2, 12, 96, 70, mode % 2 == 1, mode > 1), checkGemm(pool, 1, 32, 272, 33, mode % 2 == 1, false);
  }
  if (failures > 0) std::printf("%d comparisons failed\n", failures);
  else if (!time) std::printf("all comparisons hold\n");
  return failures > 0;
}
