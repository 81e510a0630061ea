// Reading and writing device profiles, and what is built in.
#include "ports/sim/profile.h"

#include "models/files/json.h"
#include "ports/sim/toml_nesting.h"
#include "tests/sim/sim_test.h"

namespace temper::sim {
namespace {

// The text of a good profile with one piece replaced.
std::string With(const std::string& from, const std::string& to) {
  std::string text = ProfileToml(FlatDevice(2));
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}
std::string ErrorOf(const std::string& text) {
  DeviceProfile profile;
  profile.name = "untouched";
  const std::string error = ParseProfile(text, &profile);
  if (!error.empty()) {
    EXPECT_EQ(profile.name, "untouched");
  }
  return error;
}

TEST(Profile, SurvivesWritingAndReading) {
  const std::string text = ProfileToml(FlatDevice(2));
  DeviceProfile read;
  ASSERT_EQ(ParseProfile(text, &read), "");
  EXPECT_EQ(ProfileToml(read), text);
  EXPECT_EQ(read.cpu.cores, 2u);
  EXPECT_EQ(read.threads.compute, (std::vector<double>{1, 2}));
  EXPECT_EQ(read.RateOf(Kernel::kForm).grid.values,
            (std::vector<double>{10, 5, 1}));
  EXPECT_TRUE(read.RateOf(Kernel::kForm).all.empty());
}

TEST(Profile, KeepsTheRatesOfAllThreads) {
  DeviceProfile p = FlatDevice(2);
  auto& rate = p.rates[static_cast<size_t>(Kernel::kConvForward)];
  rate.all = rate.grid;
  rate.all.values = {1.9};
  DeviceProfile read;
  ASSERT_EQ(ParseProfile(ProfileToml(p), &read), "");
  EXPECT_EQ(read.RateOf(Kernel::kConvForward).all.values,
            (std::vector<double>{1.9}));
}

TEST(Profile, SaysWhatIsWrongAndWhere) {
  const auto wrong = [](const std::string& from, const std::string& to,
                        const std::string& words) {
    const std::string error = ErrorOf(With(from, to));
    EXPECT_NE(error.find(words), std::string::npos) << to << " gave: " << error;
    EXPECT_NE(error.find("line "), std::string::npos) << error;
  };
  wrong("cores = 2", "cores = 0", "cpu.cores must be a whole number");
  wrong("cores = 2", "cores = -1", "cpu.cores must be a whole number");
  wrong("cores = 2", "cores = 2.0", "cpu.cores must be a whole number");
  wrong("cores = 2", "core = 2", "unknown key cpu.core; did you mean 'cores'?");
  wrong("cores = 2", "cores = 3", "threads.compute must have one number");
  wrong("peak_gflops = 2", "peak_gflops = nan", "cpu.peak_gflops");
  wrong("peak_gflops = 2", "peak_gflops = 0", "cpu.peak_gflops");
  wrong("\"x86_64\"", "\"vax\"", "cpu.arch must be one of x86_64");
  wrong("\"estimated\"", "\"guessed\"", "cpu.provenance must be one of");
  wrong("source = \"made for a test\"\n", "", "cpu.source is missing");
  wrong("source = \"made for a test\"", "source = \"a\\u001b[1m\"",
        "cpu.source must be text");
  wrong("l2_shared = false", "l2_shared = 0", "must be true or false");
  wrong("gbytes = [10", "gbytes = [-10", "must be a number");
  wrong("distance = [6.554e+04", "distance = [9e9", "must ascend");
  wrong("gbytes = [10, 5, 1]", "gbytes = [10, 5]", "has 2 numbers");
  wrong("gflops = [1]", "gflops = []", "must be a list of numbers");
  wrong("gflops = [1]", "gflops = [1]\ngflops_all = [1, 2]", "has 2 numbers");
  wrong("[kernels.form]", "[kernels]\nform = 1\n[kernels.fome]",
        "kernels.form must be a table");
  wrong("[kernels.form]", "[kernels]\nlater = 1\n[kernels.form]",
        "unknown key kernels.later");
  wrong("version = 1", "version = 2", "version");
  wrong("[storage]", "[storage", "line ");
  // The parser's assertions would end the program (profile.cc).
  for (const char* name : {"[.storage]", "[=]", "[[.a]]", "[,", "[#]"}) {
    wrong("[storage]", name, "line ");
  }
  EXPECT_NE(ErrorOf(""), "");
  EXPECT_NE(ErrorOf("cpu = 1"), "");
  EXPECT_NE(ErrorOf(std::string((1 << 20) + 1, '#')), "");
}

// The text of a profile of other numbers for each class, less some classes.
std::string Without(std::initializer_list<Kernel> gone) {
  DeviceProfile p = FlatDevice(2);
  for (uint32_t k = 0; k < kKernels; ++k) {
    for (double& v : p.rates[k].grid.values) v *= k + 1;
  }
  for (const Kernel kernel : gone) {
    p.rates[static_cast<size_t>(kernel)].stand_in = true;
  }
  return ProfileToml(p);
}

TEST(Profile, AMissingClassIsAsFastAsTheOneMostLikeIt) {
  DeviceProfile all;
  ASSERT_EQ(ParseProfile(Without({}), &all), "");
  EXPECT_TRUE(all.notes.empty());
  for (uint32_t k = 0; k < kKernels; ++k) {
    const Kernel kernel = static_cast<Kernel>(k);
    const KernelInfo& info = InfoOf(kernel);
    const std::string text = Without({kernel});
    EXPECT_EQ(text.find(std::string("[kernels.") + info.name + "]"),
              std::string::npos);
    DeviceProfile p;
    ASSERT_EQ(ParseProfile(text, &p), "") << info.name;
    const auto& rate = p.RateOf(kernel);
    EXPECT_EQ(InfoOf(info.like).kind, info.kind) << info.name;
    EXPECT_EQ(rate.grid.values, all.RateOf(info.like).grid.values);
    EXPECT_NE(rate.grid.values, all.RateOf(kernel).grid.values);
    EXPECT_EQ(rate.provenance.origin, Origin::kEstimated);
    ASSERT_EQ(p.notes.size(), 1u);
    const std::string words =
        std::string(info.name) + " (as " + InfoOf(info.like).name + ")";
    EXPECT_NE(p.notes[0].find(words), std::string::npos) << p.notes[0];
    // What was not there is not written.
    EXPECT_EQ(ProfileToml(p), text);
  }
}

TEST(Profile, WhatStandsInMayBeMissingToo) {
  DeviceProfile p;
  ASSERT_EQ(ParseProfile(Without({Kernel::kUpdate, Kernel::kForm}), &p), "");
  EXPECT_EQ(p.RateOf(Kernel::kUpdate).grid.values,
            p.RateOf(Kernel::kCopy).grid.values);
  EXPECT_NE(p.notes[0].find("update (as copy)"), std::string::npos);
  EXPECT_NE(ErrorOf(Without({Kernel::kForm, Kernel::kCopy}))
                .find("kernels.form is missing"),
            std::string::npos);
}

TEST(Profile, ClassesOfALaterVersionAreIgnored) {
  const std::string text =
      With("[kernels.form]",
           "[kernels.attention]\nheads = [1, 2]\ngflops = \"many\"\n"
           "[kernels.\"\\u001b[1m\"]\n\n[kernels.form]");
  DeviceProfile p;
  ASSERT_EQ(ParseProfile(text, &p), "");
  ASSERT_EQ(p.notes.size(), 1u);
  EXPECT_NE(p.notes[0].find("attention"), std::string::npos) << p.notes[0];
  EXPECT_EQ(p.notes[0].find('\x1b'), std::string::npos);
  EXPECT_EQ(ProfileToml(p), ProfileToml(FlatDevice(2)));
  // As many as fit: the note stays short.
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    many += "[kernels.later" + std::to_string(i) + "]\n";
  }
  ASSERT_EQ(ParseProfile(With("[kernels.form]", many + "[kernels.form]"), &p),
            "");
  ASSERT_EQ(p.notes.size(), 1u);
  EXPECT_NE(p.notes[0].find("and 994 more"), std::string::npos) << p.notes[0];
  EXPECT_LT(p.notes[0].size(), 500u);
}

std::string Times(size_t n, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < n; ++i) all += text;
  return all;
}

