// The run folder and its logs, also after a crash.
#include "ports/host/run/run_folder.h"

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "ports/host/os/file_io.h"
#include "ports/host/run/metrics_log.h"
#include "ports/host/run/run_log.h"
#include "tests/host/count_allocations.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::allocations;
using ::temper::testing::ExpectFailure;
using ::temper::testing::TempFolder;

constexpr const char* kHeader =
    "epoch,step,lr,train_loss,train_accuracy,penalty,val_loss,val_accuracy,"
    "images_per_second,seconds,best\n";

MetricsRow Row(uint32_t epoch) {
  MetricsRow row;
  row.epoch = epoch;
  row.step = epoch * 100;
  row.lr = 0.1f;
  row.train_loss = 1.5f;
  row.train_accuracy = 0.25f;
  row.penalty = 0.001f;
  row.val_loss = 1.25f;
  row.val_accuracy = 0.5f;
  row.images_per_second = 812.34;
  row.seconds = 12.3456;
  row.best = true;
  return row;
}

void Save(const FilePlace& place, std::string_view text) {
  AtomicFile file(place);
  SaveOrFail(file, [&](const ByteSink& sink) {
    return sink.write(sink.context, text.data(), text.size());
  });
}

// A run of one file and one checkpoint.
void MakeRun(const std::string& path, FolderMode mode, std::string_view text) {
  RunFolder folder(path, mode);
  folder.WriteFile("config.json", text);
  Save(folder.Weights("last.safetensors"), text);
  folder.Publish();
}

TEST(RunFolder, OfASeriesReplacesNothing) {
  const TempFolder temp;
  const std::string path = temp.File("runs/a/b");
  // Unless it is kept, nothing stays of it.
  {
    RunFolder series(path, FolderMode::kNew, FolderHolds::kSeries);
    series.WriteFile(kSeriesFile, "{}");
    EXPECT_EQ(temp.Read("runs/a/b/series.json"), "{}");
    for (const FolderMode mode : {FolderMode::kResume, FolderMode::kNew}) {
      ExpectFailure(ErrorKind::kCannotCreate, {"another process"},
                    [&] { RunFolder(path, mode, FolderHolds::kSeries); });
    }
  }
  EXPECT_FALSE(std::filesystem::exists(temp.File("runs")));
  {
    RunFolder series(path, FolderMode::kNew, FolderHolds::kSeries);
    series.WriteFile(kSeriesFile, "{}");
    series.Keep();
  }
  EXPECT_EQ(temp.Read("runs/a/b/series.json"), "{}");
  for (const FolderHolds holds : {FolderHolds::kRun, FolderHolds::kSeries}) {
    for (const FolderMode mode : {FolderMode::kNew, FolderMode::kOverwrite}) {
      ExpectFailure(ErrorKind::kCannotCreate,
                    {"cannot create the run folder", "holds a series",
                     "Choose another --out, or remove the folder"},
                    [&] { RunFolder(path, mode, holds); });
    }
  }
  EXPECT_EQ(temp.Read("runs/a/b/series.json"), "{}");
  MakeRun(temp.File("run"), FolderMode::kNew, "old");
  for (const FolderMode mode : {FolderMode::kNew, FolderMode::kOverwrite}) {
    ExpectFailure(
        ErrorKind::kCannotCreate,
        {"is not empty", "Choose another --out, or remove the folder"},
        [&] { RunFolder(temp.File("run"), mode, FolderHolds::kSeries); });
  }
  EXPECT_EQ(temp.Read("run/config.json"), "old");
}

