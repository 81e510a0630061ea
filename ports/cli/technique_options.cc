// See technique_options.h.
#include "ports/cli/technique_options.h"

namespace temper::host {
namespace {

constexpr const char* kTraining = "Training";
constexpr const char* kRegularization = "Regularization";

}  // namespace

void AddTechniqueOptions(Verb& verb, JobOptions* o) {
  verb.Add("--accumulate", &o->accumulate, "N",
           "Batches whose gradients make one step; 0: all of an epoch "
           "(full-batch gradient descent)")
      .Whole(0, 1000000)
      .Group(kTraining);
  verb.Add("--clip", &o->clip, "LIST",
           "Clip gradients: norm=X (all of them together; 1 or 10 are usual), "
           "value=X (each by itself), or both with a comma")
      .Group(kTraining);
  verb.Add("--l1", &o->l1, "X",
           "L1 penalty on dense and convolution weights: drives them to exact "
           "zeros; with weight_decay an elastic net")
      .Range(0, 1e6)
      .Group(kRegularization);
  verb.Add("--max-norm", &o->max_norm, "X",
           "Largest norm of the weights of one output; 0: any (3 is usual)")
      .Range(0, 1e30)
      .Group(kRegularization);
  verb.Add("--average", &o->average, "SPEC",
           "Validate and keep averaged weights: ema?decay=0.999, or swa (the "
           "mean of the last quarter)")
      .Group(kRegularization);
  verb.Add(
          "--class-weights", &o->class_weights, "WHAT",
          "How much each class counts: balanced (the rarer the more), a weight "
          "for each class (1,2.5,1), or a file with a class and its weight a "
          "line")
      .Default("all the same")
      .Group(kTraining);
  verb.Add("--sampler", &o->sampler, "HOW",
           "balanced: training samples are drawn so that classes come equally "
           "often")
      .Default("every sample once an epoch")
      .Group(kTraining);
  verb.Add("--early-stop", &o->early_stop, "N",
           "Stop when N epochs in a row were no better; 0: never")
      .Whole(0, 1000000)
      .Group(kRegularization);
  verb.Add("--min-delta", &o->min_delta, "X",
           "By how much an epoch must be better to count as better")
      .Range(0, 1e9)
      .Group(kRegularization);
  verb.Add("--monitor", &o->monitor, "WHAT",
           "What makes an epoch the best one: val_loss, val_accuracy or "
           "val_balanced_accuracy")
      .Default("val_loss with --early-stop, else val_accuracy")
      .Group(kRegularization);
}

}  // namespace temper::host
