// XNNPACK through plain structs: a part of a network that only predicts, as a
// list of operators on values (NHWC, float, one batch size). No type of the
// library is visible here, and no other file includes its header.
//
// A build without the library has the same functions; Available says so and
// nothing else may be called.
//
// Order of calls: SetRegion (xnnpack_region.h), Initialize, then for each
// segment Create once, Invoke as often as wanted, Delete. Create packs the
// weights: what they are later does not matter. All memory is the region's,
// but for 680 bytes that cpuinfo takes in Initialize and for thread pools.
// Only functions that are in the library's versions of February 2022 (Debian
// 12) and November 2024 (Debian 13) are called. Both crash where an allocation
// fails: who calls Create has compared Measure's number first.
//
// Error: within 2e-5 of the largest output of a segment; rounding depends on
// the CPU's kernels, not on threads. A NaN may come out as a number (clamp on
// AVX-512 in Debian 12's version).
// Next: runtime/segment.h (who makes segments), docs/design/013-xnnpack.md.
#ifndef TEMPER_SIMD_XNNPACK_BACKEND_H_
#define TEMPER_SIMD_XNNPACK_BACKEND_H_

#include <cstddef>
#include <cstdint>

#include "simd/conv.h"

namespace temper::simd::xnn {

enum class OpKind : uint8_t {
  kConv2d,
  kDepthwise,
  kDense,
  kAdd,
  kAvgPool,  // padding is not counted
  kMaxPool,
  kGlobalAvgPool,
  kClamp,
  kReshape,  // to y's shape
  // Element by element; `parameter`: slope, alpha. No clamp after them.
  kLeakyRelu,
  kElu,
  kSigmoid,
  kHardSwish,
};

// Batch norm after an operator with weights, folded into them:
// scale = gamma / sqrt(variance + eps), per output channel.
struct Norm {
  const float* gamma = nullptr;  // null: there is none
  const float* beta = nullptr;
  const float* mean = nullptr;
  const float* variance = nullptr;
  float eps = 0.0f;
};

struct Op {
  OpKind kind = OpKind::kClamp;
  uint32_t x = 0, x1 = 0;  // values; x1: of kAdd
  uint32_t y = 0;
  // Of windows; of kDense in_c and out_c alone.
  ConvShape window = {};
  uint32_t pad_bottom = 0, pad_right = 0;
  // kConv2d (out_c, kernel_h, kernel_w, in_c / groups); kDepthwise (kernel_h,
  // kernel_w, c); kDense (out_c, in_c).
  const float* weights = nullptr;
  const float* bias = nullptr;  // (out_c), or null
  Norm norm;
  float parameter = 0.0f;
  float min, max;  // what comes out is clamped to [min, max]; infinities: not
};

struct Value {
  uint32_t h = 1, w = 1, c = 1;
  // Memory of the caller: batch x h x w x c floats. 16 bytes past the end of
  // an input may be read. Null: the value lives inside the segment.
  float* data = nullptr;
  bool input = false, output = false;
};

struct Segment {
  uint32_t batch = 1;
  const Value* values = nullptr;
  uint32_t value_count = 0;
  const Op* ops = nullptr;
  uint32_t op_count = 0;
};

// Is the library part of this build?
bool Available();
// Its version, as its package names it ("libXNNPACK.so.0 of 20220216"), or "".
const char* Version();

enum class Result : uint8_t {
  kOk,
  kNotBuilt,      // without the library
  kNoRegion,      // SetRegion was not called
  kNotSupported,  // xnn_initialize refuses this CPU
  kRefused,       // the library does not take the segment
  kOutOfRange,    // the region cannot hold it, whatever the limit
  kNoThreads,     // the system makes no thread
};
const char* ResultText(Result result);

// Once in a process; later calls return what the first one did.
Result Initialize();

// Threads of the library's own; null for one thread. The same for all who ask
// for as many; lives until the process ends. Takes heap and stacks.
// kNoThreads where the system makes none.
Result PoolOf(uint32_t threads, void** pool);

struct Runtime {
  void* handle = nullptr;
};
// Makes a segment ready. Reads its weights and no other data.
Result Create(const Segment& segment, void* pool, Runtime* runtime);
// No allocation. False: the library has failed.
bool Invoke(const Runtime& runtime);
void Delete(Runtime* runtime);

// Bytes of the region that Create of these segments, one after the other, takes
// at most, from an empty region: found by doing it with weights and data that
// mean nothing. Nothing of it remains.
Result Measure(const Segment* segments, uint32_t count, void* pool,
               uint64_t* bytes);

}  // namespace temper::simd::xnn

#endif  // TEMPER_SIMD_XNNPACK_BACKEND_H_