TEST(RunFolder, CreatesAndRefuses) {
  const TempFolder temp;
  const std::string path = temp.File("runs/a/b");
  {
    RunFolder folder(path, FolderMode::kNew);
    EXPECT_EQ(folder.File("plan.json"), path + "/plan.json");
    folder.WriteFile("config.json", "{}");
    folder.WriteFile("plan.json", "{}");
    folder.WriteFile("plan.json", "{\"a\":1}");
    Save(folder.Weights("last.safetensors"), "w");
    EXPECT_FALSE(std::filesystem::exists(path + "/plan.json"));
    folder.Publish();
    EXPECT_EQ(temp.Read("runs/a/b/plan.json"), "{\"a\":1}");
    EXPECT_EQ(temp.Read("runs/a/b/weights/last.safetensors"), "w");
    // Later files go to the same place.
    Save(folder.Weights("best.safetensors"), "b");
    EXPECT_EQ(temp.Read("runs/a/b/weights/best.safetensors"), "b");
    folder.WriteFile("report.json", "{}");
    EXPECT_EQ(temp.Read("runs/a/b/report.json"), "{}");
  }
  size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("."));
    ++entries;
  }
  EXPECT_EQ(entries, 4u);
  ExpectFailure(ErrorKind::kCannotCreate, {path, "not empty"},
                [&] { RunFolder again(path, FolderMode::kNew); });
  ExpectFailure(ErrorKind::kNotFound, {"no such run folder"},
                [&] { RunFolder none(temp.File("x"), FolderMode::kResume); });
  EXPECT_FALSE(std::filesystem::exists(temp.File("x")));
  { const RunFolder resumed(path + "/", FolderMode::kResume); }
  EXPECT_EQ(temp.Read("runs/a/b/plan.json"), "{\"a\":1}");
  std::filesystem::create_directory(temp.File("empty"));
  { const RunFolder empty(temp.File("empty"), FolderMode::kNew); }
  EXPECT_TRUE(std::filesystem::is_empty(temp.File("empty")));  // not removed
  temp.Write("file", "x");
  ExpectFailure(ErrorKind::kCannotCreate, {"file of this name"},
                [&] { RunFolder f(temp.File("file"), FolderMode::kNew); });
  ExpectFailure(ErrorKind::kCannotCreate, {"file/x", "Not a directory"},
                [&] { RunFolder f(temp.File("file/x"), FolderMode::kNew); });
  ExpectFailure(ErrorKind::kUsage, {"--out"},
                [&] { RunFolder f("", FolderMode::kNew); });
  ExpectFailure(ErrorKind::kCannotCreate, {"/proc/no-run"},
                [&] { RunFolder f("/proc/no-run", FolderMode::kNew); });
}

TEST(RunFolder, WhatIsNotPublishedLeavesNothing) {
  const TempFolder temp;
  {
    RunFolder folder(temp.File("a/b/c"), FolderMode::kNew);
    folder.WriteFile("config.json", "{}");
    Save(folder.Weights("last.safetensors"), "w");
  }
  EXPECT_FALSE(std::filesystem::exists(temp.File("a")));
  MakeRun(temp.File("run"), FolderMode::kNew, "old");
  {
    RunFolder folder(temp.File("run"), FolderMode::kOverwrite);
    folder.WriteFile("config.json", "new");
    EXPECT_EQ(temp.Read("run/config.json"), "old");
  }
  EXPECT_EQ(temp.Read("run/config.json"), "old");
  EXPECT_EQ(temp.Read("run/weights/last.safetensors"), "old");
  EXPECT_FALSE(std::filesystem::exists(temp.File("run/.run.new")));
}

TEST(RunFolder, OverwriteRemovesTheOldRunOnly) {
  const TempFolder temp;
  const std::string path = temp.File("run");
  MakeRun(path, FolderMode::kNew, "old");
  for (const char* name : {"metrics.csv", "report.html", "notes.txt",
                           "weights/best.safetensors", "weights/mine.bin"}) {
    temp.Write(std::string("run/") + name, "old");
  }
  MakeRun(path, FolderMode::kOverwrite, "new");
  const auto exists = [&](const char* name) {
    return std::filesystem::exists(path + "/" + name);
  };
  EXPECT_FALSE(exists("metrics.csv"));
  EXPECT_FALSE(exists("report.html"));
  EXPECT_FALSE(exists("weights/best.safetensors"));
  EXPECT_TRUE(exists("notes.txt"));
  EXPECT_TRUE(exists("weights/mine.bin"));
  EXPECT_EQ(temp.Read("run/config.json"), "new");
  EXPECT_EQ(temp.Read("run/weights/last.safetensors"), "new");
}

TEST(RunFolder, NumbersAreGivenByMkdir) {
  const TempFolder temp;
  const std::string base = temp.File("runs/train");
  std::vector<std::unique_ptr<RunFolder>> folders;
  for (int i = 0; i < 20; ++i) {
    folders.push_back(std::make_unique<RunFolder>(base, FolderMode::kNumbered));
  }
  EXPECT_EQ(folders[0]->path(), base);
  EXPECT_EQ(folders[1]->path(), base + "-2");
  EXPECT_EQ(folders[19]->path(), base + "-20");
  // The first one made runs/: it goes last.
  while (!folders.empty()) folders.pop_back();
  EXPECT_FALSE(std::filesystem::exists(temp.File("runs")));
}