// toml++ calls itself for each level of a dotted key: as many as fit into 1 MiB
// end the stack.
TEST(Profile, NestingIsLimitedBeforeTheParserSeesIt) {
  const size_t n = 200000;
  const std::string deep[] = {
      Times(n, "a.") + "a = 1\n",
      Times(n, "a .\t") + "a = 1\n",
      Times(n, "\"\".") + "a = 1\n",
      Times(n, "'='.") + "a = 1\n",
      Times(n, "\"\\\"\".") + "a = 1\n",
      "[" + Times(n, "a.") + "a]\n",
      "[[" + Times(n, "a.") + "a]]\n",
      "t = {" + Times(n, "a.") + "a = 1}\n",
      "t = {" + Times(n, "a={") + Times(n, "}") + "}\n",
      "t = " + Times(n, "[") + Times(n, "]") + "\n",
      "t = {s = \"\"\"b\"\"\"\"\", " + Times(n, "a.") + "a = 1}\n",
      "t = {s = '''b''''', " + Times(n, "a.") + "a = 1}\n",
      "t = {s = \"\"\"\n\"\"\\\"\"\"\", " + Times(n, "a.") + "a = 1}\n",
      "t = {s = '\\', " + Times(n, "a.") + "a = 1}\n",
      "s = \"\\\n" + Times(n, "a.") + "a = 1\n",
      "# \"\"\"\n" + Times(n, "a.") + "a = 1\n",
  };
  for (const std::string& text : deep) {
    const std::string error = ErrorOf(text.substr(0, 1 << 20));
    EXPECT_NE(error.find("nested deeper than 32 levels"), std::string::npos)
        << text.substr(0, 40) << " gave: " << error;
  }
}

