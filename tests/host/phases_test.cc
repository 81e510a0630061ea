// The texts of phases and of groups of layers, and what they mean for a graph.
#include "ports/host/train/phases.h"

#include "models/graphs/models.h"
#include "ports/host/train/layer_groups.h"
#include "ports/host/train/views.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;

Graph ModelOf(const char* spec) {
  uint32_t classes = 0;
  return ReadyModel(spec, ElementType::kU8, &classes);
}

TEST(Phases, TextsAreReadAndWritten) {
  for (const char* const text :
       {"head:3,all:10", "all", "last=2:5?lr=0.01",
        "conv1+bn1:1?lr=0.5;schedule=step?step_size=2&gamma=0.5;optimizer=adam?"
        "beta1=0.8;bn=frozen,all"}) {
    std::vector<PhaseOptions> phases;
    EXPECT_EQ(ReadPhases(text, &phases), "") << text;
    EXPECT_EQ(PhasesText(phases), text);
  }
  for (const char* const text :
       {"", ",", "head:", "head:0", "head:-1", "head:1e9", "head:1000001",
        "head?", "head?lr", "head?lr=0", "head?lr=x", "head?lr=nan",
        "last=", "last=-1", "all?bn=x", "all?schedule=no", "all?optimizer=no",
        "all?colour=1", ":3"}) {
    std::vector<PhaseOptions> phases = {{}};
    EXPECT_NE(ReadPhases(text, &phases), "") << text;
    EXPECT_EQ(phases, std::vector<PhaseOptions>{{}});
  }
}

TEST(Phases, AreCompleted) {
  JobOptions o;
  o.epochs = 4;
  o.lr = 0.01;
  o.finetune = true;
  EXPECT_EQ(ReadPhases("head:3?optimizer=adam,all", &o.phases), "");
  CompletePhases(&o);
  EXPECT_EQ(o.epochs, 7u);
  EXPECT_EQ(o.phases[0].lr, 0.0002);  // a fifth of Adam's
  EXPECT_EQ(o.phases[1].lr, 0.01);
  const std::vector<PhaseOptions> once = o.phases;
  CompletePhases(&o);
  EXPECT_EQ(o.phases, once);
  EXPECT_EQ(o.epochs, 7u);
  EXPECT_EQ(OptionsFromJson(OptionsJson(o), "x").phases.size(), 2u);
  EXPECT_NE(OptionsFingerprint(o), OptionsFingerprint(JobOptions{}));
}

TEST(Layers, BlocksAreCountedFromTheHead) {
  const Graph graph = ModelOf("resnet8");
  EXPECT_EQ(BlockCount(graph), 4u);  // conv1 and three blocks
  for (uint32_t k = 0; k <= 4; ++k) {
    std::vector<uint8_t> frozen;
    FreezeOthers(graph, "last=" + std::to_string(k), &frozen);
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const std::string name = graph.nodes[i].name;
      if (RoleOf(graph.nodes[i].kind) != LayerRole::kKernel) continue;
      const uint32_t block = name.starts_with("block") ? name[5] - '0'
                             : name == "conv1"         ? 0
                                                       : 4;
      EXPECT_EQ(frozen[i] == 0, block + k >= 4) << name << " " << k;
    }
  }
  EXPECT_EQ(BlockCount(ModelOf("lenet5")), 4u);
  EXPECT_EQ(BlockCount(ModelOf("mlp?hidden=8,8")), 2u);
}

TEST(Layers, DecayFromLayerToLayer) {
  const Graph graph = ModelOf("resnet8");
  const LayerFactors f = ReadGroups(graph, {}, 0.5);
  EXPECT_TRUE(f.decay.empty());
  const uint32_t head = static_cast<uint32_t>(graph.nodes.size()) - 2;
  EXPECT_EQ(f.rate[head], 1.0f);
  EXPECT_EQ(f.rate[graph.Find("block3.conv2")],
            f.rate[graph.Find("block3.bn2")]);
  EXPECT_LT(f.rate[graph.Find("conv1")], f.rate[graph.Find("block1.conv1")]);
  EXPECT_TRUE(ReadGroups(graph, {"body?rate=1"}, 1.0).rate.empty());
  ExpectFailure(ErrorKind::kConfiguration, {"conv9"},
                [&] { (void)ReadGroups(graph, {"conv9?rate=2"}, 1.0); });
}

TEST(Views, MoveAndMirrorPictures) {
  const Shape shape{2, 3, 1, ElementType::kU8};
  const uint8_t in[] = {1, 2, 3, 4, 5, 6};
  uint8_t out[6];
  const std::vector<View> views = ReadViews("flip,shift");
  ASSERT_EQ(views.size(), 6u);
  const uint8_t want[6][6] = {{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4},
                              {1, 1, 2, 4, 4, 5}, {2, 3, 3, 5, 6, 6},
                              {1, 2, 3, 1, 2, 3}, {4, 5, 6, 4, 5, 6}};
  for (size_t v = 0; v < 6; ++v) {
    MakeView(views[v], shape, in, out);
    EXPECT_EQ(testing::Bytes(out, out + 6),
              testing::Bytes(want[v], want[v] + 6))
        << v;
  }
}

}  // namespace
}  // namespace temper::host
