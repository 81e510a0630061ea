// Constant: every value the same. Units of a layer then stay the same for ever:
// for demonstration.
#include <algorithm>

#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(ConstantInitializerParams, value, -1e6, 1e6, "the value"),
};

}  // namespace

extern const InitializerOp kConstantInitializerInitializer;
const InitializerOp kConstantInitializerInitializer = {
    .name = "constant",
    .help = "one value for all: units that start alike stay alike",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<ConstantInitializerParams>,
    .fill =
        [](const InitializeCall& call) {
          std::fill_n(call.out, call.spec.Count(),
                      call.As<ConstantInitializerParams>().value);
        },
};

}  // namespace temper
