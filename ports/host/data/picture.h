// Pictures: a file of any format that decoders/ reads becomes a sample. The
// content decides what it is, not its name. Steps: decode; lay transparent
// pixels on the background; gray or colour, as the sample is; turn as EXIF says;
// fit the size.
// Next: decoders/decoder.h (formats), resize.h (sizes), kinds/folder.h (who asks).
#ifndef TEMPER_PORTS_HOST_DATA_PICTURE_H_
#define TEMPER_PORTS_HOST_DATA_PICTURE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/files/preprocessing.h"
#include "ports/host/data/decoders/image.h"
#include "ports/host/os/byte_source.h"
#include "temper/graph.h"

namespace temper::host {

// Larger files are refused unread.
inline constexpr uint64_t kMaxPictureBytes = uint64_t{1} << 28;

// Decodes and composes: 1 channel (gray) or 3, turned as it was taken. Throws
// kBadData (damaged, or no picture: named by what it is) or
// kUnsupported.
Image DecodePicture(std::span<const uint8_t> file, const std::string& name,
                    uint32_t channels, const PictureFit& fit,
                    const ImageLimits& limits = {});
// As many channels as the file has colours: 1 or 3.
Image DecodePicture(std::span<const uint8_t> file, const std::string& name,
                    const PictureFit& fit, const ImageLimits& limits = {});

// The picture as a sample of this shape: u8, 1 or 3 channels. Writes
// shape.Count() bytes.
void ReadPicture(std::span<const uint8_t> file, const std::string& name,
                 const Shape& shape, const PictureFit& fit, uint8_t* to,
                 const ImageLimits& limits = {});

// The whole of a picture's file, or of what it unpacks to. Memory is taken for
// what really comes. Throws Failure.
std::vector<uint8_t> ReadPictureFile(const std::string& path);
std::vector<uint8_t> ReadPictureFile(ByteSource& source);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_PICTURE_H_
