// The rules. See diagnosis.h, docs/check.md.
#include "runtime/recipe/diagnosis.h"

#include <algorithm>
#include <cmath>

namespace temper::recipe {
namespace {

class Rules {
 public:
  Rules(std::span<const CurvePoint> points, const CurveFacts& facts,
        std::span<Diagnosis> to)
      : p_(points), f_(facts), to_(to) {}

  uint32_t Run() {
    if (f_.diverged) {
      Exploded();
      return count_;
    }
    if (p_.size() < 2) return 0;
    if (FlatFromTheStart() || OnlyByHeart() || FellBack()) return count_;
    Overfitting();
    if (count_ == 0) Gap();
    EarlyDrop();
    if (count_ == 0) Plateau();
    if (count_ == 0) BothLow();
    if (count_ == 0) Slow();
    Noisy();
    if (count_ == 0) RoseAgain();
    return count_;
  }

 private:
  void Say(Cause cause, uint32_t epoch, double from, double to) {
    if (count_ < to_.size()) to_[count_++] = {cause, epoch, from, to};
  }
  double Start() const {
    if (f_.expected_loss > 0) return f_.expected_loss;
    return f_.first_loss > 0 ? f_.first_loss : p_.front().train_loss;
  }
  bool FirstLossIsOff() const {
    return f_.first_loss > 0 && f_.expected_loss > 0 &&
           f_.first_loss > 1.5 * f_.expected_loss + 0.2;
  }
  bool AtItsEnd() const { return p_.back().epoch >= f_.epochs; }
  double HighestRate() const {
    double most = 0;
    for (const CurvePoint& p : p_) most = std::max(most, p.rate);
    return most;
  }
  // The mean fall of the training loss per epoch from a to b, in parts of it.
  double Slope(size_t a, size_t b) const {
    const double from = p_[a].train_loss, to = p_[b].train_loss;
    return from > 0 ? (from - to) / from / static_cast<double>(b - a) : 0;
  }

  // Wrong before the first step: initialization. Right at first: the rate.
  void Exploded() {
    const bool off = FirstLossIsOff() || (f_.first_loss == 0 && p_.empty());
    Say(off ? Cause::kInitLarge : Cause::kRateHigh, 0, f_.first_loss,
        f_.expected_loss);
  }

  bool FlatFromTheStart() {
    double best = p_.front().train_loss, accuracy = -1;
    for (const CurvePoint& p : p_) {
      best = std::min(best, p.train_loss);
      accuracy = std::max({accuracy, p.train_accuracy, p.val_accuracy});
    }
    const bool classes = f_.chance > 0 && accuracy >= 0;
    const bool flat =
        (classes ? accuracy < f_.chance + 0.05 : best > 0.95 * Start()) ||
        (best > 0.8 * Start() && SaysOneThing());
    if (!flat) {
      // Little by little is flat, too: a tiny update is its own reason.
      if (f_.update_ratio > 0 && f_.update_ratio < 3e-6 &&
          best > 0.5 * Start()) {
        Say(Cause::kRateLow, 1, f_.update_ratio, best);
        return true;
      }
      return false;
    }
    const double start = Start();
    if (f_.peak_loss > 3 * std::max(start, f_.first_loss)) {
      // Of an epoch the mean may be above all of the first steps.
      Say(Cause::kRateHigh, 1, std::max(f_.peak_loss, p_.back().train_loss),
          p_.back().train_loss);
    } else if (FirstLossIsOff()) {
      Say(Cause::kInitLarge, 1, f_.first_loss, f_.expected_loss);
    } else if (f_.gradient_norm > 0 && f_.gradient_norm < 1e-5) {
      Say(Cause::kInitSmall, 1, f_.gradient_norm, 0);
    } else if (f_.first_loss > 0 && std::abs(f_.first_loss - f_.expected_loss) <
                                        1e-5 * f_.expected_loss) {
      // Equal probabilities to five digits: the head gets no signal at all.
      Say(Cause::kInitSmall, 1, f_.first_loss, f_.expected_loss);
    } else if (f_.update_ratio > 0 && f_.update_ratio < 1e-5) {
      Say(Cause::kRateLow, 1, f_.update_ratio, 0);
    } else if (p_.size() >= 3 && f_.chance <= 0 && FallsEvenly()) {
      // Large values: steps of a usual size lead nowhere near them.
      Say(Cause::kRateLow, 1, 0, 1 - p_.back().train_loss / start);
    } else if (p_.size() >= 3) {
      Say(Cause::kLabels, 1, accuracy, f_.chance);
    }
    return count_ > 0;
  }

