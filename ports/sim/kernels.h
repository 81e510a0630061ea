// The classes of kernels that a device profile knows the speed of, and what the
// speed of each depends on. One list: the profile's parser, the measurement and
// the estimate all go by it.
// Next: profile.h (the numbers), calls.h (which kernels a step calls).
#ifndef TEMPER_PORTS_SIM_KERNELS_H_
#define TEMPER_PORTS_SIM_KERNELS_H_

#include <cstdint>

namespace temper::sim {

// Two operations per multiply-add, counted on the layer as written; columns
// count as whole groups of 8, as the kernels compute them. `rows` are output
// pixels (or samples), `in` and `out` channels of the sum and of the result; of
// a first layer `in` is taps x channels.
#define TEMPER_PRODUCT_KERNELS(K)                                             \
  K(DenseForward, dense_forward)                                              \
  K(DenseInput, dense_input) K(DenseWeights, dense_weights) K(                \
      PointwiseForward, pointwise_forward) K(PointwiseInput, pointwise_input) \
      K(PointwiseWeights, pointwise_weights) K(ConvForward, conv_forward)     \
          K(ConvInput, conv_input) K(ConvWeights, conv_weights)               \
              K(StridedForward, strided_forward)                              \
                  K(StridedInput, strided_input)                              \
                      K(StridedWeights, strided_weights)                      \
                          K(FirstForward, first_forward)                      \
                              K(FirstWeights, first_weights)                  \
                                  K(WinogradForward, winograd_forward)        \
                                      K(WinogradInput, winograd_input)        \
                                          K(WinogradWeights, winograd_weights)

// Two operations per multiply-add; `side` is that of a square image.
#define TEMPER_DEPTHWISE_KERNELS(K)      \
  K(DepthwiseForward, depthwise_forward) \
  K(DepthwiseInput, depthwise_input) K(DepthwiseWeights, depthwise_weights)

// Bytes read plus bytes written, each tensor once. `distance`: the bytes that a
// core touches between two uses of the same byte, which says what cache it
// comes from.
#define TEMPER_STREAM_KERNELS(K)                                           \
  K(Form, form)                                                            \
  K(Stats, stats) K(Sums, sums) K(NormGradient, norm_gradient) K(Add, add) \
      K(Mask, mask) K(Copy, copy) K(Fill, fill) K(Update, update)          \
          K(ColumnSums, column_sums) K(Normalize, normalize)               \
              K(Dropout, dropout) K(Softmax, softmax)                      \
                  K(MaxPoolForward, max_pool_forward)                      \
                      K(MaxPoolInput, max_pool_input)                      \
                          K(AvgPoolForward, avg_pool_forward)              \
                              K(AvgPoolInput, avg_pool_input)

enum class Kernel : uint32_t {
#define TEMPER_KERNEL_ENUM(Name, text) k##Name,
  TEMPER_PRODUCT_KERNELS(TEMPER_KERNEL_ENUM)
      TEMPER_DEPTHWISE_KERNELS(TEMPER_KERNEL_ENUM)
          TEMPER_STREAM_KERNELS(TEMPER_KERNEL_ENUM)
#undef TEMPER_KERNEL_ENUM
              kCount
};
inline constexpr uint32_t kKernels = static_cast<uint32_t>(Kernel::kCount);

enum class KernelKind : uint32_t { kProduct, kDepthwise, kStream };
inline constexpr uint32_t kMaxAxes = 3;

struct KernelInfo {
  const char* name;
  KernelKind kind;
};
inline constexpr KernelInfo kKernelInfo[] = {
#define TEMPER_KERNEL_INFO(Name, text) {#text, KernelKind::kProduct},
    TEMPER_PRODUCT_KERNELS(TEMPER_KERNEL_INFO)
#undef TEMPER_KERNEL_INFO
#define TEMPER_KERNEL_INFO(Name, text) {#text, KernelKind::kDepthwise},
        TEMPER_DEPTHWISE_KERNELS(TEMPER_KERNEL_INFO)
#undef TEMPER_KERNEL_INFO
#define TEMPER_KERNEL_INFO(Name, text) {#text, KernelKind::kStream},
            TEMPER_STREAM_KERNELS(TEMPER_KERNEL_INFO)
#undef TEMPER_KERNEL_INFO
};
constexpr const KernelInfo& InfoOf(Kernel kernel) {
  return kKernelInfo[static_cast<uint32_t>(kernel)];
}

// What the speed of a kind depends on, and what it is counted in.
struct KernelAxes {
  uint32_t count;
  const char* names[kMaxAxes];
  const char* unit;
};
constexpr KernelAxes AxesOf(KernelKind kind) {
  switch (kind) {
    case KernelKind::kProduct:
      return {3, {"rows", "in", "out"}, "gflops"};
    case KernelKind::kDepthwise:
      return {3, {"stride", "side", "channels"}, "gflops"};
    case KernelKind::kStream:
      break;
  }
  return {2, {"distance", "channels"}, "gbytes"};
}

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_KERNELS_H_
