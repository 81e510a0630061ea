// Text tables: records as RFC 4180 and as spreadsheets write them, what columns
// become, what is missing, a model's own columns, and what is refused, and how.
#include "ports/host/data/kinds/csv.h"

#include <cmath>
#include <cstring>

#include "ports/host/data/kinds/csv_format.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::TempFolder;

Bytes BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

using Records = std::vector<std::vector<std::string>>;
Records Read(std::string_view text, char delimiter = ',') {
  const Bytes bytes = BytesOf(text);
  const auto source = OpenMemory(bytes, "t.csv");
  CsvReader reader(*source, delimiter);
  Records records;
  while (reader.Next()) {
    std::vector<std::string>& fields = records.emplace_back();
    for (size_t i = 0; i < reader.size(); ++i) fields.emplace_back(reader[i]);
  }
  return records;
}

TEST(CsvFormat, ReadsRecords) {
  const Records two = {{"a", "b"}, {"1", "2"}};
  EXPECT_EQ(Read("a,b\n1,2\n"), two);
  EXPECT_EQ(Read("a,b\r\n1,2\r\n"), two);
  EXPECT_EQ(Read("a,b\r1,2"), two);
  EXPECT_EQ(Read("\xef\xbb\xbf"
                 "a,b\n\n  \n1,2\n\n\n"),
            two);
  EXPECT_EQ(Read(" a ,\tb\n1 , 2 \n"), two);
  EXPECT_EQ(Read("\"a\",\"b\" \n\"1\", \"2\"\n"), two);
  EXPECT_EQ(Read(""), Records());
  EXPECT_EQ(Read(",\n"), (Records{{"", ""}}));
  EXPECT_EQ(Read("a;b\n1;2", ';'), two);
  EXPECT_EQ(Read("a\tb\n1\t2", '\t'), two);
  EXPECT_EQ(Read("  a   b \n1\t \t2  \n", ' '), two);
  EXPECT_EQ(Read("a\t\tb", '\t'), (Records{{"a", "", "b"}}));
}

TEST(CsvFormat, ReadsQuotes) {
  EXPECT_EQ(Read("\"2,5\",\"cat, big\"\n"), (Records{{"2,5", "cat, big"}}));
  EXPECT_EQ(Read("\"say \"\"hi\"\"\",x"), (Records{{"say \"hi\"", "x"}}));
  EXPECT_EQ(Read("\"a\nb\",\"c\r\nd\"\nx,y"),
            (Records{{"a\nb", "c\r\nd"}, {"x", "y"}}));
  EXPECT_EQ(Read("5\" disk,\"\"\n"), (Records{{"5\" disk", ""}}));
}

TEST(CsvFormat, RefusesWithTheLine) {
  const auto refuse = [](std::string_view text,
                         const std::vector<std::string>& words) {
    ExpectFailure(ErrorKind::kBadData, words, [&] { Read(text); });
  };
  refuse("a,b\n1,\"x\n2,y\n", {"line 2", "never closed"});
  refuse("a,b\n\"1\"x,2\n", {"line 2", "follows the closing quote"});
  refuse(std::string_view("a,b\n1,x\0y\n", 11), {"line 2", "zero byte"});
  refuse("a,b\n1,caf\xe9\n", {"line 2", "0xe9", "Latin-1"});
  refuse(std::string_view("\xff\xfe"
                          "a\0,\0",
                          6),
         {"UTF-16", "UTF-8"});
  refuse("\x89PNG\r\n\x1a\n", {"PNG"});
  refuse("PK\x03\x04 and so on", {"t.csv"});
}

TEST(CsvFormat, ReadsNumbers) {
  const auto value = [](std::string_view text, char decimal = '.') {
    const CsvNumber n = ParseCsvNumber(text, decimal);
    return n.kind == CsvNumber::Kind::kNumber ? n.value : std::nan("");
  };
  EXPECT_EQ(value("4e-2"), 0.04);
  EXPECT_EQ(value("+1.5"), 1.5);
  EXPECT_EQ(value("-.5"), -0.5);
  EXPECT_EQ(value("2,5", ','), 2.5);
  EXPECT_EQ(value("1e-400"), 0.0);
  for (const char* text : {"", "0x10", "1_000", "nan", "inf", "1,5", "+-1",
                           "1e", "1.2.3", "--1", "1 2", "e5"}) {
    EXPECT_EQ(ParseCsvNumber(text, '.').kind, CsvNumber::Kind::kText) << text;
  }
  EXPECT_EQ(ParseCsvNumber("1.5", ',').kind, CsvNumber::Kind::kText);
  EXPECT_EQ(ParseCsvNumber("1e400", '.').kind, CsvNumber::Kind::kTooLarge);
  EXPECT_EQ(ParseCsvNumber("-1e400", '.').kind, CsvNumber::Kind::kTooLarge);
}

