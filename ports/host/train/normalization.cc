// See normalization.h.
#include "ports/host/train/normalization.h"

#include <fmt/format.h>

#include <cstring>

#include "ports/host/base/failure.h"
#include "ports/host/data/channels.h"
#include "ports/host/data/stats.h"

namespace temper::host {

void SetNormalization(Job& job, bool from_file) {
  const JobOptions& o = job.options;
  const NormalizeKind& kind = *FindNormalizeKind(o.normalize);
  Preprocessing& p = job.info.preprocessing;
  for (Node& node : job.info.graph.nodes) {
    if (!node.Is<NormalizeParams>()) continue;
    NormalizeParams params;
    params.scale = UsualScale(job.data.train);
    params.per_pixel = kind.per_pixel;
    if (from_file) {
      const NormalizeParams wanted = params;
      params = node.As<NormalizeParams>();
      if (kind.stats != nullptr && params.per_pixel != wanted.per_pixel) {
        Fail(ErrorKind::kConfiguration,
             "the graph normalizes otherwise than asked for", o.model,
             fmt::format("layer \"{}\" has \"per_pixel\": {}, --normalize {} "
                         "needs {}",
                         node.name, params.per_pixel, o.normalize,
                         wanted.per_pixel),
             fmt::format("Use --normalize {}, or change the field",
                         params.per_pixel != 0 ? "pixel" : "channel"));
      }
    }
    if (kind.per_pixel && job.data.train.resized) {
      Fail(ErrorKind::kConfiguration, "--normalize", kind.name,
           "training samples are kept at another size than the model reads",
           "Use --normalize channel, or leave out working=");
    }
    p.kind = kind.kind;
    if (kind.stats != nullptr) {
      const SampleStats stats = kind.stats(job.data.train, params.scale);
      std::vector<uint32_t> dims = {p.c};
      if (kind.per_pixel) dims = {p.h, p.w, p.c};
      const std::string name = node.name;
      job.statistics.push_back({name + ".mean", dims, stats.mean});
      job.statistics.push_back({name + ".std", dims, stats.std});
      job.notes.insert(job.notes.end(), stats.notes.begin(), stats.notes.end());
    }
    std::memcpy(node.params, &params, sizeof(params));
    p.scale = params.scale;
  }
}

void CheckNormalization(const Job& job) {
  const Channels asked_channels = ReadChannels(job.options.channels);
  const Channels channels = job.info.preprocessing.channels;
  if (asked_channels != Channels::kAsData && channels != Channels::kAsData &&
      asked_channels != channels) {
    Fail(ErrorKind::kMismatch, "--channels", job.options.channels,
         fmt::format("the model was trained with {}, which stays",
                     ChannelsName(channels)),
         fmt::format("Leave the option out, or give --channels {}",
                     ChannelsName(channels)));
  }
  const std::string& asked = job.options.normalize;
  // The default asks for nothing.
  if (asked == JobOptions().normalize) return;
  for (const NormalizeKind& kind : NormalizeKinds()) {
    if (kind.kind != job.info.preprocessing.kind) continue;
    if (asked == kind.name) return;
    Fail(
        ErrorKind::kMismatch, "--normalize", Printable(asked),
        fmt::format("the model was trained with {}, which is stored in its "
                    "file and stays",
                    kind.name),
        fmt::format("Leave the option out, or give --normalize {}", kind.name));
  }
}

}  // namespace temper::host
