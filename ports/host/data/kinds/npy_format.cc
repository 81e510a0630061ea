// The NPY header and its elements. Format: npy_format.h.
#include "ports/host/data/kinds/npy_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "ports/host/base/failure.h"
#include "ports/host/data/file_format.h"

namespace temper::host {
namespace {

// NumPy itself refuses headers of more than 10000 characters.
constexpr uint32_t kMostHeader = 65536;
constexpr std::string_view kWanted = "a NumPy array (.npy)";

// The header's text, taken apart from left to right. Python's syntax as far as
// numpy.save writes it, in any order of keys and with any blanks.
class HeaderParser {
 public:
  HeaderParser(const ByteSource& source, std::string_view text)
      : source_(source), text_(text) {}

  void Parse(NpyHeader* header) {
    bool descr = false, order = false, shape = false;
    Expect('{');
    while (!Take('}')) {
      const std::string_view key = String();
      Expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        Type(header);
      } else if (key == "fortran_order" && !order) {
        order = true;
        header->fortran = Bool();
      } else if (key == "shape" && !shape) {
        shape = true;
        Sizes(header);
      } else {
        Bad(fmt::format("the key '{}' is unknown or there twice",
                        Printable(key)));
      }
      if (!Take(',')) {
        Expect('}');
        break;
      }
    }
    Blanks();
    if (at_ != text_.size()) Bad("text follows the dictionary");
    if (!descr || !order || !shape) {
      Bad("'descr', 'fortran_order' or 'shape' is missing");
    }
  }

 private:
  [[noreturn]] void Bad(std::string_view why) {
    source_.Corrupt(fmt::format(
        "the NumPy header is not one, at character {}: {}", at_, why));
  }
  void Blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) {
      ++at_;
    }
  }
  bool Take(char c) {
    Blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Expect(char c) {
    if (!Take(c)) Bad(fmt::format("'{}' is missing", c));
  }
  bool TakeWord(std::string_view word) {
    Blanks();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool Bool() {
    if (TakeWord("True")) return true;
    if (!TakeWord("False")) Bad("neither True nor False");
    return false;
  }
  std::string_view String() {
    const bool single = Take('\'');
    if (!single && !Take('"')) Bad("a string is missing");
    const size_t end = text_.find_first_of(single ? "'\\" : "\"\\", at_);
    if (end == std::string_view::npos || text_[end] == '\\') {
      Bad("a string does not end");
    }
    const std::string_view text = text_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }
  [[noreturn]] void Unsupported(std::string_view why, std::string_view remedy) {
    Fail(ErrorKind::kUnsupported, "cannot read the data", source_.name(), why,
         remedy);
  }

  void Type(NpyHeader* header) {
    Blanks();
    if (at_ < text_.size() && text_[at_] == '[') {
      Unsupported("it is an array of records (several fields)",
                  "Save each field as an array of its own.");
    }
    const std::string_view type = String();
    if (type.find('O') != type.npos) {
      Unsupported(
          "it is an array of Python objects, which are pickles and could run "
          "code",
          "Convert it to an array of numbers before numpy.save: "
          "numpy.stack(...) or .astype(numpy.float32).");
    }
    struct Kind {
      std::string_view name;
      NpyHeader::Type type;
    };
    constexpr Kind kKinds[] = {
        {"b1", NpyHeader::Type::kBool},  {"i1", NpyHeader::Type::kInt},
        {"i2", NpyHeader::Type::kInt},   {"i4", NpyHeader::Type::kInt},
        {"i8", NpyHeader::Type::kInt},   {"u1", NpyHeader::Type::kUint},
        {"u2", NpyHeader::Type::kUint},  {"u4", NpyHeader::Type::kUint},
        {"u8", NpyHeader::Type::kUint},  {"f2", NpyHeader::Type::kFloat},
        {"f4", NpyHeader::Type::kFloat}, {"f8", NpyHeader::Type::kFloat},
    };
    for (const Kind& kind : kKinds) {
      if (type.size() != 3 || type.substr(1) != kind.name) continue;
      header->type = kind.type;
      header->item_bytes = static_cast<uint32_t>(type[2] - '0');
      // One byte has no order: '|'.
      const bool single = header->item_bytes == 1;
      if (type[0] != '<' && type[0] != '>' && !(single && type[0] == '|'))
        break;
      header->big_endian = type[0] == '>';
      return;
    }
    Unsupported(
        fmt::format("its elements are of the type '{}'", Printable(type)),
        "Save booleans, integers or floats of at most 64 bits: "
        ".astype(numpy.float32).");
  }

  void Sizes(NpyHeader* header) {
    Expect('(');
    while (!Take(')')) {
      if (header->rank == NpyHeader::kMostRank) Bad("too many dimensions");
      uint64_t size = 0;
      Blanks();
      const size_t first = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9';
           ++at_) {
        if (__builtin_mul_overflow(size, uint64_t{10}, &size) ||
            __builtin_add_overflow(
                size, static_cast<uint64_t>(text_[at_] - '0'), &size)) {
          Bad("a dimension is too large");
        }
      }
      if (at_ == first) Bad("a dimension is no whole number");
      (void)TakeWord("L");  // Python 2
      header->size[header->rank++] = size;
      if (!Take(',')) {
        Expect(')');
        break;
      }
    }
  }

  const ByteSource& source_;
  const std::string_view text_;
  size_t at_ = 0;
};