TrainingData Load(std::string_view text, const CsvOptions& options,
                  const std::string& spec = "csv:t.csv",
                  std::vector<TableColumn> columns = {}) {
  const Bytes bytes = BytesOf(text);
  const auto reader = OpenCsv([&] { return OpenMemory(bytes, "t.csv"); },
                              options, std::move(columns));
  return LoadFrom(*reader, ParseDataSpec(spec));
}
std::vector<float> Floats(const Dataset& data) {
  std::vector<float> values(data.samples.size() / 4);
  std::memcpy(values.data(), data.samples.data(), 4 * values.size());
  return values;
}
CsvOptions Label(const std::string& name = "label") {
  CsvOptions options;
  options.label = name;
  return options;
}
using F = std::vector<float>;

TEST(Csv, NumbersAndClasses) {
  const Dataset data =
      Load("label,a,b\ndog,1,-2\ncat,3,4e-2\ndog,5,6\n", Label()).train;
  EXPECT_EQ(data.shape, (Shape{1, 1, 2, ElementType::kF32}));
  EXPECT_EQ(Floats(data), (F{1, -2, 3, 0.04f, 5, 6}));
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(data.columns.size(), 2u);
  EXPECT_EQ(data.columns[1].name, "b");
}

// Two numbers that are one double are two classes.
TEST(Csv, LongLabelsAreExact) {
  const Dataset data =
      Load("y,a\n9007199254740993,1\n9007199254740992,1\n", Label("y")).train;
  EXPECT_EQ(data.class_names,
            (std::vector<std::string>{"9007199254740992", "9007199254740993"}));
}

// A first line of Excel's.
TEST(Csv, SaysItsDelimiter) {
  CsvOptions options = Label();
  ExpectFailure(ErrorKind::kBadData, {"line 1", "delimiter=semicolon"},
                [&] { Load("sep=;\na;label\n1;x\n", options); });
  options.delimiter = ';';
  const Dataset data =
      Load("\xef\xbb\xbfsep=;\r\na;label\r\n1;x\r\n", options).train;
  EXPECT_EQ(Floats(data), (F{1}));
  EXPECT_EQ(data.SampleName(0), "line 3");
}

// A model's columns say how a table is written, if nobody else does.
TEST(Csv, AModelsColumnsTellTheMarks) {
  const std::vector<TableColumn> columns = {{"b", {}, {}},
                                            {"c", {"blue", "red"}, {}}};
  const auto load = [&](const std::string& text, CsvOptions options = {}) {
    return Floats(Load(text, options, "csv:t.csv", columns).train);
  };
  const F want = {2.5f, 0, 1};
  EXPECT_EQ(load("c,x,b\nred,7,2.5\n"), want);
  EXPECT_EQ(load("c;x;b\nred;7;2,5\n"), want);
  EXPECT_EQ(load("c;x;b\nred;7;2.5\n"), want);
  EXPECT_EQ(load("b\tc\n2,5\tred\n"), want);
  EXPECT_EQ(load("sep=|\nb|c\n2.5|red\n"), want);
  // Commas inside names are no delimiters.
  EXPECT_EQ(load("c;b;\"x,y\"\nred;2.5;1\n"), want);
  // What is given is not guessed.
  CsvOptions given;
  given.delimiter = ',';
  ExpectFailure(ErrorKind::kBadData, {"delimiter=semicolon"},
                [&] { load("c;b\nred;2.5\n", given); });
  given = {};
  given.decimal = '.';
  ExpectFailure(ErrorKind::kBadData, {"2,5"},
                [&] { load("c;b\nred;2,5\n", given); });
  // A column that no delimiter finds.
  ExpectFailure(ErrorKind::kMismatch, {"'b'"}, [&] { load("c,d\nred,2.5\n"); });
}

