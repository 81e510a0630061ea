// Input: the samples of a batch. It computes nothing: nodes that read it are
// handed the caller's own memory.
#include "runtime/layer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(InputParams, h, 1, kMaxDimension, "height"),
    TEMPER_FIELD_U32(InputParams, w, 1, kMaxDimension, "width"),
    TEMPER_FIELD_U32(InputParams, c, 1, kMaxDimension, "channels"),
    TEMPER_FIELD_U32(InputParams, element_type, 0, 1, "0: f32, 1: u8"),
};

Status InferShape(const Node& node, const Shape*, Shape* out) {
  const InputParams& p = node.As<InputParams>();
  *out = {p.h, p.w, p.c, static_cast<ElementType>(p.element_type)};
  return Ok();
}
void StateNeeds(const NeedsCall&, Needs*) {}
void Forward(const Call&) {}

}  // namespace

extern const LayerOp kInputOp;
const LayerOp kInputOp = {
    .name = "input",
    .help = "the samples of a batch; the first node of every graph",
    .role = LayerRole::kInput,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<InputParams>,
    .min_inputs = 0,
    .max_inputs = 0,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .cost = CostsNothing,
};

}  // namespace temper
