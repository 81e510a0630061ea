// Helpers for the tables at the end of a layer's, an optimizer's, a schedule's
// ... file.
#ifndef TEMPER_RUNTIME_TABLE_H_
#define TEMPER_RUNTIME_TABLE_H_

#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "temper/fields.h"

namespace temper {

template <class Params>
void DefaultsOf(void* params) {
  static_assert(std::is_trivially_copyable_v<Params>);
  const Params defaults{};
  if constexpr (!std::is_empty_v<Params>) {
    std::memcpy(params, &defaults, sizeof(Params));
  }
}
// A function that a table must name: a table without it does not compile.
template <class Function>
class Required {
 public:
  constexpr Required(Function* function) : function_(function) {}  // NOLINT
  Required(std::nullptr_t) = delete;

  constexpr operator Function*() const { return function_; }  // NOLINT

 private:
  Function* function_;
};

// Words that a table must have, likewise.
class Words {
 public:
  constexpr Words(const char* text) : text_(text) {}  // NOLINT
  Words(std::nullptr_t) = delete;

  constexpr operator const char*() const { return text_; }  // NOLINT

 private:
  const char* text_;
};

template <size_t n>
constexpr FieldList ListOf(const Field (&fields)[n]) {
  return {fields, static_cast<uint32_t>(n)};
}

// The number of the last of names that are separated by '|'.
constexpr double LastChoice(std::string_view names) {
  double last = 0;
  for (const char c : names) last += c == '|';
  return last;
}

// Why a momentum must be below 1.
inline constexpr const char* kNoFriction =
    "at 1 the velocity never decays; without friction it never settles";

// A field of a params struct: range, a few words, perhaps a unit, and why
// the range ends there.
// clang-format off
#define TEMPER_FIELD(Params, field, type, min, max, ...) \
  ::temper::Field{#field, offsetof(Params, field), ::temper::Field::Type::type, \
                  min, max, __VA_ARGS__}
#define TEMPER_FIELD_U32(Params, field, min, max, ...) \
  TEMPER_FIELD(Params, field, kU32, min, max, __VA_ARGS__)
#define TEMPER_FIELD_F32(Params, field, min, max, ...) \
  TEMPER_FIELD(Params, field, kF32, min, max, __VA_ARGS__)
// A uint32_t that is one of the names, "f32|u8".
#define TEMPER_FIELD_CHOICE(Params, field, names, help) \
  TEMPER_FIELD(Params, field, kU32, 0, ::temper::LastChoice(names), help, "", \
               "", names)
// clang-format on

}  // namespace temper

#endif  // TEMPER_RUNTIME_TABLE_H_
