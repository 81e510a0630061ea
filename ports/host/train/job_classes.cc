// See job_classes.h.
#include "ports/host/train/job_classes.h"

#include <fmt/format.h>

#include <algorithm>

#include "ports/host/base/failure.h"
#include "ports/host/train/class_weights.h"
#include "ports/host/train/loss_option.h"
#include "temper/graph_edit.h"

namespace temper::host {

uint32_t OutputsOf(const Job& job) {
  std::vector<Shape> shapes;
  const Status status = job.info.graph.Check(&shapes);
  if (!status.ok()) FailStatus(status, job.info.graph, job.options.model);
  return static_cast<uint32_t>(shapes.back().Count());
}

void SettleOneOutput(Job& job) {
  const uint32_t outputs = OutputsOf(job);
  const size_t classes = job.classes.size();
  if (job.head_rows.empty() &&
      models::ClassesOf(job.info.graph, outputs) < classes) {
    job.head_rows.assign(classes, -1);  // after softmax now: one for each
    job.notes.push_back(fmt::format("new head: {} classes", classes));
  } else if (!job.head_rows.empty() && outputs == 1) {
    const bool one = models::ClassesOf(job.info.graph, 1) == classes;
    job.head_rows.assign(one ? 1 : classes, -1);
  }
}

void SetNewLoss(Job& job) {
  const Targets& targets = job.data.train.targets;
  Graph& graph = job.info.graph;
  const bool was_one =
      targets.kind == TargetKind::kClasses && OutputsOf(job) < targets.width;
  ApplyLoss(job.options.loss, targets, job.options.model, &graph);
  if (targets.kind != TargetKind::kClasses) return;
  const bool one = models::ClassesOf(graph, 1) == targets.width;
  if (was_one && !one) {
    Fail(ErrorKind::kConfiguration, "--loss", Printable(job.options.loss),
         "the model has one output (head=sigmoid), and this loss wants one for "
         "each class",
         "Leave out head=sigmoid, or use bce or focal");
  }
  if (!one || was_one) return;
  const Status status = models::SetOutputs(&graph, 1);
  if (!status.ok()) FailStatus(status, graph, "--loss");
}

void CheckMixup(const Job& job) {
  const Targets& targets = job.data.train.targets;
  const LossTraits& loss = *LossOf(job.info.graph.nodes.back().kind);
  const bool classes =
      targets.kind == TargetKind::kClasses || targets.kind == TargetKind::kSoft;
  if (classes && loss.Takes(TargetKind::kSoft)) return;
  Fail(ErrorKind::kUsage, "--mixup", "",
       classes ? "the loss takes no mixtures of classes"
               : "it is for one class a sample",
       classes ? "Use --loss cross_entropy or focal, or leave it out"
               : "Leave it out");
}

void BalanceClasses(Job& job) {
  JobOptions& o = job.options;
  const Targets& targets = job.data.train.targets;
  const bool classifier = models::IsClassifier(job.info.graph);
  if (!o.class_weights.empty() && !classifier) {
    Fail(ErrorKind::kUsage, "--class-weights", "",
         "the model tells no classes apart", "Leave it out");
  }
  if (!o.sampler.empty() &&
      (!classifier || targets.kind == TargetKind::kMultiHot)) {
    Fail(ErrorKind::kUsage, "--sampler", "", "it is for one class a sample",
         "Leave it out");
  }
  if (o.mixup > 0.0) CheckMixup(job);
  if (!classifier) return;
  o.class_weights = SettleClassWeights(o.class_weights, job.classes);
  job.class_weights = ClassWeights(o.class_weights, job.data.train);
  if (!job.class_weights.empty()) {
    const auto [least, most] =
        std::minmax_element(job.class_weights.begin(), job.class_weights.end());
    job.notes.push_back(
        fmt::format("class weights from {:.4g} to {:.4g}", *least, *most));
    // One output, one label: what "no" counts comes first.
    if (job.class_weights.size() < models::ClassesOf(job.info.graph, 1)) {
      job.class_weights.insert(job.class_weights.begin(), 1.0f);
    }
    // Outputs that no class belongs to.
    const uint32_t all = models::ClassesOf(job.info.graph, OutputsOf(job));
    if (job.class_weights.size() < all) job.class_weights.resize(all, 1.0f);
    return;
  }
  if (const double x = Imbalance(job.data.train);
      x > kImbalanced && o.sampler.empty()) {
    job.notes.push_back(
        fmt::format("the largest class has {:.1f} times the samples of the "
                    "smallest: --class-weights balanced or --sampler balanced "
                    "help it",
                    x));
  }
}

double ChanceOf(const Job& job) {
  const std::vector<uint64_t> counts = job.data.train.ClassCounts();
  if (job.classes.empty() || counts.empty()) return 0;
  // A sample may have several labels.
  return std::min(
      1.0,
      static_cast<double>(*std::max_element(counts.begin(), counts.end())) /
          static_cast<double>(std::max<size_t>(1, job.data.train.size())));
}

}  // namespace temper::host
