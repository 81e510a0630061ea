// JPEG by libjpeg-turbo: gray, YCbCr, RGB, CMYK and YCCK, baseline and
// progressive. The accurate integer DCT and smooth upsampling are the library's
// defaults and the same bits on every machine.
//
// CMYK has no agreed meaning but Adobe's: files with its marker hold inverted
// inks. Colours become r = (255 - c)(255 - k) / 255, without a profile.
#include <cstddef>
#include <cstdio>
// jpeglib.h needs the two above, jerror.h needs jpeglib.h.
#include <jpeglib.h>
// clang-format off
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <cstring>

#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/decoders/exif.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {
namespace {

// More scans than any encoder makes: each may be small and take as long as the
// picture is large.
constexpr int kMostScans = 100;

// Everything that the library's callbacks need. Plain data: longjmp passes no
// destructors.
struct Job {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
  int error;     // the library's number
  bool cut;      // the file ends before the picture does
  bool damaged;  // a warning that pixels are wrong
  bool scans;    // too many of them
};

Job* Of(j_common_ptr jpeg) { return static_cast<Job*>(jpeg->client_data); }

[[noreturn]] void Leave(j_common_ptr jpeg) {
  Job* const job = Of(jpeg);
  job->error = jpeg->err->msg_code;
  jpeg->err->format_message(jpeg, job->message);
  longjmp(job->leave, 1);
}

void Warn(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  Job* const job = Of(jpeg);
  switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
      job->cut = true;
      break;
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      if (!job->damaged) jpeg->err->format_message(jpeg, job->message);
      job->damaged = true;
      break;
    default:
      break;  // oddities that cost no pixel
  }
}

void Ignore(j_common_ptr) {}
void IgnoreSource(j_decompress_ptr) {}

// The end of the file: an end-of-image marker, so that what came before it is
// decoded and seen to be too little.
boolean Refill(j_decompress_ptr jpeg) {
  static constexpr JOCTET kEnd[] = {0xff, JPEG_EOI};
  WARNMS(jpeg, JWRN_JPEG_EOF);
  jpeg->src->next_input_byte = kEnd;
  jpeg->src->bytes_in_buffer = sizeof(kEnd);
  return TRUE;
}

void Skip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  const size_t n = static_cast<size_t>(count);
  if (n > jpeg->src->bytes_in_buffer) {
    (void)Refill(jpeg);
    return;
  }
  jpeg->src->next_input_byte += n;
  jpeg->src->bytes_in_buffer -= n;
}

void CountScans(j_common_ptr jpeg) {
  Job* const job = Of(jpeg);
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <=
      kMostScans) {
    return;
  }
  job->scans = true;
  longjmp(job->leave, 1);
}

// False on an error. No C++ object lives in these functions.
bool ReadHeader(Job* job, const uint8_t* bytes, size_t size) {
  job->jpeg.err = jpeg_std_error(&job->errors);
  job->errors.error_exit = Leave;
  job->errors.emit_message = Warn;
  job->errors.output_message = Ignore;
  job->jpeg.client_data = job;
  if (setjmp(job->leave) != 0) return false;
  jpeg_create_decompress(&job->jpeg);
  job->source.init_source = IgnoreSource;
  job->source.fill_input_buffer = Refill;
  job->source.skip_input_data = Skip;
  job->source.resync_to_restart = jpeg_resync_to_restart;
  job->source.term_source = IgnoreSource;
  job->source.next_input_byte = bytes;
  job->source.bytes_in_buffer = size;
  job->jpeg.src = &job->source;
  job->progress.progress_monitor = CountScans;
  job->jpeg.progress = &job->progress;
  jpeg_save_markers(&job->jpeg, JPEG_APP0 + 1, 0xffff);
  (void)jpeg_read_header(&job->jpeg, TRUE);
  return true;
}

