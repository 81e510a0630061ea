// How threads share sums by chunks (rows.h): chunks x blocks of columns, each a
// task of its own. The last chunk may be short and a part of the rows may begin
// and end inside a chunk; so that each thread gets about as many rows as the
// others, a range of rows takes the tasks whose middle lies in it.
// Next: norm.cc, depthwise.cc.
#ifndef TEMPER_SIMD_CHUNK_TASKS_H_
#define TEMPER_SIMD_CHUNK_TASKS_H_

#include <algorithm>
#include <cstddef>

#include "simd/rows.h"
#include "temper/parallel.h"

namespace temper::simd {

// Calls f(chunk, first row, last row, block, slot) for every chunk that
// [begin, end) of `rows` rows touches, with the rows in common, and every one
// of `blocks` blocks of columns. grain: rows of one block worth a thread.
template <class F>
void ForEachChunkTask(const ParallelRunner& parallel, size_t rows, size_t begin,
                      size_t end, size_t blocks, size_t grain, F&& f) {
  if (begin >= end || blocks == 0) return;
  const size_t step = ChunkRows(rows);
  const size_t first_chunk = begin / step, last_chunk = (end - 1) / step + 1;
  const size_t items = (end - begin) * blocks;
  // About as many shares as tasks, at most.
  const size_t most = (last_chunk - first_chunk) * blocks;
  ParallelFor(parallel, items, std::max(grain, items / most),
              [&](size_t from, size_t to, size_t slot) {
                size_t at = 0;  // where the chunk's items begin
                for (size_t i = first_chunk; i < last_chunk && at < to; ++i) {
                  const size_t first = std::max(begin, i * step);
                  const size_t last = std::min(end, (i + 1) * step);
                  const size_t height = last - first;
                  if (at + height * blocks > from) {
                    for (size_t block = 0; block < blocks; ++block) {
                      const size_t middle = at + block * height + height / 2;
                      if (middle >= from && middle < to)
                        f(i, first, last, block, slot);
                    }
                  }
                  at += height * blocks;
                }
              });
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_CHUNK_TASKS_H_
