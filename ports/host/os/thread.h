// Thread: a std::thread whose stack has a size of our own. The system's
// default, 8 MiB, counts against a limit of the process's data even if it is
// not touched; kernels, loader and decoders need a few KiB.
#ifndef TEMPER_PORTS_HOST_OS_THREAD_H_
#define TEMPER_PORTS_HOST_OS_THREAD_H_

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace temper::host {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr size_t kThreadStackBytes = size_t{8} << 20;
#else
inline constexpr size_t kThreadStackBytes = size_t{512} << 10;
#endif

class Thread {
 public:
  Thread() = default;
  // Throws std::system_error where the system refuses.
  explicit Thread(std::function<void()> run);
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();  // a thread that was not joined ends the process

  bool joinable() const { return joinable_; }
  void join();

 private:
  pthread_t thread_ = {};
  bool joinable_ = false;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_THREAD_H_