// In quotes a comma is no delimiter.
TEST(Csv, QuotedDecimalCommas) {
  CsvOptions options = Label();
  options.decimal = ',';
  EXPECT_EQ(Floats(Load("a,label\n\"2,5\",x\n", options).train), (F{2.5f}));
}

TEST(Csv, TextsThatAreNoNamesAreNoted) {
  const auto note = [](const std::string& text) {
    const Dataset data = Load(text, Label()).train;
    return data.notes.empty() ? std::string() : data.notes[0];
  };
  EXPECT_NE(note("a,label\n\"2,5\",x\n\"3,5\",y\n").find("decimal=comma?"),
            std::string::npos);
  EXPECT_NE(note("a,label\n12 %,x\n1 %,y\n").find("look like numbers"),
            std::string::npos);
  std::string names = "n,label\n", few = names;
  for (int i = 0; i < 30; ++i) {
    names += "p" + std::to_string(i) + ",x\n";
    few += "p" + std::to_string(i % 10) + ",x\n";
  }
  EXPECT_NE(note(names).find("ignore=n"), std::string::npos);
  EXPECT_EQ(note(few).find("ignore="), std::string::npos);
}

TEST(Csv, WholeNumbersAreClassesInTheirOrder) {
  const Dataset data = Load("y,a\n10,1\n2,1\n2.0,1\n-1,1\n", Label("y")).train;
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"-1", "2", "10"}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{2, 1, 1, 0}));
}

TEST(Csv, TextsAreOneHot) {
  const Dataset data =
      Load("c,a,label\nred,1,x\nblue,2,y\nred,3,x\n", Label()).train;
  EXPECT_EQ(data.shape.c, 3u);
  EXPECT_EQ(Floats(data), (F{0, 1, 1, 1, 0, 2, 0, 1, 3}));
  EXPECT_EQ(data.columns[0].values, (std::vector<std::string>{"blue", "red"}));
  // Names that are numbers, when told so; texts such as "none" are texts.
  CsvOptions options = Label();
  options.categorical = {"a"};
  EXPECT_EQ(Load("a,b,label\n7,none,x\n10,mild,y\n", options).train.shape.c,
            4u);
}

TEST(Csv, TargetsAreValues) {
  CsvOptions options;
  options.target = {"y", "z"};
  options.ignore = {"id"};
  const Dataset data = Load("id,a,y,z\nq,1,2,3\nr,4,5,6\n", options).train;
  EXPECT_EQ(data.targets, (Targets{TargetKind::kValues, 2}));
  EXPECT_EQ(Floats(data), (F{1, 4}));
  EXPECT_EQ(data.values, (F{2, 3, 5, 6}));
}

TEST(Csv, NoHeader) {
  CsvOptions options = Label("2");
  options.header = CsvOptions::Header::kNo;
  const Dataset data = Load("1,x\n2,y\n", options).train;
  EXPECT_EQ(data.size(), 2u);
  EXPECT_EQ(Floats(data), (F{1, 2}));
  ExpectFailure(ErrorKind::kBadData,
                {"line 1", "the header 1 looks like a value", "header=no"},
                [] { Load("1,x\n2,y\n", Label("x")); });
  options = Label("x");
  options.header = CsvOptions::Header::kYes;
  EXPECT_EQ(Load("1,x\n2,y\n", options).train.size(), 1u);
}

TEST(Csv, RefusesWhatIsNoNumber) {
  const auto refuse = [](std::string_view text,
                         const std::vector<std::string>& words) {
    ExpectFailure(ErrorKind::kBadData, words, [&] { Load(text, Label()); });
  };
  refuse("a,b,label\n1.5,\"2,5\",x\n-3,4e-2,y\n",
         {"line 2", "'b'", "2,5", "decimal=comma"});
  refuse("a,label\n1,x\n1_000,y\n", {"line 3", "1_000", "categorical=a"});
  refuse("a,label\n16777217,x\n1e400,y\n0x10,z\n",
         {"line 3", "1e400", "float"});
  refuse("a,label\n1,x\n3.5e38,y\n", {"line 3", "3.5e38"});
  refuse("a,b,label\n1,2\n", {"line 2", "2 fields", "3 columns"});
  refuse("a;b;label\n1,5;2;x\n",
         {"a;b;label", "delimiter=semicolon", "decimal=comma"});
  refuse("a,a,label\n1,2,x\n", {"columns 1 and 2", "'a'"});
  refuse("a,label\n", {"no rows"});
  refuse("a,label\n1,0.5\n", {"line 2", "0.5", "target=label"});
  refuse("a,label\n1,\n", {"line 2", "empty", "missing=drop"});
  ExpectFailure(ErrorKind::kMismatch, {"'lable'", "label"},
                [] { Load("a,label\n1,x\n", Label("lable")); });
}

