// See arena_map.h.
#include "ports/host/report/arena_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ports/host/report/svg_chart.h"

namespace temper::host {
namespace {

constexpr double kWidth = 960, kHeight = 420;
constexpr double kLeft = 84, kTop = 52, kBottom = 40, kRight = 10;
constexpr size_t kMostTensors = 500;

struct Block {
  std::string kind, layer;
  double bytes = 0, offset = 0, first = 0, last = 0;
};

double NumberOf(const Value& of, const char* key) {
  const Value* const value = of.Find(key);
  if (value == nullptr || (value->kind() != Value::Kind::kUnsigned &&
                           value->kind() != Value::Kind::kNumber)) {
    return -1;
  }
  return value->AsDouble();
}

std::string TextOf(const Value& of, const char* key) {
  const Value* const value = of.Find(key);
  return value != nullptr && value->kind() == Value::Kind::kText
             ? value->AsText()
             : "";
}

// Kinds in the order of their colours.
constexpr const char* kKinds[] = {"weight",  "gradient",  "activation",
                                  "scratch", "optimizer", "weight gradient",
                                  "saved"};

uint32_t ColorOf(const std::string& kind) {
  const auto at = std::find(std::begin(kKinds), std::end(kKinds), kind);
  return static_cast<uint32_t>(at - std::begin(kKinds));
}

std::string BytesText(double bytes) {
  // Rounded up, as everywhere.
  if (bytes >= 1 << 20) {
    return fmt::format("{:.2f} MiB", std::ceil(bytes * 100 / (1 << 20)) / 100);
  }
  if (bytes >= 1 << 10) {
    return fmt::format("{:.1f} KiB", std::ceil(bytes * 10 / (1 << 10)) / 10);
  }
  return fmt::format("{:.0f} B", bytes);
}

}  // namespace

std::string ArenaMapSvg(const Value& plan) {
  const double arena = plan.is_null() ? -1 : NumberOf(plan, "arena_bytes");
  const Value* const tensors = plan.is_null() ? nullptr : plan.Find("tensors");
  if (arena <= 0 || tensors == nullptr ||
      tensors->kind() != Value::Kind::kArray) {
    return "";
  }
  std::vector<Block> blocks;
  double steps = 0;
  for (const Value& t : *tensors) {
    if (t.kind() != Value::Kind::kObject) return "";
    Block b = {TextOf(t, "kind"),         TextOf(t, "layer"),
               NumberOf(t, "bytes"),      NumberOf(t, "offset"),
               NumberOf(t, "first_step"), NumberOf(t, "last_step")};
    if (b.bytes < 0 || b.offset < 0 || b.first < 0 || b.last < b.first ||
        b.offset + b.bytes > arena) {
      return "";
    }
    steps = std::max(steps, b.last + 1);
    blocks.push_back(std::move(b));
  }
  if (blocks.empty()) return "";
  const size_t all = blocks.size();
  std::stable_sort(blocks.begin(), blocks.end(),
                   [](const Block& a, const Block& b) {
                     return a.bytes * (a.last - a.first + 1) >
                            b.bytes * (b.last - b.first + 1);
                   });
  if (blocks.size() > kMostTensors) blocks.resize(kMostTensors);

  std::string svg = SvgOpen(static_cast<uint32_t>(kWidth),
                            static_cast<uint32_t>(kHeight), "Arena");
  svg += "<style>.b{stroke:#fff8;stroke-width:.6;opacity:.85}</style>";
  svg += fmt::format(
      "<text class=\"t\" x=\"{}\" y=\"18\">The arena over one step: "
      "{}{}</text>",
      kLeft, BytesText(arena),
      all > blocks.size()
          ? fmt::format(" (the {} largest of {} tensors)", blocks.size(), all)
          : "");
  double x = kLeft;
  for (uint32_t i = 0; i <= std::size(kKinds); ++i) {
    const std::string name = i < std::size(kKinds) ? kKinds[i] : "other";
    svg += fmt::format(
        "<rect class=\"f{}\" x=\"{:.0f}\" y=\"28\" width=\"12\" height=\"12\"/>"
        "<text class=\"n\" x=\"{:.0f}\" y=\"38\">{}</text>",
        i, x, x + 16, name);
    x += 34 + 8.0 * static_cast<double>(name.size());
  }
  const double w = kWidth - kLeft - kRight, h = kHeight - kTop - kBottom;
  for (const Block& b : blocks) {
    svg += fmt::format(
        "<rect class=\"b f{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"{:.1f}\"><title>{} {} {}</title></rect>",
        ColorOf(b.kind), kLeft + b.first / steps * w,
        kTop + b.offset / arena * h, (b.last - b.first + 1) / steps * w,
        std::max(0.3, b.bytes / arena * h), Escaped(b.layer), b.kind,
        BytesText(b.bytes));
  }
  for (int i = 0; i <= 4; ++i) {
    const double y = kTop + h * i / 4;
    svg +=
        fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                    kLeft - 6, y + 4, BytesText(arena * i / 4));
  }
  for (const double step : AxisTicks(0, steps, 10)) {
    svg += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>",
        kLeft + step / steps * w, kTop + h + 16, step);
  }
  svg += fmt::format(
      "<path class=\"a\" d=\"M{0} {1}V{2}H{3}\"/><text x=\"{4:.0f}\" y=\"{5}\" "
      "text-anchor=\"middle\">step of the program: forward, loss, backward, "
      "update</text></svg>",
      kLeft, kTop, kTop + h, kWidth - kRight, kLeft + w / 2, kHeight - 6);
  return svg;
}

}  // namespace temper::host
