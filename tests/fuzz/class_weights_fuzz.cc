// Fuzz target: files of class weights. What is accepted is a list of as many
// weights as classes, which is read again as the same list.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/class_weights.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using temper::host::ErrorKind;

void Require(bool condition) {
  temper::fuzz::Require(condition, "class_weights");
}

const std::vector<std::string> kClasses = {"shirt", "ankle boot", "7"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  temper::host::Dataset data;
  data.class_names = kClasses;
  try {
    const std::string list =
        temper::host::ParseClassWeights(text, "weights.txt", kClasses);
    Require(temper::host::SettleClassWeights(list, kClasses) == list);
    const std::vector<float> weights = temper::host::ClassWeights(list, data);
    Require(weights.size() == kClasses.size());
    for (const float w : weights) Require(w >= 0.0f && w <= 1e6f);
  } catch (const temper::host::Failure& failure) {
    // kUsage: all of them 0.
    Require(failure.kind == ErrorKind::kBadData ||
            failure.kind == ErrorKind::kUsage);
    Require(temper::IsShowable(failure.message, "\n"));
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string text :
       {"1\n2.5\n0\n", "shirt 1\nankle boot, 2\n7\t3e-2 # seven\n",
        "# none\n\n7 1\nshirt 0\nankle boot 0\n", "0\n0\n0\n",
        "shirt 1\nshirt 2\n", "1e999\n", "shirt\n"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"shirt", "ankle boot", "7", " ", ",", "#", "\n", "1e6", "-0", "nan"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