// Bytes of an element, lowest first.
template <class Bits>
Bits LoadBits(const uint8_t* p, bool big_endian) {
  Bits bits = 0;
  for (size_t i = 0; i < sizeof(Bits); ++i) {
    const size_t at = big_endian ? sizeof(Bits) - 1 - i : i;
    bits = static_cast<Bits>(bits | static_cast<Bits>(Bits{p[at]} << (8 * i)));
  }
  return bits;
}

// IEEE 754 half precision; every value is a float's.
float FromHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half} >> 15 << 31;
  const uint32_t exponent = half >> 10 & 31u, fraction = half & 1023u;
  if (exponent == 31) {
    return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  }
  if (exponent == 0) {
    const float tiny = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -tiny : tiny;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

float ToFloat(float value) { return value; }
// To nearest, as IEEE 754 rounds: the language says nothing of values beyond
// the largest float.
float ToFloat(double value) {
  constexpr float kMost = std::numeric_limits<float>::max();
  constexpr double kRoundsUp = 0x1.ffffffp127;  // half a step beyond it
  if (std::fabs(value) <= double{kMost} || std::isnan(value)) {
    return static_cast<float>(value);
  }
  const float size = std::fabs(value) < kRoundsUp
                         ? kMost
                         : std::numeric_limits<float>::infinity();
  return value < 0 ? -size : size;
}
template <class Int>
requires std::is_integral_v<Int>
float ToFloat(Int value) { return static_cast<float>(value); }

// Calls use(load), where load(bytes) is an element in a type that holds it.
template <class Use>
void WithLoad(const NpyHeader& h, Use&& use) {
  const bool big = h.big_endian;
  const auto integers = [&]<class Bits>(Bits) {
    if (h.type == NpyHeader::Type::kInt) {
      use([big](const uint8_t* p) {
        return static_cast<std::make_signed_t<Bits>>(LoadBits<Bits>(p, big));
      });
    } else {
      use([big](const uint8_t* p) { return LoadBits<Bits>(p, big); });
    }
  };
  if (h.type == NpyHeader::Type::kBool) {
    use([](const uint8_t* p) { return static_cast<uint8_t>(*p != 0); });
  } else if (h.type != NpyHeader::Type::kFloat) {
    switch (h.item_bytes) {
      case 1:
        return integers(uint8_t{});
      case 2:
        return integers(uint16_t{});
      case 4:
        return integers(uint32_t{});
      default:
        return integers(uint64_t{});
    }
  } else if (h.item_bytes == 2) {
    use([big](const uint8_t* p) {
      return FromHalf(LoadBits<uint16_t>(p, big));
    });
  } else if (h.item_bytes == 4) {
    use([big](const uint8_t* p) {
      return std::bit_cast<float>(LoadBits<uint32_t>(p, big));
    });
  } else {
    use([big](const uint8_t* p) {
      return std::bit_cast<double>(LoadBits<uint64_t>(p, big));
    });
  }
}

// Where the numbers of a row go, in the order of the file.
class Walk {
 public:
  Walk(const NpyHeader& header, std::span<const uint64_t> strides) {
    rank_ = header.rank - 1;
    for (uint32_t i = 0; i < rank_; ++i) {
      // [0] moves fastest.
      const uint32_t from = header.fortran ? i : rank_ - 1 - i;
      size_[i] = header.size[from + 1];
      stride_[i] = strides[from];
    }
  }
  uint64_t at() const { return at_; }
  void Next() {
    for (uint32_t i = 0; i < rank_; ++i) {
      at_ += stride_[i];
      if (++index_[i] < size_[i]) return;
      at_ -= stride_[i] * size_[i];
      index_[i] = 0;
    }
  }

 private:
  uint32_t rank_;
  uint64_t size_[NpyHeader::kMostRank] = {}, stride_[NpyHeader::kMostRank] = {},
           index_[NpyHeader::kMostRank] = {};
  uint64_t at_ = 0;
};

constexpr size_t kBlockBytes = 16 * 1024;
using Block = std::array<uint8_t, kBlockBytes>;

// Puts number `at` of a row.
template <class Load>
void Put(const uint8_t* from, const Load& load, bool as_bytes, uint64_t at,
         uint8_t* row) {
  if (as_bytes) {
    row[at] = *from;
    return;
  }
  const float value = ToFloat(load(from));
  std::memcpy(row + 4 * at, &value, 4);
}

}  // namespace

