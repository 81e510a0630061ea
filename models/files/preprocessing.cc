// See preprocessing.h.
#include "models/files/preprocessing.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

#include "models/files/json.h"

namespace temper {
namespace {

using Token = JsonReader::Token;

constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr const char* kKindNames[] = {
    "none",         "mean_std", "mean_image", "mean_image_only",
    "channel_mean", "unit",     "signed"};
// Of versions 1 and 2.
constexpr uint32_t kFirstKinds = 3;

bool IsPerPixel(Preprocessing::Kind kind) {
  return kind == Preprocessing::Kind::kMeanImage ||
         kind == Preprocessing::Kind::kMeanImageOnly;
}

constexpr const char* kElementNames[] = {"f32", "u8"};
// In files "as_data" is no key.
constexpr const char* kChannelNames[] = {"as_data", "rgb", "bgr"};
constexpr const char* kFitNames[] = {"crop", "stretch", "pad"};
// 2 has "fit" and "background", 3 may have both, further kinds and "channels". A
// file is written in the lowest version that can say it: earlier builds read the rest.
constexpr uint32_t kPreprocessingVersion = 3;

constexpr const char* kKeys[] = {"version",      "h",       "w",    "c",
                                 "element_type", "scale",   "kind", "fit",
                                 "background",   "channels"};
enum Key : uint32_t {
  kVersion,
  kH,
  kW,
  kC,
  kElementType,
  kScale,
  kKind,
  kVersion1Keys,
  kFit = kVersion1Keys,
  kBackground,
  kChannels,
  kKeyCount
};
static_assert(std::size(kKeys) == kKeyCount);

class PreprocessingReader {
 public:
  explicit PreprocessingReader(std::string_view json) : reader_(json) {}

  FileError Read(Preprocessing* p) {
    if (reader_.Next() != Token::kBeginObject)
      return Error("expected an object");
    uint32_t version = 0, element = 0, kind = 0, fit = 0, seen = 0;
    uint32_t channels = 0;
    PictureFit pictures;
    while (reader_.Next() == Token::kKey) {
      uint32_t key;
      TEMPER_RETURN_IF_FILE_ERROR(OneOf("key", kKeys, &key));
      if ((seen >> key & 1) != 0)
        return Error(Text("two keys \"", kKeys[key], "\""));
      seen |= 1u << key;
      reader_.Next();
      FileError error;
      switch (static_cast<Key>(key)) {
        case kVersion:
          error = Uint(UINT32_MAX, &version);
          break;
        case kH:
          error = Uint(kMaxDimension, &p->h);
          break;
        case kW:
          error = Uint(kMaxDimension, &p->w);
          break;
        case kC:
          error = Uint(kMaxDimension, &p->c);
          break;
        case kElementType:
          error = OneOf("value", kElementNames, &element);
          break;
        case kScale:
          error = Float(&p->scale);
          break;
        case kKind:
          error = OneOf("value", kKindNames, &kind);
          break;
        case kFit:
          error = OneOf("value", kFitNames, &fit);
          break;
        case kBackground:
          error = Colour(pictures.background);
          break;
        case kChannels:
          error = OneOf("value", kChannelNames, &channels);
          break;
        case kKeyCount:
          break;
      }
      if (!error.ok()) return error;
    }
    if (reader_.token() != Token::kEndObject) return Error("expected a key");
    if (reader_.Next() != Token::kEnd) return Error("expected the end");
    if (version > kPreprocessingVersion) {
      return {StatusCode::kUnsupported,
              Text("preprocessing: version ", version,
                   ", this build reads versions 1 to ", kPreprocessingVersion,
                   "; use the temper release that wrote it")};
    }
    if (version < 3 && kind >= kFirstKinds) {
      return Error(
          Text("kind \"", kKindNames[kind], "\" in version ", version));
    }
    // Both of a picture, or none; of version 3 either.
    const bool pictures_there =
        version == 2 ||
        (version == 3 && (seen & (1u << kFit | 1u << kBackground)) != 0);
    for (uint32_t key = 0; key < kKeyCount; ++key) {
      const bool there = (seen >> key & 1) != 0;
      const bool wanted =
          key < kVersion1Keys || (pictures_there && key != kChannels);
      const bool may = wanted || (version == 3 && key == kChannels);
      if (wanted && !there) return Error(Text("no \"", kKeys[key], "\""));
      if (!may && there) {
        return Error(Text("\"", kKeys[key], "\" in version ", version));
      }
    }
    if (pictures_there) {
      pictures.mode = static_cast<PictureFit::Mode>(fit);
      p->pictures = pictures;
    }
    p->channels = static_cast<Preprocessing::Channels>(channels);
    p->element_type = static_cast<ElementType>(element);
    p->kind = static_cast<Preprocessing::Kind>(kind);
    return {};
  }

