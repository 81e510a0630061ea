// help: the options of all verbs as text, as JSON, or as the man page.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/help.h"
#include "ports/cli/manual.h"
#include "ports/cli/messages.h"
#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

using Json = Value;

struct HelpArguments {
  std::string verb;
  bool manual = false;
};

const Verb* FindVerb(const Cli& cli, const std::string& wanted) {
  std::vector<std::string_view> names;
  for (const Verb& verb : cli.verbs) {
    if (verb.name == wanted) return &verb;
    names.push_back(verb.name);
  }
  Fail(ErrorKind::kUsage, "unknown verb", Printable(wanted), "",
       Suggest(wanted, names));
}

Json VerbJson(const Verb& verb) {
  Json options = Json::array();
  for (const Option& option : verb.options) {
    options.push_back({{"names", option.names},
                       {"value", option.value},
                       {"group", option.group},
                       {"help", option.help},
                       {"range", option.range},
                       {"default", option.default_text},
                       {"required", option.required}});
  }
  return {{"name", verb.name},
          {"help", verb.help},
          {"example", verb.example},
          {"options", options}};
}

int Run(Cli& cli, const HelpArguments& a) {
  const Verb* const wanted = a.verb.empty() ? nullptr : FindVerb(cli, a.verb);
  if (cli.output.json) {
    Json verbs = Json::array();
    for (const Verb& verb : cli.verbs) {
      if (wanted == nullptr || wanted == &verb) {
        verbs.push_back(VerbJson(verb));
      }
    }
    Report report(cli.verb);
    report.Data("verbs", verbs);
    return cli.output.Print(report);
  }
  PrintResult(a.manual ? ManualPage(cli.verbs) : HelpText(cli.verbs, wanted));
  return kExitOk;
}

}  // namespace

void AddHelpVerb(Cli& cli) {
  auto a = std::make_shared<HelpArguments>();
  Verb& verb = cli.Add("help", "Print the verbs, or the options of one of them",
                       [&cli, a] { return Run(cli, *a); });
  verb.example = "temper help train";
  verb.Add("verb", &a->verb, "VERB", "Whose options")
      .Default("all verbs")
      .Group("Help");
  verb.Flag("--man", &a->manual, "Print the man page (roff)").Group("Help");
}

}  // namespace temper::host