  // By little, but after nearly every epoch.
  bool FallsEvenly() const {
    size_t falls = 0;
    for (size_t i = 1; i < p_.size(); ++i) {
      falls += p_[i].train_loss < p_[i - 1].train_loss;
    }
    return 10 * falls >= 9 * (p_.size() - 1) && p_.back().train_loss < Start();
  }

  // The same share of the validation samples is right after every epoch, to the
  // last one: whatever the sample, it says the same.
  bool SaysOneThing() const {
    if (p_.size() < 3 || p_.front().val_accuracy < 0) return false;
    for (const CurvePoint& p : p_) {
      if (p.val_accuracy != p_.front().val_accuracy) return false;
    }
    return true;
  }

  // The training data are learnt, others stay at chance: by heart alone. Five
  // epochs, for statistics of batch norms come late.
  bool OnlyByHeart() {
    if (f_.chance <= 0 || p_.size() < 5) return false;
    double best = 0;
    for (const CurvePoint& p : p_) {
      if (p.val_accuracy < 0) return false;
      best = std::max(best, p.val_accuracy);
    }
    const CurvePoint& last = p_.back();
    if (best >= f_.chance + 0.05 || last.train_accuracy < f_.chance + 0.1) {
      return false;
    }
    Say(Cause::kLabels, 0, last.train_accuracy, best);
    return true;
  }

  // It has been better, or far worse, and is at chance now; or it ends worse than
  // it began, however many are right.
  bool FellBack() {
    if (f_.chance <= 0 || p_.size() < 3) return false;
    const double start = Start();
    double worst = 0;
    for (const CurvePoint& p : p_) {
      worst = std::max({worst, p.train_loss, p.val_loss});
    }
    const bool worse =
        f_.expected_loss > 0 && p_.back().train_loss > 1.5 * start;
    for (size_t i = p_.size() - 2; i < p_.size() && !worse; ++i) {
      if (p_[i].train_accuracy < 0 ||
          p_[i].train_accuracy >= f_.chance + 0.05 ||
          p_[i].val_accuracy >= f_.chance + 0.05 ||
          p_[i].train_loss < 0.95 * start) {
        return false;
      }
    }
    Say(Cause::kRateHigh, 1, std::max(worst, f_.peak_loss),
        p_.back().train_loss);
    return true;
  }

  void Overfitting() {
    size_t lowest = p_.size();
    for (size_t i = 0; i < p_.size(); ++i) {
      if (p_[i].val_loss < 0) continue;
      if (lowest == p_.size() || p_[i].val_loss < p_[lowest].val_loss) {
        lowest = i;
      }
    }
    if (lowest == p_.size()) return;
    const CurvePoint& best = p_[lowest];
    const CurvePoint& last = p_.back();
    // Several epochs, clearly, and while the training loss goes on falling.
    constexpr size_t kPatience = 3;
    size_t worse = 0;
    for (size_t i = lowest + 1; i < p_.size(); ++i) {
      worse += p_[i].val_loss > 1.02 * best.val_loss;
    }
    double highest = 0;  // of the training loss since
    for (size_t i = lowest + 1; i < p_.size(); ++i) {
      highest = std::max(highest, p_[i].train_loss);
    }
    // Of few samples one or two decide over a tenth.
    const double clearly =
        f_.val_samples > 0 ? std::max(0.1, 2 / std::sqrt(f_.val_samples)) : 0.1;
    if (worse < kPatience || last.val_loss < (1 + clearly) * best.val_loss ||
        last.train_loss > 0.9 * best.train_loss ||
        highest > 1.2 * best.train_loss || HasRisen()) {
      return;
    }
    Say(Cause::kOverfitting, best.epoch, best.val_loss, last.val_loss);
  }

