// A fuzz target without libFuzzer:
//   x_replay               its seeds, then 20,000 mutations of them, or as many
//                          as the target says
//   x_replay FILE...       these inputs, to see a failure again
//   x_replay --seeds DIR   writes the seeds, as a corpus for libFuzzer
// An input of up to 1 MiB may take a second at most (ten with sanitizers), of
// the processor's time: other work on the machine does not count.
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz_target.h"

// A target's own takes its place.
__attribute__((weak)) uint64_t temper::fuzz::Mutations() { return 20000; }

namespace {

using temper::fuzz::Bytes;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kMostSeconds = 10;
constexpr uint64_t kFewer =
    4;  // ten times slower; ./test long fuzz tries millions
#else
constexpr double kMostSeconds = 1;
constexpr uint64_t kFewer = 1;
#endif

void Run(const Bytes& input) {
  const std::clock_t start = std::clock();
  LLVMFuzzerTestOneInput(input.data(), input.size());
  const double seconds =
      static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  temper::fuzz::Require(seconds <= kMostSeconds || input.size() > (1u << 20),
                        "time is bounded");
}

void Save(const std::string& path, const Bytes& input) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Bytes> seeds = temper::fuzz::Seeds();
  if (argc == 3 && std::strcmp(argv[1], "--seeds") == 0) {
    for (size_t i = 0; i < seeds.size(); ++i) {
      Save(std::string(argv[2]) + "/seed" + std::to_string(i), seeds[i]);
    }
    return 0;
  }
  if (argc > 1) {
    for (int i = 1; i < argc; ++i) {
      std::ifstream file(argv[i], std::ios::binary);
      Run(Bytes(std::istreambuf_iterator<char>(file), {}));
    }
    return 0;
  }
  for (const Bytes& seed : seeds) Run(seed);
  const uint64_t kMutations = temper::fuzz::Mutations() / kFewer;
  for (uint64_t i = 0; i < kMutations; ++i) {
    Bytes input = seeds[i % seeds.size()];
    temper::fuzz::Mutate(&input, i);
    Run(input);
  }
  std::printf("%zu seeds, %llu mutations\n", seeds.size(),
              static_cast<unsigned long long>(kMutations));
  return 0;
}
