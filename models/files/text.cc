// UTF-8, and its printable form. See text.h.
#include "models/files/text.h"

#include <algorithm>
#include <utility>

namespace temper {
namespace {

// The next piece of a text: one character, or one byte that belongs to none.
struct Piece {
  size_t bytes = 1;
  bool escaped = false;  // shown as \xNN, byte by byte
  size_t columns = 1;
};

// Marks that change the order in which a terminal shows the following text, and
// characters that end a line or are invisible.
bool IsTrap(uint32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x206f) || code == 0xfeff ||
         (code >= 0xfff9 && code <= 0xfffb) ||
         (code >= 0xe0000 && code <= 0xe007f);
}

Piece PieceAt(std::string_view text, size_t at, std::string_view allowed) {
  constexpr size_t kEscapeColumns = 4;
  const size_t length = Utf8Length(text, at);
  if (length == 0) return {1, true, kEscapeColumns};
  if (length == 1) {
    const unsigned char c = static_cast<unsigned char>(text[at]);
    const bool plain =
        !IsControl(c) || allowed.find(static_cast<char>(c)) != allowed.npos;
    return plain ? Piece{} : Piece{1, true, kEscapeColumns};
  }
  const uint32_t code = Utf8Decode(text, at, length);
  if (IsControl(code) || IsTrap(code)) {
    return {length, true, kEscapeColumns * length};
  }
  return {length, false, CharacterColumns(code)};
}

// The first `most` columns of `text` as they may be printed, and whether that
// is all of it.
struct Cut {
  std::string text;
  size_t columns = 0;
  bool whole = true;
};
Cut CutAt(std::string_view text, std::string_view allowed, size_t most) {
  constexpr char kHex[] = "0123456789abcdef";
  // Any number of marks fits one column: the bytes have a limit, too.
  const size_t most_bytes = most > SIZE_MAX / 16 ? SIZE_MAX : 16 * most;
  Cut cut;
  for (size_t i = 0; i < text.size();) {
    const Piece piece = PieceAt(text, i, allowed);
    if (piece.columns > most - cut.columns ||
        cut.text.size() > most_bytes - piece.bytes) {
      cut.whole = false;
      return cut;
    }
    for (size_t k = i; k < i + piece.bytes; ++k) {
      if (piece.escaped) {
        const unsigned char byte = static_cast<unsigned char>(text[k]);
        cut.text += "\\x";
        cut.text += kHex[byte >> 4];
        cut.text += kHex[byte & 15];
      } else {
        cut.text += text[k];
      }
    }
    cut.columns += piece.columns;
    i += piece.bytes;
  }
  return cut;
}

Cut CellText(std::string_view text, size_t most) {
  return CutAt(text, {}, most == 0 ? SIZE_MAX : most);
}

std::string Blanks(size_t columns, size_t width) {
  return std::string(width - std::min(width, columns), ' ');
}

}  // namespace

size_t Utf8Length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned b0 = byte(at), b1 = byte(at + 1);
  if (b0 < 0x80) return 1;
  if (b0 >= 0xc2 && b0 <= 0xdf) return tail(at + 1) ? 2 : 0;
  if (b0 >= 0xe0 && b0 <= 0xef) {
    const bool second = tail(at + 1) && !(b0 == 0xe0 && b1 < 0xa0) &&
                        !(b0 == 0xed && b1 > 0x9f);
    return second && tail(at + 2) ? 3 : 0;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4) {
    const bool second = tail(at + 1) && !(b0 == 0xf0 && b1 < 0x90) &&
                        !(b0 == 0xf4 && b1 > 0x8f);
    return second && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

uint32_t Utf8Decode(std::string_view text, size_t at, size_t length) {
  constexpr uint32_t kLeadBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t code = static_cast<unsigned char>(text[at]) & kLeadBits[length];
  for (size_t k = 1; k < length; ++k) {
    code = code << 6 | (static_cast<unsigned char>(text[at + k]) & 0x3f);
  }
  return code;
}

size_t EncodeUtf8(uint32_t code, char* out) {
  constexpr uint32_t kLead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  const size_t size = code < 0x80      ? 1
                      : code < 0x800   ? 2
                      : code < 0x10000 ? 3
                                       : 4;
  out[0] = static_cast<char>(kLead[size] | code >> (6 * (size - 1)));
  for (size_t k = 1; k < size; ++k) {
    out[k] = static_cast<char>(0x80 | (code >> (6 * (size - 1 - k)) & 0x3f));
  }
  return size;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

bool IsShowable(std::string_view text, std::string_view allowed) {
  for (size_t i = 0; i < text.size();) {
    const Piece piece = PieceAt(text, i, allowed);
    if (piece.escaped) return false;
    i += piece.bytes;
  }
  return true;
}

std::string Shown(std::string_view text, std::string_view allowed,
                  size_t most) {
  Cut cut = CutAt(text, allowed, most);
  if (!cut.whole) cut.text += "...";
  return std::move(cut.text);
}

size_t Columns(std::string_view shown) {
  size_t columns = 0;
  for (size_t i = 0; i < shown.size();) {
    const Piece piece = PieceAt(shown, i, {});
    columns += piece.columns;
    i += piece.bytes;
  }
  return columns;
}

std::string LeftCell(std::string_view text, size_t width, size_t most) {
  const Cut cut = CellText(text, most);
  return cut.text + Blanks(cut.columns, width);
}

std::string RightCell(std::string_view text, size_t width, size_t most) {
  const Cut cut = CellText(text, most);
  return Blanks(cut.columns, width) + cut.text;
}

}  // namespace temper
