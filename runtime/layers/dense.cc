// Dense: y = x W^T + b on the flattened sample.
//   x (rows, in)   W (out, in)   b (out)   y (rows, out)
//   dx = dy W      dW += dy^T x            db += sum over rows of dy
// Memory: keeps x if W is trained; scratch for W packed by columns of W^T.
// Kernels: simd/gemm.h, simd/loss.h (ColumnSums). Reference:
// tests/reference/gemm.h.
#include <algorithm>

#include "runtime/layer.h"
#include "simd/gemm.h"
#include "simd/loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(DenseParams, out_features, 1, kMaxDimension),
    TEMPER_FIELD_U32(DenseParams, bias, 0, 1),
};

Status InferShape(const Node& node, const Shape*, Shape* out) {
  *out = {1, 1, node.As<DenseParams>().out_features};
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const DenseParams& p = call.node.As<DenseParams>();
  const uint32_t in = static_cast<uint32_t>(call.in[0].Count());
  const uint32_t out = p.out_features;
  needs->Weight("weight", WeightRole::kKernel, {out, in}, in, out);
  if (p.bias) needs->Weight("bias", WeightRole::kBias, {out});
  needs->ForwardScratch(simd::PackedBytes(in, out));
  if (call.mode.train_weights) {
    needs->KeepInput(0);
    needs->BackwardScratch(
        std::max(simd::MatMulTransposedScratch(call.batch, out, in),
                 simd::ColumnSumsScratch(call.batch, out)));
  }
}

void Forward(const Call& call) {
  const DenseParams& p = call.As<DenseParams>();
  const size_t in = call.in[0].Count(), out = p.out_features;
  float* packed = static_cast<float*>(call.scratch);
  simd::PackB(in, out, call.weights[0], 1, in, packed, call.parallel);
  simd::MatMul(call.rows, out, in, call.x[0], in, packed,
               p.bias ? call.weights[1] : nullptr, false, call.y, out,
               call.parallel);
}

void Backward(const Call& call) {
  const DenseParams& p = call.As<DenseParams>();
  const size_t in = call.in[0].Count(), out = p.out_features;
  if (call.dx[0] != nullptr) {
    simd::MatMulUnpacked(call.rows, in, out, call.dy, out, call.weights[0], in,
                         call.accumulate[0], call.dx[0], in, call.parallel);
  }
  if (call.dw[0] != nullptr) {
    simd::MatMulTransposed(call.rows, out, in, call.dy, out, call.x[0], in,
                           call.dw[0], in, call.scratch, call.parallel);
    if (p.bias) {
      simd::ColumnSums(call.rows, out, call.dy, call.dw[1], call.scratch,
                       call.parallel);
    }
  }
}

}  // namespace

extern const LayerOp kDenseOp;
const LayerOp kDenseOp = {"dense",
                          ListOf(kFields),
                          DefaultsOf<DenseParams>,
                          1,
                          1,
                          InferShape,
                          StateNeeds,
                          Forward,
                          Backward};

}  // namespace temper
