// Shapes and graphs for the tests of layers: drawn numbers, windows that slide
// over padded images, and one layer inside the smallest graph that can hold it.
#ifndef TEMPER_TESTS_TESTING_LAYER_CASES_H_
#define TEMPER_TESTS_TESTING_LAYER_CASES_H_

#include <vector>

#include "simd/conv.h"
#include "tests/testing/layer_test.h"

namespace temper::testing {

// Numbers from a seed, each call another one. Two calls never stand among one
// call's arguments: compilers order those as they like, and cases would differ.
class Draw {
 public:
  explicit Draw(uint64_t seed) : seed_(seed) {}
  uint32_t operator()(uint32_t low, uint32_t high) {
    return low + RandomWord(seed_, i_++, 0, 0, 0) % (high - low + 1);
  }

 private:
  uint64_t seed_;
  uint32_t i_ = 0;
};

// Positions of a window, by trying one after the other.
inline uint32_t CountWindows(uint32_t size, uint32_t kernel, uint32_t stride,
                             uint32_t pads, uint32_t dilation) {
  uint32_t n = 0;
  while (n * stride + (kernel - 1) * dilation + 1 <= size + pads) ++n;
  return n;
}

template <class Params>
Params Dilated(Params p, uint32_t dilation_h, uint32_t dilation_w) {
  p.dilation_h = dilation_h;
  p.dilation_w = dilation_w;
  return p;
}

// kernel (h, w), stride (h, w), pads (top, bottom, left, right).
template <class Params>
Params Window(uint32_t kernel_h, uint32_t kernel_w, uint32_t stride_h,
              uint32_t stride_w, uint32_t pad_top, uint32_t pad_bottom,
              uint32_t pad_left, uint32_t pad_right) {
  Params p;
  p.kernel_h = kernel_h, p.kernel_w = kernel_w;
  p.stride_h = stride_h, p.stride_w = stride_w;
  p.pad_top = pad_top, p.pad_bottom = pad_bottom;
  p.pad_left = pad_left, p.pad_right = pad_right;
  return p;
}

template <class Params>
uint32_t DilationH(const Params& p) {
  if constexpr (requires { p.dilation_h; }) return p.dilation_h;
  return 1;
}
template <class Params>
uint32_t DilationW(const Params& p) {
  if constexpr (requires { p.dilation_w; }) return p.dilation_w;
  return 1;
}

// Kernel up to 5, stride up to 3, every pad below the extent of the kernel, and
// an image (h, w, 1) that at least one window fits.
template <class Params>
Params DrawWindow(Draw* draw, Shape* in) {
  Params p;
  if constexpr (requires { p.dilation_h; }) {
    const uint32_t dilation_w = (*draw)(1, 3), dilation_h = (*draw)(1, 3);
    p = Dilated(p, dilation_h, dilation_w);
  }
  do {
    p.kernel_h = (*draw)(1, 5), p.kernel_w = (*draw)(1, 5);
    p.stride_h = (*draw)(1, 3), p.stride_w = (*draw)(1, 3);
    const uint32_t reach_h = (p.kernel_h - 1) * DilationH(p),
                   reach_w = (p.kernel_w - 1) * DilationW(p);
    p.pad_top = (*draw)(0, reach_h), p.pad_bottom = (*draw)(0, reach_h);
    p.pad_left = (*draw)(0, reach_w), p.pad_right = (*draw)(0, reach_w);
    *in = {(*draw)(1, 8), (*draw)(1, 9), 1};
  } while (CountWindows(in->h, p.kernel_h, p.stride_h, p.pad_top + p.pad_bottom,
                        DilationH(p)) == 0 ||
           CountWindows(in->w, p.kernel_w, p.stride_w, p.pad_left + p.pad_right,
                        DilationW(p)) == 0);
  return p;
}

// What the twins of window layers take. Checks the inferred shape on the way.
template <class Params>
simd::ConvShape WindowOf(const LayerCase& c, uint32_t groups) {
  const Params& p = c.node.As<Params>();
  const Shape &in = c.in[0], &out = c.out;
  EXPECT_EQ(out.h, CountWindows(in.h, p.kernel_h, p.stride_h,
                                p.pad_top + p.pad_bottom, DilationH(p)));
  EXPECT_EQ(out.w, CountWindows(in.w, p.kernel_w, p.stride_w,
                                p.pad_left + p.pad_right, DilationW(p)));
  return {in.h,      in.w,       in.c,         out.h,        out.w,
          out.c,     p.kernel_h, p.kernel_w,   p.stride_h,   p.stride_w,
          p.pad_top, p.pad_left, DilationH(p), DilationW(p), groups};
}

// input -> normalize -> the layer (node 2) -> flatten -> dense -> loss.
inline constexpr uint32_t kLayerNode = 2;
template <class Params>
Graph GraphAround(const Params& params, const Shape& in) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{in.h, in.w, in.c});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("layer", params, x);
  x = g.Add("flatten", FlattenParams{}, x);
  x = g.Add("head", DenseParams{2}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}
