// What is measured of frames: squared differences, SSIM, and what LPIPS is made of.
#include "vectors.h"

namespace coordtok {

bool meanSquaredDifference(const Host& host, Size rows, Size size, const float* a, const float* b, float* out) {
  const Size part = pieces(size, stretch);
  float* partial = host.scratch(host.self, rows * part);
  if (partial == nullptr) return false;
  parallel(host, rows * part, [&](Size task, int) {
    const Size row = task / part * size, begin = row + task % part * stretch, end = least(row + size, begin + stretch);
    V sums[4] = {};
    Size i = begin;
    for (; i + 4 * L <= end; i += 4 * L) {
      UNROLL for (int j = 0; j < 4; j++) {
        const V away = load(a + i + j * L) - load(b + i + j * L);
        sums[j] += away * away;
      }
    }
    for (; i < end; i += L) {
      const V away = load(a + i, end - i) - load(b + i, end - i);
      sums[0] += away * away;
    }
    partial[task] = total((sums[0] + sums[1]) + (sums[2] + sums[3]));
  });
  for (Size row = 0; row < rows; row++) {
    double sum = 0;
    for (Size i = 0; i < part; i++) sum += static_cast<double>(partial[row * part + i]);
    out[row] = static_cast<float>(sum / static_cast<double>(size));
  }
  return true;
}

bool biasRelu(const Host& host, Size rows, Size columns, const float* x, const float* bias, Size besideColumns,
              const float* beside, const float* besideBias, float* out) {
  const Size outColumns = columns + besideColumns;
  auto rectify = [](Size count, const float* from, const float* shift, float* to) {
    for (Size i = 0; i < count; i += L)
      store(to + i, larger(load(from + i, count - i) + load(shift + i, count - i), V{}), count - i);
  };
  rowChunks(host, rows, [&](Size first, Size end, Size, int) {
    for (Size r = first; r < end; r++) {
      rectify(columns, x + r * columns, bias, out + r * outColumns);
      rectify(besideColumns, beside + r * besideColumns, besideBias, out + r * outColumns + columns);
    }
  });
  return true;
}

namespace {

inline float norm(Size size, const float* x) {
  V squares{};
  for (Size i = 0; i < size; i += L) {
    const V v = load(x + i, size - i);
    squares += v * v;
  }
  return __builtin_sqrtf(total(squares));
}

}  // namespace

bool featureDistance(const Host& host, Size pairs, Size positions, Size channels, float epsilon, const float* a, const float* b,
                     const float* head, float* out) {
  const Size chunks = pieces(positions, chunk);
  float* partial = host.scratch(host.self, pairs * chunks);
  if (partial == nullptr) return false;
  parallel(host, pairs * chunks, [&](Size task, int) {
    const Size begin = task / chunks * positions + task % chunks * chunk, end = least((task / chunks + 1) * positions, begin + chunk);
    float sum = 0;
    for (Size p = begin; p < end; p++) {
      const float *x = a + p * channels, *y = b + p * channels;
      // In units of x, so that nothing is left of equal features, wherever it is rounded.
      const float unit = norm(channels, x) + epsilon, inverse = 1.f / unit, ratio = unit / (norm(channels, y) + epsilon);
      V weighted{};
      for (Size i = 0; i < channels; i += L) {
        const V away = load(x + i, channels - i) - load(y + i, channels - i) * ratio;
        weighted += load(head + i, channels - i) * (away * inverse) * (away * inverse);
      }
      sum += total(weighted);
    }
    partial[task] = sum;
  });
  for (Size pair = 0; pair < pairs; pair++) {
    double sum = 0;
    for (Size i = 0; i < chunks; i++) sum += static_cast<double>(partial[pair * chunks + i]);
    out[pair] = static_cast<float>(sum / static_cast<double>(positions));
  }
  return true;
}

namespace {

constexpr Size band = 32;  // rows of results of a task
constexpr int maps = 4;    // sum, difference and their squares

// One band of one frame; scratch is what ssimScratch says.
class SsimBand {
 public:
  SsimBand(const Ssim& given, Size frame, Size first, float* scratch)
      : s_(given), columns_(given.width * given.channels), outColumns_((given.width - ssimTaps + 1) * given.channels),
        pitch_(pitchOf(given)), rows_(least(band, given.height - ssimTaps + 1 - first)),
        a_(given.a + (frame * given.height + first) * columns_), b_(given.b + (frame * given.height + first) * columns_),
        centre_(scratch), row_(centre_ + pitch_), ring_(row_ + maps * pitch_), sums_(ring_ + ssimTaps * maps * pitch_) {}

  static Size pitchOf(const Ssim& s) { return padded(s.width * s.channels) + padded(ssimTaps * s.channels); }
  static Size floats(const Ssim& s) { return (1 + maps + ssimTaps * maps + 2) * pitchOf(s); }

