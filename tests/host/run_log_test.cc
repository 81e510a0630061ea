// Logs that are damaged or cannot be written: a warning, and the run continues.
#include "ports/host/run/run_log.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "ports/host/run/metrics_log.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;
using ::temper::testing::TempFolder;

constexpr const char* kHeader =
    "epoch,step,lr,train_loss,train_accuracy,penalty,val_loss,val_accuracy,"
    "images_per_second,seconds,best\n";

MetricsRow Row(uint32_t epoch) {
  MetricsRow row;
  row.epoch = epoch;
  row.step = epoch * 100;
  row.seconds = epoch * 1.5;
  return row;
}

bool Has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// The limit on file sizes plays a full disk. Under the file's own size, so that
// nothing else is hurt.
class FullDisk {
 public:
  explicit FullDisk(uint64_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now = before_;
    now.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST(MetricsLog, AFullDiskKeepsRowsForLater) {
  const TempFolder temp;
  MetricsLog log(temp.File("m.csv"));
  log.Append(Row(1));
  const std::string one = temp.Read("m.csv");
  EXPECT_EQ(log.TakeWarning(), "");
  {
    const FullDisk full(one.size() + 10);
    log.Append(Row(2));
    const std::string warning(log.TakeWarning());
    EXPECT_TRUE(Has(warning, "m.csv") && Has(warning, "File too large") &&
                Has(warning, "goes on"))
        << warning;
    log.Append(Row(3));
    log.Sync();
    EXPECT_EQ(log.TakeWarning(), "");  // once
  }
  EXPECT_EQ(temp.Read("m.csv"), one);  // no half row
  log.Append(Row(4));
  EXPECT_EQ(log.TakeWarning(), "");
  EXPECT_EQ(MetricsLog(temp.File("m.csv"), 99).kept(), 4u);
  {
    const FullDisk full(one.size());
    for (uint32_t epoch = 5; epoch < 1000; ++epoch) log.Append(Row(epoch));
    EXPECT_NE(log.TakeWarning(), "");  // again, after it had worked
  }
  log.Sync();
  MetricsLog again(temp.File("m.csv"), 99);
  EXPECT_GT(again.kept(), 50u);  // as many as there is room for
  EXPECT_EQ(again.dropped(), again.kept() > 99 ? 1u : again.dropped());
}

TEST(MetricsLog, ANewRunNeedsItsLog) {
  const TempFolder temp;
  ExpectFailure(ErrorKind::kCannotCreate, {"no/m.csv"},
                [&] { MetricsLog log(temp.File("no/m.csv")); });
  std::filesystem::create_symlink("m.csv", temp.File("link"));
  ExpectFailure(ErrorKind::kCannotCreate, {"link"},
                [&] { MetricsLog log(temp.File("link")); });
}

TEST(MetricsLog, WhatIsNotOursIsMovedAside) {
  const TempFolder temp;
  const std::string path = temp.File("m.csv");
  for (const std::string& text :
       {std::string("time,loss\n1,2\n"), std::string(101, '\0'),
        std::string("epoch,step,lr\n"), kHeader + 1 + std::string("1,2\n")}) {
    temp.Write("m.csv", text);
    MetricsLog log(path, 2);
    const std::string warning(log.TakeWarning());
    EXPECT_TRUE(Has(warning, "m.csv") && Has(warning, ".damaged")) << warning;
    EXPECT_EQ(log.kept(), 0u);
    log.Append(Row(3));
    EXPECT_TRUE(temp.Read("m.csv").starts_with(std::string(kHeader) + "3,300"));
  }
  // None of them is lost.
  EXPECT_EQ(temp.Read("m.csv.damaged"), "time,loss\n1,2\n");
  EXPECT_EQ(temp.Read("m.csv.damaged-2"), std::string(101, '\0'));
  EXPECT_EQ(temp.Read("m.csv.damaged-3"), "epoch,step,lr\n");
  // Nor does anything that is no file stop a run.
  std::filesystem::create_directory(temp.File("folder"));
  std::filesystem::create_symlink("m.csv", temp.File("link"));
  ASSERT_EQ(mkfifo(temp.File("fifo").c_str(), 0600), 0);
  for (const char* name : {"folder", "link", "fifo"}) {
    MetricsLog log(temp.File(name), 2);
    EXPECT_TRUE(Has(log.TakeWarning(), "not a regular file")) << name;
    EXPECT_EQ(temp.Read(name), kHeader);
  }
  MetricsLog log(temp.File("no/m.csv"), 2);  // there is no log at all
  EXPECT_TRUE(Has(log.TakeWarning(), "not written"));
  log.Append(Row(3));
  log.Sync();
}

TEST(MetricsLog, LostRowsAreSaid) {
  const TempFolder temp;
  const std::string path = temp.File("m.csv");
  std::string whole;
  {
    MetricsLog log(path);
    for (uint32_t epoch = 1; epoch <= 4; ++epoch) log.Append(Row(epoch));
    whole = temp.Read("m.csv");
  }
  {
    MetricsLog log(path, 4);
    EXPECT_EQ(log.TakeWarning(), "");
    EXPECT_EQ(log.kept_epoch(), 4u);
    EXPECT_EQ(log.kept_seconds(), 6.0);
    EXPECT_FALSE(log.kept_validation());
  }
  {
    MetricsLog log(path, 3);  // the fourth is made again: nothing is lost
    EXPECT_EQ(log.TakeWarning(), "");
    EXPECT_EQ(log.kept_seconds(), 4.5);
  }
  temp.Write("m.csv", whole.substr(0, whole.find("\n3,") + 1) + "3,x\n4,400\n");
  {
    MetricsLog log(path, 4);
    const std::string warning(log.TakeWarning());
    EXPECT_TRUE(Has(warning, "after epoch 2 are lost") &&
                Has(warning, "2 lines are damaged"))
        << warning;
  }
  temp.Write("m.csv", "");
  EXPECT_TRUE(Has(MetricsLog(path, 4).TakeWarning(), "lost"));
  temp.Write("m.csv", std::string(kHeader).substr(0, 20));
  EXPECT_EQ(MetricsLog(path, 0).TakeWarning(), "");
  temp.Write("m.csv", kHeader + std::string("1,2,0,0,0,0,nan,0,0,0,0\n"));
  EXPECT_FALSE(MetricsLog(path, 1).kept_validation());
  temp.Write("m.csv", kHeader + std::string("1,2,0,0,0,0,0.5,0,0,0,0\n"));
  EXPECT_TRUE(MetricsLog(path, 1).kept_validation());
}

// Models that learn values have errors in place of an accuracy.
TEST(MetricsLog, ErrorsOfValues) {
  const TempFolder temp;
  const std::string path = temp.File("m.csv");
  MetricsRow row = Row(1);
  row.val_loss = 0.25f;
  row.val_mae = 0.375f;
  row.val_rmse = 0.5f;
  {
    MetricsLog log(path, MetricsColumns({.errors = true}));
    log.Append(row);
  }
  const std::string header = kHeader;
  const std::string expected =
      header.substr(0, header.size() - 1) +
      ",val_mae,val_rmse\n1,100,0,0,,0,0.25,,0.0,1.500,0,0.375,0.5\n";
  EXPECT_EQ(temp.Read("m.csv"), expected);
  MetricsLog again(path, 1, MetricsColumns({.errors = true}));
  EXPECT_EQ(again.kept(), 1u);
  EXPECT_TRUE(again.kept_validation());
  EXPECT_EQ(again.TakeWarning(), "");
  EXPECT_EQ(temp.Read("m.csv"), expected);
}

// A version with one more column continues the file of one that did not have
// it, and the other way round.
TEST(MetricsLog, ColumnsComeAndGo) {
  const TempFolder temp;
  const std::string path = temp.File("m.csv");
  std::vector<MetricsColumn> more = MetricsColumns();
  more.insert(more.begin() + 2, {"norm", [](const MetricsRow& row, char* to) {
                                   *to =
                                       static_cast<char>('0' + row.epoch % 10);
                                   return to + 1;
                                 }});
  std::string without;
  {
    MetricsLog log(path);
    for (uint32_t epoch = 1; epoch <= 2; ++epoch) log.Append(Row(epoch));
    without = temp.Read("m.csv");
  }
  const auto line = [&](size_t n) {
    std::string text = temp.Read("m.csv");
    for (; n > 0; --n) text.erase(0, text.find('\n') + 1);
    return text.substr(0, text.find('\n'));
  };
  {
    MetricsLog log(path, 2, more);
    EXPECT_EQ(log.TakeWarning(), "");
    EXPECT_EQ(log.kept(), 2u);
    EXPECT_EQ(log.kept_seconds(), 3.0);
    log.Append(Row(3));
  }
  EXPECT_TRUE(line(0).ends_with(",best,norm"));
  EXPECT_TRUE(line(1).starts_with("1,100,") && line(1).ends_with(",0,"));
  EXPECT_TRUE(line(3).starts_with("3,300,") && line(3).ends_with(",0,3"));
  {
    MetricsLog log(path, 3);  // does not know it
    EXPECT_EQ(log.TakeWarning(), "");
    EXPECT_EQ(log.kept(), 3u);
    log.Append(Row(4));
  }
  EXPECT_TRUE(line(3).ends_with(",0,3"));
  EXPECT_TRUE(line(4).starts_with("4,400,") && line(4).ends_with(",0,"));
  {
    MetricsLog log(path, 3, more);  // epoch 4 is made again
    EXPECT_EQ(log.kept(), 3u);
    log.Append(Row(4));
  }
  EXPECT_TRUE(line(4).ends_with(",0,4"));
  // A full disk while they are added: without them.
  temp.Write("m.csv", without);
  {
    const FullDisk full(20);
    MetricsLog log(path, 2, more);
    EXPECT_TRUE(Has(log.TakeWarning(), "earlier version"));
    EXPECT_EQ(log.kept(), 2u);
  }
  EXPECT_EQ(temp.Read("m.csv"), without);
}

// Reading takes the same memory however long a log is, and a line that is too
// long for one of ours ends it.
TEST(EventLog, IsReadInPieces) {
  const TempFolder temp;
  const std::string good = "{\"event\":\"a\",\"time\":1}\n";
  std::string text;
  while (text.size() < 300000) text += good;
  const std::string kept = text;
  temp.Write("e", text + std::string(200000, 'x'));
  {
    EventLog log(temp.File("e"), true);
    EXPECT_EQ(log.TakeWarning(), "");
    EXPECT_EQ(temp.Read("e"), kept);
  }
  temp.Write("e", kept + std::string(200000, 'x') + "\n" + good + good);
  EventLog log(temp.File("e"), true);
  EXPECT_TRUE(Has(log.TakeWarning(), "3 lines are lost"));
  EXPECT_EQ(temp.Read("e"), kept);
}

TEST(EventLog, TellsHowFarItWas) {
  const TempFolder temp;
  const std::string path = temp.File("e");
  {
    EventLog log(path, false);
    log.Begin("save").Field("step", 7).Field("seconds", 2.5).Write();
    log.Begin("diverged")
        .Field("step", 9)
        .Field("why", "layer a, b: not finite")
        .Write();
    log.Begin("stop").Field("step", 7).Write();
  }
  const EventLog log(path, true);
  EXPECT_EQ(log.SecondsAt(7), 2.5);
  EXPECT_FALSE(log.SecondsAt(8));
  EXPECT_EQ(log.last_event(), "stop");
  EXPECT_EQ(log.diverged_step(), 9u);
  EXPECT_EQ(log.diverged_why(), "layer a, b: not finite");
}

TEST(EventLog, DamageIsSaid) {
  const TempFolder temp;
  const std::string path = temp.File("e");
  const std::string good = "{\"event\":\"a\",\"time\":1}\n";
  for (const auto& [text, kept, word] :
       {std::tuple<std::string, std::string, const char*>{good + "{\"event",
                                                          good, ""},
        {good + std::string(50, '\0'), good, ""},
        {good + std::string(2, '\0') + "\n" + good + good, good,
         "3 lines are lost"},
        {std::string(50, '\0') + "\n" + good, "", "e.damaged"}}) {
    temp.Write("e", text);
    EventLog log(path, true);
    const std::string warning(log.TakeWarning());
    EXPECT_TRUE(*word == 0 ? warning.empty() : Has(warning, word)) << warning;
    EXPECT_EQ(temp.Read("e"), kept);
  }
  EXPECT_TRUE(temp.Read("e.damaged").ends_with(good));
}

}  // namespace
}  // namespace temper::host
