// Prints the arithmetic of each test. See flops.h. Linked into every
// test.
#include "tests/testing/flops.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace temper::testing {
namespace {

class FlopsListener : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override { counted_flops = 0; }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    if (counted_flops == 0) return;
    const double millions = static_cast<double>(counted_flops) * 1e-6;
    std::printf("[   FLOPS  ] %s.%s %.3g M\n", test.test_suite_name(),
                test.name(), millions);
  }
};

[[maybe_unused]] const bool appended = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new FlopsListener);
  return true;
}();

}  // namespace
}  // namespace temper::testing