TEST(Csv, RoundedNumbersAreNoted) {
  const Dataset data = Load("a,label\n16777217,x\n2,y\n", Label()).train;
  EXPECT_EQ(Floats(data), (F{16777216, 2}));
  ASSERT_EQ(data.notes.size(), 1u);
  EXPECT_NE(data.notes[0].find("'a'"), std::string::npos);
}

constexpr std::string_view kGaps = "a,b,label\n1,,x\n2,NaN,y\n3,5,x\n4,7,y\n";

TEST(Csv, MissingValues) {
  ExpectFailure(ErrorKind::kBadData,
                {"line 2", "'b'", "empty", "missing=mean", "missing=drop"},
                [] { Load(kGaps, Label()); });
  CsvOptions options = Label();
  options.missing = CsvOptions::Missing::kDrop;
  const Dataset dropped = Load(kGaps, options).train;
  EXPECT_EQ(Floats(dropped), (F{3, 5, 4, 7}));
  EXPECT_EQ(dropped.labels, (std::vector<int32_t>{0, 1}));
  options.missing = CsvOptions::Missing::kMean;
  const Dataset filled = Load(kGaps, options).train;
  EXPECT_EQ(Floats(filled), (F{1, 6, 2, 6, 3, 5, 4, 7}));
  EXPECT_EQ(filled.columns[1].fill, 6.0f);
}

// What is wrong first in a column is said first; infinities are no values.
TEST(Csv, TheFirstWrongLineIsNamed) {
  const auto refuse = [](std::string_view text,
                         const std::vector<std::string>& words) {
    ExpectFailure(ErrorKind::kBadData, words, [&] { Load(text, Label()); });
  };
  refuse("a,b,label\n1,,x\n2,NaN,y\n3,5,z\n4,inf,z\n", {"line 2", "'b'"});
  refuse("a,b,label\n1,3,x\n2,NaN,y\n3,five,z\n", {"line 3", "'NaN'"});
  refuse("a,b,label\n1,3,x\n2,five,y\n3,,z\n", {"line 3", "'five'"});
  refuse("a,b,label\n1,3,x\n2,-Inf,y\n", {"line 3", "'-Inf'", "missing="});
  refuse("a,b,label\n1,1e400,x\n2,,y\n", {"line 2", "1e400"});
  CsvOptions options = Label();
  options.missing = CsvOptions::Missing::kMean;
  const std::string_view text = "a,label\ninf,x\n2,y\n4,y\n#N/A,x\n";
  EXPECT_EQ(Floats(Load(text, options).train), (F{3, 2, 4, 3}));
}

// One rule for labels, texts, numbers and targets.
TEST(Csv, TheSameIsMissingInEveryColumn) {
  const char* const tables[] = {"a,c,label\n1,u,x\n2,v,%s\n",
                                "a,c,label\n1,u,x\n2,%s,y\n",
                                "a,c,label\n1,u,x\n%s,v,y\n"};
  for (const char* const table : tables) {
    for (const char* const word : {"", "NA", "nan", "?", "NULL", "#N/A"}) {
      std::string text = table;
      text.replace(text.find("%s"), 2, word);
      ExpectFailure(ErrorKind::kBadData, {"line 3", "column '", "missing=drop"},
                    [&] { Load(text, Label()); });
      CsvOptions options = Label();
      options.missing = CsvOptions::Missing::kDrop;
      const Dataset data = Load(text, options).train;
      EXPECT_EQ(data.size(), 1u) << text;
      // Nor is there a class or a text that only the dropped row has.
      EXPECT_EQ(data.class_names, std::vector<std::string>{"x"}) << text;
      EXPECT_EQ(Floats(data), (F{1, 1})) << text;
    }
  }
  CsvOptions options = Label();
  options.missing = CsvOptions::Missing::kMean;
  const std::string label = "a,label\n1,x\n2,NA\n";
  ExpectFailure(ErrorKind::kBadData, {"line 3", "'NA'", "keep_na=label"},
                [&] { Load(label, options); });
  options.keep_na = {"label"};
  EXPECT_EQ(Load(label, options).train.class_names,
            (std::vector<std::string>{"NA", "x"}));
  // Of a text that is missing no input is 1.
  const Dataset texts = Load("c,label\nu,x\n?,y\nv,y\n", options).train;
  EXPECT_EQ(Floats(texts), (F{1, 0, 0, 0, 0, 1}));
  ASSERT_FALSE(texts.notes.empty());
  EXPECT_NE(texts.notes[0].find("'c' 1"), std::string::npos) << texts.notes[0];
}

