// IDX, the format of MNIST: a big-endian header (two zero bytes, type, rank,
// one 32-bit size per dimension), then the elements, last dimension fastest.
//
// A folder holds {train,t10k}-images-idx3-ubyte and -labels-idx1-ubyte, or with
// a dot (-images.idx3-ubyte), or with idx4 for (n, h, w, c) colour images,
// plain or as .gz; plain wins where both lie there. Elements are u8. With
// transpose=1 pictures lie in the file column by column, as EMNIST's do: rows
// and columns change places when they are read.
//
// Next: byte_source.h (checked reading), dataset.h (what becomes of it).
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_IDX_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_IDX_H_

#include <cstdint>
#include <memory>

#include "ports/host/data/dataset.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {

struct IdxHeader {
  uint32_t rank = 0;  // 1 to 4
  uint32_t size[4] = {1, 1, 1, 1};
  uint64_t elements = 0;  // their product, never 0; one byte each
};

// Reads and checks a header. On return `elements` bytes may still follow in the
// source: exactly that many if its size is known, else no fewer than it could
// hold. Throws kBadData, or kUnsupported for other types than u8.
IdxHeader ReadIdxHeader(ByteSource& source);

// For any pair of sources. Images: (n, h, w), or (n, h, w, c) with c up to 4.
std::unique_ptr<DataReader> OpenIdx(std::unique_ptr<ByteSource> images,
                                    std::unique_ptr<ByteSource> labels,
                                    bool transpose = false);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_IDX_H_
