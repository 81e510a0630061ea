// A graph as JSON text, as in model files and in plan.json:
//
//   {"version":2,"nodes":[
//     {"name":"input","layer":"input","inputs":[],"h":28,...,
//      "element_type":"u8"},
//     {"name":"fc","layer":"dense","inputs":["input"],"out_features":10,
//      "bias":true}]}
//
// Driven by the layers' field tables (temper/graph.h): a new layer needs
// nothing here. Written: every field, flags as true or false, choices by their
// names, floats as the shortest decimal that reads back to the same bits, so
// one graph is one text. Read: strictly. Unknown layers and fields are errors
// with the nearest name and a list; a missing field takes the layer's default,
// missing "inputs" mean none; an input must be an earlier node. Version 1,
// which had numbers in place of flags and choices, is read as well; both forms
// are accepted in both versions. For people: docs/graph-json.md. Next:
// model_file.h.
#ifndef TEMPER_MODELS_FILES_GRAPH_JSON_H_
#define TEMPER_MODELS_FILES_GRAPH_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "models/files/error.h"
#include "temper/graph.h"

namespace temper {

inline constexpr uint32_t kGraphJsonVersion = 2;

// Fails as reading would: a graph that Graph::Check refuses, or a name that is
// not UTF-8 or has control characters, is not written.
FileError WriteGraphJson(const Graph& graph, std::string* json);

// `graph` is only changed on success. At most `max_bytes` are allocated for the
// nodes. The result has passed Graph::Check.
FileError ReadGraphJson(std::string_view json, Graph* graph,
                        uint64_t max_bytes = UINT64_MAX);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_GRAPH_JSON_H_