TEST(Csv, SamplesAreCalledByTheirLines) {
  CsvOptions options = Label();
  options.missing = CsvOptions::Missing::kDrop;
  options.ignore = {"n"};
  const Dataset data =
      Load("a,n,label\n1,,x\n,,x\n\n3,\"p\nq\",y\n4,,x\n", options).train;
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data.SampleName(0), "line 2");
  EXPECT_EQ(data.SampleName(1), "line 5");
  EXPECT_EQ(data.SampleName(2), "line 7");
  ASSERT_FALSE(data.notes.empty());
  EXPECT_NE(data.notes[0].find("line 3"), std::string::npos);
  const TrainingData parts =
      Load("a,label\n1,x\n2,x\n3,x\n", Label(), "csv:t.csv?val=0.4");
  for (size_t i = 0; i < parts.train.size(); ++i) {
    EXPECT_EQ(parts.train.LineOf(i), parts.train.ids[i] + 2);
  }
}

// Neighbours in a table do not decide what a model sees.
TEST(Csv, AModelFillsByWhatItKeeps) {
  const std::string_view text = "a,label\n,x\n5,y\n";
  const std::vector<TableColumn> without = {{"a", {}, {}}};
  const std::vector<TableColumn> with = {{"a", {}, 9.0f}};
  CsvOptions options = Label();
  const auto load = [&](const std::vector<TableColumn>& columns) {
    return Load(text, options, "csv:t.csv", columns).train;
  };
  ExpectFailure(ErrorKind::kBadData, {"line 2", "'a'", "empty"},
                [&] { load(without); });
  const Dataset data = load(with);
  EXPECT_EQ(Floats(data), (F{9, 5}));
  ASSERT_FALSE(data.notes.empty());
  EXPECT_NE(data.notes[0].find("1 of the values"), std::string::npos);
  options.missing = CsvOptions::Missing::kMean;
  EXPECT_EQ(Floats(load(with)), (F{9, 5}));
  ExpectFailure(ErrorKind::kBadData, {"line 2", "the model keeps no mean"},
                [&] { load(without); });
  options.missing = CsvOptions::Missing::kRefuse;
  ExpectFailure(ErrorKind::kBadData, {"line 2", "'a'"}, [&] { load(with); });
  // Kept also where no training row lacks a value.
  options.missing = CsvOptions::Missing::kMean;
  EXPECT_EQ(Load("a,label\n1,x\n3,y\n", options).train.columns[0].fill, 2.0f);
}

// normal=: training sees one class, a judge sees all rows.
TEST(Csv, OneClassAndAnomalies) {
  CsvOptions options = Label();
  options.normal = "x";
  std::string text = "a,label\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i) + (i % 4 == 3 ? ",y\n" : ",x\n");
  }
  const auto load = [&](const char* spec, bool judged) {
    const Bytes bytes = BytesOf(text);
    const auto reader =
        OpenCsv([&] { return OpenMemory(bytes, "t.csv"); }, options);
    DataSpec parsed = ParseDataSpec(spec);
    parsed.judged = judged;
    return LoadFrom(*reader, parsed);
  };
  const TrainingData all = load("csv:t.csv", false);
  EXPECT_EQ(all.train.targets.kind, TargetKind::kNone);
  EXPECT_EQ(all.train.size(), 15u);
  EXPECT_TRUE(all.train.anomalies.empty());
  for (const uint64_t id : all.train.ids) EXPECT_NE(id % 4, 3u);
  const TrainingData held = load("csv:t.csv?val=0.2", false);
  EXPECT_EQ(held.train.size(), 12u);
  EXPECT_EQ(held.val->size(), 3u);
  const TrainingData judged = load("csv:t.csv?val=0.2&split=val", true);
  EXPECT_EQ(judged.val->size(), 8u);
  ASSERT_EQ(judged.val->anomalies.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(judged.val->anomalies[i], judged.val->ids[i] % 4 == 3);
  }
  EXPECT_EQ(load("csv:t.csv", true).train.size(), 20u);
  EXPECT_EQ(load("csv:t.csv?limit=3", true).train.ids,
            (std::vector<uint64_t>{0, 1, 2, 3, 7, 11}));
  options.normal = "z";
  ExpectFailure(ErrorKind::kBadData, {"'z'", "'label'"},
                [&] { load("csv:t.csv", false); });
}

