// The form of a pack. See pack_file.h.
#include "ports/host/data/pack_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <set>
#include <stdexcept>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/base/value.h"

namespace temper::host {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers stand in the file as they stand in memory");

constexpr char kMagic[8] = {'T', 'E', 'M', 'P', 'E', 'R', 'P', 'K'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kMaxText = uint64_t{64} << 20;
constexpr uint64_t kAlign = 64;

uint64_t HeaderChecksum(PackHeader header) {
  header.header_checksum = 0;
  return XXH3_64bits(&header, sizeof(header));
}

// a * b + c rounded up to kAlign, false if it does not fit 63 bits.
bool Extend(uint64_t a, uint64_t b, uint64_t* end) {
  uint64_t bytes;
  if (__builtin_mul_overflow(a, b, &bytes) ||
      __builtin_add_overflow(*end, bytes, end)) {
    return false;
  }
  return *end <= (uint64_t{1} << 62);
}

uint64_t Aligned(uint64_t at) { return (at + kAlign - 1) / kAlign * kAlign; }

uint64_t SampleBytes(const PackHeader& h) {
  // At most 2^60, by kMaxDimension.
  return uint64_t{h.h} * h.w * h.c *
         (static_cast<ElementType>(h.type) == ElementType::kU8 ? 1 : 4);
}

class PackReader {
 public:
  PackReader(std::span<const uint8_t> file, const std::string& path)
      : file_(file), path_(path) {}

  PackView Open(bool verify) {
    ReadHeader();
    PackView view;
    view.shape = {header_.h, header_.w, header_.c,
                  static_cast<ElementType>(header_.type)};
    view.targets = {static_cast<TargetKind>(header_.targets), header_.width};
    view.samples = header_.samples;
    view.data = file_.data() + kPackData;
    if (verify && XXH3_64bits(file_.data() + kPackData,
                              file_.size() - kPackData) != header_.checksum) {
      Damaged("its checksum is wrong");
    }
    if (header_.labels_offset != 0) {
      const uint8_t* const at = file_.data() + header_.labels_offset;
      if (view.targets.kind == TargetKind::kClasses) {
        view.labels = reinterpret_cast<const int32_t*>(at);
        CheckLabels(view);
      } else {
        view.values = reinterpret_cast<const float*>(at);
      }
    }
    ReadText(&view);
    return view;
  }

 private:
  [[noreturn]] void Damaged(std::string_view why) const {
    Fail(ErrorKind::kBadData, "cannot read the pack", path_, why,
         "It is damaged or was never finished: make it again with temper data "
         "pack.");
  }

  void ReadHeader() {
    if (!IsPack(file_)) {
      Fail(ErrorKind::kBadData, "cannot read the pack", path_,
           "it is no pack of temper", "temper data pack SPEC FILE makes one.");
    }
    if (file_.size() < kPackData) Damaged("it ends inside the header");
    std::memcpy(&header_, file_.data(), sizeof(header_));
    if (header_.version != kVersion) {
      Fail(ErrorKind::kUnsupported, "cannot read the pack", path_,
           fmt::format("version {}, this build reads version {}",
                       header_.version, kVersion),
           "Use the temper release that wrote it, or make it again.");
    }
    if (HeaderChecksum(header_) != header_.header_checksum) {
      Damaged("the checksum of its header is wrong");
    }
    const bool known =
        header_.type <= 1 &&
        header_.targets <= static_cast<uint32_t>(TargetKind::kSoft) &&
        header_.h >= 1 && header_.w >= 1 && header_.c >= 1 &&
        header_.h <= kMaxDimension && header_.w <= kMaxDimension &&
        header_.c <= kMaxDimension && header_.samples >= 1 &&
        header_.samples <= UINT32_MAX && header_.width <= kMaxDimension &&
        header_.text_bytes <= kMaxText;
    if (!known) Damaged("a field of its header is out of range");
    PackHeader expected = header_;
    if (!LayOutPack(&expected) ||
        expected.labels_offset != header_.labels_offset ||
        expected.text_offset != header_.text_offset ||
        expected.file_bytes != header_.file_bytes) {
      Damaged("the fields of its header contradict each other");
    }
    if (header_.file_bytes != file_.size()) {
      Damaged(fmt::format("it has {} bytes, its header says {}", file_.size(),
                          header_.file_bytes));
    }
  }

  void CheckLabels(const PackView& view) const {
    for (uint64_t i = 0; i < view.samples; ++i) {
      const int32_t label = view.labels[i];
      if (label < 0 || static_cast<uint32_t>(label) >= view.targets.width) {
        Damaged(fmt::format("sample {} has the label {}", i, label));
      }
    }
  }

  static void ReadClasses(const Value& names, std::vector<std::string>* out) {
    if (names.kind() != Value::Kind::kArray) {
      throw std::runtime_error("classes is no array");
    }
    std::set<std::string_view> seen;
    for (const Value& name : names) out->push_back(name.get<std::string>());
    for (const std::string& name : *out) {
      if (!seen.insert(name).second) {
        throw std::runtime_error(
            fmt::format("class '{}' is there twice", name));
      }
    }
  }

  static void ReadFit(const Value& fit, PictureFit* out) {
    const uint64_t mode = fit.at("fit").get<uint64_t>();
    if (mode > 2) throw std::runtime_error("an unknown fit");
    out->mode = static_cast<PictureFit::Mode>(mode);
    const Value& background = fit.at("background");
    const auto wrong = [] {
      throw std::runtime_error("background is not three levels of 0 to 255");
    };
    if (background.kind() != Value::Kind::kArray || background.size() != 3) {
      wrong();
    }
    for (size_t k = 0; k < 3; ++k) {
      const uint64_t level = background.at(k).get<uint64_t>();
      if (level > 255) wrong();
      out->background[k] = static_cast<uint8_t>(level);
    }
  }

  void ReadText(PackView* view) const {
    const std::string_view text(
        reinterpret_cast<const char*>(file_.data() + header_.text_offset),
        static_cast<size_t>(header_.text_bytes));
    PackText& out = view->text;
    try {
      const Value value = ParseValue(text, 4 * kMaxDimension);
      ReadClasses(value.at("classes"), &out.classes);
      if (const Value* const fit = value.Find("pictures")) {
        ReadFit(*fit, &out.pictures.emplace());
      }
      if (const Value* const columns = value.Find("columns")) {
        uint64_t budget = 64 * header_.text_bytes + 65536;
        const FileError error =
            ReadColumns(columns->get<std::string>(), &budget, &out.columns);
        if (!error.ok()) throw std::runtime_error(error.message);
      }
    } catch (const std::exception& error) {
      Damaged(
          fmt::format("its description is wrong: {}", Printable(error.what())));
    }
    if (view->targets.HasClasses() && !out.classes.empty() &&
        out.classes.size() != view->targets.width) {
      Damaged("it has another number of classes than of names");
    }
    if (!out.columns.empty() && InputsOf(out.columns) != view->shape.Count()) {
      Damaged("its columns are not its samples");
    }
  }

  const std::span<const uint8_t> file_;
  const std::string& path_;
  PackHeader header_;
};

}  // namespace

bool LayOutPack(PackHeader* h) {
  uint64_t end = kPackData;
  if (!Extend(h->samples, SampleBytes(*h), &end)) return false;
  h->labels_offset = 0;
  const Targets targets = {static_cast<TargetKind>(h->targets), h->width};
  const uint64_t each =
      targets.kind == TargetKind::kClasses ? 1 : uint64_t{targets.Floats()};
  if (each > 0) {
    end = Aligned(end);
    h->labels_offset = end;
    if (!Extend(h->samples, 4 * each, &end)) return false;
  }
  end = Aligned(end);
  h->text_offset = end;
  if (!Extend(1, h->text_bytes, &end)) return false;
  h->file_bytes = end;
  return true;
}

bool IsPack(std::span<const uint8_t> start) {
  return start.size() >= kPackMagicBytes &&
         std::memcmp(start.data(), kMagic, kPackMagicBytes) == 0;
}

PackView OpenPack(std::span<const uint8_t> file, const std::string& path,
                  bool verify) {
  return PackReader(file, path).Open(verify);
}

void SealPack(std::span<uint8_t> file) {
  PackHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.checksum =
      XXH3_64bits(file.data() + kPackData, file.size() - kPackData);
  header.header_checksum = HeaderChecksum(header);
  std::memcpy(file.data(), &header, sizeof(header));
}

std::string WritePackText(const PackText& text) {
  Value value = {{"classes", text.classes}};
  if (text.pictures) {
    Value background = Value::array();
    for (const uint8_t level : text.pictures->background) {
      background.push_back(uint32_t{level});
    }
    value["pictures"] = {{"fit", static_cast<uint32_t>(text.pictures->mode)},
                         {"background", std::move(background)}};
  }
  if (!text.columns.empty()) value["columns"] = WriteColumns(text.columns);
  return JsonText(value);
}

}  // namespace temper::host
