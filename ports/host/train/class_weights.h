// --class-weights: how much each class counts in training. "balanced", a weight
// of every class in the order of the classes ("1,2.5,1"), or a file.
//
// balanced: n / (k count) of n training samples of k classes (scikit-learn's
// formula): the mean over the samples is 1. Of several labels a sample, what a
// label that is there counts: samples without it by samples with it.
// A row's loss is multiplied by its class's weight and the sum divided by the
// rows (Batch::class_weights), not by the sum of the weights as PyTorch does:
// there a batch of one class would have the loss of an unweighted one.
#ifndef TEMPER_PORTS_HOST_TRAIN_CLASS_WEIGHTS_H_
#define TEMPER_PORTS_HOST_TRAIN_CLASS_WEIGHTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "ports/host/data/dataset.h"

namespace temper::host {

inline constexpr std::string_view kBalanced = "balanced";

// The option as a run stores it: "balanced" and numbers as they are, in place of
// a file its numbers. The file has a line for each class, its name and its
// weight with a blank or a comma between, in any order, or the weights alone in
// the order of the classes; '#' begins a comment. kUsage, kNotFound, kBadData.
std::string SettleClassWeights(const std::string& option,
                               const std::vector<std::string>& classes);

// The text of such a file as a list. kBadData; `where`: the file, for messages.
std::string ParseClassWeights(std::string_view text, const std::string& where,
                              const std::vector<std::string>& classes);

// The weights of a settled option: one for each class of `train`, which is the
// training part alone. Empty for an empty option. kUsage: not as many as
// classes, or none above 0.
std::vector<float> ClassWeights(const std::string& option,
                                const Dataset& train);

// The largest count of a class by the smallest; 0 where a class has none, or the
// data have no classes.
double Imbalance(const Dataset& data);
// What is said from there on.
inline constexpr double kImbalanced = 3.0;

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_CLASS_WEIGHTS_H_