// Whatever a new run's files cannot take the place of is refused before
// anything of the older run is removed.
TEST(RunFolder, WhatCannotBeReplacedIsRefusedFirst) {
  const TempFolder temp, elsewhere;
  const std::string path = temp.File("run");
  const auto whole = [&] {
    EXPECT_EQ(temp.Read("run/config.json"), "old");
    EXPECT_FALSE(std::filesystem::exists(path + "/.run.new"));
    EXPECT_FALSE(std::filesystem::exists(path + "/.run.complete"));
  };
  const auto refused = [&](const char* word) {
    ExpectFailure(ErrorKind::kCannotCreate, {word},
                  [&] { RunFolder(path, FolderMode::kOverwrite); });
    whole();
  };
  MakeRun(path, FolderMode::kNew, "old");
  std::filesystem::rename(path + "/weights", elsewhere.File("w"));
  std::filesystem::create_directory_symlink(elsewhere.File("w"),
                                            path + "/weights");
  refused("it is a link");
  EXPECT_EQ(elsewhere.Read("w/last.safetensors"), "old");
  { RunFolder resumed(path, FolderMode::kResume); }  // may be
  std::filesystem::remove(path + "/weights");
  std::filesystem::create_symlink("nowhere", path + "/weights");
  refused("it is a link");
  std::filesystem::remove(path + "/weights");
  temp.Write("run/weights", "x");
  refused("it is not a folder");
  std::filesystem::remove(path + "/weights");
  std::filesystem::create_directories(path + "/weights/best.safetensors");
  refused("best.safetensors");
  std::filesystem::remove_all(path + "/weights");
  std::filesystem::create_directory(path + "/metrics.csv");
  refused("metrics.csv");
  std::filesystem::remove(path + "/metrics.csv");
  // And once more when the new run is complete.
  {
    RunFolder folder(path, FolderMode::kOverwrite);
    folder.WriteFile("config.json", "new");
    std::filesystem::create_directory(path + "/plan.json");
    ExpectFailure(ErrorKind::kCannotCreate, {"plan.json"},
                  [&] { folder.Publish(); });
  }
  whole();
}

// Leftovers that no run has left.
TEST(RunFolder, StrayNamesDoNotReplaceARun) {
  const TempFolder temp;
  const std::string path = temp.File("run");
  for (const char* name : {".run.complete", ".run.moving"}) {
    std::filesystem::remove_all(path);
    MakeRun(path, FolderMode::kNew, "old");
    temp.Write(std::string("run/") + name, "x");
    for (const FolderMode mode :
         {FolderMode::kResume, FolderMode::kOverwrite}) {
      ExpectFailure(ErrorKind::kCannotCreate, {name, "Move it away"},
                    [&] { RunFolder(path, mode); });
      EXPECT_EQ(temp.Read("run/config.json"), "old");
    }
  }
  std::filesystem::remove(path + "/.run.moving");
  std::filesystem::create_directory(path + "/.run.complete");
  temp.Write("run/.run.complete/config.json", "half a copy");
  ExpectFailure(ErrorKind::kCannotCreate, {"not a whole run"},
                [&] { RunFolder(path, FolderMode::kResume); });
  EXPECT_EQ(temp.Read("run/config.json"), "old");
  EXPECT_EQ(temp.Read("run/weights/last.safetensors"), "old");
  std::filesystem::remove_all(path + "/.run.complete");
  temp.Write("run/.run.new", "x");  // a name of ours: removed
  MakeRun(path, FolderMode::kOverwrite, "new");
  EXPECT_EQ(temp.Read("run/config.json"), "new");
  // What is no run is not made one.
  std::filesystem::create_directory(temp.File("empty"));
  ExpectFailure(ErrorKind::kNotFound, {"no run in this folder"},
                [&] { RunFolder(temp.File("empty"), FolderMode::kResume); });
  EXPECT_TRUE(std::filesystem::is_empty(temp.File("empty")));
}

TEST(RunFolder, IsLocked) {
  const TempFolder temp;
  const RunFolder folder(temp.File("run"), FolderMode::kNew);
  // flock belongs to the open folder, so a second one in this process counts.
  for (const FolderMode mode :
       {FolderMode::kNew, FolderMode::kResume, FolderMode::kOverwrite}) {
    ExpectFailure(ErrorKind::kCannotCreate, {"another process"},
                  [&] { RunFolder second(folder.path(), mode); });
  }
}

