// Which nodes another backend runs, and what they are to it. See segment.h.
#include "runtime/segment.h"

#include <algorithm>
#include <limits>

#include "runtime/layer.h"

namespace temper {
namespace {

constexpr uint32_t kNoValue = 0xffffffffu;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool IsKernel(simd::xnn::OpKind kind) {
  return kind == simd::xnn::OpKind::kConv2d ||
         kind == simd::xnn::OpKind::kDepthwise ||
         kind == simd::xnn::OpKind::kDense;
}

// False: nothing may be clamped as a part of it.
bool Clamps(simd::xnn::OpKind kind) {
  return kind < simd::xnn::OpKind::kReshape;
}

bool InTraining(const NodeMode& mode) {
  return mode.backward || mode.train_weights || mode.live_statistics;
}

}  // namespace

SegmentBuilder::SegmentBuilder(const Graph& graph,
                               const std::vector<Shape>& shapes, uint32_t batch,
                               bool training)
    : graph_(graph),
      shapes_(shapes),
      batch_(batch),
      training_(training),
      readers_(graph.nodes.size(), 0),
      last_reader_(graph.nodes.size(), 0),
      value_of_(graph.nodes.size(), kNoValue) {
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    for (uint32_t k = 0; k < graph.nodes[i].input_count; ++k) {
      ++readers_[graph.nodes[i].inputs[k]];
      last_reader_[graph.nodes[i].inputs[k]] = i;
    }
  }
}

void SegmentBuilder::Begin(uint32_t first) {
  for (const uint32_t i : node_of_) value_of_[i] = kNoValue;
  for (uint32_t i = first_; i < first; ++i) value_of_[i] = kNoValue;
  first_ = current_ = first;
  has_kernel_ = false;
  node_of_.clear();
  values_.clear();
  ops_.clear();
}

bool SegmentBuilder::Append(uint32_t i, const float* const* weights) {
  const Node& node = graph_.nodes[i];
  const LayerOp& op = OpOf(node.kind);
  // What nobody reads would be a value that the library finds no use for.
  if (op.xnnpack == nullptr || readers_[i] == 0 || i == 0) return false;
  Shape in[kMaxInputs];
  for (uint32_t k = 0; k < node.input_count; ++k) {
    in[k] = shapes_[node.inputs[k]];
  }
  current_ = i;
  const float* const none[kMaxWeights] = {};
  return op.xnnpack(
      {node, in, shapes_[i], weights == nullptr ? none : weights, training_},
      this);
}

uint32_t SegmentBuilder::NewValue(const Shape& shape) {
  simd::xnn::Value value;
  value.h = shape.h;
  value.w = shape.w;
  value.c = shape.c;
  values_.push_back(value);
  node_of_.push_back(current_);
  return static_cast<uint32_t>(values_.size()) - 1;
}

uint32_t SegmentBuilder::Input(uint32_t k) {
  const uint32_t from = graph_.nodes[current_].inputs[k];
  if (from < first_ && value_of_[from] == kNoValue) {
    const uint32_t value = NewValue(shapes_[from]);
    values_[value].input = true;
    node_of_[value] = from;
    value_of_[from] = value;
  }
  return value_of_[from];
}

bool SegmentBuilder::Push(simd::xnn::Op op) {
  has_kernel_ = has_kernel_ || IsKernel(op.kind);
  op.y = NewValue(shapes_[current_]);
  value_of_[current_] = op.y;
  ops_.push_back(op);
  return true;
}

simd::xnn::Op* SegmentBuilder::Alone() {
  const uint32_t from = graph_.nodes[current_].inputs[0];
  if (from < first_ || readers_[from] != 1) return nullptr;
  for (size_t i = ops_.size(); i-- > 0;) {
    if (ops_[i].y == value_of_[from]) return &ops_[i];
  }
  return nullptr;
}

// The current node is another name for its input.
bool SegmentBuilder::Rename() {
  const uint32_t value = value_of_[graph_.nodes[current_].inputs[0]];
  value_of_[current_] = value;
  node_of_[value] = current_;
  return true;
}

