// First values of the weights. Every value is a function of (seed, node,
// tensor, element) by Philox (random.h): graph changes elsewhere do not move
// it. One file each in runtime/initializers/.
#ifndef TEMPER_INITIALIZERS_H_
#define TEMPER_INITIALIZERS_H_

#include <cassert>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace temper {

struct WeightSpec;  // plan.h

// All of them are described by the deviation s of their values, or by the bound
// b of uniform ones, U(-b, b), whose deviation is b / sqrt(3); never by a
// variance.

// s = sqrt(2 / ((1 + slope^2) fan)), b = sqrt(3) s (He et al. 2015).
struct HeParams {
  float slope = 0.0f;    // of a leaky ReLU that follows; 0: ReLU
  uint32_t fan_out = 0;  // 1: fan is fan_out (keeps gradients), else fan_in
};
struct HeNormalParams : HeParams {};
struct HeUniformParams : HeParams {};
// s = gain * sqrt(2 / (fan_in + fan_out)), b = sqrt(3) s (Glorot and Bengio
// 2010).
struct XavierParams {
  float gain = 1.0f;  // > 0; 5/3 for tanh
};
struct XavierNormalParams : XavierParams {};
struct XavierUniformParams : XavierParams {};
// s = sqrt(1 / fan_in), b = sqrt(3) s (LeCun et al. 1998).
struct LecunNormalParams {};
struct LecunUniformParams {};
struct ZeroParams {};
struct ConstantInitializerParams {
  float value = 0.0f;
};
struct UniformParams {
  float bound = 0.05f;  // b > 0
};
struct GaussianParams {
  float std = 0.01f;  // s > 0
};
// gain times a matrix with orthonormal rows or columns, whichever are fewer; a
// row is what belongs to one output (Saxe et al. 2014).
struct OrthogonalParams {
  float gain = 1.0f;  // > 0
};
// The identity: output i of a convolution is input i, where there is one
// (Zagoruyko and Komodakis 2017).
struct DiracParams {};

#define TEMPER_INITIALIZERS(INITIALIZER)     \
  INITIALIZER(HeNormal, he_normal)           \
  INITIALIZER(HeUniform, he_uniform)         \
  INITIALIZER(XavierNormal, xavier_normal)   \
  INITIALIZER(XavierUniform, xavier_uniform) \
  INITIALIZER(Zero, zero)                    \
  INITIALIZER(LecunNormal, lecun_normal)     \
  INITIALIZER(LecunUniform, lecun_uniform)   \
  INITIALIZER(ConstantInitializer, constant) \
  INITIALIZER(Uniform, uniform)              \
  INITIALIZER(Gaussian, gaussian)            \
  INITIALIZER(Orthogonal, orthogonal)        \
  INITIALIZER(Dirac, dirac)

enum class InitializerKind : uint32_t {
#define TEMPER_INITIALIZER_ENUM(Name, file) k##Name,
  TEMPER_INITIALIZERS(TEMPER_INITIALIZER_ENUM)
#undef TEMPER_INITIALIZER_ENUM
      kCount
};

template <class Params>
struct InitializerKindOf;
template <class Params>
inline constexpr bool kIsInitializerParams = false;
#define TEMPER_INITIALIZER_KIND(Name, file)                            \
  template <>                                                          \
  struct InitializerKindOf<Name##Params> {                             \
    static constexpr InitializerKind value = InitializerKind::k##Name; \
  };                                                                   \
  template <>                                                          \
  inline constexpr bool kIsInitializerParams<Name##Params> = true;
TEMPER_INITIALIZERS(TEMPER_INITIALIZER_KIND)
#undef TEMPER_INITIALIZER_KIND

// An initializer with its parameters, as plain data.
struct Initializer {
  InitializerKind kind = InitializerKind::kHeNormal;
  alignas(4) uint8_t params[16] = {};

  Initializer(InitializerKind k);  // with the default parameters
  template <class Params,
            class = std::enable_if_t<kIsInitializerParams<Params>>>
  Initializer(const Params& p) : kind(InitializerKindOf<Params>::value) {
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(params));
    if constexpr (!std::is_empty_v<Params>) {
      std::memcpy(params, &p, sizeof(p));
    }
  }
};

// Whether residual branches start at zero: the gamma of the batch norm that closes a
// branch, or the last convolution's weights where none does. A deep net then begins
// as a shallow one; in a shallow one branches that have to grow first cost steps.
enum class ZeroResidual : uint32_t {
  kNo,
  kYes,
  kDeep,  // in nets of kDeepBranches branches and more
};
inline constexpr uint32_t kDeepBranches = 6;

struct InitializeOptions {
  // Of dense and convolution weights. None: what the activation wants that
  // follows. Sigmoid, tanh and hard_sigmoid: Xavier normal; leaky_relu and
  // prelu: He normal with their slope; others: He normal. No activation: Xavier
  // normal.
  std::optional<Initializer> kernel;
  // The last weighted layer, if no activation follows it, starts with this standard
  // deviation and zero bias: the first loss is then near ln(classes).
  float head_std = 0.01f;
  ZeroResidual zero_residual = ZeroResidual::kDeep;
};

// The inverse: InitializerCatalogue().Find(name) (registry.h).
const char* InitializerName(InitializerKind kind);

// Fills `out` (spec.Count()) for tensor number `tensor` of graph node `node`.
void InitializeTensor(const Initializer& initializer, uint64_t seed,
                      uint32_t node, uint32_t tensor, const WeightSpec& spec,
                      float* out);
// The same numbers scaled to a given deviation: out = std * N(0, 1). `use` keys
// the stream (RandomUse); first_element is the index of out[0].
void InitializeNormal(uint64_t seed, uint32_t stream, uint32_t tensor,
                      double std, uint64_t first_element, uint64_t count,
                      float* out);

}  // namespace temper

#endif  // TEMPER_INITIALIZERS_H_
