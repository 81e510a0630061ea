// The table of initializers and its two entry points. See
// temper/initializers.h.
#include "runtime/initializer.h"

#include "temper/random.h"
#include "temper/registry.h"

namespace temper {

#define TEMPER_DECLARE(Name, file) \
  extern const InitializerOp k##Name##Initializer;
TEMPER_INITIALIZERS(TEMPER_DECLARE)
#undef TEMPER_DECLARE

const InitializerOp& OpOf(InitializerKind kind) {
  static const InitializerOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Initializer,
      TEMPER_INITIALIZERS(TEMPER_POINTER)
#undef TEMPER_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}

Initializer::Initializer(InitializerKind k) : kind(k) {
  const InitializerOp& op = OpOf(k);
  if (op.defaults != nullptr) op.defaults(params);
}

FieldList CommonInitializerFields() {
  static constexpr Field kFields[] = {
      TEMPER_FIELD_U32(InitializeCommon, zero_residual, 0, 2,
                       "residual branches start at zero: 0 no, 1 yes, 2 where "
                       "there are six and more"),
  };
  return ListOf(kFields);
}

const char* InitializerName(InitializerKind kind) { return OpOf(kind).name; }

void InitializeTensor(const Initializer& initializer, uint64_t seed,
                      uint32_t node, uint32_t tensor, const WeightSpec& spec,
                      float* out) {
  const Draws draws = {seed, RandomStream(RandomUse::kInitialize, node),
                       tensor};
  OpOf(initializer.kind).fill({draws, initializer, spec, out});
}

void InitializeNormal(uint64_t seed, uint32_t stream, uint32_t tensor,
                      double std, uint64_t first_element, uint64_t count,
                      float* out) {
  FillNormal({seed, stream, tensor}, std, first_element, count, out);
}

}  // namespace temper
