#pragma once
// A TrainableModel's inside.
#include "core/model_file.h"
#include "pyseq/training.h"

namespace pyseq {

struct TrainableModel::State {
  Model model;
  TrainingSpec spec;
  std::unique_ptr<Trainer> trainer, evaluator;
  std::unique_ptr<Trainer> gradients;  // of inputs
  std::uint64_t step = 0;              // of random numbers
  std::int64_t epochs = 0;             // over all calls of `fit`
};

// The entries "training" and "keras" of a header, with the tensors that they name.
FileParts parts_of(const TrainingSpec& spec);
// What the file says of training; `model` is that of the same file, whose variables it shares.
TrainingSpec training_spec_of(const FileContents& file, const Model& model);

}  // namespace pyseq
