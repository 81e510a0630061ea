// Changes that fine-tuning makes to a graph: another number of outputs, dropout
// before the head. Weights are the caller's: a node keeps its name, so tensors
// are found again by name. Part of the second library (model_file.h).
//
// Example, after graph.h's:
//
//   if (!temper::models::SetOutputs(&g, 2).ok()) return 1;  // two classes now
//   const uint32_t head = temper::models::HeadNode(g);      // "fc2"
#ifndef TEMPER_GRAPH_EDIT_H_
#define TEMPER_GRAPH_EDIT_H_

#include <cstdint>

#include "temper/graph.h"
#include "temper/status.h"

namespace temper::models {

// The head: the last dense or convolution layer, or kNoNode.
uint32_t HeadNode(const Graph& graph);

// True for a graph whose outputs are classes.
bool IsClassifier(const Graph& graph);

// True for a graph that is trained on values that come with the samples.
bool IsRegressor(const Graph& graph);

// Classes that a graph with so many outputs tells apart: a single output of
// binary cross-entropy stands for two.
uint32_t ClassesOf(const Graph& graph, uint64_t outputs);

// Puts another loss in place of the one there is, under its name and with its
// inputs. `params`: of that kind of layer. kInvalidArgument: no loss; else what
// Graph::Check says (a loss of classes has no second input, and wants flat
// logits).
Status SetLoss(Graph* graph, LayerKind kind, const void* params,
               size_t params_size);

// Gives the head `outputs` outputs: classes or values. kUnsupported if the
// model brings its own targets, or something after the head fixes the number
// (the head does not feed the loss directly or through pooling).
Status SetOutputs(Graph* graph, uint32_t outputs);

// Sets the rate of every dropout layer; without one, inserts a layer "dropout"
// before the head unless the rate is 0. Nodes after it move up by one.
Status SetDropout(Graph* graph, float rate);

// Sets the label smoothing of the loss, if that has such a field.
inline constexpr const char* kLabelSmoothing = "label_smoothing";
Status SetLabelSmoothing(Graph* graph, float smoothing);

}  // namespace temper::models

#endif  // TEMPER_GRAPH_EDIT_H_
