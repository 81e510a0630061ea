// Predictor: a model file in inference mode over batches of a data set or of
// single samples. Used by eval and predict.
#ifndef TEMPER_PORTS_HOST_TRAIN_PREDICTOR_H_
#define TEMPER_PORTS_HOST_TRAIN_PREDICTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/job.h"

namespace temper::host {

class Predictor {
 public:
  // `path`: a model file, or a run folder (runs.h).
  // `arena`: the most bytes it may take, as --arena has them; "": no limit.
  // kDoesNotFit with the size that works. `backend`: by name.
  Predictor(const std::string& path, uint32_t batch, uint32_t threads,
            const std::string& arena = "",
            const std::string& backend = "highway");

  // At most batch() rows. Labels and targets may be null; label -1 is a class
  // that the model lacks.
  StepResult Run(const Batch& batch);
  // rows x outputs() numbers of the last Run.
  const float* Output() const {
    return both_.empty() ? trainer_.Output() : both_.data();
  }

  const std::string& path() const { return path_; }  // of the file
  const ModelDescription& model() const { return model_; }
  bool classifier() const { return classifier_; }
  // Its outputs are values that it was trained on.
  bool regressor() const { return regressor_; }
  // Per sample. A model whose single output stands for two classes has two here:
  // the probabilities of both.
  uint32_t outputs() const { return outputs_; }
  Shape input() const { return trainer_.plan().shapes[0]; }
  uint32_t batch() const { return trainer_.plan().options.batch; }
  const Plan& plan() const { return trainer_.plan(); }
  // Memory outside the arena: the model's header and the plan.
  uint64_t OutsideBytes() const { return outside_bytes_; }
  // Name of output i: its class, "#i" for an output that no class belongs to;
  // its number if the model has no class names at all.
  std::string ClassName(uint32_t i) const;
  // The classes that the model knows: as many as have names, or all outputs.
  std::vector<std::string> Classes() const;

  // What data of other forms become: samples of the model, by the fit of pictures
  // and the columns of tables that it was trained with.
  ModelInput DataInput() const {
    return {input(), model_.preprocessing.pictures.value_or(PictureFit{}),
            model_.columns, model_.preprocessing.channels};
  }
  // kMismatch unless samples of this shape are what the model reads.
  void CheckShape(const Shape& shape, const std::string& where) const;

 private:
  const std::string path_;
  ModelDescription model_;
  std::unique_ptr<HostArena> arena_;
  std::unique_ptr<ThreadPool> pool_;
  Trainer trainer_;
  bool classifier_ = false, regressor_ = false;
  uint32_t outputs_ = 0;
  std::vector<float> both_;  // of a single output for two classes
  uint64_t outside_bytes_ = 0;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_PREDICTOR_H_
