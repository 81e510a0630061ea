// First values of the weights. Every value is a function of (seed, node,
// tensor, element) by Philox (random.h): graph changes elsewhere do not move
// it. One file each in runtime/initializers/.
#ifndef TEMPER_INITIALIZERS_H_
#define TEMPER_INITIALIZERS_H_

#include <cstdint>
#include <optional>

namespace temper {

// he_normal:      N(0, 2 / fan_in)                      He et al. 2015
// he_uniform:     U(-b, b), b = sqrt(6 / fan_in)
// xavier_normal:  N(0, 2 / (fan_in + fan_out))          Glorot and Bengio 2010
// xavier_uniform: U(-b, b), b = sqrt(6 / (fan_in + fan_out))
// zero:           0
// The second parameter of N is the variance.
#define TEMPER_INITIALIZERS(INITIALIZER)     \
  INITIALIZER(HeNormal, he_normal)           \
  INITIALIZER(HeUniform, he_uniform)         \
  INITIALIZER(XavierNormal, xavier_normal)   \
  INITIALIZER(XavierUniform, xavier_uniform) \
  INITIALIZER(Zero, zero)

enum class InitializerKind : uint32_t {
#define TEMPER_INITIALIZER_ENUM(Name, file) k##Name,
  TEMPER_INITIALIZERS(TEMPER_INITIALIZER_ENUM)
#undef TEMPER_INITIALIZER_ENUM
      kCount
};

// An initializer with its parameters (none has any yet), as plain data.
struct Initializer {
  InitializerKind kind = InitializerKind::kHeNormal;
  alignas(4) uint8_t params[16] = {};

  Initializer(InitializerKind k) : kind(k) {}
};

struct InitializeOptions {
  // Of dense and convolution weights. None: He normal where a ReLU follows,
  // Xavier normal elsewhere.
  std::optional<Initializer> kernel;
  // The last weighted layer, if no ReLU follows it, starts with this standard
  // deviation and zero bias: the first loss is then near ln(classes).
  float head_std = 0.01f;
  // A residual branch starts at zero: the gamma of the batch norm that closes
  // it, or the last convolution's weights where none does.
  bool zero_init_residual = true;
};

// The inverse: InitializerCatalogue().Find(name) (registry.h).
const char* InitializerName(InitializerKind kind);

// Fills `out` (count) for tensor number `tensor` of graph node `node`: `rows`
// rows (filters, or units) of count / rows elements.
void InitializeTensor(const Initializer& initializer, uint64_t seed,
                      uint32_t node, uint32_t tensor, uint32_t fan_in,
                      uint32_t fan_out, uint64_t rows, uint64_t count,
                      float* out);
// The same numbers scaled to a given deviation: out = std * N(0, 1). `use` keys
// the stream (RandomUse); first_element is the index of out[0].
void InitializeNormal(uint64_t seed, uint32_t stream, uint32_t tensor,
                      double std, uint64_t first_element, uint64_t count,
                      float* out);

}  // namespace temper

#endif  // TEMPER_INITIALIZERS_H_
