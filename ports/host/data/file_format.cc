// Magic numbers, and what to do with a file of another format. See
// file_format.h.
#include "ports/host/data/file_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "models/files/text.h"

namespace temper::host {
namespace {

using namespace std::string_view_literals;

struct Magic {
  size_t at;
  std::string_view bytes;
  std::string_view name;
  FormatKind kind;
};

// The first that fits decides: longer ones come first.
constexpr Magic kMagic[] = {
    {0, "\x89PNG"sv, "a PNG picture", FormatKind::kPng},
    {0, "\xff\xd8\xff"sv, "a JPEG picture", FormatKind::kJpeg},
    {0, "GIF8"sv, "a GIF picture", FormatKind::kPicture},
    {8, "WEBP"sv, "a WebP picture", FormatKind::kWebp},
    {0, "II*\0"sv, "a TIFF picture", FormatKind::kPicture},
    {0, "MM\0*"sv, "a TIFF picture", FormatKind::kPicture},
    {4, "ftypavif"sv, "an AVIF picture", FormatKind::kPicture},
    {4, "ftyphei"sv, "a HEIC picture", FormatKind::kPicture},
    {4, "ftyphev"sv, "a HEIC picture", FormatKind::kPicture},
    {4, "ftypmif1"sv, "a HEIC picture", FormatKind::kPicture},
    {4, "ftypmsf1"sv, "a HEIC picture", FormatKind::kPicture},
    {4, "ftyp"sv, "an MP4 video", FormatKind::kOther},
    {4, "JXL \r\n"sv, "a JPEG XL picture", FormatKind::kPicture},
    {4, "jP  \r\n"sv, "a JPEG 2000 picture", FormatKind::kPicture},
    {8, "WAVE"sv, "a WAV sound", FormatKind::kOther},
    {0, "%PDF"sv, "a PDF document", FormatKind::kOther},
    {0, "PK\x03\x04"sv, "a ZIP archive", FormatKind::kArchive},
    {0, "PK\x05\x06"sv, "an empty ZIP archive", FormatKind::kArchive},
    {0, "\x1f\x8b"sv, "gzip data", FormatKind::kGzip},
    {0, "BZh"sv, "bzip2 data", FormatKind::kArchive},
    {0, "\xfd\x37zXZ\0"sv, "xz data", FormatKind::kArchive},
    {0, "\x28\xb5\x2f\xfd"sv, "Zstandard data", FormatKind::kArchive},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive", FormatKind::kArchive},
    {0, "Rar!"sv, "a RAR archive", FormatKind::kArchive},
    {257, "ustar"sv, "a tar archive", FormatKind::kArchive},
    {0, "\x93NUMPY"sv, "a NumPy array (.npy)", FormatKind::kNpy},
    {0, "\x89HDF"sv, "an HDF5 file", FormatKind::kTensors},
    {0, "\x80\x02"sv, "a Python pickle", FormatKind::kTensors},
    {0, "\x80\x03"sv, "a Python pickle", FormatKind::kTensors},
    {0, "\x80\x04"sv, "a Python pickle", FormatKind::kTensors},
    {0, "\x80\x05"sv, "a Python pickle", FormatKind::kTensors},
    {0,
     "\x7f"
     "ELF"sv,
     "a program", FormatKind::kOther},
    {0, "version https://git-lfs"sv, "a Git LFS pointer", FormatKind::kPage},
    {0, "BM"sv, "a BMP picture", FormatKind::kPicture},
};

bool Has(std::string_view text, size_t at, std::string_view part) {
  return text.size() >= at + part.size() &&
         text.substr(at, part.size()) == part;
}

// `start` begins with `word`, in letters of either case.
bool BeginsWith(std::string_view start, std::string_view word) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  return start.size() >= word.size() &&
         std::equal(word.begin(), word.end(), start.begin(),
                    [&](char a, char b) { return a == lower(b); });
}

FileFormat Markup(std::string_view start) {
  if (Has(start, 0, "\xef\xbb\xbf")) start.remove_prefix(3);
  const size_t begin = start.find_first_not_of(" \t\r\n");
  start.remove_prefix(std::min(begin, start.size()));
  for (const std::string_view word :
       {"<!doctype html"sv, "<html"sv, "<head"sv, "<body"sv, "<!--"sv}) {
    if (BeginsWith(start, word)) {
      return {"a web page (HTML)", FormatKind::kPage};
    }
  }
  if (BeginsWith(start, "<svg"))
    return {"an SVG drawing", FormatKind::kPicture};
  if (BeginsWith(start, "<?xml")) return {"an XML file", FormatKind::kPage};
  return {};
}

// Eight bytes that count those of a JSON object.
bool IsSafetensors(std::string_view start) {
  if (start.size() < 10 || start[8] != '{') return false;
  return start[4] == 0 && start[5] == 0 && start[6] == 0 && start[7] == 0;
}

bool IsText(std::string_view start) {
  // The last character may be cut.
  for (size_t i = 0; i < start.size();) {
    const size_t length = Utf8Length(start, i);
    if (length == 0) return start.size() - i < 4 && i > 0;
    const unsigned char c = static_cast<unsigned char>(start[i]);
    if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') return false;
    i += length;
  }
  return !start.empty();
}

// What to do with a file of this kind where another is wanted.
std::string_view Remedy(FormatKind kind) {
  switch (kind) {
    case FormatKind::kPicture:
      return "Convert it to JPEG or PNG.";
    case FormatKind::kJpeg:
    case FormatKind::kPng:
    case FormatKind::kWebp:
    case FormatKind::kPnm:
      return "Pictures are data as a folder with a folder for each class: "
             "folder:DIR; `temper predict` takes them one by one.";
    case FormatKind::kArchive:
      return "Unpack it and name the file that was in it.";
    case FormatKind::kPage:
      return "The download did not give the file itself: fetch it again.";
    case FormatKind::kNpy:
      return "Name it as data: npy:FILE, or npy:X,Y with its targets.";
    case FormatKind::kTensors:
      return "Convert it to IDX (uint8), or to PGM and PPM pictures.";
    case FormatKind::kIdx:
      return "Give it where IDX files are read; an ending .gz is wrong here.";
    case FormatKind::kGzip:
      return "Unpack it (gzip -d), or give it the ending .gz.";
    case FormatKind::kUnknown:
    case FormatKind::kText:
    case FormatKind::kOther:
      break;
  }
  return "Check the file against its origin, or fetch it again.";
}

std::string_view AsText(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

FileFormat RecognizeFormat(std::span<const uint8_t> bytes) {
  const std::string_view start = AsText(bytes);
  if (start.size() >= 4 && start[0] == 0 && start[1] == 0 && start[2] >= 0x08 &&
      start[2] <= 0x0e && start[3] >= 1 && start[3] <= 16) {
    return {"an IDX file", FormatKind::kIdx};
  }
  if (start.size() >= 3 && start[0] == 'P' && start[1] >= '1' &&
      start[1] <= '7' &&
      (start[2] == '#' || IsControl(bytes[2]) || start[2] == ' ')) {
    return {"a PGM or PPM picture", FormatKind::kPnm};
  }
  for (const Magic& magic : kMagic) {
    if (Has(start, magic.at, magic.bytes)) return {magic.name, magic.kind};
  }
  if (IsSafetensors(start)) {
    return {"a safetensors file (a model)", FormatKind::kTensors};
  }
  if (const FileFormat markup = Markup(start);
      markup.kind != FormatKind::kUnknown) {
    return markup;
  }
  if (IsText(start)) return {"a text", FormatKind::kText};
  return {};
}

void RefuseFormat(ByteSource& source, std::string_view wanted) {
  const std::span<const uint8_t> start = source.Peek(kFormatBytes);
  const FileFormat format = RecognizeFormat(start);
  std::string why;
  std::string_view remedy = Remedy(format.kind);
  if (start.empty()) {
    why = fmt::format("it is empty, not {}", wanted);
  } else if (format.kind == FormatKind::kGzip && source.Unpacked()) {
    why = "gzip data inside gzip data: the file was compressed twice";
    remedy = "Unpack it once (gzip -d), then it can be read.";
  } else if (format.kind == FormatKind::kGzip) {
    why = "this is gzip data in a file without the ending .gz";
  } else if (format.kind == FormatKind::kPicture &&
             wanted.starts_with("a picture")) {
    // "a picture (JPEG, PNG)": it is one, but of another kind.
    const size_t begin = wanted.find('('), end = wanted.find(')');
    why = end == wanted.npos
              ? fmt::format("this is {}, which is not read", format.name)
              : fmt::format("this is {}; {} are read", format.name,
                            wanted.substr(begin + 1, end - begin - 1));
  } else if (!format.name.empty()) {
    why = fmt::format("this is {}, not {}", format.name, wanted);
  } else {
    why = fmt::format("this is not {}: it starts with", wanted);
    for (size_t i = 0; i < std::min<size_t>(start.size(), 4); ++i) {
      why += fmt::format(" {:02x}", start[i]);
    }
  }
  Fail(ErrorKind::kBadData, "cannot read the data", source.Where(), why,
       remedy);
}

void ExpectFormat(ByteSource& source, FormatKind kind,
                  std::string_view wanted) {
  if (RecognizeFormat(source.Peek(kFormatBytes)).kind != kind) {
    RefuseFormat(source, wanted);
  }
}

}  // namespace temper::host
