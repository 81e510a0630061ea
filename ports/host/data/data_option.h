// Options of data specs, described as a table, so that parsing, messages,
// `temper list data` and the pages need no code of their own for any of them: as
// temper/fields.h has it for numbers, with texts and lists beside them. What a
// value becomes lies in an options struct, whose defaults are those of a
// default-constructed one.
// Next: data_kind.h (who has tables), data_spec.cc (the options of every kind).
#ifndef TEMPER_PORTS_HOST_DATA_DATA_OPTION_H_
#define TEMPER_PORTS_HOST_DATA_DATA_OPTION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace temper::host {

struct DataOption {
  enum class Type : uint8_t { kFlag, kWhole, kFraction, kChoice, kText };
  std::string_view name;
  Type type;
  // What stands there: "0 or 1", "1 or more", "crop|stretch|pad", "HxW".
  std::string_view values;
  std::string_view normal;  // the default, or what happens without it
  std::string_view help;    // a few words
  // Reads a value into `options`, the struct that the option belongs to; null:
  // only checks it. Throws kUsage.
  void (*read)(const DataOption& option, std::string_view value, void* options);
};

[[noreturn]] void BadOption(std::string_view where, std::string_view why,
                            std::string_view remedy);

// Values of the types, kUsage for anything else.
bool ReadFlag(const DataOption& option, std::string_view value);
uint64_t ReadWhole(std::string_view name, std::string_view value, uint64_t min);
double ReadFraction(const DataOption& option, std::string_view value);
// The number of the choice in "a|b|c".
size_t ReadChoice(const DataOption& option, std::string_view value);
// Item i of "a|b|c".
std::string_view ChoiceName(std::string_view choices, size_t i);

// Decimal digits only, at most `max`; nullopt for anything else.
std::optional<uint64_t> ParseCount(std::string_view text, uint64_t max);
// Digits with at most one point, such as 4 or 0.25; no sign, exponent, inf or
// nan. The locale plays no part. Empty if it is anything else.
std::optional<double> ParseDecimal(std::string_view text);

namespace data_option {

template <class>
struct MemberTraits;
template <class Options, class Value>
struct MemberTraits<Value Options::*> {
  using Class = Options;
  using Type = Value;
};

template <class>
inline constexpr bool kIsOptional = false;
template <class Value>
inline constexpr bool kIsOptional<std::optional<Value>> = true;

template <auto member, class Value>
void Store(void* options, Value&& value) {
  using Traits = MemberTraits<decltype(member)>;
  if (options == nullptr) return;
  static_cast<typename Traits::Class*>(options)->*member =
      static_cast<typename Traits::Type>(std::forward<Value>(value));
}

}  // namespace data_option

// Rows of a table: FlagOption<&IdxOptions::transpose>("transpose", "...").
template <auto member>
constexpr DataOption FlagOption(std::string_view name, std::string_view help) {
  return {name,
          DataOption::Type::kFlag,
          "0 or 1",
          "0",
          help,
          [](const DataOption& option, std::string_view value, void* options) {
            data_option::Store<member>(options, ReadFlag(option, value));
          }};
}

template <auto member, uint64_t min>
constexpr DataOption WholeOption(std::string_view name, std::string_view normal,
                                 std::string_view help) {
  static_assert(min <= 1);
  return {name,
          DataOption::Type::kWhole,
          min == 0 ? "0 or more" : "1 or more",
          normal,
          help,
          [](const DataOption& option, std::string_view value, void* options) {
            data_option::Store<member>(options,
                                       ReadWhole(option.name, value, min));
          }};
}

template <auto member>
constexpr DataOption FractionOption(std::string_view name,
                                    std::string_view normal,
                                    std::string_view help) {
  return {name,
          DataOption::Type::kFraction,
          "above 0 and below 1",
          normal,
          help,
          [](const DataOption& option, std::string_view value, void* options) {
            data_option::Store<member>(options, ReadFraction(option, value));
          }};
}

// Stores the number of the choice, in a text its name.
template <auto member>
constexpr DataOption ChoiceOption(std::string_view name,
                                  std::string_view choices,
                                  std::string_view normal,
                                  std::string_view help) {
  return {name,
          DataOption::Type::kChoice,
          choices,
          normal,
          help,
          [](const DataOption& option, std::string_view value, void* options) {
            using Type =
                typename data_option::MemberTraits<decltype(member)>::Type;
            const size_t choice = ReadChoice(option, value);
            if constexpr (std::is_same_v<Type, std::string>) {
              data_option::Store<member>(options, value);
            } else if constexpr (data_option::kIsOptional<Type>) {
              data_option::Store<member>(
                  options, static_cast<typename Type::value_type>(choice));
            } else {
              data_option::Store<member>(options, choice);
            }
          }};
}

// What a reader of its own takes apart: Value read(name, value).
template <auto member, auto reader>
constexpr DataOption TextOption(std::string_view name, std::string_view values,
                                std::string_view normal,
                                std::string_view help) {
  return {name,
          DataOption::Type::kText,
          values,
          normal,
          help,
          [](const DataOption& option, std::string_view value, void* options) {
            data_option::Store<member>(options, reader(option.name, value));
          }};
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DATA_OPTION_H_
