// Specs: NAME?field=value&..., for every entry of every catalogue.
#include "models/spec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "runtime/table.h"
#include "temper/optimizers.h"
#include "temper/schedules.h"

namespace temper {
namespace {

std::string Wrong(std::string_view text, const Catalogue& catalogue) {
  Choice choice;
  Schedule common;
  return ReadSpec(text, catalogue, 1, &choice, &common);
}

TEST(SplitSpec, TakesApart) {
  SpecText spec;
  ASSERT_EQ(SplitSpec("sgd?momentum=0.5&nesterov&hidden=", &spec), "");
  EXPECT_EQ(spec.name, "sgd");
  ASSERT_EQ(spec.options.size(), 3u);
  EXPECT_EQ(spec.options[0].value, "0.5");
  EXPECT_TRUE(spec.options[1].alone);
  EXPECT_FALSE(spec.options[2].alone);
  EXPECT_EQ(spec.Text(), "sgd?momentum=0.5&nesterov&hidden=");
  EXPECT_EQ(*spec.Find("momentum"), "0.5");
  EXPECT_EQ(spec.Find("sgd"), nullptr);
  ASSERT_EQ(SplitSpec("sgd?", &spec), "");
  EXPECT_EQ(spec.Text(), "sgd");
  // On failure it stays as it was.
  EXPECT_EQ(SplitSpec("a?b=1&b=2", &spec), "option 'b' is given twice");
  EXPECT_EQ(spec.Text(), "sgd");
}

// What a file stores of a bare name is what the name means: a common field has
// its own default, not 0.
TEST(CompleteSpec, KnowsTheDefaultsOfCommonFields) {
  EXPECT_EQ(CompleteSpec("auto", InitializerCatalogue()),
            "auto?zero_residual=2");
  EXPECT_EQ(BriefSpec("auto?zero_residual=2", InitializerCatalogue()), "auto");
  EXPECT_EQ(BriefSpec("auto?zero_residual=0", InitializerCatalogue()),
            "auto?zero_residual=0");
}

// A new entry is reached by its name, its defaults are in the ranges of its
// fields, and a completed spec means the same.
TEST(ReadSpec, KnowsEveryEntryByItsDefaults) {
  for (const auto make : kCatalogues) {
    const Catalogue catalogue = make();
    ASSERT_GT(catalogue.count, 0u) << catalogue.name;
    for (uint32_t i = 0; i < catalogue.count; ++i) {
      const Entry entry = catalogue.entry(i);
      SCOPED_TRACE(std::string(catalogue.singular) + " " + entry.name);
      EXPECT_EQ(catalogue.Find(entry.name), i);
      EXPECT_NE(entry.help[0], '\0');
      for (const Field& field : entry.fields) EXPECT_NE(field.help[0], '\0');
      // Layers have fields without a default, such as out_features.
      if (std::string_view(catalogue.name) == "layers") continue;
      Choice a, b;
      Schedule common_a, common_b;
      ASSERT_EQ(ReadSpec(entry.name, catalogue, 5, &a, &common_a), "");
      const std::string complete = CompleteSpec(entry.name, catalogue);
      ASSERT_EQ(ReadSpec(complete, catalogue, 5, &b, &common_b), "")
          << complete;
      EXPECT_EQ(a.kind, i);
      EXPECT_EQ(std::memcmp(a.params, b.params, sizeof(a.params)), 0);
      EXPECT_EQ(CompleteSpec(complete, catalogue), complete);
      EXPECT_NE(Wrong(std::string(entry.name) + "?no_such=1", catalogue), "");
    }
    EXPECT_NE(Wrong("no_such", catalogue), "");
  }
}

// Lists and names, as ready models have them.
struct SomeParams {
  SizeList widths = {2, {3, 4}};
  uint32_t form = 1;
};
constexpr Field kSomeFields[] = {
    TEMPER_FIELD(SomeParams, widths, kSizes, 1, 10, "widths"),
    TEMPER_FIELD_CHOICE(SomeParams, form, "round|square", "form"),
};
Catalogue SomeCatalogue() {
  return {"things", "thing", 1, [](uint32_t) {
            return Entry{.name = "thing",
                         .fields = ListOf(kSomeFields),
                         .defaults = DefaultsOf<SomeParams>};
          }};
}

TEST(ReadSpec, ListsAndNames) {
  EXPECT_EQ(CompleteSpec("thing", SomeCatalogue()),
            "thing?widths=3,4&form=square");
  Choice choice;
  ASSERT_EQ(ReadSpec("thing?widths=7&form=round", SomeCatalogue(), &choice),
            "");
  SomeParams p;
  std::memcpy(&p, choice.params, sizeof(p));
  EXPECT_EQ(p.widths.count, 1u);
  EXPECT_EQ(p.widths.values[0], 7u);
  EXPECT_EQ(p.form, 0u);
  ASSERT_EQ(ReadSpec("thing?widths=", SomeCatalogue(), &choice), "");
  std::memcpy(&p, choice.params, sizeof(p));
  EXPECT_EQ(p.widths.count, 0u);
  for (const char* bad :
       {",", "1,", ",1", "1,,2", "0", "11", "1x", "-1", " 1", "4294967297",
        "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
        "1,1,1,1,1,1,1,1,1,1,1,1,1,1"}) {
    EXPECT_NE(Wrong(std::string("thing?widths=") + bad, SomeCatalogue())
                  .find("whole numbers from 1 to 10"),
              std::string::npos)
        << bad;
  }
  EXPECT_EQ(Wrong("thing?form=squar", SomeCatalogue()),
            "thing: unknown value of 'form' 'squar'; did you mean 'square'?");
  EXPECT_NE(Wrong("thing?form=1", SomeCatalogue()), "");
  EXPECT_NE(Wrong("thing?form", SomeCatalogue()), "");
}

TEST(ReadSpec, ReadsValues) {
  Choice choice;
  ASSERT_EQ(ReadSpec("sgd?momentum=0.5&nesterov&weight_decay=1e-4",
                     OptimizerCatalogue(), &choice),
            "");
  SgdParams sgd;
  std::memcpy(&sgd, choice.params, sizeof(sgd));
  EXPECT_EQ(sgd.momentum, 0.5f);
  EXPECT_EQ(sgd.weight_decay, 1e-4f);
  EXPECT_EQ(sgd.nesterov, 1u);
  EXPECT_EQ(sgd.decay_all, 0u);
}

TEST(ReadSpec, TimesBecomeSteps) {
  const auto read = [](std::string_view text, uint64_t steps_per_epoch) {
    Choice choice;
    Schedule schedule;
    EXPECT_EQ(ReadSpec(text, ScheduleCatalogue(), steps_per_epoch, &choice,
                       &schedule),
              "");
    schedule.kind = static_cast<ScheduleKind>(choice.kind);
    std::memcpy(schedule.params, choice.params, sizeof(schedule.params));
    return schedule;
  };
  EXPECT_EQ(read("cosine?warmup=30", 7).warmup, 30u);
  EXPECT_EQ(read("cosine?warmup=30s", 7).warmup, 30u);
  EXPECT_EQ(read("cosine?warmup=3e", 7).warmup, 21u);
  EXPECT_EQ(read("cosine?warmup=0.5e", 15).warmup, 8u);
  EXPECT_EQ(read("cosine?warmup=0.001e", 15).warmup, 1u);  // never nothing
  EXPECT_EQ(read("cosine?warmup=0e", 15).warmup, 0u);
  // The field's own unit is epochs.
  EXPECT_EQ(read("step", 7).As<StepParams>().step_size, 70u);
  EXPECT_EQ(read("step?step_size=2", 7).As<StepParams>().step_size, 14u);
  EXPECT_EQ(read("step?step_size=2s", 7).As<StepParams>().step_size, 2u);
}

TEST(ReadSpec, SaysWhatIsWrong) {
  const auto says = [](std::string_view text, const Catalogue& catalogue,
                       std::string_view words) {
    const std::string wrong = Wrong(text, catalogue);
    EXPECT_NE(wrong.find(words), std::string::npos) << text << ": " << wrong;
  };
  const Catalogue optimizers = OptimizerCatalogue();
  says("sdg", optimizers, "did you mean 'sgd'?");
  says("", optimizers, "unknown optimizer ''; there are sgd");
  says("sgd?momentun=1", optimizers, "did you mean 'momentum'?");
  says("sgd?momentum=1", optimizers,
       "'momentum' must be 0 to 0.99999, not '1'");
  for (const char* text :
       {"nan", "inf", "-0.1", "0x1p-1", "0.5 ", "+0.5", "", "1e400", "0.5e"}) {
    says(std::string("sgd?momentum=") + text, optimizers, "'momentum' must be");
  }
  says("sgd?momentum", optimizers, "needs a value");
  says("sgd?nesterov=2", optimizers, "'nesterov' must be 0 or 1");
  says("sgd?nesterov=0.5", optimizers, "'nesterov' must be 0 or 1");
  const Catalogue schedules = ScheduleCatalogue();
  says("cosine?warmup=-1", schedules, "5e (epochs)");
  says("cosine?warmup=1.5s", schedules, "'warmup' must be");
  says("cosine?gamma=0.5", schedules, "unknown option of cosine 'gamma'");
  says("step?step_size=0", schedules, "'step_size' must be");
}

}  // namespace
}  // namespace temper
