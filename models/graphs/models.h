// The list of models. What a model is to others: temper/models.h.
// Next: builder.h (what the model files share), resnet8.cc (an example).
#ifndef TEMPER_MODELS_GRAPHS_MODELS_H_
#define TEMPER_MODELS_GRAPHS_MODELS_H_

#include "temper/models.h"

namespace temper::models {

// The one list of models: constant in its own file, which has its name.
#define TEMPER_MODELS(MODEL) \
  MODEL(kMlp)                \
  MODEL(kLeNet5)             \
  MODEL(kResNet8)            \
  MODEL(kDsCnn)              \
  MODEL(kMobileNetV1)        \
  MODEL(kFcAutoencoder)      \
  MODEL(kMobileNetV2)        \
  MODEL(kResNet18)

#define TEMPER_MODEL_DECLARE(constant) extern const ModelInfo constant;
TEMPER_MODELS(TEMPER_MODEL_DECLARE)
#undef TEMPER_MODEL_DECLARE

}  // namespace temper::models

#endif  // TEMPER_MODELS_GRAPHS_MODELS_H_
