// What host tests share: a folder that vanishes, files made in place, gzip, IDX
// bytes, and the expectation of a Failure with its code and its words.
#ifndef TEMPER_TESTS_HOST_HOST_TEST_H_
#define TEMPER_TESTS_HOST_HOST_TEST_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/base/failure.h"

namespace temper::testing {

using Bytes = std::vector<uint8_t>;

class TempFolder {
 public:
  TempFolder() {
    // In memory where possible: tests that sync a thousand files stay quick.
    std::string path = access("/dev/shm", W_OK) == 0
                           ? "/dev/shm/temper-XXXXXX"
                           : ::testing::TempDir() + "temper-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << path;
    path_ = path;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  void Write(std::string_view name, std::string_view content) const {
    std::ofstream(File(name), std::ios::binary) << content;
  }
  void Write(std::string_view name, const Bytes& content) const {
    Write(name,
          {reinterpret_cast<const char*>(content.data()), content.size()});
  }
  std::string Read(std::string_view name) const {
    std::ifstream in(File(name), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

 private:
  std::string path_;
};

inline Bytes Gzip(const Bytes& plain) {
  z_stream z = {};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  Bytes out(deflateBound(&z, static_cast<uLong>(plain.size())));
  z.next_in = const_cast<uint8_t*>(plain.data());
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// Header and data of an IDX file.
inline Bytes Idx(const std::vector<uint32_t>& sizes, const Bytes& data,
                 uint8_t type = 0x08) {
  Bytes out = {0, 0, type, static_cast<uint8_t>(sizes.size())};
  for (const uint32_t size : sizes) {
    for (const int shift : {24, 16, 8, 0}) {
      out.push_back(static_cast<uint8_t>(size >> shift));
    }
  }
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

// n bytes that differ from sample to sample.
inline Bytes Ramp(size_t n) {
  Bytes out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return out;
}

// f() throws a Failure with this kind whose message holds every word.
template <class F>
void ExpectFailure(host::ErrorKind kind, const std::vector<std::string>& words,
                   F&& f) {
  try {
    f();
    ADD_FAILURE() << "no failure, expected " << words[0];
  } catch (const host::Failure& failure) {
    EXPECT_EQ(failure.kind, kind) << failure.message;
    for (const std::string& word : words) {
      EXPECT_NE(failure.message.find(word), std::string::npos)
          << "'" << word << "' is missing in: " << failure.message;
    }
  }
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_HOST_HOST_TEST_H_
