// Grid: a number that depends on up to three others, known at the points of a
// grid. Between points the reciprocal is interpolated: linearly in 1/x, which
// is exact for a time of a fixed part and a part per unit of work, or where the
// axis is a distance in memory (kLevels) linearly in its logarithm. Outside it
// stays what it is at the edge.
#ifndef TEMPER_PORTS_SIM_GRID_H_
#define TEMPER_PORTS_SIM_GRID_H_

#include <cstddef>
#include <vector>

#include "ports/sim/kernel_axes.h"

namespace temper::sim {

struct Grid {
  std::vector<double> axes[kMaxAxes];  // ascending, above 0; empty: unused
  std::vector<double> values;          // above 0; the last axis runs fastest

  bool empty() const { return values.empty(); }
  size_t Points() const {
    size_t count = 1;
    for (const auto& axis : axes) count *= axis.empty() ? 1 : axis.size();
    return count;
  }
  // `levels`: the first axis is a distance.
  double At(const double (&x)[kMaxAxes], bool levels) const;
};

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_GRID_H_
