// Fields: the parameters of a layer, an optimizer, a schedule, ... described as
// a table, so that graphs, options, help texts and range checks need no code of
// their own for any of them. A parameter struct holds numbers only; its defaults
// are those of a default-constructed one.
#ifndef TEMPER_FIELDS_H_
#define TEMPER_FIELDS_H_

#include <cstdint>
#include <string_view>

namespace temper {

struct Field {
  // What is stored in graphs has 32 bits.
  enum class Type : uint32_t { kU32, kF32, kU64, kF64 };
  const char* name;
  uint32_t offset;  // bytes into the params struct
  Type type;
  double min,
      max;  // inclusive range of valid values; of whole numbers 0 and 1:
            // off and on
  const char* help = "";  // a few words
  // "steps" and "epochs" are times: params hold steps, a default is in the unit
  // (models/spec.h). Others, such as "pixels", are for readers.
  const char* unit = "";

  bool IsWhole() const { return type == Type::kU32 || type == Type::kU64; }
  bool IsFlag() const { return IsWhole() && min == 0 && max == 1; }
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

// The value in `params`, the struct that the field belongs to.
double ReadField(const Field& field, const void* params);
// Stores a value, rounded to the field's type; it must be in that type's range.
void WriteField(const Field& field, double value, void* params);
// False for NaN. A float's bounds are compared as floats hold them: 1e-12 as a
// float lies a little beside 1e-12.
bool InFieldRange(const Field& field, double value);
// The first field whose value is outside its range, or null.
const Field* FieldOutOfRange(FieldList list, const void* params);

}  // namespace temper

#endif  // TEMPER_FIELDS_H_
