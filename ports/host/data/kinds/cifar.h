// CIFAR-10 and CIFAR-100 in their binary versions, as their authors' archives
// hold them:
//
//   CIFAR-10   data_batch_1.bin to data_batch_5.bin, test_batch.bin; names in
//              batches.meta.txt
//   CIFAR-100  train.bin, test.bin; names in fine_label_names.txt and
//              coarse_label_names.txt
//
// Files are records: a label (CIFAR-100: the coarse one, then the fine one) and
// 3072 bytes, 32 rows of 32 red values, then green and blue.
//
// Next: dataset.h (what becomes of them).
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_CIFAR_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_CIFAR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ports/host/data/dataset.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {

struct CifarLayout {
  uint32_t labels = 1;    // bytes before the pixels
  uint32_t label = 0;     // which of them is the class
  uint32_t classes = 10;  // labels are below it
};

// Any files of records, one after the other. Each is opened twice, for labels
// and for samples: nothing that is not wanted is held. `names` may be empty.
using SourceOpener = std::function<std::unique_ptr<ByteSource>()>;
std::unique_ptr<DataReader> OpenCifar(std::vector<SourceOpener> files,
                                      const CifarLayout& layout,
                                      std::vector<std::string> names);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_CIFAR_H_
