// The classes of kernels whose speed a device profile knows. One list: layers
// state their cost in it (cost.h), the profile's parser, the measurement and
// the estimate go by it. What the speed of a class depends on:
// ports/sim/kernel_axes.h.
#ifndef TEMPER_RUNTIME_KERNEL_CLASSES_H_
#define TEMPER_RUNTIME_KERNEL_CLASSES_H_

#include <cstdint>

namespace temper {

// clang-format off

// Two operations per multiply-add, counted on the layer as written; columns
// count as whole groups of 8, as the kernels compute them. `rows` are output
// pixels (or samples), `in` and `out` channels of the sum and of the result; of
// a first layer `in` is taps x channels.
#define TEMPER_PRODUCT_KERNELS(K) \
  K(DenseForward, dense_forward) \
  K(DenseInput, dense_input) \
  K(DenseWeights, dense_weights) \
  K(PointwiseForward, pointwise_forward) \
  K(PointwiseInput, pointwise_input) \
  K(PointwiseWeights, pointwise_weights) \
  K(ConvForward, conv_forward) \
  K(ConvInput, conv_input) \
  K(ConvWeights, conv_weights) \
  K(StridedForward, strided_forward) \
  K(StridedInput, strided_input) \
  K(StridedWeights, strided_weights) \
  K(FirstForward, first_forward) \
  K(FirstWeights, first_weights) \
  K(WinogradForward, winograd_forward) \
  K(WinogradInput, winograd_input) \
  K(WinogradWeights, winograd_weights)

// Two operations per multiply-add; `side` is that of a square image.
#define TEMPER_DEPTHWISE_KERNELS(K) \
  K(DepthwiseForward, depthwise_forward) \
  K(DepthwiseInput, depthwise_input) \
  K(DepthwiseWeights, depthwise_weights)

// Bytes read plus bytes written, each tensor once. `distance`: the bytes that a
// core touches between two uses of the same byte, which says what cache it
// comes from.
#define TEMPER_STREAM_KERNELS(K) \
  K(Form, form) \
  K(Stats, stats) \
  K(Sums, sums) \
  K(NormGradient, norm_gradient) \
  K(Add, add) \
  K(Mask, mask) \
  K(Copy, copy) \
  K(Fill, fill) \
  K(Update, update) \
  K(ColumnSums, column_sums) \
  K(Normalize, normalize) \
  K(Dropout, dropout) \
  K(Softmax, softmax) \
  K(MaxPoolForward, max_pool_forward) \
  K(MaxPoolInput, max_pool_input) \
  K(AvgPoolForward, avg_pool_forward) \
  K(AvgPoolInput, avg_pool_input)

enum class Kernel : uint32_t {
#define TEMPER_KERNEL_ENUM(Name, text) k##Name,
  TEMPER_PRODUCT_KERNELS(TEMPER_KERNEL_ENUM)
  TEMPER_DEPTHWISE_KERNELS(TEMPER_KERNEL_ENUM)
  TEMPER_STREAM_KERNELS(TEMPER_KERNEL_ENUM)
#undef TEMPER_KERNEL_ENUM
  kCount
};

enum class KernelKind : uint32_t { kProduct, kDepthwise, kStream };
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

// clang-format on

inline constexpr uint32_t kKernels = static_cast<uint32_t>(Kernel::kCount);
constexpr const KernelInfo& InfoOf(Kernel kernel) {
  return kKernelInfo[static_cast<uint32_t>(kernel)];
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_KERNEL_CLASSES_H_