TEST(RunFolder, AFolderThatIsMovedTakesItsRunAlong) {
  const TempFolder temp;
  RunFolder folder(temp.File("run"), FolderMode::kNew);
  folder.WriteFile("config.json", "first");
  Save(folder.Weights("last.safetensors"), "first");
  folder.Publish();
  AtomicFile last(folder.Weights("last.safetensors"));
  std::filesystem::rename(temp.File("run"), temp.File("moved"));
  MakeRun(temp.File("run"), FolderMode::kNew, "second");
  SaveOrFail(last, [](const ByteSink& sink) {
    return sink.write(sink.context, "later", 5);
  });
  EXPECT_EQ(temp.Read("run/weights/last.safetensors"), "second");
  EXPECT_EQ(temp.Read("moved/weights/last.safetensors"), "later");
  std::filesystem::remove_all(temp.File("moved"));
  ExpectFailure(ErrorKind::kIo, {"Its folder was deleted"}, [&] {
    SaveOrFail(last, [](const ByteSink& sink) {
      return sink.write(sink.context, "gone", 4);
    });
  });
}

TEST(MetricsLog, WritesRows) {
  const TempFolder temp;
  MetricsLog log(temp.File("metrics.csv"));
  log.Append(Row(1));
  MetricsRow row = Row(2);
  row.val_loss.reset();
  row.val_accuracy.reset();
  row.best = false;
  row.train_loss = std::numeric_limits<float>::quiet_NaN();
  log.Append(row);
  log.Sync();
  EXPECT_EQ(temp.Read("metrics.csv"),
            kHeader + std::string("1,100,0.1,1.5,0.25,0.001,1.25,0.5,812.3,"
                                  "12.346,1\n2,200,0.1,nan,0.25,0.001,,,812.3,"
                                  "12.346,0\n"));
}

TEST(MetricsLog, WidestNumbersFit) {
  const TempFolder temp;
  MetricsLog log(temp.File("metrics.csv"));
  MetricsRow row;
  row.epoch = UINT32_MAX;
  row.step = UINT64_MAX;
  row.lr = row.train_loss = row.penalty =
      -std::numeric_limits<float>::denorm_min();
  row.train_accuracy = row.lr;
  row.val_loss = row.val_accuracy = -3.4028235e38f;
  row.images_per_second = row.seconds = 1e308;
  log.Append(row);
  EXPECT_LT(temp.Read("metrics.csv").size(), 512u);
  const MetricsLog again(temp.File("metrics.csv"), UINT32_MAX);
  EXPECT_EQ(again.kept(), 1u);
}

// Every possible length of the file after a crash: the log continues with whole
// rows of finished epochs and nothing else.
TEST(MetricsLog, ResumesAfterEveryCut) {
  const TempFolder temp;
  {
    MetricsLog log(temp.File("whole.csv"));
    for (uint32_t epoch = 1; epoch <= 4; ++epoch) log.Append(Row(epoch));
  }
  const std::string whole = temp.Read("whole.csv");
  std::vector<std::string> expected = {kHeader};  // by finished epochs
  for (uint32_t epoch = 1; epoch <= 4; ++epoch) {
    const size_t end = whole.find('\n', expected.back().size());
    expected.push_back(whole.substr(0, end + 1));
  }
  for (const std::string& garbage :
       {std::string(), std::string(40, '\0'), std::string("x\ny\n")}) {
    for (size_t size = 0; size <= whole.size(); ++size) {
      // After half a header, garbage makes it a foreign file.
      if (!garbage.empty() && size < expected[0].size()) continue;
      for (uint32_t epochs = 0; epochs <= 4; ++epochs) {
        temp.Write("metrics.csv", whole.substr(0, size) + garbage);
        MetricsLog log(temp.File("metrics.csv"), epochs);
        uint32_t rows = 0;
        while (rows < epochs && expected[rows + 1].size() <= size) ++rows;
        ASSERT_EQ(log.kept(), rows);
        ASSERT_EQ(temp.Read("metrics.csv"), expected[rows]);
        log.Append(Row(rows + 1));
        if (rows < 4) {
          ASSERT_EQ(temp.Read("metrics.csv"), expected[rows + 1]);
        }
      }
    }
  }
}

TEST(MetricsLog, CountsWhatItDrops) {
  const TempFolder temp;
  {
    MetricsLog log(temp.File("m.csv"));
    for (uint32_t epoch = 1; epoch <= 5; ++epoch) log.Append(Row(epoch));
  }
  temp.Write("m.csv", temp.Read("m.csv") + "6,60");
  const MetricsLog log(temp.File("m.csv"), 3);
  EXPECT_EQ(log.kept(), 3u);
  EXPECT_EQ(log.dropped(), 3u);
}

