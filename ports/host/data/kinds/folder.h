// Folders of pictures, one folder for each class:
//
//   folder:DIR     DIR/cat/1.jpg  DIR/dog/a.png  ...
//   or             DIR/train/cat/1.jpg  DIR/test/cat/7.jpg  ...
//
// The second if DIR has a folder "train" with folders in it; val, valid or
// validation and test are the other parts. Several roots (folder:A,B) are one
// set: classes of one name are one class. Files may lie in folders of their own
// within a class. Classes are in the order of their names' bytes, as numbers if
// all names are whole numbers. Samples are numbered in turn: the first file of
// every class, then the second of every class, ..., files by their path's
// bytes; so limit=N takes as many of each class. What becomes of a file:
// picture.h. A file that cannot be read is left out and named.
//
// Next: file_tree.h (what is listed), picture.h.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_FOLDER_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_FOLDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/files/preprocessing.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/decoders/image.h"
#include "ports/host/data/resize.h"

namespace temper::host {

struct FolderOptions {
  std::optional<PictureSize> size;  // size=
  // working=: training pictures are kept at this size, of the same proportions.
  std::optional<PictureSize> working;
  uint32_t channels = 0;  // channels=; 0: the model's
  PictureFit fit;         // fit=, background=
  bool strict = false;    // a file that cannot be read ends it all
  ImageLimits limits;
  std::optional<Shape> model;  // what samples are without size= and channels=
};

// The folders of classes of these roots, each of which is the part itself.
std::unique_ptr<DataReader> OpenFolders(const std::vector<std::string>& roots,
                                        const FolderOptions& options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_FOLDER_H_