inline void ExpectStatus(const Graph& g, StatusCode code, uint32_t node) {
  std::vector<Shape> shapes;
  const Status status = g.Check(&shapes);
  EXPECT_EQ(status.code, code) << status.message;
  EXPECT_EQ(status.node, node) << status.message;
  EXPECT_EQ(shapes.empty(), code != StatusCode::kOk);
}
template <class Params>
void ExpectRefused(const Params& params, const Shape& in, StatusCode code) {
  ExpectStatus(GraphAround(params, in), code, kLayerNode);
}
template <class Params>
void ExpectAccepted(const Params& params, const Shape& in, const Shape& out) {
  std::vector<Shape> shapes;
  const Status status = GraphAround(params, in).Check(&shapes);
  ASSERT_TRUE(status.ok()) << status.message << " at " << status.node;
  EXPECT_EQ(shapes[kLayerNode], out);
}

// What all window layers refuse; valid: 3x3, pads 1, whatever else it needs.
template <class Params>
void TestWindowErrors(const Params& valid, uint32_t in_c, uint32_t out_c) {
  ExpectAccepted(valid, {5, 6, in_c}, {5, 6, out_c});
  for (uint32_t Params::*pad : {&Params::pad_top, &Params::pad_bottom,
                                &Params::pad_left, &Params::pad_right}) {
    Params p = valid;
    p.*pad = 2;
    EXPECT_TRUE(GraphAround(p, {5, 6, in_c}).Check(nullptr).ok());
    for (const uint32_t size : {3u, 4u, 1024u}) {
      p.*pad = size;
      ExpectRefused(p, {5, 6, in_c}, StatusCode::kInvalidArgument);
    }
  }
  // The window against the padded image: equal fits, one more does not.
  Params p = valid;
  p.kernel_h = 7;
  ExpectAccepted(p, {5, 6, in_c}, {1, 6, out_c});
  p.kernel_h = 8;
  ExpectRefused(p, {5, 6, in_c}, StatusCode::kShapeMismatch);
  p = valid;
  p.kernel_w = 8;
  ExpectAccepted(p, {5, 6, in_c}, {5, 1, out_c});
  p.kernel_w = 9;
  ExpectRefused(p, {5, 6, in_c}, StatusCode::kShapeMismatch);
  p = valid;
  p.stride_h = p.stride_w = 1024;
  ExpectAccepted(p, {5, 6, in_c}, {1, 1, out_c});
  if constexpr (requires { p.dilation_h; }) {
    p = Dilated(valid, 3, 1);
    ExpectAccepted(p, {5, 6, in_c}, {1, 6, out_c});
    p.pad_top = 6;  // below the dilated extent of 7
    EXPECT_TRUE(GraphAround(p, {5, 6, in_c}).Check(nullptr).ok());
    p.pad_top = 7;
    ExpectRefused(p, {5, 6, in_c}, StatusCode::kInvalidArgument);
    ExpectRefused(Dilated(valid, 4, 1), {5, 6, in_c},
                  StatusCode::kShapeMismatch);
    ExpectRefused(Dilated(valid, 1, 4), {5, 6, in_c},
                  StatusCode::kShapeMismatch);
  }
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_LAYER_CASES_H_
