// Backends: what computes layers that only predict (PlanOptions::backend). The
// default, temper's own kernels, needs nothing of this file.
//
// XNNPACK packs weights when a segment is made, in memory of its own: a region
// that belongs to the process, since the library takes its memory from one
// place as long as the process lives. How much a plan takes is only known by
// making its segments once, on this CPU.
//
// Example, after graph.h's:
//
//   if (!temper::BackendInfo(temper::Backend::kXnnpack).available) return 0;
//   alignas(64) static uint8_t region[8 << 20];
//   temper::Status status = temper::UseBackendRegion(region, sizeof(region));
//   if (!status.ok()) return 1;
//   temper::Plan plan;
//   status = temper::MakePlan(g, {.batch = 8, .training = false,
//                                 .backend = temper::Backend::kXnnpack}, &plan);
//   if (!status.ok()) return 2;
//   status = temper::MeasureBackend(&plan);  // plan.backend_bytes
//   if (!status.ok()) return 3;
//
// Next: trainer.h (Trainer::PrepareBackend), docs/xnnpack.md.
#ifndef TEMPER_BACKEND_H_
#define TEMPER_BACKEND_H_

#include <cstddef>
#include <cstdint>

#include "temper/plan.h"
#include "temper/status.h"

namespace temper {

struct BackendTraits {
  const char* name = "";     // "highway", "xnnpack"
  const char* help = "";     // one line
  bool available = false;    // part of this build
  bool exact = false;        // the same bits on every CPU
  const char* library = "";  // and its version; "": temper's own
};
BackendTraits BackendInfo(Backend backend);

// Hands the process's region over: `bytes` at `memory`, aligned to 64, there
// until the process ends. Address space that is not in use yet is enough: only
// what is needed is touched. The first caller wins: kWrongState for another
// region later.
Status UseBackendRegion(void* memory, size_t bytes);

// The most of the region that segments may take, all trainers together; the
// whole region at first. Trainer::PrepareBackend refuses by comparing numbers,
// before the library is called.
void SetBackendLimit(uint64_t bytes);

// Bytes from the start of the region to the end of the last block in use: now,
// and at most since a trainer or MeasureBackend last began to make segments.
uint64_t BackendBytesInUse();
uint64_t BackendPeak();
// Blocks that the backend has asked for since the process began: unchanged by a
// step that allocates nothing.
uint64_t BackendRequests();

// Makes the plan's segments once, with weights that mean nothing, notes what
// they took in plan->backend_bytes, and gives it all back. No forward pass.
// kUnsupported: built without the library, or it refuses this CPU or a segment;
// kWrongState: no region; kArenaTooSmall: the region cannot hold it.
Status MeasureBackend(Plan* plan);

}  // namespace temper

#endif  // TEMPER_BACKEND_H_
