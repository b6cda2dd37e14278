#pragma once
// What a TrainableModel is made of, and its inside.
#include "core/model_file.h"
#include "core/trainer.h"
#include "pyseq/training.h"

namespace pyseq {

// What a TrainableModel is made of. `Sequential::compile` makes one, and Python's
// `model.export(path, training=True)` writes one.
struct TrainingSpec {
  ProgramPtr program;                // for training, over variables that inference shares
  std::vector<VariablePtr> variables;
  TrainerSpec trainer;
  std::vector<std::string> metrics;  // names, one for each of TrainerSpec::metrics
  std::vector<VariablePtr> learning_rates;  // float32 scalars, one for each optimizer
  VariablePtr iterations;            // an int32 or int64 scalar: steps made

  // How Python knows it: Keras's description as JSON, and what its weights and assets are called.
  struct Stored {
    std::string path, key;
    VariablePtr variable;
  };
  std::string config;
  std::vector<Stored> weights, assets;

  std::vector<std::string> texts;  // for the self-test of a model that takes texts
};

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

// Writes a model with its training, whose self-test are these rows (see Model::save). Without a program in `spec`
// the file holds inference and how Python knows the model.
void save_model(const Model& model, const TrainingSpec& spec, const std::string& path, std::int64_t rows,
                const void* input, const std::vector<std::string>& texts = {});

// How Python knows a model: what `pyseq.load_model` reads of a file, without any program.
struct StoredModel {
  std::string config;
  std::vector<TrainingSpec::Stored> weights, assets;
};
StoredModel read_stored(const std::string& path);

}  // namespace pyseq
