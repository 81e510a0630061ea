// Interpolation. See grid.h.
#include "ports/sim/grid.h"

#include <algorithm>
#include <cmath>

namespace temper::sim {
namespace {

// log2(x), piecewise linear between powers of two: enough to place a point.
double RoughLog2(double x) {
  int exponent;
  const double m = std::frexp(x, &exponent);
  return exponent + 2.0 * m;
}

// Where x lies on the axis: between points i and i + 1, `part` of the way.
struct Place {
  size_t low = 0, high = 0;
  double part = 0;
};
Place Find(const std::vector<double>& axis, double x, bool logarithm) {
  Place p;
  if (axis.size() < 2 || x <= axis.front()) return p;
  if (x >= axis.back()) {
    p.low = p.high = axis.size() - 1;
    return p;
  }
  p.high = static_cast<size_t>(std::upper_bound(axis.begin(), axis.end(), x) -
                               axis.begin());
  p.low = p.high - 1;
  const double a = axis[p.low], b = axis[p.high];
  p.part = logarithm
               ? (RoughLog2(x) - RoughLog2(a)) / (RoughLog2(b) - RoughLog2(a))
               : (1 / x - 1 / a) / (1 / b - 1 / a);
  return p;
}

}  // namespace

double Grid::At(const double (&x)[kMaxAxes], bool levels) const {
  Place place[kMaxAxes];
  size_t size[kMaxAxes];
  for (uint32_t d = 0; d < kMaxAxes; ++d) {
    place[d] = Find(axes[d], x[d], levels && d == 0);
    size[d] = std::max<size_t>(1, axes[d].size());
  }
  double sum = 0;
  for (uint32_t corner = 0; corner < (1u << kMaxAxes); ++corner) {
    double weight = 1;
    size_t index = 0;
    for (uint32_t d = 0; d < kMaxAxes; ++d) {
      const bool high = (corner >> d & 1) != 0;
      weight *= high ? place[d].part : 1 - place[d].part;
      index = index * size[d] + (high ? place[d].high : place[d].low);
    }
    if (weight > 0) sum += weight / values[index];
  }
  return 1 / sum;
}

}  // namespace temper::sim