  // sums [2, channels]: of SSIM and of its contrast term.
  void run(float* sums) {
    fill(centre_, (1 + maps) * pitch_, 0);
    fill(sums_, 2 * pitch_, 0);
    findCentre();
    for (Size r = 0; r < rows_ + ssimTaps - 1; r++) {
      readRow(r);
      smoothRow(r);
      if (r >= ssimTaps - 1) compareRow(r);
    }
    for (Size term = 0; term < 2; term++)
      for (Size c = 0; c < s_.channels; c++) sums[term * s_.channels + c] = channelSum(sums_ + term * pitch_, outColumns_, c);
  }

 private:
  float channelSum(const float* x, Size count, Size channel) const {
    double sum = 0;
    for (Size i = channel; i < count; i += s_.channels) sum += static_cast<double>(x[i]);
    return static_cast<float>(sum);
  }
  // The mean of the sum: variances do not depend on it, and without it their squares lose less.
  void findCentre() {
    const Size rows = rows_ + ssimTaps - 1;
    for (Size r = 0; r < rows; r++)
      for (Size i = 0; i < columns_; i++) centre_[i] += a_[r * columns_ + i] + b_[r * columns_ + i];
    for (Size c = 0; c < s_.channels; c++) {
      const float mean = channelSum(centre_, columns_, c) / static_cast<float>(rows * s_.width);
      for (Size i = c; i < columns_; i += s_.channels) centre_[i] = mean;
    }
  }
  void readRow(Size r) {
    for (Size i = 0; i < columns_; i += L) {
      const V x = load(a_ + r * columns_ + i, columns_ - i), y = load(b_ + r * columns_ + i, columns_ - i);
      const V sum = x + y - load(centre_ + i), difference = x - y;
      store(row_ + i, sum);
      store(row_ + pitch_ + i, difference);
      store(row_ + 2 * pitch_ + i, sum * sum);
      store(row_ + 3 * pitch_ + i, difference * difference);
    }
  }
  float* line(Size r) const { return ring_ + r % ssimTaps * maps * pitch_; }
  void smoothRow(Size r) {
    for (int map = 0; map < maps; map++) {
      const float* from = row_ + map * pitch_;
      float* to = line(r) + map * pitch_;
      for (Size i = 0; i < outColumns_; i += L) {
        V sum{};
        UNROLL for (int tap = 0; tap < ssimTaps; tap++) sum = multiplyAdd(load(from + i + tap * s_.channels), splat(s_.window[tap]), sum);
        store(to + i, sum);
      }
    }
  }
  void compareRow(Size last) {
    const float* lines[ssimTaps];
    UNROLL for (int tap = 0; tap < ssimTaps; tap++) lines[tap] = line(last + 1 + tap);
    for (Size i = 0; i < outColumns_; i += L) {
      V smooth[maps] = {};
      UNROLL for (int tap = 0; tap < ssimTaps; tap++) {
        UNROLL for (int map = 0; map < maps; map++)
          smooth[map] = multiplyAdd(load(lines[tap] + map * pitch_ + i), splat(s_.window[tap]), smooth[map]);
      }
      const V brightness = smooth[0] + load(centre_ + i);
      const V shift = smooth[1] * smooth[1], variance = smooth[2] - smooth[0] * smooth[0], noise = smooth[3] - shift;
      const V luminance = 1.f - 2.f * shift / (brightness * brightness + shift + s_.luminance);
      const V contrast = 1.f - 2.f * noise / (variance + noise + s_.contrast);
      store(sums_ + i, load(sums_ + i) + luminance * contrast);
      store(sums_ + pitch_ + i, load(sums_ + pitch_ + i) + contrast);
    }
  }

  const Ssim& s_;
  const Size columns_, outColumns_, pitch_, rows_;
  const float *const a_, *const b_;
  float *const centre_, *const row_, *const ring_, *const sums_;
};

}  // namespace

bool ssim(const Host& host, const Ssim& s, float* out) {
  const Size rows = s.height - ssimTaps + 1, bands = pieces(rows, band), terms = 2 * s.channels;
  const Size floats = SsimBand::floats(s);
  float* scratch = host.scratch(host.self, floats * host.threads + s.frames * bands * terms);
  if (scratch == nullptr) return false;
  float* partial = scratch + floats * host.threads;
  parallel(host, s.frames * bands, [&](Size task, int worker) {
    SsimBand(s, task / bands, task % bands * band, scratch + worker * floats).run(partial + task * terms);
  });
  const double positions = static_cast<double>(rows * (s.width - ssimTaps + 1));
  for (Size frame = 0; frame < s.frames; frame++)
    for (Size term = 0; term < terms; term++) {
      double sum = 0;
      for (Size i = 0; i < bands; i++) sum += static_cast<double>(partial[(frame * bands + i) * terms + term]);
      out[frame * terms + term] = static_cast<float>(sum / positions);
    }
  return true;
}

}  // namespace coordtok
