// Dense: y = x W^T + b on the flattened sample.
//   x (rows, in)   W (out, in)   b (out)   y (rows, out)
//   dx = dy W      dW += dy^T x            db += sum over rows of dy
// Memory: keeps x if W is trained; scratch for W packed by columns of W^T and
// for a derived x.
// Kernels: simd/dense.h, simd/gemm.h, simd/loss.h (ColumnSums). Reference:
// tests/reference/gemm.h.
#include "simd/dense.h"

#include <algorithm>

#include "runtime/layer.h"
#include "simd/gemm.h"
#include "simd/loss.h"
#include "simd/prologue.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(DenseParams, out_features, 1, kMaxDimension,
                     "number of outputs"),
    TEMPER_FIELD_U32(DenseParams, bias, 0, 1, "add a bias per output"),
};

Status InferShape(const Node& node, const Shape*, Shape* out) {
  *out = {1, 1, node.As<DenseParams>().out_features};
  return Ok();
}

// A derived x is small (a row per sample).
uint64_t FormedBytes(const NodeMode& mode, uint64_t count) {
  if (!mode.derived_input[0]) return 0;
  return simd::RoundUp(count * sizeof(float), 64) + simd::kTailBytes;
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const DenseParams& p = call.node.As<DenseParams>();
  const uint32_t in = static_cast<uint32_t>(call.in[0].Count());
  const uint32_t out = p.out_features;
  needs->Weight({.name = "weight", .fan_in = in, .fan_out = out}, {out, in});
  if (p.bias) {
    needs->Weight({.name = "bias", .role = WeightRole::kBias}, {out});
  }
  needs->AcceptDerived(0);
  const uint64_t formed = FormedBytes(call.mode, uint64_t{call.batch} * in);
  const uint64_t own =
      std::min(formed, simd::DenseInputBytes(uint64_t{call.batch} * in));
  needs->CanPack(simd::PackedBytes(in, out));
  needs->ForwardScratch(
      call.mode.packed
          ? std::max<uint64_t>(own,
                               simd::PackRowsFloats(in, out) * sizeof(float))
          : own + simd::DenseForwardScratch(call.batch, in, out, call.threads));
  if (call.mode.train_weights && !call.mode.TrainsKernel()) {
    needs->BackwardScratch(simd::ColumnSumsScratch(call.batch, out));
  } else if (call.mode.train_weights) {
    needs->KeepInput(0);
    if (call.batch <= simd::kMaxPieceRows) needs->GradientInPieces();
    needs->GradientInBlocks(call.batch);
    needs->BackwardScratch(
        formed + std::max(simd::MatMulTransposedScratch(call.batch, out, in),
                          simd::ColumnSumsScratch(call.batch, out)));
  }
}

// `scratch`: DenseInputBytes.
simd::DenseInput InputOf(const Call& call, void* scratch) {
  if (!call.mode.derived_input[0]) return {call.x[0]};
  return {call.x[0], call.prologue[0], call.in[0].c,
          static_cast<float*>(scratch)};
}

void Forward(const Call& call) {
  const DenseParams& p = call.As<DenseParams>();
  const size_t in = call.in[0].Count(), out = p.out_features;
  const simd::DenseInput x = InputOf(call, call.scratch);
  const uint64_t formed = call.mode.derived_input[0]
                              ? simd::DenseInputBytes(uint64_t{call.rows} * in)
                              : 0;
  if (call.mode.packed) {
    return simd::DenseForwardPacked(call.rows, in, out, x, call.weights[0],
                                    p.bias ? call.weights[1] : nullptr, call.y,
                                    call.parallel);
  }
  void* const packed = static_cast<uint8_t*>(call.scratch) + formed;
  simd::DenseForward(call.rows, in, out, x, call.weights[0],
                     p.bias ? call.weights[1] : nullptr,
                     static_cast<float*>(packed), call.y, call.parallel);
}

void Pack(const PackCall& call) {
  simd::PackRows(call.in[0].Count(), call.out.c, call.weight,
                 static_cast<float*>(call.scratch));
}

