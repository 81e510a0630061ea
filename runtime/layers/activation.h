// Shared by all layers that are one activation (simd/activation.h): their file
// holds the parameters, the help and the activation function.
//   y = act(x)   dx = dy * act'(x)
// Memory: in place both ways. Backward keeps y; or x, where y does not determine
// the gradient (simd::GradientOf): y is then computed again where backward needs
// it, so that one tensor is kept either way. Those that do not fuse read derived
// inputs. Kernels: simd/activation.h.
#ifndef TEMPER_RUNTIME_LAYERS_ACTIVATION_H_
#define TEMPER_RUNTIME_LAYERS_ACTIVATION_H_

#include "runtime/layer.h"
#include "simd/activation.h"
#include "simd/prologue.h"
#include "temper/initializers.h"

namespace temper {

// kFunction(node): the activation with the node's parameters.
template <simd::ActivationFunction (*kFunction)(const Node& node)>
struct ActivationLayer {
  static bool FromInput(const Node& node) {
    return simd::GradientOf(kFunction(node).kind) == simd::GradientFrom::kInput;
  }

  static Status InferShape(const Node&, const Shape* in, Shape* out) {
    *out = in[0];
    return Ok();
  }

  static void StateNeeds(const NeedsCall& call, Needs* needs) {
    needs->IsActivation(kFunction(call.node));
    needs->InPlaceBackward();
    if (!simd::Fuses(kFunction(call.node).kind)) needs->AcceptDerived(0);
    if (!call.mode.backward || !FromInput(call.node)) needs->InPlace();
    if (!call.mode.backward) return;
    if (FromInput(call.node)) {
      needs->KeepInput(0);
      needs->Recompute();
    } else {
      needs->KeepOutput();
    }
  }

  static size_t Rows(const Call& call) {
    return size_t{call.rows} * call.out.h * call.out.w;
  }

  static void Forward(const Call& call) {
    simd::ActivateThrough(Rows(call), call.out.c, kFunction(call.node),
                          call.x[0], call.prologue[0], call.y, call.parallel);
  }

  static void Backward(const Call& call) {
    if (call.dx[0] == nullptr) return;
    const bool input = FromInput(call.node);
    simd::ActivateBackwardThrough(
        Rows(call), call.out.c, kFunction(call.node),
        input ? call.x[0] : call.y, input ? call.prologue[0] : simd::Prologue(),
        call.dy, call.accumulate[0], call.dx[0], call.parallel);
  }

  static void Cost(const CostCall& call, CostSink* sink) {
    constexpr size_t kGrain = simd::kElementGrain;
    // Exponentials cost what those of a softmax do.
    const bool plain = simd::Fuses(kFunction(call.node).kind);
    if (!call.Backward()) {
      sink->Stream(plain ? Kernel::kForm : Kernel::kSoftmax, call.out.c, kGrain,
                   {call.x[0], call.y});
    } else if (call.mode.need_dx[0]) {
      sink->Stream(plain ? Kernel::kMask : Kernel::kSoftmax, call.out.c, kGrain,
                   {FromInput(call.node) ? call.x[0] : call.y, call.dy,
                    call.dx[0], call.AddedTo()});
    }
  }

  // `xnnpack`: LayerOp's, of an activation that can be expressed there.
  // `initializer`: LayerOp's; null: He normal.
  template <class Params>
  static constexpr LayerOp Table(
      const char* name, const char* help, FieldList fields = {nullptr, 0},
      bool (*xnnpack)(const SegmentCall&, SegmentBuilder*) = nullptr,
      Initializer (*initializer)(const Node&) = nullptr) {
    return {
        .name = name,
        .help = help,
        .shapes = "(h, w, c) -> the same",
        .role = LayerRole::kActivation,
        .fields = fields,
        .defaults = DefaultsOf<Params>,
        .shape = InferShape,
        .needs = StateNeeds,
        .forward = Forward,
        .backward = Backward,
        .cost = Cost,
        .xnnpack = xnnpack,
        .initializer = initializer,
    };
  }
};

// What an activation that saturates on both sides wants: LayerOp::initializer.
inline Initializer XavierNormal(const Node&) {
  return InitializerKind::kXavierNormal;
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_LAYERS_ACTIVATION_H_
