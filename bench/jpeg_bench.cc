// Decoding of JPEG files: temper's whole way from a file in memory to a sample of
// the same size, against libjpeg-turbo's own calls with nothing else, in one
// process and in turn. The files are read from a folder:
//
//   build/bench/bin/jpeg_bench FOLDER [SECONDS]
//
// Prints pictures a second and megapixels a second of CPU time of both, and the
// ratio. Next: ports/host/data/decoders/jpeg.cc.
#include <cstdint>
#include <cstdio>
//
#include <jpeglib.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "ports/host/data/picture.h"

namespace {

using Bytes = std::vector<uint8_t>;

double CpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// As djpeg does it: RGB, the accurate integer transform, smooth upsampling.
uint64_t Plain(const Bytes& file, Bytes* pixels) {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, file.data(), file.size());
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  const size_t row = size_t{jpeg.output_width} * 3;
  pixels->resize(row * jpeg.output_height);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW to = pixels->data() + row * jpeg.output_scanline;
    jpeg_read_scanlines(&jpeg, &to, 1);
  }
  const uint64_t count = uint64_t{jpeg.output_width} * jpeg.output_height;
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return count;
}

uint64_t Ours(const Bytes& file, temper::host::Image* image) {
  *image =
      {};  // as where one picture follows another: its memory is used again
  *image = temper::host::DecodePicture(file, "file", 3, {});
  return uint64_t{image->h} * image->w;
}

struct Timing {
  double seconds = 0;
  uint64_t pixels = 0, pictures = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "jpeg_bench FOLDER [SECONDS]\n");
    return 64;
  }
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  std::vector<Bytes> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    files.push_back(temper::host::ReadPictureFile(entry.path().string()));
  }
  Timing plain, ours;
  Bytes pixels;
  temper::host::Image image;
  // In turn, file by file, so that a change of the machine's speed meets both;
  // who is first changes.
  for (size_t turn = 0; plain.seconds + ours.seconds < seconds; ++turn) {
    for (size_t i = 0; i < files.size(); ++i) {
      for (int which = 0; which < 2; ++which) {
        const bool own = (static_cast<size_t>(which) + turn + i) % 2 == 0;
        Timing& t = own ? ours : plain;
        const double begin = CpuSeconds();
        t.pixels += own ? Ours(files[i], &image) : Plain(files[i], &pixels);
        t.seconds += CpuSeconds() - begin;
        ++t.pictures;
      }
      if (image.pixels != pixels) {
        std::fprintf(stderr, "file %zu: other pixels\n", i);
        return 1;
      }
    }
  }
  const auto show = [](const char* name, const Timing& t) {
    std::printf("%-16s %8.1f pictures/s %8.1f megapixels/s\n", name,
                static_cast<double>(t.pictures) / t.seconds,
                1e-6 * static_cast<double>(t.pixels) / t.seconds);
  };
  show("libjpeg-turbo", plain);
  show("temper", ours);
  std::printf("ratio            %8.3f\n", plain.seconds / ours.seconds);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "jpeg_bench: %s\n", error.what());
  return 1;
}