// What is held out does not decide what stands in for it.
TEST(Csv, TheMeanIsTheTrainingRows) {
  CsvOptions options = Label();
  options.missing = CsvOptions::Missing::kMean;
  std::string text = "a,label\n,x\n";
  for (int i = 0; i < 20; ++i) text += std::to_string(i) + ",x\n";
  const TrainingData data = Load(text, options, "csv:t.csv?val=0.3&seed=1");
  double sum = 0;
  uint64_t known = 0;
  for (size_t i = 0; i < data.train.size(); ++i) {
    if (data.train.ids[i] == 0) continue;
    sum += static_cast<double>(data.train.ids[i] - 1);
    ++known;
  }
  const float mean = static_cast<float>(sum / static_cast<double>(known));
  ASSERT_EQ(data.train.columns[0].fill, mean);
  const Dataset& with = data.train.ids[0] == 0 ? data.train : *data.val;
  EXPECT_EQ(Floats(with)[0], mean);
}

TEST(Csv, AModelsColumnsAreFoundByName) {
  const std::vector<TableColumn> columns = {{"b", {}, 9.0f},
                                            {"c", {"blue", "red"}, {}}};
  const Dataset data = Load("c,extra,b,label\nred,q,1,x\nblue,r,,x\n", Label(),
                            "csv:t.csv", columns)
                           .train;
  EXPECT_EQ(Floats(data), (F{1, 0, 1, 9, 1, 0}));
  ASSERT_FALSE(data.notes.empty());
  EXPECT_NE(data.notes[0].find("extra"), std::string::npos);
  ExpectFailure(ErrorKind::kBadData, {"line 2", "'c'", "'rod'", "red"}, [&] {
    Load("b,c,label\n1,rod,x\n", Label(), "csv:t.csv", columns);
  });
  ExpectFailure(ErrorKind::kMismatch, {"'c'"},
                [&] { Load("b,label\n1,x\n", Label(), "csv:t.csv", columns); });
}

TEST(Csv, SelectionCostsWhatItTakes) {
  std::string text = "a,label\n";
  for (int i = 0; i < 1000; ++i) {
    text += std::to_string(i) + "," + std::to_string(i % 3) + "\n";
  }
  const Dataset data =
      Load(text, Label(), "csv:t.csv?classes=1,2&per_class=2").train;
  EXPECT_EQ(Floats(data), (F{1, 2, 4, 5}));
  EXPECT_EQ(data.samples.size(), 16u);
}

TEST(Csv, OptionsOfASpec) {
  const TempFolder folder;
  folder.Write("t.csv", "a;kind;n\n1,5;x;0\n2;y;1\n");
  const std::string path = folder.File("t.csv");
  const Dataset data = LoadDataset(
      "csv:" + path + "?label=kind&delimiter=;&decimal=,&categorical=n");
  EXPECT_EQ(Floats(data), (F{1.5f, 1, 0, 2, 0, 1}));
  const auto refuse = [&](const std::string& options,
                          const std::vector<std::string>& words) {
    ExpectFailure(ErrorKind::kUsage, words,
                  [&] { LoadDataset("csv:" + path + options); });
  };
  refuse("?label=kind&target=n", {"target", "contradicts"});
  refuse("?delimiter=x", {"delimiter", "semicolon"});
  refuse("?missing=zero", {"missing", "mean"});
  refuse("?header=maybe", {"header"});
  refuse("?lable=kind", {"lable", "label"});
  refuse("?split=test", {"test"});
}

}  // namespace
}  // namespace temper::host
