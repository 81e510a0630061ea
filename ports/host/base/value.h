// Value: a JSON value whose members keep their order. What a verb reports is
// made of these. Compiled in a moment: text is made of it, and read into it, in
// json_text.cc alone.
//
//   Value v = {{"model", "resnet8"}, {"arena_bytes", plan.arena_bytes}};
//   v["loss"] = loss;  // std::optional: null without a value
// Next: json_text.h, ports/cli/report.h.
#ifndef TEMPER_PORTS_HOST_BASE_VALUE_H_
#define TEMPER_PORTS_HOST_BASE_VALUE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

class Value {
 public:
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kUnsigned,
    kSigned,  // below 0
    kNumber,  // written as null if it is not finite
    kText,
    kArray,
    kObject,
  };
  struct Member;

  Value() = default;
  Value(std::nullptr_t) {}
  template <std::same_as<bool> T>
  Value(T value) : kind_(Kind::kBool), unsigned_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T value)
      : kind_(value < 0 ? Kind::kSigned : Kind::kUnsigned),
        unsigned_(static_cast<uint64_t>(value)) {}
  template <std::floating_point T>
  Value(T value) : kind_(Kind::kNumber), number_(static_cast<double>(value)) {}
  Value(std::string text);
  Value(std::string_view text);
  Value(const char* text);
  template <class T>
  Value(const std::optional<T>& value) {
    if (value) *this = Value(*value);
  }
  template <class T>
  Value(const std::vector<T>& values) : kind_(Kind::kArray) {
    for (const T& value : values) items_.push_back(Value(value));
  }
  Value(std::initializer_list<Member> members);  // an object

  static Value array();
  static Value object();

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }

  // Of arrays and objects.
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  std::vector<Value>::const_iterator begin() const { return items_.begin(); }
  std::vector<Value>::const_iterator end() const { return items_.end(); }
  const std::string& key(size_t i) const { return keys_[i]; }

  // To the end of an array; null becomes one.
  void push_back(Value value);
  Value& back() { return items_.back(); }
  // The member, made if it is missing; null becomes an object.
  Value& operator[](std::string_view key);
  // `path`: keys with dots between, as "folder.free_bytes".
  Value& At(std::string_view path);
  // Null without such a member.
  const Value* Find(std::string_view key) const;
  bool contains(std::string_view key) const { return Find(key) != nullptr; }
  // The member, or the item; it must be there.
  const Value& at(std::string_view key) const;
  const Value& at(size_t i) const { return items_.at(i); }

  // The value itself; it must be of that kind. double: any number.
  bool AsBool() const;
  uint64_t AsUnsigned() const;
  int64_t AsSigned() const;
  double AsDouble() const;
  const std::string& AsText() const;
  // The same by type: bool, uint64_t, int64_t, double, std::string.
  template <class T>
  T get() const;

 private:
  void Become(Kind kind);

  Kind kind_ = Kind::kNull;
  union {
    uint64_t unsigned_ = 0;  // bool, unsigned; the bits of signed
    double number_;
  };
  std::string text_;
  std::vector<Value> items_;
  std::vector<std::string> keys_;  // of an object's items
};

struct Value::Member {
  std::string key;
  Value value;
};

template <class T>
T Value::get() const {
  if constexpr (std::same_as<T, bool>) {
    return AsBool();
  } else if constexpr (std::same_as<T, uint64_t>) {
    return AsUnsigned();
  } else if constexpr (std::same_as<T, int64_t>) {
    return AsSigned();
  } else if constexpr (std::same_as<T, double>) {
    return AsDouble();
  } else {
    static_assert(std::same_as<T, std::string>);
    return AsText();
  }
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_VALUE_H_
