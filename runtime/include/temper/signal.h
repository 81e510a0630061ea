// What the first step shows of the first weights: a signal that dies or explodes
// on its way through the layers, and layers whose units start alike. Judged by
// what is measured (Trainer::WatchSignal), never by a name alone.
//
// Example, after trainer.h's:
//
//   std::vector<double> rms(plan.graph.nodes.size(), -1.0);
//   temper::SignalFinding found[3];
//   trainer.WatchSignal(rms.data());  // of the next step
//   trainer.Step({.input = samples, .labels = labels, .rows = 32}, 0.05f);
//   const uint32_t count =
//       temper::FindSignals(trainer.plan(), rms.data(), found, 3);
//
// Next: trainer.h; docs/recipe.md (what to do).
#ifndef TEMPER_SIGNAL_H_
#define TEMPER_SIGNAL_H_

#include <cstdint>

#include "temper/trainer.h"

namespace temper {

enum class SignalKind : uint8_t {
  kDies,       // its rms is below a tenth of the input's
  kExplodes,   // above ten times it
  kNotFinite,  // infinity or NaN
  kAlike,      // all weights of a layer are the same number: so are its units
};

struct SignalFinding {
  SignalKind kind = SignalKind::kDies;
  uint32_t node = kNoNode;        // the first layer of this kind
  uint32_t activation = kNoNode;  // the activation that follows it, or none
  double rms = 0;                 // of its output; kAlike: the number
  double input_rms = 0;
};

// A signal may be so many times smaller or larger than the input.
inline constexpr double kSignalRange = 10;

// Writes at most `most` findings, one per kind, in the order of the nodes, and
// returns how many. `rms`: what WatchSignal has measured. Judged are dense and
// convolution layers; not those whose output is normalized at once, nor the
// last one, which may start as small as it likes.
uint32_t FindSignals(const Plan& plan, const double* rms,
                     SignalFinding* findings, uint32_t most);

// The layers whose weights are all the same number, as FindSignals: of the
// trainer's weights as they are now. Not the last layer, nor one that closes a
// residual branch.
uint32_t FindAlike(const Trainer& trainer, SignalFinding* findings,
                   uint32_t most);

}  // namespace temper

#endif  // TEMPER_SIGNAL_H_