std::string NpyHeader::ShapeText() const {
  std::string text = "(";
  for (uint32_t i = 0; i < rank; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", size[i]);
  }
  return text + (rank == 1 ? ",)" : ")");
}

NpyHeader ReadNpyHeader(ByteSource& source) {
  const FileFormat format = RecognizeFormat(source.Peek(kFormatBytes));
  if (format.kind == FormatKind::kArchive &&
      std::string_view(source.name()).ends_with(".npz")) {
    Fail(ErrorKind::kUnsupported, "cannot read the data", source.name(),
         "an .npz file is an archive of several arrays",
         "Unpack it (unzip) and name the .npy files that were in it: "
         "npy:X.npy,Y.npy.");
  }
  if (format.kind != FormatKind::kNpy) RefuseFormat(source, kWanted);
  uint8_t start[8];
  source.ReadExact(start, sizeof(start), "the NumPy header");
  const uint8_t major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0) {
    Fail(ErrorKind::kUnsupported, "cannot read the data", source.name(),
         fmt::format("it is of version {}.{} of the format; 1.0, 2.0 and 3.0 "
                     "are read",
                     major, minor),
         "Load it with NumPy and save it again.");
  }
  uint8_t length_bytes[4] = {};
  source.ReadExact(length_bytes, major == 1 ? 2 : 4, "the NumPy header");
  const uint32_t length = LoadBits<uint32_t>(length_bytes, false);
  if (length > kMostHeader) {
    source.Corrupt(fmt::format("a header of {} bytes is no array's", length));
  }
  std::string text(length, '\0');
  source.ReadExact(reinterpret_cast<uint8_t*>(text.data()), length,
                   "the NumPy header");
  NpyHeader header;
  HeaderParser(source, text).Parse(&header);
  if (header.rank < 2) header.fortran = false;

  bool overflow = false;
  uint64_t bytes = header.item_bytes;
  for (uint32_t i = 0; i < header.rank; ++i) {
    if (header.size[i] == 0) {
      source.Corrupt(fmt::format("an array of the shape {} holds no numbers",
                                 header.ShapeText()));
    }
    overflow |= __builtin_mul_overflow(bytes, header.size[i], &bytes);
  }
  const uint64_t most =
      source.MaxBytes() - std::min(source.MaxBytes(), source.offset());
  if (overflow || bytes > most || (source.ExactSize() && bytes < most)) {
    source.Corrupt(fmt::format(
        "the header announces {} elements of {} bytes, {} {} bytes follow",
        header.ShapeText(), header.item_bytes,
        source.ExactSize() ? "but" : "at most", most));
  }
  header.elements = bytes / header.item_bytes;
  return header;
}

