// Preprocessing: how samples become what the first node reads. It travels
// inside the model file and is the same for training, validation, prediction
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

// How pictures of another size become samples. The first of each is the default.
struct PictureFit {
  enum class Mode : uint32_t {
    kCrop,     // the short side is resized, the middle of the long one is kept
    kStretch,  // both sides are resized
    kPad,      // the long side is resized, the short one filled up
  };
  Mode mode = Mode::kCrop;
  // Red, green, blue: behind transparent pixels, and what fills up.
  uint8_t background[3] = {255, 255, 255};

  friend bool operator==(const PictureFit&, const PictureFit&) = default;
};
// "rrggbb", hexadecimal digits in lower case. False if it is anything else.
bool ParseColour(std::string_view text, uint8_t rgb[3]);
// "crop|stretch|pad", in the order of the modes.
inline constexpr std::string_view kPictureFits = "crop|stretch|pad";

// Mean and std themselves are
// weights of the normalize node, so this says only what to do with them. Must
// agree with the graph's input node and with its normalize node (scale; kind
// mean_image needs per_pixel = 1, mean_std 0; none: mean is 0 and std 1).
struct Preprocessing {
  enum class Kind : uint32_t { kNone, kMeanStd, kMeanImage };
  uint32_t h = 1, w = 1, c = 1;
  ElementType element_type = ElementType::kF32;
  float scale = 1.0f;
  Kind kind = Kind::kNone;
  // Of a model that was trained on pictures. Absent in files of version 1.
  std::optional<PictureFit> pictures = {};

  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

// {"version":1,"h":..,"w":..,"c":..,"element_type":"u8","scale":..,"kind":"none"};
// with pictures {"version":2,...,"fit":"crop","background":"ffffff"}
std::string WritePreprocessing(const Preprocessing& preprocessing);
// Versions 1 and 2: every key of the version there, once; no other.
FileError ReadPreprocessing(std::string_view json,
                            Preprocessing* preprocessing);

// kMismatch if it contradicts the graph (which has passed Graph::Check).
FileError CheckPreprocessing(const Preprocessing& preprocessing,
                             const Graph& graph);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_PREPROCESSING_H_