  // At the end far more of the training data are right than of others, and those
  // no longer get better. Accuracies in training mode are, if anything, too low.
  void Gap() {
    const size_t n = p_.size();
    const CurvePoint& last = p_.back();
    if (n < 8 || !AtItsEnd() || last.train_accuracy < 0 ||
        last.val_accuracy < 0 || last.val_loss < 0 || HasRisen()) {
      return;
    }
    const CurvePoint& before = p_[n - 1 - n / 4];
    if (last.train_accuracy - last.val_accuracy < 0.15 ||
        last.train_loss > 0.7 * last.val_loss ||
        last.val_loss < 0.97 * before.val_loss) {
      return;
    }
    Say(Cause::kOverfitting, 0, last.train_accuracy, last.val_accuracy);
  }

  // The rate fell while the loss still did, and then the loss stood still.
  void EarlyDrop() {
    for (size_t d = 1; d + 2 < p_.size(); ++d) {
      if (p_[d].rate > 0.3 * p_[d - 1].rate || p_[d - 1].rate <= 0) continue;
      const double before =
          d >= 2 ? Slope(d - 2, d - 1)
                 : (Start() - p_[0].train_loss) / std::max(1e-9, Start());
      const double after = Slope(std::min(d + 1, p_.size() - 2), p_.size() - 1);
      if (before > 0.05 && after < 0.01 &&
          p_.back().train_loss > 0.15 * Start() && 2 * d < p_.size()) {
        Say(Cause::kScheduleEarly,
            std::min<uint32_t>(3 * p_[d].epoch, p_.back().epoch),
            p_[d - 1].train_loss, p_.back().train_loss);
      }
      return;
    }
  }

  // It fell, then stood still although the rate is what it was.
  void Plateau() {
    const size_t n = p_.size();
    if (n < 6) return;
    const size_t from = n - std::max<size_t>(3, n / 3) - 1;
    if (p_.back().rate < 0.5 * HighestRate() || HasRisen()) return;
    if (Start() - p_[from].train_loss < 0.2 * Start()) return;
    if (std::abs(Slope(from, n - 1)) > 0.005) return;
    if (p_.back().train_loss < 0.02 * Start()) return;  // it is done
    size_t begin = from;
    while (begin > 1 &&
           std::abs(p_[begin - 1].train_loss - p_.back().train_loss) <
               0.03 * p_.back().train_loss) {
      --begin;
    }
    Say(Cause::kPlateau, p_[begin].epoch, p_[begin].train_loss,
        p_.back().train_loss);
  }

  // Where the training loss was lowest.
  const CurvePoint& Lowest() const {
    return *std::min_element(p_.begin(), p_.end(),
                             [](const CurvePoint& a, const CurvePoint& b) {
                               return a.train_loss < b.train_loss;
                             });
  }
  bool HasRisen() const {
    const double last = p_.back().train_loss;
    return last >= 0.1 * Start() && last >= 1.5 * Lowest().train_loss;
  }

  // What is lowest was some epochs ago, and by far.
  void RoseAgain() {
    if (p_.size() < 4 || !AtItsEnd() || !HasRisen()) return;
    Say(Cause::kRateHigh, Lowest().epoch, Lowest().train_loss,
        p_.back().train_loss);
  }

  // The fall of the training loss per epoch while the rate was at least half of
  // its highest: a schedule that ends near 0 makes every curve flat at its end.
  double SlopeAtWork() const {
    size_t last = 0;
    for (size_t i = 0; i < p_.size(); ++i) {
      if (p_[i].rate >= 0.5 * HighestRate()) last = i;
    }
    // Of a rate that fell at once nothing is known.
    const bool long_enough = 3 * (last + 1) >= p_.size() && last > 0;
    return long_enough ? Slope(last < 2 ? 0 : last - 2, last) : 0;
  }

