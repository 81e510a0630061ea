// What an initializer is: one file in initializers/ fills in one InitializerOp.
// Draws are in draws.cc.
#ifndef TEMPER_RUNTIME_INITIALIZER_H_
#define TEMPER_RUNTIME_INITIALIZER_H_

#include "runtime/table.h"
#include "temper/initializers.h"

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
  uint32_t fan_in, fan_out;
  uint64_t rows, count;  // of out: rows of count / rows elements
  const void* params;
  float* out;
};

struct InitializerOp {
  const char* name = "";
  const char* help = "";  // one line
  FieldList fields = {};
  void (*defaults)(void* params) = nullptr;  // null: no parameters
  void (*fill)(const InitializeCall& call) = nullptr;
};

const InitializerOp& OpOf(InitializerKind kind);

}  // namespace temper

#endif  // TEMPER_RUNTIME_INITIALIZER_H_
