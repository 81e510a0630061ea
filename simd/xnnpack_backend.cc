// The only file that knows XNNPACK. See xnnpack_backend.h.
#include "simd/xnnpack_backend.h"

#include "simd/xnnpack_region.h"

#ifdef TEMPER_XNNPACK

#include <pthread.h>
#include <pthreadpool.h>
#include <xnnpack.h>

#include <algorithm>
#include <atomic>
#include <cmath>

namespace temper::simd::xnn {
namespace {

constexpr size_t kRank = 4;  // of every value: NHWC

void* Allocate(void*, size_t bytes) { return RegionAllocate(bytes); }
void* Reallocate(void*, void* block, size_t bytes) {
  return RegionReallocate(block, bytes);
}
void Deallocate(void*, void* block) { RegionFree(block); }
void* AlignedAllocate(void*, size_t alignment, size_t bytes) {
  return alignment > kRegionAlign ? nullptr : RegionAllocate(bytes);
}

// Memory of the region until the end of the scope.
template <class T>
class Temporary {
 public:
  explicit Temporary(size_t count)
      : data_(static_cast<T*>(RegionAllocate(count * sizeof(T)))) {}
  ~Temporary() { RegionFree(data_); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  T* data() const { return data_; }

 private:
  T* data_;
};

bool HasWeights(OpKind kind) {
  return kind == OpKind::kConv2d || kind == OpKind::kDepthwise ||
         kind == OpKind::kDense;
}
size_t WeightCount(const Op& op) {
  const ConvShape& s = op.window;
  const size_t taps = size_t{s.kernel_h} * s.kernel_w;
  switch (op.kind) {
    case OpKind::kConv2d:
      return s.out_c * taps * (s.in_c / s.groups);
    case OpKind::kDepthwise:
      return s.out_c * taps;
    default:
      return size_t{s.out_c} * s.in_c;
  }
}
// Floats that Fold writes.
size_t FoldedCount(const Op& op) {
  const size_t bias =
      op.bias != nullptr && op.norm.gamma == nullptr ? 0 : op.window.out_c;
  return bias + (op.norm.gamma == nullptr ? 0 : WeightCount(op));
}

// Weights and bias with the batch norm after them. What they point to is the
// op's own, or lies in `to`.
struct Folded {
  const float* weights;
  const float* bias;
};
Folded Fold(const Op& op, float* to) {
  const size_t out = op.window.out_c;
  const Norm& norm = op.norm;
  if (norm.gamma == nullptr) {
    if (op.bias != nullptr) return {op.weights, op.bias};
    std::fill_n(to, out, 0.0f);
    return {op.weights, to};
  }
  float* const bias = to;
  float* const weights = to + out;
  const size_t per_out = WeightCount(op) / out;
  for (size_t o = 0; o < out; ++o) {
    const double scale = double{norm.gamma[o]} /
                         std::sqrt(double{norm.variance[o]} + double{norm.eps});
    const double shift = op.bias == nullptr ? 0.0 : double{op.bias[o]};
    bias[o] = static_cast<float>((shift - double{norm.mean[o]}) * scale +
                                 double{norm.beta[o]});
    // Filters one after the other, or side by side.
    const size_t first = op.kind == OpKind::kDepthwise ? o : o * per_out;
    const size_t step = op.kind == OpKind::kDepthwise ? out : 1;
    for (size_t i = 0; i < per_out; ++i) {
      const size_t at = first + i * step;
      weights[at] = static_cast<float>(double{op.weights[at]} * scale);
    }
  }
  return {weights, bias};
}

// Debian 13's version calls add2, clamp and global_average_pooling deprecated, and
// Debian 12's has nothing else.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
bool Define(xnn_subgraph_t graph, const Op& op, const uint32_t* ids,
            uint32_t batch, const Value& to, float* folded) {
  const ConvShape& s = op.window;
  const uint32_t x = ids[op.x], y = ids[op.y];
  uint32_t weights = XNN_INVALID_VALUE_ID, bias = XNN_INVALID_VALUE_ID;
  if (HasWeights(op.kind)) {
    const Folded f = Fold(op, folded);
    const size_t out = s.out_c, in = s.in_c;
    const size_t group_in = in / std::max(1u, s.groups);  // of kDense: none
    const size_t conv[] = {out, s.kernel_h, s.kernel_w, group_in};
    const size_t depthwise[] = {1, s.kernel_h, s.kernel_w, out};
    const size_t dense[] = {out, in};
    const size_t* const dims = op.kind == OpKind::kConv2d      ? conv
                               : op.kind == OpKind::kDepthwise ? depthwise
                                                               : dense;
    const size_t rank = op.kind == OpKind::kDense ? 2 : kRank;
    if (xnn_define_tensor_value(graph, xnn_datatype_fp32, rank, dims, f.weights,
                                XNN_INVALID_VALUE_ID, 0,
                                &weights) != xnn_status_success ||
        xnn_define_tensor_value(graph, xnn_datatype_fp32, 1, &out, f.bias,
                                XNN_INVALID_VALUE_ID, 0,
                                &bias) != xnn_status_success) {
      return false;
    }
  }
  xnn_status status = xnn_status_invalid_parameter;
  switch (op.kind) {
    case OpKind::kConv2d:
      status = xnn_define_convolution_2d(
          graph, s.pad_top, op.pad_right, op.pad_bottom, s.pad_left, s.kernel_h,
          s.kernel_w, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w,
          s.groups, s.in_c / s.groups, s.out_c / s.groups, op.min, op.max, x,
          weights, bias, y, 0);
      break;
    case OpKind::kDepthwise:
      status = xnn_define_depthwise_convolution_2d(
          graph, s.pad_top, op.pad_right, op.pad_bottom, s.pad_left, s.kernel_h,
          s.kernel_w, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, 1,
          s.in_c, op.min, op.max, x, weights, bias, y, 0);
      break;
    case OpKind::kDense:
      status = xnn_define_fully_connected(graph, op.min, op.max, x, weights,
                                          bias, y, 0);
      break;
    case OpKind::kAdd:
      status = xnn_define_add2(graph, op.min, op.max, x, ids[op.x1], y, 0);
      break;
    case OpKind::kAvgPool:
      status = xnn_define_average_pooling_2d(
          graph, s.pad_top, op.pad_right, op.pad_bottom, s.pad_left, s.kernel_h,
          s.kernel_w, s.stride_h, s.stride_w, op.min, op.max, x, y, 0);
      break;
    case OpKind::kMaxPool:
      status = xnn_define_max_pooling_2d(
          graph, s.pad_top, op.pad_right, op.pad_bottom, s.pad_left, s.kernel_h,
          s.kernel_w, s.stride_h, s.stride_w, 1, 1, op.min, op.max, x, y, 0);
      break;
    case OpKind::kGlobalAvgPool:
      status =
          xnn_define_global_average_pooling_2d(graph, op.min, op.max, x, y, 0);
      break;
    case OpKind::kClamp:
      status = xnn_define_clamp(graph, op.min, op.max, x, y, 0);
      break;
    case OpKind::kLeakyRelu:
      status = xnn_define_leaky_relu(graph, op.parameter, x, y, 0);
      break;
    case OpKind::kElu:
      status = xnn_define_elu(graph, op.parameter, x, y, 0);
      break;
    case OpKind::kSigmoid:
      status = xnn_define_sigmoid(graph, x, y, 0);
      break;
    case OpKind::kHardSwish:
      status = xnn_define_hardswish(graph, x, y, 0);
      break;
    case OpKind::kReshape: {
      const size_t dims[kRank] = {batch, to.h, to.w, to.c};
      status = xnn_define_static_reshape(graph, kRank, dims, x, y, 0);
      break;
    }
  }
  return status == xnn_status_success;
}
#pragma GCC diagnostic pop

// More than a segment can take, in doubles so that nothing wraps around:
// weights as they are folded and packed (blocks of at most 64 outputs and 16
// inputs), pointers to every tap of every output, and every value once.
double MostBytes(const Segment& segment) {
  double bytes = 65536.0;
  for (uint32_t i = 0; i < segment.value_count; ++i) {
    const Value& v = segment.values[i];
    bytes += 4.0 * v.h * v.w * v.c * segment.batch + 4096;
  }
  for (uint32_t i = 0; i < segment.op_count; ++i) {
    const Op& op = segment.ops[i];
    const ConvShape& s = op.window;
    const double taps = double{1} * s.kernel_h * s.kernel_w;
    bytes += 16.0 * (s.out_h + 64.0) * (s.out_w + 64.0) * taps * segment.batch;
    bytes += 65536.0;
    if (!HasWeights(op.kind)) continue;
    const double groups = std::max(1u, s.groups);
    const double in = op.kind == OpKind::kDepthwise ? 1 : s.in_c / groups;
    const double out = op.kind == OpKind::kDepthwise ? 1 : s.out_c / groups;
    bytes += 4.0 * groups * (out + 64) * ((in + 16) * std::max(taps, 1.0) + 2);
    bytes += 4.0 * static_cast<double>(FoldedCount(op));
  }
  return bytes;
}

// Everything that Create does between its first and last allocation.
Result CreateIn(const Segment& segment, void* pool, xnn_subgraph_t graph,
                uint32_t externals, size_t folded_count, Runtime* runtime) {
  const Temporary<uint32_t> ids(segment.value_count);
  const Temporary<xnn_external_value> places(externals);
  const Temporary<float> folded(folded_count);
  if (ids.data() == nullptr || places.data() == nullptr ||
      folded.data() == nullptr) {
    return Result::kOutOfRange;
  }
  uint32_t external = 0;
  for (uint32_t i = 0; i < segment.value_count; ++i) {
    const Value& v = segment.values[i];
    const size_t dims[kRank] = {segment.batch, v.h, v.w, v.c};
    const bool outside = v.input || v.output;
    const uint32_t flags = (v.input ? XNN_VALUE_FLAG_EXTERNAL_INPUT : 0u) |
                           (v.output ? XNN_VALUE_FLAG_EXTERNAL_OUTPUT : 0u);
    if (outside) places.data()[external] = {external, v.data};
    if (xnn_define_tensor_value(graph, xnn_datatype_fp32, kRank, dims, nullptr,
                                outside ? external++ : XNN_INVALID_VALUE_ID,
                                flags, ids.data() + i) != xnn_status_success) {
      return Result::kRefused;
    }
  }
  float* at = folded.data();
  for (uint32_t i = 0; i < segment.op_count; ++i) {
    const Op& op = segment.ops[i];
    if (!Define(graph, op, ids.data(), segment.batch, segment.values[op.y],
                at)) {
      return Result::kRefused;
    }
    if (HasWeights(op.kind)) at += FoldedCount(op);
  }
  xnn_runtime_t made = nullptr;
  if (xnn_create_runtime_v2(graph, static_cast<pthreadpool_t>(pool),
                            pool == nullptr ? 0u : XNN_FLAG_YIELD_WORKERS,
                            &made) != xnn_status_success) {
    return Result::kRefused;
  }
  if (xnn_setup_runtime(made, externals, places.data()) != xnn_status_success) {
    xnn_delete_runtime(made);
    return Result::kRefused;
  }
  runtime->handle = made;
  return Result::kOk;
}

}  // namespace

bool Available() { return true; }
const char* Version() { return TEMPER_XNNPACK; }

Result Initialize() {
  if (!HasRegion()) return Result::kNoRegion;
  static const xnn_status status = [] {
    const xnn_allocator allocator = {nullptr,    Allocate,        Reallocate,
                                     Deallocate, AlignedAllocate, Deallocate};
    return xnn_initialize(&allocator);
  }();
  return status == xnn_status_success ? Result::kOk : Result::kNotSupported;
}

namespace {

// pthreadpool waits for ever for a thread that was not made. So as many as it will
// make are made and ended first.
bool ThreadsCanBeMade(uint32_t count) {
  std::atomic<bool> go{false};
  pthread_t threads[kMaxThreads];
  uint32_t made = 0;
  const auto wait = [](void* flag) -> void* {
    static_cast<std::atomic<bool>*>(flag)->wait(false);
    return nullptr;
  };
  while (made < count &&
         pthread_create(&threads[made], nullptr, wait, &go) == 0) {
    ++made;
  }
  go = true;
  go.notify_all();
  for (uint32_t i = 0; i < made; ++i) pthread_join(threads[i], nullptr);
  return made == count;
}

}  // namespace

Result PoolOf(uint32_t threads, void** pool) {
  static std::atomic<pthreadpool_t> pools[kMaxThreads + 1];
  *pool = nullptr;
  if (threads <= 1 || threads > kMaxThreads) return Result::kOk;
  if ((*pool = pools[threads].load()) != nullptr) return Result::kOk;
  if (!ThreadsCanBeMade(threads - 1)) return Result::kNoThreads;
  pthreadpool_t made = pthreadpool_create(threads), other = nullptr;
  if (made == nullptr) return Result::kNoThreads;
  *pool = made;
  if (pools[threads].compare_exchange_strong(other, made)) return Result::kOk;
  pthreadpool_destroy(made);
  *pool = other;
  return Result::kOk;
}

Result Create(const Segment& segment, void* pool, Runtime* runtime) {
  if (const Result result = Initialize(); result != Result::kOk) return result;
  const size_t left = RegionBytes() - RegionUsed();
  if (MostBytes(segment) > static_cast<double>(left)) {
    return Result::kOutOfRange;
  }
  uint32_t externals = 0;
  for (uint32_t i = 0; i < segment.value_count; ++i) {
    externals += segment.values[i].input || segment.values[i].output;
  }
  size_t folded = 0;
  for (uint32_t i = 0; i < segment.op_count; ++i) {
    if (HasWeights(segment.ops[i].kind)) folded += FoldedCount(segment.ops[i]);
  }
  xnn_subgraph_t graph = nullptr;
  if (xnn_create_subgraph(externals, 0, &graph) != xnn_status_success) {
    return Result::kRefused;
  }
  const Result result =
      CreateIn(segment, pool, graph, externals, folded, runtime);
  xnn_delete_subgraph(graph);
  return result;
}

bool Invoke(const Runtime& runtime) {
  return xnn_invoke_runtime(static_cast<xnn_runtime_t>(runtime.handle)) ==
         xnn_status_success;
}

void Delete(Runtime* runtime) {
  if (runtime->handle == nullptr) return;
  xnn_delete_runtime(static_cast<xnn_runtime_t>(runtime->handle));
  runtime->handle = nullptr;
}

Result Measure(const Segment* segments, uint32_t count, void* pool,
               uint64_t* bytes) {
  if (const Result result = Initialize(); result != Result::kOk) return result;
  const FreshRegion fresh;
  ResetPeak();
  const size_t before = RegionUsed();
  const Temporary<Runtime> runtimes(count);
  if (runtimes.data() == nullptr) return Result::kOutOfRange;
  // As the real list is kept elsewhere, its place is not counted.
  const size_t own = RegionUsed() - before;
  Result result = Result::kOk;
  for (uint32_t i = 0; i < count; ++i) runtimes.data()[i] = Runtime();
  for (uint32_t i = 0; i < count && result == Result::kOk; ++i) {
    result = Create(segments[i], pool, runtimes.data() + i);
  }
  *bytes = RegionPeak() - before - own;
  for (uint32_t i = count; i-- > 0;) Delete(runtimes.data() + i);
  return result;
}

}  // namespace temper::simd::xnn

#else  // TEMPER_XNNPACK

namespace temper::simd::xnn {

bool Available() { return false; }
const char* Version() { return ""; }
Result Initialize() { return Result::kNotBuilt; }
Result PoolOf(uint32_t, void** pool) {
  *pool = nullptr;
  return Result::kOk;
}
Result Create(const Segment&, void*, Runtime*) { return Result::kNotBuilt; }
bool Invoke(const Runtime&) { return false; }
void Delete(Runtime*) {}
Result Measure(const Segment*, uint32_t, void*, uint64_t*) {
  return Result::kNotBuilt;
}

}  // namespace temper::simd::xnn

#endif  // TEMPER_XNNPACK

namespace temper::simd::xnn {

const char* ResultText(Result result) {
  switch (result) {
    case Result::kOk:
      return "";
    case Result::kNotBuilt:
      return "this build has no XNNPACK (libxnnpack-dev was not there): use "
             "--backend highway";
    case Result::kNoRegion:
      return "XNNPACK has no memory: call UseBackendRegion first";
    case Result::kNoThreads:
      return "the system makes no more threads for XNNPACK (ulimit -v, -u): "
             "use fewer --threads, or --backend highway";
    case Result::kNotSupported:
      return "XNNPACK does not support this CPU: use --backend highway";
    case Result::kRefused:
      return "XNNPACK refuses a part of this network: use --backend highway";
    case Result::kOutOfRange:
      return "XNNPACK would need more memory than its region has: use a "
             "smaller "
             "batch, or --backend highway";
  }
  return "";
}

}  // namespace temper::simd::xnn
