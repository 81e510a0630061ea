// JSON as RFC 8259 has it, read token by token from memory and never turned
// into a tree. The reader allocates nothing, does not recurse, and hands out
// strings as views of the text (still escaped), so its cost is bounded by the
// caller's and every token has its byte offset.
//
// Stricter than most: valid UTF-8 only, no byte order mark, no lone surrogate
// escapes, at most 32 levels, one value. The caller that reads an object must
// check decoded keys for duplicates: "\u0077" is "w". Next: safetensors.cc
// and graph_json.cc, which use it.
#ifndef TEMPER_MODELS_FILES_JSON_H_
#define TEMPER_MODELS_FILES_JSON_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace temper {

class JsonReader {
 public:
  enum class Token : uint8_t {
    kBeginObject,
    kEndObject,
    kBeginArray,
    kEndArray,
    kKey,  // the ':' after it has been read
    kString,
    kNumber,
    kTrue,
    kFalse,
    kNull,
    kEnd,    // the value is complete and only white space follows
    kError,  // see error(); every later call returns it again
  };

  // `text` must outlive the reader. A copy of a reader is a bookmark.
  explicit JsonReader(std::string_view text) : text_(text) {}

  Token Next();
  Token token() const { return token_; }

  // Of a key or string: what stands between the quotes, escapes and all. Of a
  // number: its characters.
  std::string_view text() const { return token_text_; }
  // Of the token's first byte (a string's opening quote); of the error.
  size_t offset() const { return offset_; }
  const char* error() const { return error_; }

  // Reads past the value whose first token has just been read.
  bool SkipValue();

 private:
  enum class State : uint8_t {
    kValue,
    kFirstElement,  // a value or ']'
    kFirstKey,      // a key or '}'
    kSeparator,     // ',' or the end of the container
    kDone,
  };

  Token Fail(size_t offset, const char* why);
  Token Value();
  Token Key();
  Token Number();
  bool String();  // at the opening quote; sets token_text_
  bool Literal(std::string_view word);
  bool Begin(bool object);
  Token End(Token token);
  void SkipSpace();

  std::string_view text_, token_text_;
  size_t position_ = 0, offset_ = 0;
  const char* error_ = "";
  uint32_t depth_ = 0;
  uint64_t objects_ = 0;  // bit d: level d is an object
  State state_ = State::kValue;
  Token token_ = Token::kEnd;
};

// For strings as JsonReader hands them out.
size_t JsonDecodedSize(std::string_view escaped);
std::string JsonDecode(std::string_view escaped);
bool JsonEquals(std::string_view escaped, std::string_view plain);
// Writes JsonDecodedSize(escaped) bytes.
void JsonDecodeTo(std::string_view escaped, char* out);

// For numbers as JsonReader hands them out. Digits only: no sign, fraction or
// exponent; false if it does not fit.
bool JsonUint(std::string_view number, uint64_t* value);
// The nearest float; false if it is too large or too small for one.
bool JsonFloat(std::string_view number, float* value);

// `text` (which must be UTF-8) in quotes, escaped.
void AppendJsonString(std::string* out, std::string_view text);
// The shortest decimal that reads back as the same float, which must be finite.
void AppendJsonFloat(std::string* out, float value);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_JSON_H_
