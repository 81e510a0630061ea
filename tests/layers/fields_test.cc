// The parameters of every layer, by their lists of fields: the list covers the
// struct, the bounds are accepted, what lies outside is refused with the node.
#include <set>
#include <string_view>

#include "runtime/table.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

constexpr std::string_view kOutside = "a parameter is outside its range";

void SetField(Node* node, const Field& field, double value) {
  if (field.type == Field::Type::kU32) {
    const uint32_t u = static_cast<uint32_t>(value);
    std::memcpy(node->params + field.offset, &u, sizeof(u));
  } else {
    const float f = static_cast<float>(value);
    std::memcpy(node->params + field.offset, &f, sizeof(f));
  }
}

// A graph that is right, with the layer of this kind at *at.
Graph GraphWith(LayerKind kind, uint32_t* at) {
  Graph g;
  const auto add = [&](LayerKind k, const char* name,
                       std::vector<uint32_t> inputs) {
    uint8_t params[sizeof(Node::params)];
    DefaultParams(k, params);
    const uint32_t i = g.AddNode(k, name, params, sizeof(params), inputs.data(),
                                 static_cast<uint32_t>(inputs.size()));
    // Only the number of outputs has no default.
    if (k == LayerKind::kDense || k == LayerKind::kConv2d) {
      SetField(&g.nodes[i], LayerFields(k).fields[0], 3);
    }
    if (k == kind) *at = i;
    return i;
  };
  uint32_t x = add(LayerKind::kInput, "input", {});
  SetField(&g.nodes[0], LayerFields(LayerKind::kInput).fields[0], 4);
  SetField(&g.nodes[0], LayerFields(LayerKind::kInput).fields[1], 5);
  x = add(LayerKind::kNormalize, "normalize", {x});
  if (kind != LayerKind::kInput && kind != LayerKind::kNormalize &&
      !IsLoss(kind)) {
    x = OpOf(kind).min_inputs == 2 ? add(kind, "layer", {x, x})
                                   : add(kind, "layer", {x});
  }
  if (kind != LayerKind::kMeanSquaredError) {
    x = add(LayerKind::kGlobalAvgPool, "pool", {x});
  }
  add(IsLoss(kind) ? kind : LayerKind::kSoftmaxCrossEntropy, "loss", {x});
  return g;
}

template <class Params>
size_t SizeOf() {
  return std::is_empty_v<Params> ? 0 : sizeof(Params);
}

TEST(Fields, CoverTheParameters) {
  const size_t sizes[] = {
#define TEMPER_SIZE(Name, file) SizeOf<Name##Params>(),
      TEMPER_LAYERS(TEMPER_SIZE)
#undef TEMPER_SIZE
  };
  const char* const names[] = {
#define TEMPER_NAME(Name, file) #file,
      TEMPER_LAYERS(TEMPER_NAME)
#undef TEMPER_NAME
  };
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    EXPECT_STREQ(LayerName(kind), names[k]);
    EXPECT_EQ(LayerByName(names[k]), kind);
    const FieldList list = LayerFields(kind);
    EXPECT_EQ(list.count * sizeof(uint32_t), sizes[k]) << names[k];
    std::set<uint32_t> offsets;
    std::set<std::string_view> field_names;
    for (uint32_t i = 0; i < list.count; ++i) {
      const Field& f = list.fields[i];
      EXPECT_LE(f.offset + sizeof(uint32_t), sizes[k]);
      EXPECT_EQ(f.offset % sizeof(uint32_t), 0u);
      EXPECT_TRUE(offsets.insert(f.offset).second) << f.name;
      EXPECT_TRUE(field_names.insert(f.name).second) << f.name;
      EXPECT_LT(f.min, f.max) << f.name;
    }
  }
  EXPECT_EQ(LayerByName("conv3d"), LayerKind::kCount);
  EXPECT_EQ(LayerByName(""), LayerKind::kCount);
}

TEST(Fields, GraphsWithDefaultsAreRight) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    uint32_t at = kNoNode;
    const Status status = GraphWith(kind, &at).Check(nullptr);
    EXPECT_TRUE(status.ok()) << LayerName(kind) << ": " << status.message;
    EXPECT_NE(at, kNoNode) << LayerName(kind);
  }
}

