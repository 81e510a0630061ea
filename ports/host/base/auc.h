// The area under the ROC curve: the probability that a score of a positive sample
// is above one of a negative sample, a tie counting half (Mann and Whitney's U
// over the number of pairs; scikit-learn: roc_auc_score). 1: all positive ones lie
// above all others; 0.5: scores say nothing.
#ifndef TEMPER_PORTS_HOST_BASE_AUC_H_
#define TEMPER_PORTS_HOST_BASE_AUC_H_

#include <optional>
#include <span>
#include <vector>

namespace temper::host {

// One score and one flag per sample, fewer than 2^32 of them. Exact but for the
// last division. Nothing if either kind is missing or a score is NaN.
std::optional<double> RocAuc(std::span<const float> scores,
                             const std::vector<bool>& positive);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_AUC_H_
