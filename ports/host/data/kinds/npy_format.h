// NPY, the format of numpy.save: "\x93NUMPY", version 1.0, 2.0 or 3.0, the
// length of the header, the header as a Python dictionary,
//
//   {'descr': '<f8', 'fortran_order': False, 'shape': (60000, 28, 28), }
//
// then the elements: in C order the last index moves fastest, in Fortran order
// the first. Bool, signed and unsigned integers of 1 to 8 bytes, and floats of
// 2 to 8 bytes are read, with bytes in either order. Arrays of objects would be
// Python pickles, which can run code: refused, as are all other types.
// (numpy/lib/format.py)
//
// Next: npy.h (what becomes of arrays), byte_source.h (checked reading).
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_NPY_FORMAT_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_NPY_FORMAT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ports/host/os/byte_source.h"

namespace temper::host {

struct NpyHeader {
  enum class Type : uint8_t { kBool, kInt, kUint, kFloat };
  static constexpr uint32_t kMostRank = 32;  // NumPy's own

  Type type = Type::kFloat;
  uint32_t item_bytes = 0;  // 1, 2, 4 or 8
  bool big_endian = false;
  bool fortran = false;  // never with fewer than two dimensions
  uint32_t rank = 0;
  uint64_t size[kMostRank] = {};
  uint64_t elements = 0;  // their product, never 0

  bool IsU8() const { return type == Type::kUint && item_bytes == 1; }
  std::string ShapeText() const;  // "(3, 4)", as NumPy writes it
};

// Reads and checks a header. On return exactly elements * item_bytes bytes
// still follow in the source if its size is known, else no fewer than it could
// hold. Throws kBadData, or kUnsupported for types that are not read
// and for .npz archives.
NpyHeader ReadNpyHeader(ByteSource& source);

// An open array. Its first index is called a row's; a row is what the others
// span.
class NpyArray {
 public:
  explicit NpyArray(std::unique_ptr<ByteSource> source);

  const NpyHeader& header() const { return header_; }
  ByteSource& source() { return *source_; }
  uint64_t rows() const { return header_.size[0]; }
  uint64_t RowElements() const { return header_.elements / header_.size[0]; }

  // Rows that are wanted, ascending, and where their numbers go.
  struct Placement {
    uint64_t row;
    uint8_t* to;  // RowElements() floats, or bytes
  };
  struct Placements {
    size_t count = 0;
    std::function<Placement(size_t)> at;
  };
  // The whole file is read, once, in its order; nothing is kept.
  // strides[i] is how far apart, in numbers, index i + 1 puts its neighbours.
  // Numbers become floats: rounded to nearest, infinite where they are too
  // large. as_bytes: of IsU8() arrays, they stay what they are.
  void Read(const Placements& rows, std::span<const uint64_t> strides,
            bool as_bytes);

  // All numbers of an array, one a row, as class indices: whole numbers from 0
  // to INT32_MAX. kBadData names the first that is none. Grows with what
  // really arrives.
  std::vector<int32_t> ReadIndices();

 private:
  void ReadRowByRow(const Placements& rows, std::span<const uint64_t> strides,
                    bool as_bytes);
  void ReadColumnByColumn(const Placements& rows,
                          std::span<const uint64_t> strides, bool as_bytes);

  std::unique_ptr<ByteSource> source_;
  NpyHeader header_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_NPY_FORMAT_H_