void Backward(const Call& call) {
  const DenseParams& p = call.As<DenseParams>();
  const size_t in = call.in[0].Count(), out = p.out_features;
  const bool pieces = call.pieces.trainer != nullptr;
  if (call.dx[0] != nullptr && !pieces) {
    simd::MatMulUnpacked(call.rows, in, out, call.dy, out, call.weights[0], in,
                         call.accumulate[0], call.dx[0], in, call.parallel);
  }
  if (!call.mode.train_weights) return;
  if (!call.mode.TrainsKernel()) {
    simd::ColumnSums(call.rows, out, call.dy, call.dw[1], call.scratch,
                     call.parallel);
    return;
  }
  const simd::DenseInput x = InputOf(call, call.scratch);
  void* const scratch = static_cast<uint8_t*>(call.scratch) +
                        FormedBytes(call.mode, uint64_t{call.rows} * in);
  if (pieces) {
    const auto take = [](void* c, size_t first, size_t n, const float* g) {
      const Call& of = *static_cast<const Call*>(c);
      of.pieces.take(of.pieces.trainer, of.node_index, first, n, g);
    };
    simd::DenseBackward(call.rows, in, out, x, call.weights[0], call.dy,
                        call.accumulate[0], call.dx[0],
                        {take, const_cast<Call*>(&call)}, call.parallel);
  } else {
    const float* from = x.x;
    if (call.mode.derived_input[0]) {
      simd::ApplyPrologue(call.rows * in / x.channels, x.channels, x.x,
                          x.prologue, x.formed, call.parallel);
      from = x.formed;
    }
    call.ForEachGradientBlock(
        p.out_features, [&](uint32_t first, uint32_t count, float* dw) {
          simd::MatMulTransposed(call.rows, count, in, call.dy + first, out,
                                 from, in, dw, in, scratch, call.parallel);
        });
  }
  if (p.bias) {
    simd::ColumnSums(call.rows, out, call.dy, call.dw[1], scratch,
                     call.parallel);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  const double in = static_cast<double>(call.in[0].Count()), out = call.out.c;
  const double rows = call.count;
  const auto form = [&] {
    if (!call.mode.derived_input[0]) return;
    sink->StreamNear(Kernel::kForm, call.in[0].c,
                     2 * static_cast<double>(call.x[0].bytes));
  };
  if (!call.Backward()) {
    form();
    return sink->Product(Kernel::kDenseForward, {rows, in, out},
                         rows * in * WholeColumns(out),
                         {call.x[0], call.weights[0], call.y});
  }
  if (call.WantsInput()) {
    sink->Product(Kernel::kDenseInput, {rows, in, out},
                  rows * WholeColumns(in) * out,
                  {call.dy, call.weights[0], call.dx[0]});
  }
  if (!call.WantsWeights()) return;
  const auto bias = [&] {
    if (!call.As<DenseParams>().bias) return;
    sink->Stream(Kernel::kColumnSums, out, simd::kElementGrain, {call.dy});
  };
  if (!call.mode.TrainsKernel()) return bias();
  form();
  if (call.plan.gradient_pieces) {
    sink->Product(Kernel::kDenseWeights, {rows, in, out},
                  rows * WholeColumns(in) * out, {call.x[0], call.dy});
    sink->Update(0, 0, 1, 1);
  } else {
    call.ForEachGradientBlock(call.out.c, sink, [&](uint32_t n, Touch dw) {
      Touch dy = call.dy;
      dy.bytes = dy.bytes / call.out.c * n;
      sink->Product(Kernel::kDenseWeights, {rows, in, double(n)},
                    rows * WholeColumns(in) * n, {call.x[0], dy, dw});
    });
  }
  bias();
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kDense;
  op.window.in_c = static_cast<uint32_t>(call.in[0].Count());
  op.window.out_c = call.out.c;
  op.weights = call.weights[0];
  op.bias = call.As<DenseParams>().bias ? call.weights[1] : nullptr;
  return builder->Kernel(op);
}

}  // namespace

extern const LayerOp kDenseOp;
const LayerOp kDenseOp = {
    .name = "dense",
    .help = "x W^T + b over the flattened sample",
    .shapes = "(h, w, c) -> (1, 1, out_features)",
    .role = LayerRole::kKernel,
    .outputs = "out_features",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<DenseParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .pack = Pack,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