TEST(Profile, OnlyNestingCountsAsNesting) {
  const std::string flat[] = {
      Times(1000,
            "s = \"" + Times(40, "a.[{") + "\" # " + Times(40, ".[") + "\n"),
      "s = '''" + Times(40, "a.\n[") + "''' # [.\n",
      "s = \"\"\"" + Times(40, "\"\"[.\\\"") + "\"\"\"\"\"\n",
      "s = [" + Times(5000, "1.5, ") + "1.5]\n",
      Times(1000, "[a.b.c.d]\n"),
      Times(1000, "a.b.c = {d.e = [[1.5], [2.5]]}\n"),
      Times(32, "a.") + "a = 1\n",
  };
  for (const std::string& text : flat) {
    EXPECT_EQ(LineNestedDeeperThan(text, 32), 0u) << text.substr(0, 60);
  }
  EXPECT_EQ(LineNestedDeeperThan("a = 1\n'''\n\n'''" + Times(33, "."), 32), 4u);
}

TEST(Profile, BuiltInOnesAreGoodAndSayWhereTheirNumbersComeFrom) {
  ASSERT_GE(BuiltInProfiles().size(), 4u);
  for (const BuiltInProfile& built_in : BuiltInProfiles()) {
    DeviceProfile p;
    ASSERT_EQ(ParseProfile(built_in.text, &p), "") << built_in.name;
    EXPECT_TRUE(p.Exact()) << built_in.name;
    EXPECT_EQ(p.cpu.cores, 4u);
    EXPECT_NE(p.cpu.provenance.origin, Origin::kMeasured);
    for (const auto& rate : p.rates) {
      EXPECT_EQ(rate.provenance.origin, Origin::kEstimated);
      EXPECT_GT(rate.provenance.source.size(), 10u);
    }
  }
}

TEST(Profile, ExactnessFollowsTheTarget) {
  DeviceProfile p = FlatDevice();
  EXPECT_TRUE(p.Exact());
  p.cpu.target = "sse4";
  EXPECT_FALSE(p.Exact());
  p.cpu = {"armv7", "neon", 4, 1, {}};
  EXPECT_FALSE(p.Exact());
  p.cpu.arch = "aarch64";
  EXPECT_TRUE(p.Exact());
}

TEST(Grid, InterpolatesTimes) {
  Grid g;
  g.axes[0] = {1, 4};
  g.values = {1, 2};
  // Times per unit 1 and 1/2, linear in 1/x.
  EXPECT_DOUBLE_EQ(g.At({1, 1, 1}, false), 1);
  EXPECT_DOUBLE_EQ(g.At({4, 1, 1}, false), 2);
  EXPECT_DOUBLE_EQ(g.At({0.1, 1, 1}, false), 1);
  EXPECT_DOUBLE_EQ(g.At({1e9, 1, 1}, false), 2);
  const double part = (1 / 2.0 - 1) / (1 / 4.0 - 1);
  EXPECT_DOUBLE_EQ(g.At({2, 7, 7}, false), 1 / (1 + part * (0.5 - 1)));
  // By the logarithm: 2 lies in the middle.
  EXPECT_DOUBLE_EQ(g.At({2, 1, 1}, true), 1 / 0.75);
  g.axes[2] = {8, 16};
  g.values = {1, 10, 2, 20};
  EXPECT_DOUBLE_EQ(g.At({4, 1, 8}, false), 2);
  EXPECT_DOUBLE_EQ(g.At({4, 1, 16}, false), 20);
}

TEST(ProfileJson, HasTheSameNumbers) {
  DeviceProfile profile;
  ASSERT_EQ(ParseProfile(BuiltInProfiles()[0].text, &profile), "");
  const std::string json = ProfileJson(profile);
  JsonReader reader(json);
  bool version = false, cores = false;
  for (JsonReader::Token t = reader.Next(); t != JsonReader::Token::kEnd;
       t = reader.Next()) {
    ASSERT_NE(t, JsonReader::Token::kError) << reader.error() << json;
    if (t != JsonReader::Token::kKey) continue;
    const std::string key(reader.text());
    if (key == "version") version = reader.Next() == JsonReader::Token::kNumber;
    if (key != "cores") continue;
    ASSERT_EQ(reader.Next(), JsonReader::Token::kNumber);
    cores = reader.text() == std::to_string(profile.cpu.cores);
  }
  EXPECT_TRUE(version && cores) << json;
}

}  // namespace
}  // namespace temper::sim
