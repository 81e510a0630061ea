// How much arithmetic a test asks for. The scalar twins count the
// floating-point operations of their formulas here (a multiply-add is two),
// every time they run; flops.cc prints the sum after each test, "[   FLOPS  ]
// ... 1.2 M". Under emulation (tests/arm/emulated.cmake) an operation costs
// some hundred times what it costs on a CPU, and the kernels repeat it for each
// target and thread count. So a unit test may ask for kMostFlops at most, or it
// fails; a slow test (<name>_slow_test.cc) for more.
#ifndef TEMPER_TESTS_TESTING_FLOPS_H_
#define TEMPER_TESTS_TESTING_FLOPS_H_

#include <cstdint>

namespace temper::testing {

inline constexpr uint64_t kMostFlops = 20'000'000;

// Of the current test; twins run on the test's own thread.
inline uint64_t counted_flops = 0;

inline void CountFlops(uint64_t flops) { counted_flops += flops; }

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_FLOPS_H_
