// See temper/fields.h.
#include "temper/fields.h"

#include <cassert>
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
    case Field::Type::kSizes:
      break;
  }
  assert(field.type == Field::Type::kF64);
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
    case Field::Type::kSizes:
      break;
  }
  assert(field.type == Field::Type::kF64);
  Write<double>(value, at);
}

const SizeList& ReadSizes(const Field& field, const void* params) {
  assert(field.type == Field::Type::kSizes);
  return *reinterpret_cast<const SizeList*>(
      static_cast<const uint8_t*>(params) + field.offset);
}

void WriteSizes(const Field& field, const SizeList& sizes, void* params) {
  assert(field.type == Field::Type::kSizes);
  std::memcpy(static_cast<uint8_t*>(params) + field.offset, &sizes,
              sizeof(sizes));
}

std::string_view ChoiceName(const Field& field, uint32_t i) {
  std::string_view rest = field.names;
  for (;; --i) {
    const size_t end = rest.find('|');
    if (i == 0) return rest.substr(0, end);
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
}

uint32_t ChoiceByName(const Field& field, std::string_view name) {
  uint32_t i = 0;
  for (; !ChoiceName(field, i).empty(); ++i) {
    if (ChoiceName(field, i) == name) break;
  }
  return i;
}

bool InFieldRange(const Field& field, double value) {
  const double slack = field.type == Field::Type::kF32 ? 1e-6 : 0.0;
  return value >= field.min - slack * std::fabs(field.min) &&
         value <= field.max + slack * std::fabs(field.max);
}

const Field* FieldOutOfRange(FieldList list, const void* params) {
  for (const Field& field : list) {
    if (field.type == Field::Type::kSizes) {
      const SizeList& sizes = ReadSizes(field, params);
      if (sizes.count > SizeList::kMost) return &field;
      for (uint32_t i = 0; i < sizes.count; ++i) {
        if (!InFieldRange(field, sizes.values[i])) return &field;
      }
    } else if (!InFieldRange(field, ReadField(field, params))) {
      return &field;
    }
  }
  return nullptr;
}

}  // namespace temper
