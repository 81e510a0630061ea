// Reading before parsing, and writing. See json_text.h.
#include "ports/host/base/json_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "models/files/json.h"

namespace temper::host {

using Token = JsonReader::Token;
using Json = nlohmann::ordered_json;

namespace {

Json ToJson(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return {};
    case Value::Kind::kBool:
      return value.AsBool();
    case Value::Kind::kUnsigned:
      return value.AsUnsigned();
    case Value::Kind::kSigned:
      return value.AsSigned();
    case Value::Kind::kNumber:
      return value.AsDouble();
    case Value::Kind::kText:
      return value.AsText();
    case Value::Kind::kArray: {
      Json array = Json::array();
      for (const Value& item : value) array.push_back(ToJson(item));
      return array;
    }
    case Value::Kind::kObject:
      break;
  }
  Json object = Json::object();
  for (size_t i = 0; i < value.size(); ++i) {
    object[value.key(i)] = ToJson(value.at(i));
  }
  return object;
}

Value FromJson(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned()) return json.get<uint64_t>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  Value value;
  if (json.is_array()) {
    value = Value::array();
    for (const Json& item : json) value.push_back(FromJson(item));
  } else if (json.is_object()) {
    value = Value::object();
    for (const auto& [key, item] : json.items()) value[key] = FromJson(item);
  }
  return value;
}

}  // namespace

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

Value ParseValue(std::string_view text, uint64_t most_tokens) {
  return FromJson(ParseJson(text, most_tokens));
}

std::string JsonText(const Value& value) {
  return ToJson(value).dump(1, ' ', true, Json::error_handler_t::replace);
}

std::string JsonLine(const Value& value) {
  return ToJson(value).dump(-1, ' ', true, Json::error_handler_t::replace);
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
