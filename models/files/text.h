// Text from outside: UTF-8, and the part of it that may go to a terminal.
//
// Shown() is the rule for everything that is printed: well-formed UTF-8 stays
// as it is; characters that control a terminal or reorder a line (C0, C1, DEL,
// bidirectional marks, line separators, a byte order mark) and bytes that are
// not UTF-8 become \xNN. Stored text and JSON are never escaped
// this way. Columns are counted as terminals count them: a wide East Asian
// character takes two, a combining mark none.
// Next: error.h (messages of files), ports/cli/messages.h (the way out).
#ifndef TEMPER_MODELS_FILES_TEXT_H_
#define TEMPER_MODELS_FILES_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace temper {

// Length of the well-formed UTF-8 sequence at text[at], or 0 (Unicode, table
// 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t Utf8Length(std::string_view text, size_t at);
// The character of the well-formed sequence of `length` bytes at text[at].
uint32_t Utf8Decode(std::string_view text, size_t at, size_t length);
// Writes the character as UTF-8 (up to 4 bytes); returns its length.
size_t EncodeUtf8(uint32_t code, char* out);
bool IsUtf8(std::string_view text);

// A C0 or C1 control or DEL.
bool IsControl(uint32_t code);
// 0, 1 or 2 (char_width.cc).
size_t CharacterColumns(uint32_t code);

// True if `text` may be printed as it is; characters of `allowed` (ASCII) may
// stand in it, too. Allocates nothing.
bool IsShowable(std::string_view text, std::string_view allowed = {});
// `text` as it may be printed. `most` columns at most, then "..." follows.
std::string Shown(std::string_view text, std::string_view allowed = {},
                  size_t most = SIZE_MAX);
// The columns of a text that Shown() has made.
size_t Columns(std::string_view shown);

// A cell of a table: `text` as it may be printed, cut at a whole character if
// it is too wide (`most` columns; 0: never), then filled up to `width` columns
// with blanks after it, or before it.
std::string LeftCell(std::string_view text, size_t width, size_t most = 0);
std::string RightCell(std::string_view text, size_t width, size_t most = 0);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_TEXT_H_