 private:
  FileError Error(std::string_view why) const {
    return {StatusCode::kBadFile,
            Text("preprocessing: byte ", reader_.offset(), ": ",
                 reader_.token() == Token::kError
                     ? std::string_view(reader_.error())
                     : why)};
  }
  FileError Uint(uint32_t most, uint32_t* value) const {
    uint64_t wide;
    if (reader_.token() != Token::kNumber || !JsonUint(reader_.text(), &wide) ||
        wide == 0 || wide > most) {
      return Error(Text("expected a whole number from 1 to ", most));
    }
    *value = static_cast<uint32_t>(wide);
    return {};
  }
  FileError Float(float* value) const {
    if (reader_.token() != Token::kNumber ||
        !JsonFloat(reader_.text(), value)) {
      return Error("expected a number that fits a float");
    }
    return {};
  }
  FileError Colour(uint8_t rgb[3]) const {
    const bool good =
        reader_.token() == Token::kString && ParseColour(reader_.text(), rgb);
    return good ? FileError() : Error("expected a colour such as \"ffffff\"");
  }
  // The key or string just read is one of the names: which?
  FileError OneOf(const char* what, std::span<const char* const> names,
                  uint32_t* index) const {
    if (reader_.token() != Token::kString && reader_.token() != Token::kKey) {
      return Error("expected a string");
    }
    for (uint32_t i = 0; i < names.size(); ++i) {
      if (JsonEquals(reader_.text(), names[i])) {
        *index = i;
        return {};
      }
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    return Error(Text("unknown ", what, " ", Quoted(reader_.text()),
                      Suggestion(reader_.text(), known)));
  }

  JsonReader reader_;
};

}  // namespace

const char* PreprocessingKindName(Preprocessing::Kind kind) {
  return kKindNames[static_cast<uint32_t>(kind)];
}

const char* ChannelsName(Preprocessing::Channels channels) {
  return kChannelNames[static_cast<uint32_t>(channels)];
}

bool ParseColour(std::string_view text, uint8_t rgb[3]) {
  if (text.size() != 6) return false;
  uint8_t read[3] = {};
  for (size_t i = 0; i < 6; ++i) {
    const size_t digit = kHexDigits.find(text[i]);
    if (digit == std::string_view::npos) return false;
    read[i / 2] = static_cast<uint8_t>(read[i / 2] << 4 | digit);
  }
  std::copy_n(read, 3, rgb);
  return true;
}

FileError ReadPreprocessing(std::string_view json,
                            Preprocessing* preprocessing) {
  Preprocessing read;
  TEMPER_RETURN_IF_FILE_ERROR(PreprocessingReader(json).Read(&read));
  *preprocessing = read;
  return {};
}

std::string WritePreprocessing(const Preprocessing& p) {
  const bool channels = p.channels != Preprocessing::Channels::kAsData;
  const bool third = channels || static_cast<uint32_t>(p.kind) >= kFirstKinds;
  const uint32_t version = third ? 3 : p.pictures ? 2 : 1;
  std::string out = Text("{\"version\":", version, ",\"h\":", p.h,
                         ",\"w\":", p.w, ",\"c\":", p.c, ",\"element_type\":\"",
                         kElementNames[static_cast<uint32_t>(p.element_type)],
                         "\",\"scale\":");
  AppendJsonFloat(&out, p.scale);
  out += Text(",\"kind\":\"", kKindNames[static_cast<uint32_t>(p.kind)], "\"");
  if (p.pictures) {
    out +=
        Text(",\"fit\":\"", kFitNames[static_cast<uint32_t>(p.pictures->mode)],
             "\",\"background\":\"");
    for (const uint8_t value : p.pictures->background) {
      out += kHexDigits[value >> 4];
      out += kHexDigits[value & 15];
    }
    out += '"';
  }
  if (channels) out += Text(",\"channels\":\"", ChannelsName(p.channels), "\"");
  return out + "}";
}

FileError CheckPreprocessing(const Preprocessing& p, const Graph& graph) {
  const auto mismatch = [](std::string_view why) {
    return FileError{
        StatusCode::kMismatch,
        Text("preprocessing: ", why,
             "; make it agree with the graph, or the graph with it")};
  };
  if (static_cast<uint32_t>(p.element_type) > 1 ||
      static_cast<uint32_t>(p.kind) >= std::size(kKindNames) ||
      !std::isfinite(p.scale) ||
      static_cast<uint32_t>(p.channels) >= std::size(kChannelNames) ||
      (p.pictures && static_cast<uint32_t>(p.pictures->mode) > 2)) {
    return {StatusCode::kInvalidArgument,
            "preprocessing: element type, kind, scale or fit out of range"};
  }
  if (p.channels != Preprocessing::Channels::kAsData && p.c != 3) {
    return mismatch(Text("channels \"", ChannelsName(p.channels),
                         "\" of samples with ", p.c));
  }
  const InputParams& input = graph.nodes[0].As<InputParams>();
  if (p.h != input.h || p.w != input.w || p.c != input.c ||
      static_cast<uint32_t>(p.element_type) != input.element_type) {
    return mismatch(Text("samples of ", p.h, "x", p.w, "x", p.c, " ",
                         kElementNames[static_cast<uint32_t>(p.element_type)],
                         ", but the graph's input is ", input.h, "x", input.w,
                         "x", input.c, " ",
                         kElementNames[input.element_type & 1]));
  }
  for (const Node& node : graph.nodes) {
    if (!node.Is<NormalizeParams>() || node.inputs[0] != 0) continue;
    const NormalizeParams& normalize = node.As<NormalizeParams>();
    if (std::bit_cast<uint32_t>(normalize.scale) !=
        std::bit_cast<uint32_t>(p.scale)) {
      return mismatch(Text("another scale than node ", Quoted(node.name)));
    }
    const bool image = IsPerPixel(p.kind);
    if (p.kind != Preprocessing::Kind::kNone &&
        image != (normalize.per_pixel != 0)) {
      return mismatch(Text("kind ", kKindNames[static_cast<uint32_t>(p.kind)],
                           ", but node ", Quoted(node.name),
                           " has per_pixel = ", normalize.per_pixel));
    }
  }
  return {};
}

}  // namespace temper
