// PNG by libpng: gray, colour and palette of 1 to 16 bits, with alpha or one
// transparent colour, interlaced or not. 16 bits are rounded to 8; gamma and
// colour profiles are not applied.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/decoders/exif.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {
namespace {

// Everything that the library's callbacks need. Plain data: longjmp passes no
// destructors.
struct Job {
  png_structp png;
  png_infop info;
  const uint8_t* at;
  size_t left;
  char message[256];
  bool cut;
};

void Leave(png_structp png, png_const_charp why) {
  Job* const job = static_cast<Job*>(png_get_error_ptr(png));
  std::strncpy(job->message, why, sizeof(job->message) - 1);
  png_longjmp(png, 1);
}

void Ignore(png_structp, png_const_charp) {}

void Take(png_structp png, png_bytep to, size_t count) {
  Job* const job = static_cast<Job*>(png_get_io_ptr(png));
  if (count > job->left) {
    job->cut = true;
    png_error(png, "it is cut");
  }
  std::memcpy(to, job->at, count);
  job->at += count;
  job->left -= count;
}

// False on an error. No C++ object lives in these functions.
bool ReadHeader(Job* job) {
  job->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, job, Leave, Ignore);
  if (job->png == nullptr) return false;
  if (setjmp(png_jmpbuf(job->png)) != 0) return false;
  job->info = png_create_info_struct(job->png);
  if (job->info == nullptr) return false;
  // Nothing of these is used, and some of them unpack.
  static constexpr png_byte kUnused[] =
      "iCCP\0iTXt\0zTXt\0tEXt\0sPLT\0hIST\0pCAL\0sCAL";
  png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, kUnused,
                              sizeof(kUnused) / 5);
  // Sizes are checked where the limits are known.
  png_set_user_limits(job->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_read_fn(job->png, job, Take);
  png_read_info(job->png, job->info);
  return true;
}

// How rows come: 8 bits, 1 to 4 channels; returns the passes over them, 0 on an
// error.
int Prepare(Job* job) {
  if (setjmp(png_jmpbuf(job->png)) != 0) return 0;
  png_set_expand(job->png);
  png_set_scale_16(job->png);
  const int passes = png_set_interlace_handling(job->png);
  png_read_update_info(job->png, job->info);
  return passes;
}

bool ReadRows(Job* job, int passes, uint8_t* pixels, size_t rows,
              size_t row_bytes) {
  if (setjmp(png_jmpbuf(job->png)) != 0) return false;
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t y = 0; y < rows; ++y) {
      png_read_row(job->png, pixels + y * row_bytes, nullptr);
    }
  }
  png_read_end(job->png, job->info);
  return true;
}

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> file) : job_() {
    job_.at = file.data();
    job_.left = file.size();
  }
  ~Reader() { png_destroy_read_struct(&job_.png, &job_.info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  Job* job() { return &job_; }

 private:
  Job job_;
};

[[noreturn]] void Refuse(const Job& job, const std::string& name) {
  if (job.cut) DamagedImage(name, "the PNG ends too early: it is cut");
  DamagedImage(name, std::string("the PNG is damaged: ") + job.message);
}

// Blocks before the pixels are as long as they say: libpng takes memory for what
// eXIf announces before it reads that.
void CheckBlocks(std::span<const uint8_t> file, const std::string& name) {
  constexpr size_t kSignature = 8, kFrame = 12;  // length, name, checksum
  for (size_t at = kSignature; at + kFrame <= file.size();) {
    const uint8_t* const p = file.data() + at;
    const uint64_t length = uint64_t{p[0]} << 24 | uint64_t{p[1]} << 16 |
                            uint64_t{p[2]} << 8 | p[3];
    if (std::memcmp(p + 4, "IDAT", 4) == 0) return;
    if (length > file.size() - at - kFrame) {
      DamagedImage(name, "the PNG ends too early: it is cut");
    }
    at += kFrame + static_cast<size_t>(length);
  }
}

Image DecodePng(std::span<const uint8_t> file, const std::string& name,
                const ImageLimits& limits) {
  CheckBlocks(file, name);
  Reader reader(file);
  Job* const job = reader.job();
  if (!ReadHeader(job)) Refuse(*job, name);
  Image image;
  image.h = png_get_image_height(job->png, job->info);
  image.w = png_get_image_width(job->png, job->info);
  CheckImageSize(name, image.h, image.w, file.size(), limits);
  const int passes = Prepare(job);
  if (passes == 0) Refuse(*job, name);
  image.c = png_get_channels(job->png, job->info);
  const size_t row = size_t{image.w} * image.c;
  if (image.c < 1 || image.c > 4 ||
      png_get_rowbytes(job->png, job->info) != row) {
    UnsupportedImage(name, "the PNG has rows of an unknown form",
                     "Save it again.");
  }
  image.pixels.resize(CheckedSize(uint64_t{image.h} * row, name));
  if (!ReadRows(job, passes, image.pixels.data(), image.h, row)) {
    Refuse(*job, name);
  }
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 exif_bytes = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(job->png, job->info, &exif_bytes, &exif) != 0) {
    image.orientation = ExifOrientation({exif, exif_bytes});
  }
#endif
  return image;
}

}  // namespace

extern const ImageDecoder kPngDecoder;
const ImageDecoder kPngDecoder = {
    .name = "PNG",
    .format = FormatKind::kPng,
    .decode = DecodePng,
};

}  // namespace temper::host
