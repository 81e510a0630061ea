// See temper/fields.h.
#include "temper/fields.h"

#include <cmath>
#include <cstring>

namespace temper {

double ReadField(const Field& field, const void* params) {
  const uint8_t* const at = static_cast<const uint8_t*>(params) + field.offset;
  if (field.type == Field::Type::kU32) {
    uint32_t value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  float value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

void WriteField(const Field& field, double value, void* params) {
  uint8_t* const at = static_cast<uint8_t*>(params) + field.offset;
  if (field.type == Field::Type::kU32) {
    const uint32_t stored = static_cast<uint32_t>(value);
    std::memcpy(at, &stored, sizeof(stored));
  } else {
    const float stored = static_cast<float>(value);
    std::memcpy(at, &stored, sizeof(stored));
  }
}

bool InFieldRange(const Field& field, double value) {
  const double slack = field.type == Field::Type::kF32 ? 1e-6 : 0.0;
  return value >= field.min - slack * std::fabs(field.min) &&
         value <= field.max + slack * std::fabs(field.max);
}

const Field* FieldOutOfRange(FieldList list, const void* params) {
  for (uint32_t i = 0; i < list.count; ++i) {
    const Field& field = list.fields[i];
    if (!InFieldRange(field, ReadField(field, params))) return &field;
  }
  return nullptr;
}

}  // namespace temper