// Values that must be refused: beyond each bound by a lot and by a little.
std::vector<double> Outside(const Field& f) {
  if (f.type == Field::Type::kU32) {
    std::vector<double> values = {f.max + 1, 4294967295.0};
    if (f.min > 0) values.push_back(f.min - 1);
    return values;
  }
  std::vector<double> values = {std::numeric_limits<double>::quiet_NaN(),
                                f.max + std::max(1.0, std::fabs(f.max)),
                                f.min - std::max(1.0, std::fabs(f.min))};
  values.push_back(f.max + 1e-5 * std::fabs(f.max));
  values.push_back(f.min - (f.min == 0 ? 1e-30 : 1e-5 * std::fabs(f.min)));
  return values;
}

TEST(Fields, BoundsAreKept) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    const FieldList list = LayerFields(kind);
    for (uint32_t i = 0; i < list.count; ++i) {
      const Field& field = list.fields[i];
      SCOPED_TRACE(std::string(LayerName(kind)) + "." + field.name);
      uint32_t at = kNoNode;
      const Graph good = GraphWith(kind, &at);
      for (const double value : Outside(field)) {
        Graph g = good;
        SetField(&g.nodes[at], field, value);
        const Status status = g.Check(nullptr);
        EXPECT_EQ(status.code, StatusCode::kInvalidArgument) << value;
        EXPECT_EQ(status.node, at) << value;
        EXPECT_EQ(status.message, kOutside) << value;
      }
      // The bounds themselves may break a shape, but are in range.
      for (const double value : {field.min, field.max}) {
        Graph g = good;
        SetField(&g.nodes[at], field, value);
        EXPECT_NE(g.Check(nullptr).message, kOutside) << value;
      }
    }
  }
}

// A slack that is relative to the value would put infinity inside every range.
TEST(Fields, InfinityIsRefused) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    const FieldList list = LayerFields(kind);
    for (uint32_t i = 0; i < list.count; ++i) {
      if (list.fields[i].type != Field::Type::kF32) continue;
      SCOPED_TRACE(std::string(LayerName(kind)) + "." + list.fields[i].name);
      uint32_t at = kNoNode;
      const Graph good = GraphWith(kind, &at);
      for (const double sign : {-1.0, 1.0}) {
        Graph g = good;
        SetField(&g.nodes[at], list.fields[i],
                 sign * std::numeric_limits<double>::infinity());
        testing::ExpectStatus(g, StatusCode::kInvalidArgument, at);
      }
    }
  }
}

// A list, and a number with names, as the params of ready models have them.
struct SomeParams {
  SizeList widths = {2, {3, 4}};
  uint32_t form = 1;
};
constexpr Field kSomeFields[] = {
    TEMPER_FIELD(SomeParams, widths, kSizes, 1, 10, "widths"),
    TEMPER_FIELD_CHOICE(SomeParams, form, "round|square|flat", "form"),
};

TEST(Fields, ListsAndNames) {
  const Field &widths = kSomeFields[0], &form = kSomeFields[1];
  EXPECT_TRUE(form.IsChoice() && !form.IsFlag());
  EXPECT_EQ(form.max, 2);
  EXPECT_EQ(ChoiceName(form, 0), "round");
  EXPECT_EQ(ChoiceName(form, 2), "flat");
  EXPECT_EQ(ChoiceName(form, 3), "");
  EXPECT_EQ(ChoiceByName(form, "square"), 1u);
  EXPECT_EQ(ChoiceByName(form, "squar"), 3u);
  SomeParams p;
  EXPECT_EQ(FieldOutOfRange(ListOf(kSomeFields), &p), nullptr);
  EXPECT_EQ(ReadSizes(widths, &p).values[1], 4u);
  SizeList sizes = {1, {11}};
  WriteSizes(widths, sizes, &p);
  EXPECT_EQ(FieldOutOfRange(ListOf(kSomeFields), &p), &widths);
  sizes = {SizeList::kMost + 1, {}};
  WriteSizes(widths, sizes, &p);
  EXPECT_EQ(FieldOutOfRange(ListOf(kSomeFields), &p), &widths);
  // 0 and 1 with names are no flag.
  constexpr Field kTwo = TEMPER_FIELD_CHOICE(SomeParams, form, "a|b", "");
  EXPECT_FALSE(kTwo.IsFlag());
}

}  // namespace
}  // namespace temper
