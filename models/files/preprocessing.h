// Preprocessing: how samples become the input of the first node. It is stored
// in the model file and is the same for training, validation, prediction
// and export; where it contradicts the graph, that is an error. Next:
// model_file.h.
#ifndef TEMPER_MODELS_FILES_PREPROCESSING_H_
#define TEMPER_MODELS_FILES_PREPROCESSING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/files/error.h"
#include "temper/graph.h"

namespace temper {

// As files say it: "mean_std".
const char* PreprocessingKindName(Preprocessing::Kind kind);
// "as_data", "rgb", "bgr".
const char* ChannelsName(Preprocessing::Channels channels);

// "rrggbb", hexadecimal digits in lower case. False if it is anything else.
bool ParseColour(std::string_view text, uint8_t rgb[3]);
// "crop|stretch|pad", in the order of the modes.
inline constexpr std::string_view kPictureFits = "crop|stretch|pad";

// {"version":1,"h":..,"w":..,"c":..,"element_type":"u8","scale":..,"kind":"none"};
// with pictures {"version":2,...,"fit":"crop","background":"ffffff"}
std::string WritePreprocessing(const Preprocessing& preprocessing);
// Versions 1 to 3: every key of the version there, once; no other. Version 3 may
// have the keys of 2 and "channels", and has further kinds.
FileError ReadPreprocessing(std::string_view json,
                            Preprocessing* preprocessing);

// kMismatch if it contradicts the graph (which has passed Graph::Check).
FileError CheckPreprocessing(const Preprocessing& preprocessing,
                             const Graph& graph);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_PREPROCESSING_H_
