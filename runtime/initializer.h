// What an initializer is: one file in initializers/ fills in one InitializerOp.
// Draws are in draws.cc.
#ifndef TEMPER_RUNTIME_INITIALIZER_H_
#define TEMPER_RUNTIME_INITIALIZER_H_

#include <cassert>
#include <cmath>

#include "runtime/table.h"
#include "temper/initializers.h"
#include "temper/plan.h"

namespace temper {

// Where the numbers of one tensor come from: key and counter words of Philox.
struct Draws {
  uint64_t seed;
  uint32_t stream;
  uint32_t tensor;
};
// out[i] = std * N(0, 1), by Box-Muller on the four words of a counter.
void FillNormal(const Draws& draws, double std, uint64_t first_element,
                uint64_t count, float* out);
// out[i] = bound * U[-1, 1).
void FillUniform(const Draws& draws, double bound, uint64_t count, float* out);

struct InitializeCall {
  Draws draws;
  const Initializer& initializer;
  const WeightSpec& spec;
  float* out;  // spec.Count()

  template <class Params>
  const Params& As() const {
    assert(initializer.kind == InitializerKindOf<Params>::value);
    return *reinterpret_cast<const Params*>(initializer.params);
  }
  void Normal(double std) const {
    FillNormal(draws, std, 0, spec.Count(), out);
  }
  void Uniform(double bound) const {
    FillUniform(draws, bound, spec.Count(), out);
  }
};

// Deviations with numerator 2, bounds with numerator 6.
inline double HeRoot(double numerator, const HeParams& p,
                     const WeightSpec& spec) {
  const double slope = p.slope;
  return std::sqrt(numerator / ((1.0 + slope * slope) *
                                (p.fan_out ? spec.fan_out : spec.fan_in)));
}
inline double XavierRoot(double numerator, const XavierParams& p,
                         const WeightSpec& spec) {
  return p.gain *
         std::sqrt(numerator / (double{1} * spec.fan_in + spec.fan_out));
}

struct InitializerOp {
  const char* name = "";
  const char* help = "";  // one line
  FieldList fields = {};
  void (*defaults)(void* params) = nullptr;  // null: no parameters
  void (*fill)(const InitializeCall& call) = nullptr;
};

const InitializerOp& OpOf(InitializerKind kind);

// Fields of InitializeCommon (temper/registry.h).
FieldList CommonInitializerFields();

}  // namespace temper

#endif  // TEMPER_RUNTIME_INITIALIZER_H_
