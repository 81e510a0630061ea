// The graphs of models/: parameter counts against PyTorch's modules and MLPerf
// Tiny's Keras models, shapes, padding, other input sizes, and the sentences of
// wrong specs.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/graphs/models.h"
#include "models/work.h"
#include "temper/graph_edit.h"
#include "temper/plan.h"

namespace temper::models {
namespace {

struct Built {
  Graph graph;
  std::vector<Shape> shapes;
  Status status;
  std::string error;

  uint32_t Node(const char* name) const {
    const uint32_t node = graph.Find(name);
    EXPECT_NE(node, kNoNode) << name;
    return node == kNoNode ? 0 : node;
  }
  Shape At(const char* name) const { return shapes.at(Node(name)); }
  template <class Params>
  const Params& As(const char* name) const {
    const uint32_t node = Node(name);
    EXPECT_EQ(graph.nodes[node].kind, LayerKindOf<Params>::value) << name;
    return graph.nodes[node].As<Params>();
  }
};

Built Build(std::string_view spec, Shape input, uint32_t classes) {
  Built b;
  b.status = BuildModel(spec, input, {TargetKind::kClasses, classes}, &b.graph,
                        &b.error);
  if (b.status.ok()) {
    const Status checked = b.graph.Check(&b.shapes);
    EXPECT_TRUE(checked.ok()) << spec << ": " << checked.message;
    EXPECT_EQ(b.error, "");
  } else {
    EXPECT_NE(b.error, "");
    EXPECT_TRUE(b.graph.nodes.empty());
  }
  return b;
}

// What is trained, and with `buffers` the running statistics too (Keras counts
// them as "non-trainable").
uint64_t Parameters(const Graph& graph, bool buffers) {
  Plan plan;
  const Status status = MakePlan(graph, {}, &plan);
  EXPECT_TRUE(status.ok()) << status.message;
  uint64_t count = 0;
  for (uint32_t i = 2; i < plan.nodes.size(); ++i) {  // after normalize
    for (uint32_t w = 0; w < plan.nodes[i].weight_count; ++w) {
      const WeightSpec& spec = plan.nodes[i].specs[w];
      if (buffers || IsTrained(spec.role)) count += spec.Count();
    }
  }
  return count;
}

TEST(Builders, ParametersArePyTorchs) {
  // sum(p.numel() for p in module.parameters()) of the same models in PyTorch.
  const struct {
    const char* spec;
    Shape input;
    uint32_t classes;
    uint64_t parameters;
  } cases[] = {
      {"mlp", {28, 28, 1}, 10, 101770},
      {"mlp?hidden=256,128", {28, 28, 1}, 10, 235146},
      {"mlp?hidden=", {28, 28, 1}, 10, 7850},
      {"lenet5", {28, 28, 1}, 10, 61706},
      {"resnet8", {32, 32, 3}, 10, 77946},
      {"ds_cnn", {49, 10, 1}, 12, 23180},
      {"mobilenet_v1", {96, 96, 3}, 2, 213586},
      {"mobilenet_v1?width=0.5", {96, 96, 3}, 10, 823722},
      {"mobilenet_v1?width=1", {96, 96, 3}, 1000, 4231976},
      {"fc_autoencoder", {1, 1, 640}, 0, 267928},
      {"mobilenet_v2", {96, 96, 3}, 10, 2236682},
      {"mobilenet_v2", {224, 224, 3}, 1000, 3504872},
      {"mobilenet_v2?width=0.5", {96, 96, 3}, 1000, 1968680},
      {"mobilenet_v2?width=1.4", {96, 96, 3}, 1000, 6108776},
      {"resnet18", {96, 96, 3}, 10, 11181642},
      {"resnet18", {224, 224, 3}, 1000, 11689512},
  };
  for (const auto& c : cases) {
    const Built b = Build(c.spec, c.input, c.classes);
    ASSERT_TRUE(b.status.ok()) << c.spec << ": " << b.error;
    EXPECT_EQ(Parameters(b.graph, false), c.parameters) << c.spec;
  }
}

TEST(Builders, MultiplyAddsAreThePapers) {
  const struct {
    const char* spec;
    Shape input;
    uint32_t classes;
    uint64_t forward;
    const char* first;  // its input has no gradient
  } cases[] = {
      {"lenet5", {28, 28, 1}, 10, 416520, "conv1"},
      {"resnet8", {32, 32, 3}, 10, 12501632, "conv1"},
      {"mobilenet_v2", {224, 224, 3}, 1000, 300774272, "conv1"},
      {"resnet18", {224, 224, 3}, 1000, 1814073344, "conv1"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.spec);
    const Built b = Build(c.spec, c.input, c.classes);
    Plan plan;
    PlanOptions options;
    options.batch = 2;
    ASSERT_TRUE(MakePlan(b.graph, options, &plan).ok());
    uint64_t forward = 0;
    for (uint32_t i = 0; i < plan.nodes.size(); ++i)
      forward += MultiplyAdds(plan, i);
    EXPECT_EQ(forward, c.forward);
    EXPECT_EQ(StepMultiplyAdds(plan),
              3 * forward - MultiplyAdds(plan, b.Node(c.first)));
    // With the body frozen, backward is the head's weight gradient alone.
    options.frozen.assign(b.graph.nodes.size(), 1);
    options.frozen[HeadNode(b.graph)] = 0;
    ASSERT_TRUE(MakePlan(b.graph, options, &plan).ok());
    EXPECT_EQ(StepMultiplyAdds(plan),
              forward + MultiplyAdds(plan, b.Node("fc")));
    options.training = false;
    ASSERT_TRUE(MakePlan(b.graph, options, &plan).ok());
    EXPECT_EQ(StepMultiplyAdds(plan), forward);
  }
}

TEST(Builders, MlperfVariantsCountAsTheKerasModels) {
  // "Total params" of the Keras models' summaries.
  const struct {
    const char* spec;
    Shape input;
    uint32_t classes;
    uint64_t total;
  } cases[] = {
      {"resnet8?variant=mlperf", {32, 32, 3}, 10, 78666},
      {"ds_cnn?variant=mlperf", {49, 10, 1}, 12, 24908},
      {"mobilenet_v1?variant=mlperf", {96, 96, 3}, 2, 221794},
      {"fc_autoencoder?variant=mlperf", {1, 1, 640}, 0, 269992},
  };
  for (const auto& c : cases) {
    const Built b = Build(c.spec, c.input, c.classes);
    ASSERT_TRUE(b.status.ok()) << c.spec << ": " << b.error;
    EXPECT_EQ(Parameters(b.graph, true), c.total) << c.spec;
  }
}

TEST(Builders, ShapesOfTheLastLayers) {
  Built b = Build("lenet5", {28, 28, 1}, 10);
  EXPECT_EQ(b.At("conv1"), (Shape{28, 28, 6}));
  EXPECT_EQ(b.At("pool2"), (Shape{5, 5, 16}));
  EXPECT_EQ(b.At("loss"), (Shape{1, 1, 10}));
  b = Build("resnet8", {32, 32, 3}, 10);
  EXPECT_EQ(b.At("block1.relu2"), (Shape{32, 32, 16}));
  EXPECT_EQ(b.At("block3.relu2"), (Shape{8, 8, 64}));
  b = Build("ds_cnn", {49, 10, 1}, 12);
  EXPECT_EQ(b.At("block4.relu2"), (Shape{24, 5, 64}));
  EXPECT_EQ(b.At("fc"), (Shape{1, 1, 12}));
  b = Build("ds_cnn?variant=mlperf", {49, 10, 1}, 12);
  EXPECT_EQ(b.At("block4.relu2"), (Shape{25, 5, 64}));
  EXPECT_EQ(b.At("pool"), (Shape{1, 1, 64}));
  for (const char* spec : {"mobilenet_v1", "mobilenet_v1?variant=mlperf"}) {
    b = Build(spec, {96, 96, 3}, 2);
    EXPECT_EQ(b.At("conv1"), (Shape{48, 48, 8}));
    EXPECT_EQ(b.At("block13.relu2"), (Shape{3, 3, 256}));
  }
  b = Build("mobilenet_v2", {96, 96, 3}, 10);
  EXPECT_EQ(b.At("relu1"), (Shape{48, 48, 32}));
  EXPECT_EQ(b.At("block1.project"), (Shape{48, 48, 16}));
  EXPECT_EQ(b.At("block2.expand"), (Shape{48, 48, 96}));
  EXPECT_EQ(b.At("block17.bn3"), (Shape{3, 3, 320}));
  EXPECT_EQ(b.At("relu2"), (Shape{3, 3, 1280}));
  b = Build("resnet18", {96, 96, 3}, 10);
  EXPECT_EQ(b.At("conv1"), (Shape{48, 48, 64}));
  EXPECT_EQ(b.At("pool1"), (Shape{24, 24, 64}));
  EXPECT_EQ(b.At("block2.relu2"), (Shape{24, 24, 64}));
  EXPECT_EQ(b.At("block8.relu2"), (Shape{3, 3, 512}));
  EXPECT_EQ(b.At("pool"), (Shape{1, 1, 512}));
  b = Build("fc_autoencoder", {4, 10, 16}, 0);
  EXPECT_EQ(b.At("fc10"), (Shape{1, 1, 640}));
  const Node& loss = b.graph.nodes.back();
  ASSERT_EQ(loss.input_count, 2u);
  EXPECT_EQ(loss.inputs[1], b.Node("normalize"));
}

TEST(Builders, PyTorchConvention) {
  const Built b = Build("resnet8", {32, 32, 3}, 10);
  const auto& conv = b.As<Conv2dParams>("block2.conv1");
  EXPECT_EQ(conv.pad_top + conv.pad_left, 2u);
  EXPECT_EQ(conv.pad_bottom + conv.pad_right, 2u);
  EXPECT_EQ(conv.bias, 0u);
  EXPECT_EQ(b.As<Conv2dParams>("block2.skip").bias, 1u);
  EXPECT_EQ(b.graph.Find("block1.skip"), kNoNode);
  const auto& bn = b.As<BatchNormParams>("block2.bn1");
  EXPECT_EQ(bn.eps, 1e-5f);
  EXPECT_EQ(bn.momentum, 0.1f);
  EXPECT_EQ(bn.unbiased_variance, 1u);
}

TEST(Builders, ResidualConnections) {
  Built b = Build("mobilenet_v2", {96, 96, 3}, 10);
  // Ten of the 17 blocks repeat their input's shape; no activation follows the
  // projection, whether something is added or not.
  uint32_t adds = 0;
  for (const Node& node : b.graph.nodes) adds += node.kind == LayerKind::kAdd;
  EXPECT_EQ(adds, 10u);
  EXPECT_EQ(b.graph.Find("block1.expand"), kNoNode);
  EXPECT_EQ(b.graph.Find("block2.add"), kNoNode);
  const Node& add = b.graph.nodes[b.Node("block3.add")];
  EXPECT_EQ(add.inputs[0], b.Node("block3.bn3"));
  EXPECT_EQ(add.inputs[1], b.Node("block2.bn3"));
  EXPECT_EQ(b.graph.nodes[b.Node("block4.expand")].inputs[0],
            b.Node("block3.add"));
  b.As<Relu6Params>("block3.relu2");
  // Channels as torchvision rounds them; the last convolution does not shrink.
  b = Build("mobilenet_v2?width=0.35", {96, 96, 3}, 10);
  EXPECT_EQ(b.At("conv1").c, 16u);
  EXPECT_EQ(b.At("block2.project").c, 8u);
  EXPECT_EQ(b.At("block4.project").c, 16u);
  EXPECT_EQ(b.At("block17.project").c, 112u);
  EXPECT_EQ(b.At("conv2").c, 1280u);

  b = Build("resnet18", {96, 96, 3}, 10);
  EXPECT_EQ(b.graph.Find("block1.skip"), kNoNode);
  EXPECT_EQ(b.As<Conv2dParams>("block3.skip").bias, 0u);
  EXPECT_EQ(b.As<Conv2dParams>("block3.skip").stride_h, 2u);
  EXPECT_EQ(b.graph.nodes[b.Node("block3.add")].inputs[1],
            b.Node("block3.skip_bn"));
  EXPECT_EQ(b.graph.nodes[b.Node("block4.add")].inputs[1],
            b.Node("block3.relu2"));
  EXPECT_EQ(b.As<Conv2dParams>("conv1").pad_top, 3u);
  EXPECT_EQ(b.As<MaxPoolParams>("pool1").pad_left, 1u);
}

TEST(Builders, MlperfConvention) {
  Built b = Build("resnet8?variant=mlperf", {32, 32, 3}, 10);
  const auto& strided = b.As<Conv2dParams>("block2.conv1");
  EXPECT_EQ(strided.pad_top, 0u);
  EXPECT_EQ(strided.pad_bottom, 1u);
  EXPECT_EQ(strided.pad_left, 0u);
  EXPECT_EQ(strided.pad_right, 1u);
  EXPECT_EQ(strided.bias, 1u);
  const auto& skip = b.As<Conv2dParams>("block2.skip");
  EXPECT_EQ(skip.pad_top + skip.pad_bottom + skip.pad_left + skip.pad_right,
            0u);
  const auto& bn = b.As<BatchNormParams>("bn1");
  EXPECT_EQ(bn.eps, 1e-3f);
  EXPECT_EQ(bn.momentum, 0.01f);
  EXPECT_EQ(bn.unbiased_variance, 1u);
  // An odd size has one pixel on either side, so that the strided rows differ.
  b = Build("mobilenet_v1?variant=mlperf", {97, 96, 3}, 2);
  const auto& conv1 = b.As<Conv2dParams>("conv1");
  EXPECT_EQ(conv1.pad_top, 1u);
  EXPECT_EQ(conv1.pad_bottom, 1u);
  EXPECT_EQ(conv1.pad_left, 0u);
  EXPECT_EQ(conv1.pad_right, 1u);
  EXPECT_EQ(b.As<DepthwiseConv2dParams>("block2.depthwise").bias, 1u);
  b = Build("ds_cnn?variant=mlperf", {49, 10, 1}, 12);
  EXPECT_EQ(b.As<DropoutParams>("dropout1").rate, 0.2f);
  EXPECT_EQ(b.As<DropoutParams>("dropout2").rate, 0.4f);
  EXPECT_EQ(b.As<AvgPoolParams>("pool").kernel_h, 24u);
  const auto& conv = b.As<Conv2dParams>("conv1");
  EXPECT_EQ(conv.pad_top, 4u);
  EXPECT_EQ(conv.pad_bottom, 5u);
  b = Build("fc_autoencoder?variant=mlperf", {1, 1, 640}, 0);
  EXPECT_EQ(b.As<BatchNormParams>("bn1").unbiased_variance, 0u);
}

TEST(Builders, Options) {
  Built b = Build("mlp?dropout=0.25&hidden=32,16", {28, 28, 1}, 4);
  EXPECT_EQ(b.As<DropoutParams>("dropout2").rate, 0.25f);
  EXPECT_EQ(b.At("fc2"), (Shape{1, 1, 16}));
  EXPECT_EQ(b.At("fc"), (Shape{1, 1, 4}));
  b = Build("lenet5?pool=avg", {28, 28, 1}, 10);
  EXPECT_EQ(b.As<AvgPoolParams>("pool1").stride_w, 2u);
  EXPECT_EQ(
      Build("lenet5", {28, 28, 1}, 10).As<MaxPoolParams>("pool1").kernel_h, 2u);
  EXPECT_EQ(b.As<NormalizeParams>("normalize").scale, 1.0f);
  b = Build("mlp", {28, 28, 1, ElementType::kU8}, 10);
  EXPECT_EQ(b.As<NormalizeParams>("normalize").scale, 1.0f / 255.0f);
  EXPECT_EQ(b.As<InputParams>("input").element_type, 1u);
}

// Every model with every activation and every norm: as many layers, of that kind,
// and a plan; the model's own are what it had without the option.
TEST(Builders, EveryActivationAndNorm) {
  const Catalogue activations = ActivationCatalogue();
  const auto count = [](const Graph& graph, LayerKind kind) {
    size_t n = 0;
    for (const Node& node : graph.nodes) n += node.kind == kind;
    return n;
  };
  for (const ModelInfo* model : Models()) {
    SCOPED_TRACE(model->name);
    const std::string name = model->name;
    const Graph own = Build(name, model->input, 10).graph;
    const LayerKind act =
        name == "mobilenet_v2" ? LayerKind::kRelu6 : LayerKind::kRelu;
    const size_t acts = count(own, act);
    EXPECT_GT(acts, 0u);
    for (uint32_t i = 0; i < activations.count; ++i) {
      const std::string activation = activations.entry(i).name;
      const Graph g =
          Build(name + "?activation=" + activation, model->input, 10).graph;
      EXPECT_EQ(count(g, LayerByName(activation)), acts) << activation;
      EXPECT_EQ(g.nodes.size(), own.nodes.size());
      EXPECT_TRUE(g.Check(nullptr).ok()) << activation;
    }
    const size_t norms =
        std::max(count(own, LayerKind::kBatchNorm),
                 count(Build(name + "?norm=batch", model->input, 10).graph,
                       LayerKind::kBatchNorm));
    EXPECT_GT(norms, 0u);
    for (const char* norm : {"batch", "group", "layer", "none"}) {
      const std::string kind = std::string(norm) + "_norm";
      const Graph g = Build(name + "?norm=" + norm, model->input, 10).graph;
      EXPECT_TRUE(g.Check(nullptr).ok()) << norm;
      for (const char* other : {"batch_norm", "group_norm", "layer_norm"}) {
        EXPECT_EQ(count(g, LayerByName(other)), other == kind ? norms : 0u)
            << norm;
      }
    }
  }
  // Names say what they are.
  Built b = Build("resnet8?norm=group&activation=silu", {32, 32, 3}, 10);
  EXPECT_EQ(b.As<GroupNormParams>("block3.gn2").groups, 4u);
  EXPECT_EQ(b.As<Conv2dParams>("block3.conv2").bias, 0u);
  b.As<SiluParams>("block3.silu2");
  b = Build("resnet8?norm=none", {32, 32, 3}, 10);
  EXPECT_EQ(b.As<Conv2dParams>("block3.conv2").bias, 1u);
  b = Build("lenet5?norm=batch", {28, 28, 1}, 10);
  EXPECT_EQ(b.As<Conv2dParams>("conv1").bias, 0u);
  EXPECT_EQ(b.At("bn4"), (Shape{1, 1, 84}));
  EXPECT_EQ(Build("lenet5", {28, 28, 1}, 10).As<Conv2dParams>("conv1").bias,
            1u);
}

// Values: the same body, as many outputs, and the squared error against targets
// that come with the samples.
TEST(Builders, TheHeadFollowsTheTargets) {
  for (const ModelInfo* model : Models()) {
    if (model->classes == 0) continue;
    SCOPED_TRACE(model->name);
    const Built classes = Build(model->name, model->input, 7);
    Graph graph;
    std::string error;
    ASSERT_TRUE(BuildModel(model->name, model->input, {TargetKind::kSoft, 7},
                           &graph, &error)
                    .ok());
    EXPECT_EQ(graph.nodes.back().kind, classes.graph.nodes.back().kind);
    for (const uint32_t width : {1u, 7u}) {
      ASSERT_TRUE(BuildModel(model->name, model->input,
                             {TargetKind::kValues, width}, &graph, &error)
                      .ok())
          << error;
      std::vector<Shape> shapes;
      ASSERT_TRUE(graph.Check(&shapes).ok());
      EXPECT_EQ(shapes.back(), (Shape{1, 1, width}));
      EXPECT_EQ(graph.nodes.size(), classes.graph.nodes.size());
      EXPECT_TRUE(graph.nodes.back().Is<MeanSquaredErrorParams>());
      EXPECT_TRUE(NeedsTargets(graph.nodes.back()));
      EXPECT_TRUE(IsRegressor(graph) && !IsClassifier(graph));
    }
    for (const uint32_t width : {1u, 7u}) {
      ASSERT_TRUE(BuildModel(model->name, model->input,
                             {TargetKind::kMultiHot, width}, &graph, &error)
                      .ok())
          << error;
      EXPECT_TRUE(graph.nodes.back().Is<BinaryCrossEntropyParams>());
      EXPECT_EQ(FieldOf(graph.nodes[HeadNode(graph)], "out_features"), width);
    }
    // One output for two classes.
    const std::string sigmoid = std::string(model->name) + "?head=sigmoid";
    ASSERT_TRUE(BuildModel(sigmoid, model->input, {TargetKind::kClasses, 2},
                           &graph, &error)
                    .ok())
        << error;
    EXPECT_TRUE(graph.nodes.back().Is<BinaryCrossEntropyParams>());
    EXPECT_EQ(FieldOf(graph.nodes[HeadNode(graph)], "out_features"), 1);
    EXPECT_EQ(ClassesOf(graph, 1), 2u);
    EXPECT_TRUE(IsClassifier(graph) && !IsRegressor(graph));
    EXPECT_EQ(BuildModel(sigmoid, model->input, {TargetKind::kClasses, 3},
                         &graph, &error)
                  .code,
              StatusCode::kInvalidArgument);
    EXPECT_NE(error.find("for two classes, and there are 3"),
              std::string::npos);
    EXPECT_EQ(BuildModel(model->name, model->input, {}, &graph, &error).code,
              StatusCode::kShapeMismatch);
    EXPECT_NE(error.find("the samples have none"), std::string::npos);
  }
  // It brings its own.
  const Built own = Build("fc_autoencoder", {1, 1, 9}, 0);
  EXPECT_FALSE(IsRegressor(own.graph) || IsClassifier(own.graph));
}

TEST(Builders, AnotherNumberOfOutputs) {
  Graph graph;
  std::string error;
  for (const TargetKind kind : {TargetKind::kClasses, TargetKind::kValues}) {
    ASSERT_TRUE(
        BuildModel("lenet5", {28, 28, 1}, {kind, 4}, &graph, &error).ok());
    ASSERT_TRUE(SetOutputs(&graph, 9).ok());
    std::vector<Shape> shapes;
    ASSERT_TRUE(graph.Check(&shapes).ok());
    EXPECT_EQ(shapes.back().c, 9u);
  }
  Graph own = Build("fc_autoencoder", {1, 1, 9}, 0).graph;
  EXPECT_EQ(SetOutputs(&own, 5).code, StatusCode::kUnsupported);
}

TEST(Builders, EveryModelTakesEveryInputFromItsMinimum) {
  for (const ModelInfo* model : Models()) {
    for (const char* variant : {"pytorch", "mlperf"}) {
      std::string spec = model->name;
      if (model->fields.Find("variant") != nullptr) {
        spec += std::string("?variant=") + variant;
      }
      for (uint32_t h = model->min_h; h < model->min_h + 9; ++h) {
        for (uint32_t w = model->min_w; w < model->min_w + 9; ++w) {
          const Built b = Build(spec, {h, w, 2}, 3);
          ASSERT_TRUE(b.status.ok())
              << spec << " " << h << "x" << w << ": " << b.error;
        }
      }
      EXPECT_TRUE(Build(spec, model->input, model->classes).status.ok());
      if (model->min_h == 1) continue;
      Built b = Build(spec, {model->min_h - 1, 100, 1}, 3);
      EXPECT_EQ(b.status.code, StatusCode::kShapeMismatch);
      b = Build(spec, {100, model->min_w - 1, 1}, 3);
      EXPECT_EQ(b.status.code, StatusCode::kShapeMismatch);
    }
  }
}

TEST(Builders, WrongSpecs) {
  const struct {
    const char* spec;
    StatusCode code;
    const char* error;
  } cases[] = {
      {"mobilnet_v1", StatusCode::kNotFound,
       "unknown model 'mobilnet_v1'; did you mean 'mobilenet_v1'?"},
      {"", StatusCode::kNotFound,
       "unknown model ''; there are mlp, lenet5, resnet8, ds_cnn, "
       "mobilenet_v1, fc_autoencoder, mobilenet_v2, resnet18"},
      {"mobilenet_v1?widht=1", StatusCode::kInvalidArgument,
       "unknown option of mobilenet_v1 'widht'; did you mean 'width'?"},
      {"mobilenet_v1?width=0", StatusCode::kInvalidArgument,
       "mobilenet_v1: 'width' must be 0.03125 to 4, not '0'"},
      {"mobilenet_v1?width=nan", StatusCode::kInvalidArgument,
       "mobilenet_v1: 'width' must be 0.03125 to 4, not 'nan'"},
      {"mobilenet_v1?width=1x", StatusCode::kInvalidArgument,
       "mobilenet_v1: 'width' must be 0.03125 to 4, not '1x'"},
      {"mobilenet_v1?width", StatusCode::kInvalidArgument,
       "mobilenet_v1: 'width' needs a value: width=..."},
      {"mobilenet_v1?width=1&width=1", StatusCode::kInvalidArgument,
       "option 'width' is given twice"},
      {"resnet8?variant=mlpref", StatusCode::kInvalidArgument,
       "resnet8: unknown value of 'variant' 'mlpref'; did you mean 'mlperf'?"},
      {"resnet8?variant=1", StatusCode::kInvalidArgument,
       "resnet8: unknown value of 'variant' '1'; there are pytorch, mlperf"},
      {"mlp?hidden=12,", StatusCode::kInvalidArgument,
       "mlp: 'hidden' must be at most 32 whole numbers from 1 to 65536, "
       "separated by commas, not '12,'"},
      {"mlp?hidden=0", StatusCode::kInvalidArgument,
       "mlp: 'hidden' must be at most 32 whole numbers from 1 to 65536, "
       "separated by commas, not '0'"},
      {"mlp?hidden=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
       "1,1,1",
       StatusCode::kInvalidArgument,
       "mlp: 'hidden' must be at most 32 whole numbers from 1 to 65536, "
       "separated by commas, not "
       "'1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,...'"},
  };
  for (const auto& c : cases) {
    const Built b = Build(c.spec, {96, 96, 3}, 10);
    EXPECT_EQ(b.status.code, c.code) << c.spec;
    EXPECT_EQ(b.error, c.error);
  }
  EXPECT_EQ(Build("mobilenet_v1", {16, 96, 3}, 10).error,
            "mobilenet_v1 needs samples of at least 17x17x1 (height, width, "
            "channels); these are 16x96x3");
  EXPECT_EQ(Build("mlp", {28, 28, 1}, 1).error,
            "mlp is a classifier and needs at least 2 classes, not 1");
  EXPECT_EQ(Build("mlp", {28, 28, 0}, 10).status.code,
            StatusCode::kShapeMismatch);
}

TEST(Builders, GraphChecksReachTheCaller) {
  const Built b = Build("mlp", {1, 1, kMaxDimension + 1}, 2);
  EXPECT_FALSE(b.status.ok());
  EXPECT_EQ(b.error.substr(0, 5), "mlp: ");
  EXPECT_NE(b.error.find("(layer 'input')"), std::string::npos) << b.error;
}

}  // namespace
}  // namespace temper::models