// `row_bytes` = width * channels of the colour space.
bool ReadRows(Job* job, uint8_t* pixels, size_t row_bytes,
              J_COLOR_SPACE space) {
  if (setjmp(job->leave) != 0) return false;
  job->jpeg.out_color_space = space;
  (void)jpeg_start_decompress(&job->jpeg);
  while (job->jpeg.output_scanline < job->jpeg.output_height) {
    JSAMPROW row = pixels + size_t{job->jpeg.output_scanline} * row_bytes;
    (void)jpeg_read_scanlines(&job->jpeg, &row, 1);
  }
  return true;
}

class Decompressor {
 public:
  Decompressor() : job_() {}
  ~Decompressor() { jpeg_destroy_decompress(&job_.jpeg); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  Job* job() { return &job_; }

 private:
  Job job_;
};

[[noreturn]] void Refuse(const Job& job, const std::string& name) {
  if (job.scans) DamagedImage(name, "the JPEG has more than 100 scans");
  if (job.cut) DamagedImage(name, "the JPEG ends too early: it is cut");
  switch (job.error) {
    case JERR_BAD_PRECISION:
    case JERR_IMAGE_TOO_BIG:
    case JERR_ARITH_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_BAD_J_COLORSPACE:
      UnsupportedImage(name, job.message, "Save it as a usual JPEG or as PNG.");
    default:
      DamagedImage(name, job.message);
  }
}

// In place: four inks become three colours.
void CmykToRgb(Pixels& pixels, bool inverted) {
  const size_t count = pixels.size() / 4;
  for (size_t i = 0; i < count; ++i) {
    uint8_t inks[4];
    std::memcpy(inks, &pixels[4 * i], 4);
    const uint32_t white = inverted ? inks[3] : 255u - inks[3];
    for (size_t j = 0; j < 3; ++j) {
      const uint32_t paper = inverted ? inks[j] : 255u - inks[j];
      pixels[3 * i + j] = static_cast<uint8_t>((paper * white + 127) / 255);
    }
  }
  pixels.resize(3 * count);
}

Image DecodeJpeg(std::span<const uint8_t> file, const std::string& name,
                 const ImageLimits& limits) {
  Decompressor decompressor;
  Job* const job = decompressor.job();
  if (!ReadHeader(job, file.data(), file.size())) Refuse(*job, name);
  const jpeg_decompress_struct& jpeg = job->jpeg;
  CheckImageSize(name, jpeg.image_height, jpeg.image_width, file.size(),
                 limits);
  Image image;
  image.h = jpeg.image_height;
  image.w = jpeg.image_width;
  for (jpeg_saved_marker_ptr m = jpeg.marker_list; m != nullptr; m = m->next) {
    const std::span<const uint8_t> block(m->data, m->data_length);
    if (block.size() < 6 || std::memcmp(block.data(), "Exif\0", 6) != 0) {
      continue;
    }
    image.orientation = ExifOrientation(block);
    break;
  }
  const int components = jpeg.num_components;
  if (components != 1 && components != 3 && components != 4) {
    UnsupportedImage(name, "the JPEG is not gray, colour or CMYK",
                     "Save it as a usual JPEG or as PNG.");
  }
  const bool inverted = jpeg.saw_Adobe_marker;
  image.c = static_cast<uint32_t>(components);
  const size_t row = size_t{image.w} * image.c;
  image.pixels.resize(CheckedSize(uint64_t{image.h} * row, name));
  if (!ReadRows(job, image.pixels.data(), row,
                components == 1   ? JCS_GRAYSCALE
                : components == 3 ? JCS_RGB
                                  : JCS_CMYK)) {
    Refuse(*job, name);
  }
  // A picture of one scan whose last byte is there lacks at most its end marker;
  // one of several would look finished without the scans that are missing.
  if (job->damaged || (job->cut && jpeg_has_multiple_scans(&job->jpeg))) {
    Refuse(*job, name);
  }
  if (components == 4) {
    CmykToRgb(image.pixels, inverted);
    image.c = 3;
  }
  return image;
}

}  // namespace

extern const ImageDecoder kJpegDecoder;
const ImageDecoder kJpegDecoder = {
    .name = "JPEG",
    .format = FormatKind::kJpeg,
    .decode = DecodeJpeg,
};

}  // namespace temper::host
