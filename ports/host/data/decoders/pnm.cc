// The PGM and PPM reader. What it takes: pnm.h.
#include "ports/host/data/decoders/pnm.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/decoders/decoder.h"

namespace temper::host {
namespace {

// Single bytes of a source, buffered; -1 at the end.
class ByteReader {
 public:
  explicit ByteReader(ByteSource& source) : source_(source) {}

  int Next() {
    if (begin_ == end_) {
      begin_ = 0;
      end_ = source_.Read(buffer_, sizeof(buffer_));
      if (end_ == 0) return -1;
    }
    return buffer_[begin_++];
  }
  // The rest of the buffer first, then the source.
  void ReadExact(uint8_t* to, size_t n) {
    const size_t have = std::min(n, end_ - begin_);
    std::copy_n(buffer_ + begin_, have, to);
    begin_ += have;
    if (n > have) source_.ReadExact(to + have, n - have, "the pixels");
  }
  [[noreturn]] void Corrupt(std::string_view why) {
    Fail(ErrorKind::kBadData, "cannot read the image",
         fmt::format("{}, byte {}", source_.name(),
                     source_.offset() - (end_ - begin_)),
         why, "Check the file, or convert it again.");
  }
  void ExpectEnd() {
    if (begin_ != end_) Corrupt("bytes follow the pixels");
    source_.ExpectEnd();
  }

 private:
  ByteSource& source_;
  uint8_t buffer_[4096];
  size_t begin_ = 0, end_ = 0;
};

bool IsSpace(int c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' ||
         c == '\f';
}

// First byte after white space and comments, or -1.
int SkipSpace(ByteReader& in) {
  int c = in.Next();
  for (;;) {
    if (c == '#') {
      while (c != '\n' && c != '\r' && c != -1) c = in.Next();
    } else if (IsSpace(c)) {
      c = in.Next();
    } else {
      return c;
    }
  }
}

// A decimal number up to `max` and the one byte after it (-1 at the end).
struct Number {
  uint32_t value;
  int next;
};
Number ReadNumber(ByteReader& in, std::string_view what, uint32_t max) {
  int c = SkipSpace(in);
  if (c == -1) in.Corrupt(fmt::format("the file ends before {}", what));
  if (c < '0' || c > '9') in.Corrupt(fmt::format("{} is not a number", what));
  uint32_t value = 0;
  while (c >= '0' && c <= '9') {
    value = value * 10 + static_cast<uint32_t>(c - '0');
    if (value > max) in.Corrupt(fmt::format("{} is above {}", what, max));
    c = in.Next();
  }
  if (c != -1 && !IsSpace(c) && c != '#') {
    in.Corrupt(fmt::format("{} is not a number", what));
  }
  return {value, c};
}

void SkipComment(ByteReader& in, int c) {
  if (c != '#') return;
  while (c != '\n' && c != '\r' && c != -1) c = in.Next();
}

}  // namespace

Image ReadPnm(ByteSource& source, const ImageCheck& check) {
  const std::span<const uint8_t> start = source.Peek(2);
  if (start.size() < 2 || start[0] != 'P' || start[1] < '1' || start[1] > '7') {
    RefuseFormat(source, "a PGM or PPM picture (P2, P3, P5 or P6)");
  }
  ByteReader in(source);
  in.Next();
  const int format = in.Next();
  if (format == '1' || format == '4' || format == '7') {
    Fail(ErrorKind::kUnsupported, "cannot read the image", source.name(),
         fmt::format("format P{:c} is not supported", format),
         "Convert it to PGM or PPM (P5 or P6).");
  }
  const bool plain = format == '2' || format == '3';
  const int after_magic = in.Next();
  if (!IsSpace(after_magic) && after_magic != '#') {
    in.Corrupt("white space must follow the format");
  }
  SkipComment(in, after_magic);

  Image image;
  image.c = format == '2' || format == '5' ? 1 : 3;
  const auto header = [&](std::string_view what, uint32_t max) {
    const Number number = ReadNumber(in, what, max);
    if (number.value == 0) in.Corrupt(fmt::format("{} is 0", what));
    return number;
  };
  Number number = header("the width", kMaxImageSide);
  SkipComment(in, number.next);
  image.w = number.value;
  number = header("the height", kMaxImageSide);
  SkipComment(in, number.next);
  image.h = number.value;
  number = header("the maxval", 65535);
  const uint32_t maxval = number.value;
  if (maxval > 255) {
    Fail(ErrorKind::kUnsupported, "cannot read the image", source.name(),
         fmt::format("16-bit samples (maxval {}) are not supported", maxval),
         "Convert it to 8 bits.");
  }
  if (plain) {
    SkipComment(in, number.next);
  } else if (!IsSpace(number.next)) {
    in.Corrupt("one white space byte must follow the maxval");
  }

  // At most 3 * 2^28. A plain sample takes two bytes, the last one may take
  // one.
  const uint64_t count = uint64_t{image.h} * image.w * image.c;
  const uint64_t most = plain ? source.MaxBytes() / 2 + 1 : source.MaxBytes();
  if (count > most) {
    in.Corrupt(
        fmt::format("{} x {} x {} samples are announced, the file holds "
                    "at most {}",
                    image.w, image.h, image.c, most));
  }
  if (check) check(image.h, image.w, image.c);
  image.pixels.resize(CheckedSize(count, source.name()));
  if (plain) {
    for (uint8_t& pixel : image.pixels) {
      number = ReadNumber(in, "a sample", maxval);
      SkipComment(in, number.next);
      pixel = static_cast<uint8_t>(number.value);
    }
    if (SkipSpace(in) != -1) in.Corrupt("something follows the last sample");
  } else {
    in.ReadExact(image.pixels.data(), image.pixels.size());
    in.ExpectEnd();
  }
  if (maxval == 255) return image;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    uint8_t& pixel = image.pixels[i];
    if (pixel > maxval) {
      in.Corrupt(fmt::format("sample {} is {}, above the maxval {}", i, pixel,
                             maxval));
    }
    pixel = static_cast<uint8_t>((pixel * 255u + maxval / 2) / maxval);
  }
  return image;
}

namespace {

Image DecodePnm(std::span<const uint8_t> file, const std::string& name,
                const ImageLimits& limits) {
  return ReadPnm(*OpenMemory(file, name),
                 [&](uint32_t h, uint32_t w, uint32_t) {
                   CheckImageSize(name, h, w, file.size(), limits);
                 });
}

}  // namespace

extern const ImageDecoder kPnmDecoder;
const ImageDecoder kPnmDecoder = {
    .name = "PGM, PPM",
    .format = FormatKind::kPnm,
    .decode = DecodePnm,
};

}  // namespace temper::host
