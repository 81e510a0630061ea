// Input: the samples of a batch. It computes nothing: nodes that read it get
// the caller's own memory.
#include "runtime/layer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(InputParams, h, 1, kMaxDimension, "height", "rows"),
    TEMPER_FIELD_U32(InputParams, w, 1, kMaxDimension, "width", "columns"),
    TEMPER_FIELD_U32(InputParams, c, 1, kMaxDimension,
                     "channels; of flat samples all features"),
    TEMPER_FIELD_CHOICE(InputParams, element_type, "f32|u8",
                        "type of the samples' elements"),
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
    .shapes = "none -> (h, w, c)",
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
