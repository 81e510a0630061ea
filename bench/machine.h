// What this machine can do at most, measured in the process that is compared
// with it: the speed of fused multiply-adds on registers alone.
#ifndef TEMPER_BENCH_MACHINE_H_
#define TEMPER_BENCH_MACHINE_H_

namespace temper::bench {

// GFLOP/s of one thread with the SIMD target in force (simd/target.h): the best
// of many short runs of independent chains.
double FmaPeakGflops();

}  // namespace temper::bench

#endif  // TEMPER_BENCH_MACHINE_H_
