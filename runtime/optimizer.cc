// The table of TEMPER_OPTIMIZERS.
#include "runtime/optimizer.h"

namespace temper {

#define TEMPER_DECLARE(Name, file) extern const OptimizerOp k##Name##Optimizer;
TEMPER_OPTIMIZERS(TEMPER_DECLARE)
#undef TEMPER_DECLARE

const OptimizerOp& OpOf(OptimizerKind kind) {
  static const OptimizerOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Optimizer,
      TEMPER_OPTIMIZERS(TEMPER_POINTER)
#undef TEMPER_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}

Optimizer WithDecay(const Optimizer& optimizer, float factor) {
  const Field* const field = OpOf(optimizer.kind).fields.Find(kDecayField);
  if (field == nullptr || factor == 1.0f) return optimizer;
  Optimizer other = optimizer;
  WriteField(*field, ReadField(*field, optimizer.params) * double{factor},
             other.params);
  return other;
}

double UsualLearningRate(OptimizerKind kind) {
  return OpOf(kind).learning_rate;
}

const char* UnusedParameter(const Optimizer& optimizer) {
  const OptimizerOp& op = OpOf(optimizer.kind);
  return op.unused != nullptr ? op.unused(optimizer) : nullptr;
}

}  // namespace temper
