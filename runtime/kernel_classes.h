// The classes of kernels whose speed a device profile knows. One list: layers
// state their cost in it (cost.h), the profile's parser, the measurement and
// the estimate go by it. What the speed of a class depends on:
// ports/sim/kernel_axes.h.
#ifndef TEMPER_RUNTIME_KERNEL_CLASSES_H_
#define TEMPER_RUNTIME_KERNEL_CLASSES_H_

#include <cstdint>

namespace temper {

// An entry: the enumerator's suffix, the name in profiles, and the most similar
// class. A profile that is older than a class lacks it: the similar class's
// speed is used instead.
// clang-format off

// Two operations per multiply-add, counted on the layer as written; columns
// count as whole groups of 8, as the kernels compute them. `rows` are output
// pixels (or samples), `in` and `out` channels of the sum and of the result; of
// a first layer `in` is taps x channels.
#define TEMPER_PRODUCT_KERNELS(K) \
  K(DenseForward, dense_forward, PointwiseForward) \
  K(DenseInput, dense_input, PointwiseInput) \
  K(DenseWeights, dense_weights, PointwiseWeights) \
  K(PointwiseForward, pointwise_forward, ConvForward) \
  K(PointwiseInput, pointwise_input, PointwiseForward) \
  K(PointwiseWeights, pointwise_weights, PointwiseInput) \
  K(ConvForward, conv_forward, PointwiseForward) \
  K(ConvInput, conv_input, ConvForward) \
  K(ConvWeights, conv_weights, ConvInput) \
  K(StridedForward, strided_forward, ConvForward) \
  K(StridedInput, strided_input, ConvInput) \
  K(StridedWeights, strided_weights, ConvWeights) \
  K(FirstForward, first_forward, ConvForward) \
  K(FirstWeights, first_weights, ConvWeights) \
  K(WinogradForward, winograd_forward, ConvForward) \
  K(WinogradInput, winograd_input, ConvInput) \
  K(WinogradWeights, winograd_weights, ConvWeights)

// Two operations per multiply-add; `side` is that of a square image.
#define TEMPER_DEPTHWISE_KERNELS(K) \
  K(DepthwiseForward, depthwise_forward, DepthwiseInput) \
  K(DepthwiseInput, depthwise_input, DepthwiseForward) \
  K(DepthwiseWeights, depthwise_weights, DepthwiseInput)

// Bytes read plus bytes written, each tensor once. `distance`: the bytes that a
// core touches between two uses of the same byte, which says what cache it
// comes from.
#define TEMPER_STREAM_KERNELS(K) \
  K(Form, form, Copy) \
  K(Stats, stats, Form) \
  K(Sums, sums, Form) \
  K(NormGradient, norm_gradient, Form) \
  K(Add, add, Form) \
  K(Mask, mask, Form) \
  K(Copy, copy, Form) \
  K(Fill, fill, Form) \
  K(Update, update, Form) \
  K(ColumnSums, column_sums, Form) \
  K(Normalize, normalize, Form) \
  K(Dropout, dropout, Form) \
  K(Softmax, softmax, Form) \
  K(MaxPoolForward, max_pool_forward, Form) \
  K(MaxPoolInput, max_pool_input, Form) \
  K(AvgPoolForward, avg_pool_forward, Form) \
  K(AvgPoolInput, avg_pool_input, Form)

enum class Kernel : uint32_t {
#define TEMPER_KERNEL_ENUM(Name, text, Like) k##Name,
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
  // The most similar class of the same kind (operations or bytes): its speed
  // replaces one that is not known.
  Kernel like;
};
inline constexpr KernelInfo kKernelInfo[] = {
#define TEMPER_KERNEL_INFO(Name, text, Like) \
  {#text, KernelKind::kProduct, Kernel::k##Like},
  TEMPER_PRODUCT_KERNELS(TEMPER_KERNEL_INFO)
#undef TEMPER_KERNEL_INFO
#define TEMPER_KERNEL_INFO(Name, text, Like) \
  {#text, KernelKind::kDepthwise, Kernel::k##Like},
  TEMPER_DEPTHWISE_KERNELS(TEMPER_KERNEL_INFO)
#undef TEMPER_KERNEL_INFO
#define TEMPER_KERNEL_INFO(Name, text, Like) \
  {#text, KernelKind::kStream, Kernel::k##Like},
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
