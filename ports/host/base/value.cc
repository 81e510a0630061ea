// See value.h.
#include "ports/host/base/value.h"

#include <stdexcept>
#include <utility>

namespace temper::host {
namespace {

[[noreturn]] void Wrong(const char* what) { throw std::logic_error(what); }

}  // namespace

Value::Value(std::string text) : kind_(Kind::kText), text_(std::move(text)) {}
Value::Value(std::string_view text) : kind_(Kind::kText), text_(text) {}
Value::Value(const char* text) : kind_(Kind::kText), text_(text) {}

Value::Value(std::initializer_list<Member> members) : kind_(Kind::kObject) {
  for (const Member& member : members) (*this)[member.key] = member.value;
}

Value Value::array() {
  Value value;
  value.kind_ = Kind::kArray;
  return value;
}
Value Value::object() {
  Value value;
  value.kind_ = Kind::kObject;
  return value;
}

void Value::Become(Kind kind) {
  if (kind_ == Kind::kNull) kind_ = kind;
  if (kind_ != kind) Wrong("a value is of another kind");
}

void Value::push_back(Value value) {
  Become(Kind::kArray);
  items_.push_back(std::move(value));
}

Value& Value::operator[](std::string_view key) {
  Become(Kind::kObject);
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return items_[i];
  }
  keys_.emplace_back(key);
  return items_.emplace_back();
}

Value& Value::At(std::string_view path) {
  const size_t dot = path.find('.');
  Value& member = (*this)[path.substr(0, dot)];
  return dot == path.npos ? member : member.At(path.substr(dot + 1));
}

const Value* Value::Find(std::string_view key) const {
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return &items_[i];
  }
  return nullptr;
}

const Value& Value::at(std::string_view key) const {
  const Value* const found = Find(key);
  if (found == nullptr) Wrong("a value has no such member");
  return *found;
}

bool Value::AsBool() const {
  if (kind_ != Kind::kBool) Wrong("a value is not true or false");
  return unsigned_ != 0;
}
uint64_t Value::AsUnsigned() const {
  if (kind_ != Kind::kUnsigned) Wrong("a value is no whole number from 0");
  return unsigned_;
}
int64_t Value::AsSigned() const {
  if (kind_ != Kind::kSigned) Wrong("a value is no number below 0");
  return static_cast<int64_t>(unsigned_);
}
double Value::AsDouble() const {
  if (kind_ == Kind::kUnsigned) return static_cast<double>(unsigned_);
  if (kind_ == Kind::kSigned) return static_cast<double>(AsSigned());
  if (kind_ != Kind::kNumber) Wrong("a value is no number");
  return number_;
}
const std::string& Value::AsText() const {
  if (kind_ != Kind::kText) Wrong("a value is no text");
  return text_;
}

}  // namespace temper::host