  // Training no better than validation, both far from done, and the rate has
  // come down already. The model is the last thing to blame: first steps that
  // were too large or too small for anything to be learnt, then too few of them.
  void BothLow() {
    const size_t n = p_.size();
    const CurvePoint& last = p_.back();
    if (n < 4 || last.train_accuracy < 0 || last.val_accuracy < 0) return;
    if (last.train_loss < 0.25 * Start()) return;
    if (last.train_accuracy - last.val_accuracy > 0.05) return;
    double worst = 0;  // of validation: batch norm hides it from training
    for (const CurvePoint& p : p_) worst = std::max(worst, p.val_loss);
    if (f_.peak_loss > 3 * Start() || worst > 10 * Start()) {
      if (!AtItsEnd()) return;  // it may recover
      Say(Cause::kRateHigh, 0, std::max(f_.peak_loss, worst), last.train_loss);
      return;
    }
    if (f_.update_ratio > 0 && f_.update_ratio < kSmallUpdate) {
      Say(Cause::kRateLow, 0, f_.update_ratio, last.train_loss);
      return;
    }
    if (Slope(n - 1 - std::max<size_t>(2, n / 4), n - 1) > 0.01) return;
    if (SlopeAtWork() > 0.04) {
      Say(Cause::kSlow, 0, SlopeAtWork(), last.train_loss);
      return;
    }
    // Few epochs, or a validation that still gets better, prove nothing.
    const size_t part = std::max<size_t>(2, n / 4);
    const double fell =
        1 - last.val_loss / std::max(1e-9, p_[n - 1 - part].val_loss);
    if (n < 6 || fell > 0.01 * static_cast<double>(part)) return;
    Say(Cause::kCapacity, last.epoch, last.train_accuracy, last.val_accuracy);
  }

  // It still falls as fast as at first.
  void Slow() {
    const size_t n = p_.size();
    if (n < 4 || p_.back().train_loss < 0.4 * Start()) return;
    const size_t half = n / 2;
    const double first = p_[0].train_loss - p_[half].train_loss;
    const double second = p_[half].train_loss - p_[n - 1].train_loss;
    const double per_first = first / static_cast<double>(half);
    const double per_second = second / static_cast<double>(n - 1 - half);
    if (per_second > 0 && per_second > 0.5 * per_first &&
        per_second > 0.005 * Start()) {
      if (f_.update_ratio > 0 && f_.update_ratio < kSmallUpdate) {
        Say(Cause::kRateLow, 0, f_.update_ratio, p_.back().train_loss);
        return;
      }
      Say(Cause::kSlow, p_.back().epoch, p_[half].train_loss,
          p_[n - 1].train_loss);
    }
  }

  // Up and down by a fifth and more, in most epochs.
  void Noisy() {
    size_t turns = 0, seen = 0;
    for (size_t i = 2; i < p_.size(); ++i) {
      const auto loss = [&](size_t k) {
        return p_[k].val_loss >= 0 ? p_[k].val_loss : p_[k].train_loss;
      };
      const double a = loss(i - 1) - loss(i - 2), b = loss(i) - loss(i - 1);
      const double size = std::min(std::abs(a), std::abs(b));
      ++seen;
      turns += a * b < 0 && size > 0.15 * loss(i - 1);
    }
    if (seen >= 4 && 2 * turns > seen) {
      Say(Cause::kNoisy, p_.back().epoch, static_cast<double>(turns),
          static_cast<double>(seen));
    }
  }

  const std::span<const CurvePoint> p_;
  const CurveFacts& f_;
  const std::span<Diagnosis> to_;
  uint32_t count_ = 0;
};

}  // namespace

uint32_t Diagnose(std::span<const CurvePoint> points, const CurveFacts& facts,
                  std::span<Diagnosis> to) {
  return Rules(points, facts, to).Run();
}

}  // namespace temper::recipe
