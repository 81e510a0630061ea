// See thread.h.
#include "ports/host/os/thread.h"

#include <cstdlib>
#include <system_error>
#include <utility>

namespace temper::host {

Thread::Thread(std::function<void()> run) {
  auto own = std::make_unique<std::function<void()>>(std::move(run));
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error == 0) {
    error = pthread_attr_setstacksize(&attributes, kThreadStackBytes);
    if (error == 0) {
      error = pthread_create(
          &thread_, &attributes,
          [](void* context) -> void* {
            const std::unique_ptr<std::function<void()>> work(
                static_cast<std::function<void()>*>(context));
            (*work)();
            return nullptr;
          },
          own.get());
    }
    pthread_attr_destroy(&attributes);
  }
  if (error != 0) throw std::system_error(error, std::generic_category());
  own.release();  // the thread's now
  joinable_ = true;
}

Thread::Thread(Thread&& other) noexcept
    : thread_(other.thread_),
      joinable_(std::exchange(other.joinable_, false)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (joinable_) std::abort();
  thread_ = other.thread_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

Thread::~Thread() {
  if (joinable_) std::abort();
}

void Thread::join() {
  pthread_join(thread_, nullptr);
  joinable_ = false;
}

}  // namespace temper::host
