// Reading before parsing. See json_text.h.
#include "ports/host/base/json_text.h"

#include <fmt/format.h>

#include <stdexcept>

#include "models/files/json.h"

namespace temper::host {

using Token = JsonReader::Token;

nlohmann::ordered_json ParseJson(std::string_view text, uint64_t most_tokens) {
  JsonReader reader(text);
  for (uint64_t tokens = 0; reader.Next() != Token::kEnd; ++tokens) {
    if (reader.token() == Token::kError) {
      throw std::runtime_error(
          fmt::format("byte {}: {}", reader.offset(), reader.error()));
    }
    if (tokens == most_tokens) {
      throw std::runtime_error(
          fmt::format("more than {} values and keys", most_tokens));
    }
  }
  return nlohmann::ordered_json::parse(text);
}

std::optional<uint64_t> JsonMember(std::string_view text,
                                   std::string_view key) {
  std::optional<uint64_t> found;
  JsonReader reader(text);
  if (reader.Next() != Token::kBeginObject) return {};
  while (reader.Next() == Token::kKey) {
    const bool wanted = JsonEquals(reader.text(), key);
    reader.Next();
    if (wanted) {
      uint64_t value = 0;
      found.reset();  // of two with one name the last counts
      if (reader.token() == Token::kNumber && JsonUint(reader.text(), &value)) {
        found = value;
      }
    }
    if (!reader.SkipValue()) return {};
  }
  if (reader.token() != Token::kEndObject || reader.Next() != Token::kEnd) {
    return {};
  }
  return found;
}

}  // namespace temper::host
