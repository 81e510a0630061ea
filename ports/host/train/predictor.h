// Predictor: a model file in inference mode over batches of a data set or of
// single samples; or several, whose outputs are averaged, also over several views
// of each sample. Used by eval and predict.
#ifndef TEMPER_PORTS_HOST_TRAIN_PREDICTOR_H_
#define TEMPER_PORTS_HOST_TRAIN_PREDICTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/job.h"
#include "ports/host/train/model_source.h"
#include "ports/host/train/views.h"

namespace temper::host {

class Predictor {
 public:
  // `path`: a model file, or a run folder (runs.h).
  // `arena`: the most bytes it may take, as --arena has them; "": no limit.
  // kDoesNotFit with the size that works. `backend`: by name. `batch` 0: only the
  // file's header is read, and Start must follow.
  Predictor(const std::string& path, uint32_t batch, uint32_t threads,
            const std::string& arena = "",
            const std::string& backend = "highway");

  // Makes it ready for batches of so many rows.
  void Start(uint32_t batch);

  // Another model whose outputs are averaged with those of this one: of
  // probabilities or values. kMismatch unless it reads the same samples and tells
  // the same classes in the same order.
  void Average(const std::string& path);
  // Average over these, too (ReadViews). kUsage unless samples are pictures.
  void SetViews(std::vector<View> views);

  // At most batch() rows. Labels and targets may be null; label -1 is a class
  // that the model lacks.
  StepResult Run(const Batch& batch);
  // rows x outputs() numbers of the last Run.
  const float* Output() const {
    return Averages() ? mean_.data() : OwnOutput();
  }

  const std::string& path() const { return path_; }  // of the file
  const ModelDescription& model() const { return model_; }
  bool classifier() const { return classifier_; }
  // Its outputs are values that it was trained on.
  bool regressor() const { return regressor_; }
  // Per sample. A model whose single output stands for two classes has two here:
  // the probabilities of both.
  uint32_t outputs() const { return outputs_; }
  Shape input() const {
    const InputParams& p = model_.graph.nodes[0].As<InputParams>();
    return {p.h, p.w, p.c, static_cast<ElementType>(p.element_type)};
  }
  uint32_t batch() const { return trainer_.plan().options.batch; }
  const Plan& plan() const { return trainer_.plan(); }
  // The arenas of all models.
  uint64_t ArenaBytes() const;
  uint64_t BackendBytes() const;
  // Memory outside the arena: the models' headers and plans.
  uint64_t OutsideBytes() const;
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
  Predictor(const std::string& path, const Predictor& first);
  bool Averages() const { return !others_.empty() || !views_.empty(); }
  // Each output is a label that is there or not.
  bool SeveralLabels() const;
  // This model alone, on these samples.
  StepResult RunOwn(const Batch& batch);
  const float* OwnOutput() const {
    return both_.empty() ? trainer_.Output() : both_.data();
  }
  StepResult RunAll(const Batch& batch);
  // Loss and hits of mean_.
  void Judge(const Batch& batch, StepResult* result) const;

  const std::string path_;
  std::unique_ptr<ModelSource> source_;  // until Start
  ModelDescription model_;
  std::unique_ptr<HostArena> arena_;
  std::shared_ptr<ThreadPool> pool_;  // of all models
  std::string arena_limit_;
  Backend backend_;
  Trainer trainer_;
  std::vector<std::unique_ptr<Predictor>> others_;
  std::vector<View> views_;    // none: samples as they are
  std::vector<uint8_t> seen_;  // a batch of a view
  std::vector<double> sum_;    // of outputs
  std::vector<float> mean_;
  bool classifier_ = false, regressor_ = false;
  uint32_t outputs_ = 0;
  std::vector<float> both_;  // of a single output for two classes
  uint64_t outside_bytes_ = 0;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_PREDICTOR_H_