TEST(MetricsLog, RowsMustAscend) {
  const TempFolder temp;
  {
    MetricsLog log(temp.File("m.csv"));
    for (const uint32_t epoch : {1u, 2u, 2u, 3u}) log.Append(Row(epoch));
  }
  EXPECT_EQ(MetricsLog(temp.File("m.csv"), 9).kept(), 2u);
}

// The value of every "time" replaced by T.
std::string WithoutTime(const std::string& text) {
  std::string out;
  size_t from = 0;
  for (size_t at; (at = text.find("\"time\":", from)) != std::string::npos;) {
    out += text.substr(from, at + 7 - from) + "T";
    from = text.find_first_of(",}", at);
  }
  return out + text.substr(from);
}

TEST(EventLog, WritesJson) {
  const TempFolder temp;
  {
    EventLog log(temp.File("e.jsonl"), false);
    log.Begin("start").Write();
    log.Begin("best")
        .Field("epoch", uint32_t{3})
        .Field("delta", -4)
        .Field("bytes", uint64_t{1} << 40)
        .Field("val_loss", 0.1f)
        .Field("x", 0.1)
        .Field("ok", true)
        .Field("bad", std::numeric_limits<float>::quiet_NaN())
        .Field("worse", -std::numeric_limits<double>::infinity())
        .Write();
    log.Begin("note")
        .Field("text", "a\"b\\c\n\x1b\x7f\xc3\xbc\xff\xed\xa0\x80")
        .Write();
    log.Sync();
  }
  EXPECT_EQ(WithoutTime(temp.Read("e.jsonl")),
            "{\"event\":\"start\",\"time\":T}\n"
            "{\"event\":\"best\",\"time\":T,\"epoch\":3,\"delta\":-4,\"bytes\":"
            "1099511627776,\"val_loss\":0.1,\"x\":0.1,\"ok\":true,\"bad\":"
            "\"nan\",\"worse\":\"-inf\"}\n"
            "{\"event\":\"note\",\"time\":T,\"text\":\"a\\\"b\\\\c\\u000a"
            "\\u001b\\u007f\xc3\xbc\\ufffd\\ufffd\\ufffd\\ufffd\"}\n");
}

TEST(EventLog, LongTextIsCut) {
  const TempFolder temp;
  for (size_t size = 3900; size < 4200; ++size) {
    EventLog log(temp.File("e.jsonl"), false);
    log.Begin("note")
        .Field("text", std::string(size, size % 2 != 0 ? 'x' : '\n'))
        .Field("more", std::string(10, 'y'))
        .Field("n", 12345)
        .Write();
    const std::string text = temp.Read("e.jsonl");
    ASSERT_LE(text.size(), 4096u);
    ASSERT_TRUE(text.ends_with("}\n"));
    const bool cut = text.ends_with(",\"cut\":true}\n");
    ASSERT_EQ(cut, text.find("\"n\":12345") == std::string::npos ||
                       text.find("yyyyyyyyyy\"") == std::string::npos ||
                       size % 2 == 0)
        << text;
    // Quotes are balanced: a whole line of JSON.
    ASSERT_EQ(std::count(text.begin(), text.end(), '"') % 2, 0);
  }
}

TEST(EventLog, ResumesAfterEveryCut) {
  const TempFolder temp;
  {
    EventLog log(temp.File("whole"), false);
    for (int i = 0; i < 3; ++i) log.Begin("e").Field("i", i).Write();
  }
  const std::string whole = temp.Read("whole");
  for (size_t size = 0; size <= whole.size(); ++size) {
    const size_t last = whole.substr(0, size).rfind('\n');
    const std::string lines =
        last == std::string::npos ? "" : whole.substr(0, last + 1);
    for (const std::string& garbage : {std::string(), std::string(9, '\0')}) {
      temp.Write("e", whole.substr(0, size) + garbage);
      EventLog log(temp.File("e"), true);
      ASSERT_EQ(temp.Read("e"), lines);
    }
  }
}

TEST(Logs, AppendingAllocatesNothing) {
  const TempFolder temp;
  MetricsLog metrics(temp.File("m.csv"));
  EventLog events(temp.File("e.jsonl"), false);
  const std::string text(5000, 'x');
  const MetricsRow row = Row(1);
  const uint64_t before = allocations.load();
  for (uint32_t i = 0; i < 100; ++i) {
    metrics.Append(row);
    events.Begin("step")
        .Field("i", i)
        .Field("loss", 1.0f / static_cast<float>(i + 1))
        .Field("text", text)
        .Write();
  }
  EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace temper::host
