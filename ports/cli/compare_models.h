// Several models judged on the same data, in one table (eval A B).
#ifndef TEMPER_PORTS_CLI_COMPARE_MODELS_H_
#define TEMPER_PORTS_CLI_COMPARE_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ports/cli/cli.h"

namespace temper::host {

struct Comparison {
  std::vector<std::string> models;
  std::string data, arena, views, backend;
  uint32_t batch = 0, threads = 0;
};

// Each model reads the data as it does alone. Returns the exit code.
int CompareModels(Cli& cli, const Comparison& comparison);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_COMPARE_MODELS_H_
