// See columns.h.
#include "models/files/columns.h"

#include <algorithm>
#include <cmath>

#include "models/files/json.h"
#include "models/files/limits.h"
#include "models/files/text.h"

namespace temper {
namespace {

using Token = JsonReader::Token;

constexpr uint64_t kBlock = 24;  // what a heap block may cost on top

// Reads [{"name":..,"values":[..],"fill":..}, ..].
class ColumnsReader {
 public:
  ColumnsReader(std::string_view json, uint64_t* budget)
      : reader_(json), budget_(*budget) {}

  FileError Read(std::vector<TableColumn>* columns) {
    if (reader_.Next() != Token::kBeginArray) return Error("expected an array");
    while (reader_.Next() == Token::kBeginObject) {
      if (columns->size() == kMaxDimension) return Error("too many columns");
      // A vector that grows holds up to three times what is in it for a moment.
      TEMPER_RETURN_IF_FILE_ERROR(Take(3 * sizeof(TableColumn)));
      TEMPER_RETURN_IF_FILE_ERROR(ReadColumn(&columns->emplace_back()));
    }
    if (reader_.token() != Token::kEndArray) return Error("expected an object");
    if (reader_.Next() != Token::kEnd) return Error("expected the end");
    return {};
  }

 private:
  FileError Error(std::string_view why) const {
    return {StatusCode::kBadFile, Text("columns: byte ", reader_.offset(), ": ",
                                       reader_.token() == Token::kError
                                           ? std::string_view(reader_.error())
                                           : why)};
  }
  FileError Take(uint64_t bytes) {
    if (bytes > budget_) return Error("more than the file's size can hold");
    budget_ -= bytes;
    return {};
  }
  // The string that was just read.
  FileError Copy(std::string* to) {
    if (reader_.token() != Token::kString) return Error("expected a string");
    const size_t size = JsonDecodedSize(reader_.text());
    if (size == 0 || size > limits::kNameBytes) {
      return Error(Text("a name has 1 to ", limits::kNameBytes, " bytes"));
    }
    TEMPER_RETURN_IF_FILE_ERROR(Take(size + kBlock));
    *to = JsonDecode(reader_.text());
    return {};
  }
  FileError ReadColumn(TableColumn* column) {
    bool values = false;
    while (reader_.Next() == Token::kKey) {
      if (JsonEquals(reader_.text(), "name") && column->name.empty()) {
        reader_.Next();
        TEMPER_RETURN_IF_FILE_ERROR(Copy(&column->name));
      } else if (JsonEquals(reader_.text(), "values") && !values) {
        values = true;
        TEMPER_RETURN_IF_FILE_ERROR(ReadValues(&column->values));
      } else if (JsonEquals(reader_.text(), "fill") && !column->fill) {
        float fill;
        if (reader_.Next() != Token::kNumber ||
            !JsonFloat(reader_.text(), &fill)) {
          return Error("expected a number that fits a float");
        }
        column->fill = fill;
      } else {
        return Error(
            Text("unknown key ", Quoted(reader_.text()), ", or one twice"));
      }
    }
    if (reader_.token() != Token::kEndObject) return Error("expected a key");
    if (column->name.empty()) return Error("a column without \"name\"");
    return {};
  }
  FileError ReadValues(std::vector<std::string>* values) {
    if (reader_.Next() != Token::kBeginArray) return Error("expected an array");
    while (reader_.Next() == Token::kString) {
      if (values->size() == kMaxDimension) return Error("too many values");
      TEMPER_RETURN_IF_FILE_ERROR(Take(3 * sizeof(std::string)));
      TEMPER_RETURN_IF_FILE_ERROR(Copy(&values->emplace_back()));
    }
    if (reader_.token() != Token::kEndArray) return Error("expected strings");
    return values->empty() ? Error("no values") : FileError{};
  }

  JsonReader reader_;
  uint64_t& budget_;
};

// The first of them that stands there twice, or null.
template <class Names>
const std::string* Twice(const Names& names) {
  std::vector<const std::string*> sorted;
  for (const auto& name : names) sorted.push_back(&name);
  std::sort(sorted.begin(), sorted.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  const auto at = std::adjacent_find(
      sorted.begin(), sorted.end(),
      [](const std::string* a, const std::string* b) { return *a == *b; });
  return at == sorted.end() ? nullptr : *at;
}

bool GoodName(const std::string& name) {
  return !name.empty() && name.size() <= limits::kNameBytes && IsUtf8(name);
}

}  // namespace

uint64_t InputsOf(const std::vector<TableColumn>& columns) {
  uint64_t inputs = 0;
  for (const TableColumn& column : columns) inputs += column.Inputs();
  return inputs;
}

std::string WriteColumns(const std::vector<TableColumn>& columns) {
  std::string out = "[";
  for (const TableColumn& column : columns) {
    out += out.size() > 1 ? ",{\"name\":" : "{\"name\":";
    AppendJsonString(&out, column.name);
    for (size_t i = 0; i < column.values.size(); ++i) {
      out += i == 0 ? ",\"values\":[" : ",";
      AppendJsonString(&out, column.values[i]);
    }
    if (!column.values.empty()) out += ']';
    if (column.fill) {
      out += ",\"fill\":";
      AppendJsonFloat(&out, *column.fill);
    }
    out += '}';
  }
  return out + "]";
}

FileError ReadColumns(std::string_view json, uint64_t* budget,
                      std::vector<TableColumn>* columns) {
  std::vector<TableColumn> read;
  TEMPER_RETURN_IF_FILE_ERROR(ColumnsReader(json, budget).Read(&read));
  *columns = std::move(read);
  return {};
}

FileError CheckColumns(const std::vector<TableColumn>& columns,
                       const Graph& graph) {
  if (columns.empty()) return {};
  const auto error = [](StatusCode code, std::string_view why) {
    return FileError{code, Text("columns: ", why)};
  };
  std::vector<std::string> names;
  for (const TableColumn& column : columns) {
    const auto bad = [&](const std::string& name) { return !GoodName(name); };
    if (bad(column.name) ||
        std::any_of(column.values.begin(), column.values.end(), bad)) {
      return error(StatusCode::kBadFile,
                   Text("a name or value in column ", Quoted(column.name),
                        " is empty, not UTF-8 or longer than ",
                        limits::kNameBytes, " bytes"));
    }
    if (const std::string* value = Twice(column.values)) {
      return error(StatusCode::kBadFile,
                   Text("column ", Quoted(column.name), " has the value ",
                        Quoted(*value), " twice"));
    }
    if (column.fill && (!std::isfinite(*column.fill) || !column.values.empty()))
      return error(StatusCode::kBadFile,
                   Text("the fill of column ", Quoted(column.name),
                        " is not a finite number of a column of numbers"));
    names.push_back(column.name);
  }
  if (const std::string* name = Twice(names)) {
    return error(StatusCode::kBadFile, Text("two are named ", Quoted(*name)));
  }
  const InputParams& input = graph.nodes[0].As<InputParams>();
  const uint64_t inputs = InputsOf(columns);
  if (input.h != 1 || input.w != 1 || input.c != inputs ||
      static_cast<ElementType>(input.element_type) != ElementType::kF32) {
    return error(
        StatusCode::kMismatch,
        Text("they are ", inputs, " inputs, the graph reads samples of ",
             input.h, "x", input.w, "x", input.c,
             static_cast<ElementType>(input.element_type) == ElementType::kF32
                 ? " f32"
                 : " u8"));
  }
  return {};
}

}  // namespace temper
