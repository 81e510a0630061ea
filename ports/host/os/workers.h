// Pieces of work in processes of their own, which share the memory that the caller
// had when they began. Each gives back a text. Next: study.cc.
#ifndef TEMPER_PORTS_HOST_OS_WORKERS_H_
#define TEMPER_PORTS_HOST_OS_WORKERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace temper::host {

// Runs work(0) to work(count - 1), at most `workers` at a time, and calls
// done(i, text) here as each ends, in any order; a Failure of one is thrown here
// when all are gone. The caller must have no other thread. kIo: no process or pipe
// can be made; kBug: a worker crashed. `stop`: asked while waiting; true ends the
// workers, and what they were at is lost. Returns false then. A worker that is
// killed, for want of memory or by somebody, is begun anew once; then lost(i) is
// called (without it: kDoesNotFit). On Linux a worker ends with its caller, however
// that ends.
bool RunInProcesses(uint32_t count, uint32_t workers,
                    const std::function<std::string(uint32_t)>& work,
                    const std::function<void(uint32_t, std::string)>& done,
                    const std::function<bool()>& stop,
                    const std::function<void(uint32_t)>& lost = {});

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_WORKERS_H_
