// JSON as text, in and out; nothing else in ports/ but config.json's reader
// (train/options_json.cc) uses a JSON library.
//
// The content of a file must not decide how deeply a parser recurses or how much
// memory a tree takes: models/files/json.h checks it first, without recursion or
// a tree. Text that temper itself made needs no such check.
#ifndef TEMPER_PORTS_HOST_BASE_JSON_TEXT_H_
#define TEMPER_PORTS_HOST_BASE_JSON_TEXT_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ports/host/base/value.h"

namespace temper::host {

// As a tree, of a text of at most `most_tokens` brackets, keys and values (some
// hundred bytes of memory each) and 32 levels. Throws std::runtime_error, which
// says what is wrong and where.
nlohmann::ordered_json ParseJson(std::string_view text, uint64_t most_tokens);

// The same as a Value.
Value ParseValue(std::string_view text, uint64_t most_tokens);

// In ASCII and lines, without a newline at the end. What is not UTF-8 becomes
// U+FFFD, a number that is not finite null.
std::string JsonText(const Value& value);
// The same in one line.
std::string JsonLine(const Value& value);

// The whole number that an object has under this key, without a tree: for large
// files. Nothing if the text is not JSON, or has no such number.
std::optional<uint64_t> JsonMember(std::string_view text, std::string_view key);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_JSON_TEXT_H_
