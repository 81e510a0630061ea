// Group normalisation: each sample by the mean and population variance over all
// its pixels and the channels of a group (Wu and He 2018). Per channel the sums
// are batch norm's over the pixels of one sample (norm.h); those of a group's
// channels are put together in double, in ascending order. Samples share nothing:
// threads split over them. Requires: as gemm.h. In place (y == x, dx == dy) is
// allowed. Error: y rtol 4e-6 of the group's largest |y - bias|, backward rtol
// 1e-5 of the largest term.
// Next: group_norm.cc, runtime/layers/group_norm.cc.
#ifndef TEMPER_SIMD_GROUP_NORM_H_
#define TEMPER_SIMD_GROUP_NORM_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

struct GroupNormShape {
  uint32_t batch;
  size_t pixels, channels, groups;  // groups divides channels
};

size_t GroupNormForwardScratch(const GroupNormShape& shape, uint32_t threads);
// y = (x - mean) * rstd * gamma + beta. stats (batch, groups, 2): mean and rstd
// are written.
void GroupNormForward(const GroupNormShape& shape, const float* x,
                      const float* gamma, const float* beta, float eps,
                      float* stats, float* y, void* scratch,
                      const ParallelRunner& parallel);

size_t GroupNormBackwardScratch(const GroupNormShape& shape, uint32_t threads);
// dgamma += sum dy * xhat, dbeta += sum dy, by the chunk rule over samples; null:
// not wanted. dx = (accumulate ? dx : 0) + gamma * rstd * dy - rstd * (A + xhat
// * B) / n with A = sum of gamma * dy and B = sum of gamma * dy * xhat over the n
// elements of the group; smaller than 2^-63 in magnitude: +0. dx null: not
// wanted.
void GroupNormBackward(const GroupNormShape& shape, const float* x,
                       const float* gamma, const float* stats, const float* dy,
                       float* dgamma, float* dbeta, bool accumulate, float* dx,
                       void* scratch, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_GROUP_NORM_H_