NpyArray::NpyArray(std::unique_ptr<ByteSource> source)
    : source_(std::move(source)), header_(ReadNpyHeader(*source_)) {}

void NpyArray::Read(const Placements& rows, std::span<const uint64_t> strides,
                    bool as_bytes) {
  if (header_.fortran) {
    ReadColumnByColumn(rows, strides, as_bytes);
  } else {
    ReadRowByRow(rows, strides, as_bytes);
  }
  source_->ExpectEnd();
}

void NpyArray::ReadRowByRow(const Placements& rows,
                            std::span<const uint64_t> strides, bool as_bytes) {
  Block block;
  const uint64_t row_elements = RowElements();
  const uint32_t item = header_.item_bytes;
  const uint64_t row_bytes = row_elements * item;
  uint64_t next = 0;
  WithLoad(header_, [&](const auto& load) {
    for (size_t k = 0; k < rows.count; ++k) {
      const Placement p = rows.at(k);
      source_->Skip((p.row - next) * row_bytes, "the array");
      next = p.row + 1;
      Walk walk(header_, strides);
      for (uint64_t done = 0; done < row_elements;) {
        const size_t n = static_cast<size_t>(
            std::min<uint64_t>(row_elements - done, kBlockBytes / item));
        source_->ReadExact(block.data(), n * item, "the array");
        for (size_t i = 0; i < n; ++i, walk.Next()) {
          Put(block.data() + i * item, load, as_bytes, walk.at(), p.to);
        }
        done += n;
      }
    }
  });
  source_->Skip((this->rows() - next) * row_bytes, "the array");
}

void NpyArray::ReadColumnByColumn(const Placements& rows,
                                  std::span<const uint64_t> strides,
                                  bool as_bytes) {
  Block block;
  const uint64_t row_elements = RowElements(), count = this->rows();
  const uint32_t item = header_.item_bytes;
  WithLoad(header_, [&](const auto& load) {
    Walk walk(header_, strides);
    for (uint64_t e = 0; e < row_elements; ++e, walk.Next()) {
      size_t k = 0;  // the next row that is wanted
      Placement next = rows.count == 0 ? Placement{count, nullptr} : rows.at(0);
      for (uint64_t first = 0; first < count;) {
        const size_t n = static_cast<size_t>(
            std::min<uint64_t>(count - first, kBlockBytes / item));
        source_->ReadExact(block.data(), n * item, "the array");
        while (next.row < first + n) {
          Put(block.data() + (next.row - first) * item, load, as_bytes,
              walk.at(), next.to);
          next = ++k < rows.count ? rows.at(k) : Placement{count, nullptr};
        }
        first += n;
      }
    }
  });
}

std::vector<int32_t> NpyArray::ReadIndices() {
  Block block;
  const uint64_t count = header_.elements;
  const uint32_t item = header_.item_bytes;
  std::vector<int32_t> indices;
  if (source_->ExactSize()) indices.reserve(CheckedSize(count, "labels"));
  WithLoad(header_, [&](const auto& load) {
    while (indices.size() < count) {
      const size_t n = static_cast<size_t>(
          std::min<uint64_t>(count - indices.size(), kBlockBytes / item));
      source_->ReadExact(block.data(), n * item, "the labels");
      for (size_t i = 0; i < n; ++i) {
        const auto value = load(block.data() + i * item);
        // Exact wherever it can pass.
        const double number = static_cast<double>(value);
        if (!(number >= 0.0 && number <= 2147483647.0 &&
              number == std::floor(number))) {
          Fail(ErrorKind::kBadData, "cannot use the labels",
               fmt::format("{}, sample {}", source_->name(), indices.size()),
               fmt::format("{} is no class number", value),
               "Class numbers are whole and count from 0; for other numbers "
               "use targets=values.");
        }
        indices.push_back(static_cast<int32_t>(number));
      }
    }
  });
  source_->ExpectEnd();
  return indices;
}

}  // namespace temper::host
