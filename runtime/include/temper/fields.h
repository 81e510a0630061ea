// Fields: the parameters of a layer, an optimizer, a schedule, ... described as
// a table, so that graphs, options, help texts and range checks need no code of
// their own for any of them. A parameter struct holds 32-bit integers and
// floats only; its defaults are those of a default-constructed one.
#ifndef TEMPER_FIELDS_H_
#define TEMPER_FIELDS_H_

#include <cstdint>
#include <string_view>

namespace temper {

struct Field {
  enum class Type : uint32_t { kU32, kF32 };
  const char* name;
  uint32_t offset;  // bytes into the params struct
  Type type;
  double min, max;        // inclusive range of valid values
  const char* help = "";  // a few words
};
struct FieldList {
  const Field* fields;
  uint32_t count;

  // Null for an unknown name.
  const Field* Find(std::string_view name) const {
    for (uint32_t i = 0; i < count; ++i) {
      if (name == fields[i].name) return &fields[i];
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
