// NumPy arrays as data: npy:X,Y names a file of samples and one of targets, as
// numpy.save writes them, plain or gzipped with the ending .gz. npy:X alone has
// no targets: for prediction and autoencoders. A test set is files of its own.
//
// X is (n, c), (n, h, w) or (n, h, w, c); with layout=nchw (n, c, h, w). uint8
// stays u8, all else becomes f32. Y is (n,) or (n, k):
//   classes     whole numbers from 0, k = 1; what integers of k = 1 are taken for
//   values      numbers to be learnt; what floats are taken for
//   multi_hot   0 or 1 for each of k classes
//   soft        a probability for each of k >= 2 classes
// targets= says which where the type does not.
//
// Next: npy_format.h (the files), dataset.h (what becomes of them).
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_NPY_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_NPY_H_

#include <memory>
#include <optional>

#include "ports/host/data/dataset.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {

struct NpyOptions {
  bool channels_first = false;             // layout=nchw
  std::optional<TargetKind> targets = {};  // targets=
};

// For any pair of sources; `targets` may be null.
std::unique_ptr<DataReader> OpenNpy(std::unique_ptr<ByteSource> samples,
                                    std::unique_ptr<ByteSource> targets,
                                    const NpyOptions& options = {});

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_NPY_H_
