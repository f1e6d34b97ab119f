// A tensor as a host hands it to an operation. The file that includes this one defines before it
//   require(condition, text): throws the text where the condition does not hold.
#pragma once

#include "kernels.h"

namespace coordtok {
namespace {

constexpr int mostAxes = 8;

struct View {
  const void* data;
  Size size;
  int rank;  // below 0 where an optional input is absent
  Size dims[mostAxes];

  bool present() const { return rank >= 0; }
  const float* floats() const { return present() ? static_cast<const float*>(data) : nullptr; }
  const int* integers() const { return static_cast<const int*>(data); }
  Size dim(int axis) const {
    require(axis >= 0 && axis < rank, "an input has too few axes");
    return dims[axis];
  }
  Size last() const { return dim(rank - 1); }
};

inline const View& needed(const View& view) {
  require(view.present(), "an input is missing");
  return view;
}

}  // namespace
}  // namespace coordtok
