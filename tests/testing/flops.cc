// Prints the arithmetic of each test and fails a unit test that asks for too
// much. See flops.h. Linked into every test.
#include "tests/testing/flops.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

namespace temper::testing {
namespace {

// <name>_slow_test: glibc knows how this program was called.
const bool slow_test =
    std::string_view(program_invocation_short_name).ends_with("_slow_test");

class FlopsListener : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override { counted_flops = 0; }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    if (counted_flops == 0) return;
    const double millions = static_cast<double>(counted_flops) * 1e-6;
    std::printf("[   FLOPS  ] %s.%s %.3g M\n", test.test_suite_name(),
                test.name(), millions);
    if (slow_test || counted_flops <= kMostFlops) return;
    ADD_FAILURE() << millions << " million operations in a unit test, "
                  << kMostFlops / 1000000
                  << " are the most: take smaller shapes "
                  << "or fewer cases, or move the test to a _slow_test.cc";
  }
};

[[maybe_unused]] const bool appended = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new FlopsListener);
  return true;
}();

}  // namespace
}  // namespace temper::testing
