// DataSpec: the text by which a user names data, taken apart.
//
//   KIND:PATH?option=value&option=value
//   idx:/usr/share/datasets/fashion-mnist?classes=0-7&limit=2000
//
// The path ends at the last '?'; ~/ at its beginning is the home folder, here
// and in names=. Of kinds that read several files it is a list, separated by
// commas. Options of every kind:
//   split=train|test|val  which part (default train); val needs val=
//   classes=0-3,8         these labels or class names, renumbered 0..n-1 in the
//                         order given; a range is ascending
//   names=a,b,c           a name for every original label from 0 up; a single
//                         item is a file with one name per line
//   limit=N               the first N samples of the selected classes
//   per_class=N           N samples of each class; or 0-4:N,7:M for different
//                         classes (original labels or names). At random if
//                         seed= is given, else the first N
//   val=F                 hold out the fraction F of each class for validation
//   test=F                hold out the fraction F of each class for the test:
//                         split=test is that part, and training never sees it
//   folds=K&fold=I        cut each class into K parts at random: the I-th, from
//                         1, is held out for validation, in the place of val=
//   seed=N                order for per_class, val, test and folds (default of
//                         the last three: 0)
// Anything else, an empty or repeated option, and contradictions are errors
// (kUsage). Next: dataset.h, which carries a spec out.
#ifndef TEMPER_PORTS_HOST_DATA_DATA_SPEC_H_
#define TEMPER_PORTS_HOST_DATA_DATA_SPEC_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

struct DataSpec {
  struct PerClass {
    std::string classes;  // one item of a class list; empty: every class
    uint64_t count = 0;
  };

  std::string text;  // as the user wrote it
  std::string kind;
  std::string path;
  std::vector<std::string> paths;  // path first, and others of its list
  std::string split = "train";
  bool split_given = false;
  std::vector<std::string> classes;  // items as written; empty: all
  struct Names {
    std::vector<std::string> list;
    std::string file;  // or one name a line
  } names;
  std::optional<uint64_t> limit;
  std::vector<PerClass> per_class;
  double val = 0.0;              // 0: nothing held out
  double test = 0.0;             // likewise
  uint64_t folds = 0, fold = 0;  // 0: none
  // A part of the training data is held out for validation.
  bool HoldsOutVal() const { return val > 0.0 || folds > 0; }
  std::optional<uint64_t> seed;
  // For a verb that judges a model, not for training (SpecWithSplit): what is
  // left out there is read, too.
  bool judged = false;
  // For predictions: of a table, rows that cannot be read are left out one by one
  // (Dataset::bad_rows).
  bool by_row = false;
  std::map<std::string, std::string> kind_options;
};

// With the kinds of data_kind.h.
DataSpec ParseDataSpec(std::string_view text);

// The text with this option, where the kind has it and it is not given.
std::string WithOption(const std::string& text, std::string_view name,
                       std::string_view value);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DATA_SPEC_H_