bool SegmentBuilder::Kernel(const simd::xnn::Op& op) {
  simd::xnn::Op own = op;
  own.x = Input(0);
  own.min = -kInfinity;
  own.max = kInfinity;
  // Its inputs come as a row.
  const simd::xnn::Value x = values_[own.x];
  if (op.kind == simd::xnn::OpKind::kDense && x.h * x.w != 1) {
    simd::xnn::Op row;
    row.kind = simd::xnn::OpKind::kReshape;
    row.min = -kInfinity;
    row.max = kInfinity;
    row.x = own.x;
    row.y = NewValue({1, 1, x.h * x.w * x.c});
    ops_.push_back(row);
    own.x = row.y;
  }
  return Push(own);
}

bool SegmentBuilder::Pool(simd::xnn::OpKind kind, const simd::ConvShape& window,
                          uint32_t pad_bottom, uint32_t pad_right) {
  // Neither is there in both versions of the library.
  if (window.kernel_h * window.kernel_w == 1 ||
      window.stride_h > window.kernel_h || window.stride_w > window.kernel_w) {
    return false;
  }
  simd::xnn::Op op;
  op.kind = kind;
  op.window = window;
  op.pad_bottom = pad_bottom;
  op.pad_right = pad_right;
  op.min = -kInfinity;
  op.max = kInfinity;
  op.x = Input(0);
  return Push(op);
}

bool SegmentBuilder::Fold(const simd::xnn::Norm& norm) {
  simd::xnn::Op* const op = Alone();
  if (op == nullptr || !IsKernel(op->kind) || op->norm.gamma != nullptr ||
      op->norm.eps != 0 || op->min != -kInfinity || op->max != kInfinity) {
    return false;
  }
  op->norm = norm;
  return Rename();
}

bool SegmentBuilder::Clamp(float min, float max) {
  simd::xnn::Op* const front = Alone();
  if (front != nullptr && Clamps(front->kind) && front->min == -kInfinity &&
      front->max == kInfinity) {
    front->min = min;
    front->max = max;
    return Rename();
  }
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kClamp;
  op.min = min;
  op.max = max;
  op.x = Input(0);
  return Push(op);
}

bool SegmentBuilder::Activation(simd::xnn::OpKind kind, float parameter) {
  simd::xnn::Op op;
  op.kind = kind;
  op.parameter = parameter;
  op.min = -kInfinity;
  op.max = kInfinity;
  op.x = Input(0);
  return Push(op);
}

bool SegmentBuilder::Add() {
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kAdd;
  op.min = -kInfinity;
  op.max = kInfinity;
  op.x = Input(0);
  op.x1 = Input(1);
  return Push(op);
}

bool SegmentBuilder::Mean() {
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kGlobalAvgPool;
  op.min = -kInfinity;
  op.max = kInfinity;
  op.x = Input(0);
  return Push(op);
}

bool SegmentBuilder::Reshape() {
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kReshape;
  op.min = -kInfinity;
  op.max = kInfinity;
  op.x = Input(0);
  return Push(op);
}

bool SegmentBuilder::Identity() { return Alone() != nullptr && Rename(); }

simd::xnn::Segment SegmentBuilder::Finish(uint32_t last) {
  for (uint32_t i = first_; i <= last; ++i) {
    if (last_reader_[i] > last) values_[value_of_[i]].output = true;
  }
  return {batch_, values_.data(), static_cast<uint32_t>(values_.size()),
          ops_.data(), static_cast<uint32_t>(ops_.size())};
}

std::vector<Segment> ChooseSegments(const Plan& plan) {
  std::vector<Segment> segments;
  if (plan.options.backend != Backend::kXnnpack) return segments;
  const uint32_t count = static_cast<uint32_t>(plan.nodes.size());
  uint32_t end = 1;
  while (end < count && !InTraining(plan.nodes[end].mode)) ++end;
  SegmentBuilder builder(plan.graph, plan.shapes, plan.options.batch,
                         plan.options.training);
  for (uint32_t i = 1; i < end;) {
    builder.Begin(i);
    uint32_t next = i;
    while (next < end && builder.Append(next, nullptr)) ++next;
    if (next > i && builder.HasKernel()) {
      segments.push_back({i, next - 1});
    }
    i = std::max(next, i + 1);
  }
  return segments;
}

}  // namespace temper
