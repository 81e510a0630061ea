// LayerProbe: what signals and gradients are in every layer, measured on one
// batch: whether the signal dies or explodes with depth, which units say nothing.
// Weight gradients do not show it: in a plain ReLU net they look even while the
// signal dies. Nothing is changed that outlives the call; no heap.
//
// The trainer's plan must be one of ProbeOptions: whole gradients, no slabs.
// Next: gradient_check.h, ports/host/recipe/ (who asks).
#ifndef TEMPER_RUNTIME_RECIPE_LAYER_STATISTICS_H_
#define TEMPER_RUNTIME_RECIPE_LAYER_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "temper/plan.h"
#include "temper/trainer.h"

namespace temper::recipe {

// Of one node. Where another node absorbed it (batch norm and its activation),
// both have the numbers of what they compute together.
struct LayerStatistics {
  bool measured = false;  // its output has been there
  double rms = 0;         // root of the mean square of its output
  bool has_gradient = false;
  double gradient_rms = 0;  // of the loss's gradient with respect to its output
  // Units: channels of its output. Dead: the same value for every sample and
  // place, so that nothing that follows learns from it.
  uint32_t units = 0, dead = 0;
  // Of an activation of its own steps: units through which less than a tenth of
  // the gradient passes, dead ones among them.
  bool has_slope = false;
  uint32_t saturated = 0;
};

// The options of a job as a probe needs them: `rows` samples at a time.
PlanOptions ProbeOptions(const PlanOptions& job, uint32_t rows);
// Doubles of scratch for a plan.
size_t ProbeScratch(const Plan& plan);

class LayerProbe {
 public:
  // Forward as in training and backward. `layers`: one per node of the plan;
  // `scratch`: ProbeScratch. kNotFinite: the loss is not finite, and there are
  // no gradients; else what Trainer::Gradients would say. The loss and the
  // number of right ones are the batch's.
  static StepResult Measure(Trainer& trainer, const Batch& batch,
                            std::span<LayerStatistics> layers,
                            std::span<double> scratch);

  // From the next step on, sums up the squares of the gradients that the
  // optimizer gets; changes no bit of a weight. The norm is that of the steps
  // since it was switched on, before clipping by the norm (after clipping by
  // value); its last digits may depend on the threads.
  static void MeasureGradients(Trainer& trainer, bool on);
  static double GradientNorm(const Trainer& trainer);

 private:
  static void MeasureOutput(Trainer& trainer, uint32_t node, uint32_t rows,
                            std::span<double> scratch, LayerStatistics* to);
};

}  // namespace temper::recipe

#endif  // TEMPER_RUNTIME_RECIPE_LAYER_STATISTICS_H_
