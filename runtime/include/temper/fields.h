// Fields: the parameters of a layer, an optimizer, a schedule, ... described as
// a table, so that graphs, options, help texts and range checks need no code of
// their own for any of them. A parameter struct holds numbers only; its
// defaults are those of a default-constructed one.
#ifndef TEMPER_FIELDS_H_
#define TEMPER_FIELDS_H_

#include <cstdint>
#include <string_view>

namespace temper {

// Whole numbers as a parameter, such as the widths of hidden layers.
struct SizeList {
  static constexpr uint32_t kMost = 32;
  uint32_t count = 0;
  uint32_t values[kMost] = {};
};

struct Field {
  // Graphs store 32-bit fields only. kSizes is a SizeList.
  enum class Type : uint32_t { kU32, kF32, kU64, kF64, kSizes };
  const char* name;
  uint32_t offset;  // bytes into the params struct
  Type type;
  // Inclusive range of valid values (kSizes: of each). Whole numbers 0 and 1
  // without names: off and on.
  double min, max;
  const char* help = "";  // a few words
  // "steps" and "epochs" are times: params hold steps, a default is in the unit
  // (models/spec.h). Others, such as "pixels", are for readers.
  const char* unit = "";
  // Why the range ends where it does, if that is no matter of course: added to
  // the message that refuses a value.
  const char* why = "";
  // Names of the whole numbers from 0 on, "f32|u8": specs and files say these.
  std::string_view names = {};

  bool IsWhole() const { return type == Type::kU32 || type == Type::kU64; }
  bool IsChoice() const { return !names.empty(); }
  bool IsFlag() const {
    return IsWhole() && min == 0 && max == 1 && !IsChoice();
  }
  bool IsTime() const {
    return std::string_view(unit) == "steps" ||
           std::string_view(unit) == "epochs";
  }
};
struct FieldList {
  const Field* fields = nullptr;
  uint32_t count = 0;

  const Field* begin() const { return fields; }
  const Field* end() const { return fields + count; }

  // Null for an unknown name.
  const Field* Find(std::string_view name) const {
    for (const Field& field : *this) {
      if (name == field.name) return &field;
    }
    return nullptr;
  }
};

// The value in `params`, the struct that the field belongs to. Not for kSizes.
double ReadField(const Field& field, const void* params);
// Stores a value, rounded to the field's type; it must be in that type's range.
// Not for kSizes.
void WriteField(const Field& field, double value, void* params);
// Of a kSizes field.
const SizeList& ReadSizes(const Field& field, const void* params);
void WriteSizes(const Field& field, const SizeList& sizes, void* params);
// Name number i of a choice; empty past the last one. The inverse returns the
// number of names for an unknown one.
std::string_view ChoiceName(const Field& field, uint32_t i);
uint32_t ChoiceByName(const Field& field, std::string_view name);
// False for NaN. A float's bounds are compared as floats hold them: 1e-12 as a
// float differs a little from 1e-12.
bool InFieldRange(const Field& field, double value);
// The first field whose value is outside its range, or null.
const Field* FieldOutOfRange(FieldList list, const void* params);

}  // namespace temper

#endif  // TEMPER_FIELDS_H_
