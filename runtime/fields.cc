// See temper/fields.h.
#include "temper/fields.h"

#include <cmath>
#include <cstring>

namespace temper {

namespace {

template <class T>
double Read(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return static_cast<double>(value);
}
template <class T>
void Write(double value, uint8_t* at) {
  const T stored = static_cast<T>(value);
  std::memcpy(at, &stored, sizeof(stored));
}

}  // namespace

double ReadField(const Field& field, const void* params) {
  const uint8_t* const at = static_cast<const uint8_t*>(params) + field.offset;
  switch (field.type) {
    case Field::Type::kU32:
      return Read<uint32_t>(at);
    case Field::Type::kF32:
      return Read<float>(at);
    case Field::Type::kU64:
      return Read<uint64_t>(at);
    case Field::Type::kF64:
      break;
  }
  return Read<double>(at);
}

void WriteField(const Field& field, double value, void* params) {
  uint8_t* const at = static_cast<uint8_t*>(params) + field.offset;
  switch (field.type) {
    case Field::Type::kU32:
      return Write<uint32_t>(value, at);
    case Field::Type::kF32:
      return Write<float>(value, at);
    case Field::Type::kU64:
      return Write<uint64_t>(value, at);
    case Field::Type::kF64:
      break;
  }
  Write<double>(value, at);
}

bool InFieldRange(const Field& field, double value) {
  const double slack = field.type == Field::Type::kF32 ? 1e-6 : 0.0;
  return value >= field.min - slack * std::fabs(field.min) &&
         value <= field.max + slack * std::fabs(field.max);
}

const Field* FieldOutOfRange(FieldList list, const void* params) {
  for (const Field& field : list) {
    if (!InFieldRange(field, ReadField(field, params))) return &field;
  }
  return nullptr;
}

}  // namespace temper
