// NonFinite: samples of which a model has computed NaN or infinity. Such an
// output is no class and no loss: eval and predict count it, name the samples
// and end in kDiverged.
#ifndef TEMPER_PORTS_HOST_BASE_NON_FINITE_H_
#define TEMPER_PORTS_HOST_BASE_NON_FINITE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace temper::host {

class NonFinite {
 public:
  static bool AllFinite(const float* values, size_t count);

  void Add(const std::string& sample);
  uint64_t count() const { return count_; }
  // The first ones, so that a broken model does not fill the output.
  const std::vector<std::string>& first() const { return first_; }
  // "3 of 500 samples ...: a, b, c" and what to do.
  std::string Message(uint64_t samples) const;

 private:
  static constexpr size_t kNamed = 10;

  uint64_t count_ = 0;
  std::vector<std::string> first_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_NON_FINITE_H_
