// The JSON reader's state machine, and conversions. See json.h.
#include "models/files/json.h"

#include <charconv>
#include <cstring>

#include "models/files/limits.h"
#include "models/files/text.h"

namespace temper {
namespace {

static_assert(limits::kJsonDepth <= 64, "one bit per level");

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Value of a hexadecimal digit, or -1.
int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four hexadecimal digits at text[at], or -1.
int32_t Hex4(std::string_view text, size_t at) {
  if (text.size() < 4 || at > text.size() - 4) return -1;
  int32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    const int digit = HexDigit(text[at + i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Calls emit(pointer, size) for the decoded pieces of a valid escaped string.
template <class Emit>
void ForEachPiece(std::string_view escaped, Emit&& emit) {
  size_t i = 0;
  while (i < escaped.size()) {
    if (escaped[i] != '\\') {
      size_t end = escaped.find('\\', i);
      if (end == std::string_view::npos) end = escaped.size();
      emit(escaped.data() + i, end - i);
      i = end;
      continue;
    }
    char out[4] = {escaped[i + 1], 0, 0, 0};
    size_t size = 1;
    i += 2;
    switch (out[0]) {
      case 'b':
        out[0] = '\b';
        break;
      case 'f':
        out[0] = '\f';
        break;
      case 'n':
        out[0] = '\n';
        break;
      case 'r':
        out[0] = '\r';
        break;
      case 't':
        out[0] = '\t';
        break;
      case 'u': {
        uint32_t code = static_cast<uint32_t>(Hex4(escaped, i));
        i += 4;
        if (code >= 0xd800 && code < 0xdc00) {
          const uint32_t low = static_cast<uint32_t>(Hex4(escaped, i + 2));
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          i += 6;
        }
        size = EncodeUtf8(code, out);
        break;
      }
      default:
        break;  // '"', '\\' and '/' stand for themselves
    }
    emit(static_cast<const char*>(out), size);
  }
}

}  // namespace

JsonReader::Token JsonReader::Fail(size_t offset, const char* why) {
  offset_ = offset;
  error_ = why;
  return token_ = Token::kError;
}

void JsonReader::SkipSpace() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
    ++position_;
  }
}

JsonReader::Token JsonReader::Next() {
  if (token_ == Token::kError) return token_;
  SkipSpace();
  offset_ = position_;
  if (state_ == State::kDone) {
    if (position_ != text_.size()) {
      return Fail(position_, "text past the end of the JSON value");
    }
    return token_ = Token::kEnd;
  }
  constexpr const char* kTooShort = "the JSON text ends too early";
  if (position_ == text_.size()) return Fail(position_, kTooShort);
  const char c = text_[position_];
  if (state_ == State::kValue) return Value();
  if (state_ == State::kFirstElement) {
    return c == ']' ? End(Token::kEndArray) : Value();
  }
  if (state_ == State::kFirstKey) {
    return c == '}' ? End(Token::kEndObject) : Key();
  }
  const bool object = (objects_ >> (depth_ - 1) & 1) != 0;
  if (c == (object ? '}' : ']')) {
    return End(object ? Token::kEndObject : Token::kEndArray);
  }
  if (c != ',') {
    return Fail(position_,
                object ? "expected ',' or '}'" : "expected ',' or ']'");
  }
  ++position_;
  SkipSpace();
  offset_ = position_;
  if (position_ == text_.size()) return Fail(position_, kTooShort);
  return object ? Key() : Value();
}

JsonReader::Token JsonReader::End(Token token) {
  ++position_;
  --depth_;
  state_ = depth_ == 0 ? State::kDone : State::kSeparator;
  return token_ = token;
}

bool JsonReader::Begin(bool object) {
  if (depth_ == limits::kJsonDepth) return false;
  const uint64_t bit = uint64_t{1} << depth_;
  objects_ = object ? objects_ | bit : objects_ & ~bit;
  ++depth_;
  ++position_;
  state_ = object ? State::kFirstKey : State::kFirstElement;
  return true;
}

JsonReader::Token JsonReader::Key() {
  if (text_[position_] != '"')
    return Fail(position_, "expected a key in quotes");
  if (!String()) return token_;
  SkipSpace();
  if (position_ == text_.size() || text_[position_] != ':') {
    return Fail(position_, "expected ':'");
  }
  ++position_;
  state_ = State::kValue;
  return token_ = Token::kKey;
}

JsonReader::Token JsonReader::Value() {
  const char c = text_[position_];
  if (c == '{' || c == '[') {
    if (!Begin(c == '{'))
      return Fail(position_, "more than 32 levels of nesting");
    return token_ = c == '{' ? Token::kBeginObject : Token::kBeginArray;
  }
  Token token;
  if (c == '"') {
    if (!String()) return token_;
    token = Token::kString;
  } else if (c == '-' || IsDigit(c)) {
    token = Number();
  } else if (Literal("true")) {
    token = Token::kTrue;
  } else if (Literal("false")) {
    token = Token::kFalse;
  } else if (Literal("null")) {
    token = Token::kNull;
  } else {
    return Fail(position_, "expected a JSON value");
  }
  if (token == Token::kError) return token;
  state_ = depth_ == 0 ? State::kDone : State::kSeparator;
  return token_ = token;
}

bool JsonReader::Literal(std::string_view word) {
  if (text_.substr(position_, word.size()) != word) return false;
  position_ += word.size();
  return true;
}

JsonReader::Token JsonReader::Number() {
  const size_t begin = position_;
  size_t i = begin;
  const auto at = [&](char c) { return i < text_.size() && text_[i] == c; };
  const auto digits = [&] {
    const size_t first = i;
    while (i < text_.size() && IsDigit(text_[i])) ++i;
    return i - first;
  };
  if (at('-')) ++i;
  const bool leading_zero = at('0');
  const size_t whole = digits();
  if (whole == 0) return Fail(begin, "'-' without digits");
  if (leading_zero && whole > 1)
    return Fail(begin, "a number with leading zeros");
  if (at('.')) {
    ++i;
    if (digits() == 0) return Fail(begin, "a number without digits after '.'");
  }
  if (at('e') || at('E')) {
    ++i;
    if (at('+') || at('-')) ++i;
    if (digits() == 0)
      return Fail(begin, "a number without digits in its exponent");
  }
  token_text_ = text_.substr(begin, i - begin);
  position_ = i;
  return Token::kNumber;
}

bool JsonReader::String() {
  size_t i = position_ + 1;
  const auto fail = [&](const char* why) {
    Fail(i, why);
    return false;
  };
  while (true) {
    if (i >= text_.size()) return fail("a string without its closing quote");
    const unsigned char c = static_cast<unsigned char>(text_[i]);
    if (c == '"') break;
    if (c < 0x20) return fail("a control character in a string");
    if (c == '\\') {
      const char kind = i + 1 < text_.size() ? text_[i + 1] : '\0';
      if (kind == 'u') {
        const int32_t code = Hex4(text_, i + 2);
        if (code < 0) return fail("\\u without four hexadecimal digits");
        if (code >= 0xdc00 && code < 0xe000) return fail("a lone surrogate");
        size_t length = 6;
        if (code >= 0xd800 && code < 0xdc00) {
          const bool follows = text_.substr(i + 6, 2) == "\\u";
          const int32_t low = follows ? Hex4(text_, i + 8) : -1;
          if (low < 0xdc00 || low >= 0xe000) return fail("a lone surrogate");
          length = 12;
        }
        i += length;
      } else if (kind != '\0' && std::strchr("\"\\/bfnrt", kind) != nullptr) {
        i += 2;
      } else {
        return fail("an unknown escape");
      }
      continue;
    }
    const size_t length = Utf8Length(text_, i);
    if (length == 0) return fail("a string that is not UTF-8");
    i += length;
  }
  token_text_ = text_.substr(position_ + 1, i - position_ - 1);
  position_ = i + 1;
  return true;
}

bool JsonReader::SkipValue() {
  if (token_ != Token::kBeginObject && token_ != Token::kBeginArray) {
    return token_ != Token::kError;
  }
  const uint32_t outside = depth_ - 1;
  while (depth_ > outside) {
    if (Next() == Token::kError) return false;
  }
  return true;
}

size_t JsonDecodedSize(std::string_view escaped) {
  size_t size = 0;
  ForEachPiece(escaped, [&](const char*, size_t n) { size += n; });
  return size;
}

void JsonDecodeTo(std::string_view escaped, char* out) {
  ForEachPiece(escaped, [&](const char* piece, size_t n) {
    std::memcpy(out, piece, n);
    out += n;
  });
}

std::string JsonDecode(std::string_view escaped) {
  std::string out(JsonDecodedSize(escaped), '\0');
  JsonDecodeTo(escaped, out.data());
  return out;
}

bool JsonEquals(std::string_view escaped, std::string_view plain) {
  size_t at = 0;
  bool equal = true;
  ForEachPiece(escaped, [&](const char* piece, size_t n) {
    equal = equal && at <= plain.size() &&
            plain.substr(at, n) == std::string_view(piece, n);
    at += n;
  });
  return equal && at == plain.size();
}

bool JsonUint(std::string_view number, uint64_t* value) {
  const char* const last = number.data() + number.size();
  const auto [end, error] = std::from_chars(number.data(), last, *value);
  return error == std::errc() && end == last;
}

bool JsonFloat(std::string_view number, float* value) {
  const char* const last = number.data() + number.size();
  const auto [end, error] = std::from_chars(number.data(), last, *value);
  return error == std::errc() && end == last;
}

void AppendJsonString(std::string* out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20) {
      *out += "\\u00";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void AppendJsonFloat(std::string* out, float value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, result.ptr);
}

}  // namespace temper
