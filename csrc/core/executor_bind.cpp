// The pointers that ops are called with.
#include <algorithm>
#include <utility>

#include "core/executor_node.h"

namespace pyseq {

void Executor::bind() {
  for (std::size_t j = 0; j < nodes_.size(); ++j) {
    Node& node = nodes_[j];
    const OpSpec& op = *node.spec;
    for (const int s : op.inputs) {
      node.x.push_back(slot_pointer_[s]);
      const bool wanted = node.runs_backward && needs_gradient_[s];
      node.dx.push_back(wanted ? slot_gradient_[s] : nullptr);
    }
    for (const int s : op.outputs) {
      node.y.push_back(slot_pointer_[s]);
      node.dy.push_back(slot_gradient_[s]);
    }
    node.param.resize(op.params.size());
    for (const int v : op.params) {
      node.dparam.push_back(node.runs_backward ? variable_gradient_[v] : nullptr);
    }
    // Second and later writers write aside; `call` adds.
    for (std::size_t i = 0; i < node.add_input.size(); ++i)
      std::swap(node.dx[node.add_input[i]], node.input_sum[i]);
    for (std::size_t i = 0; i < node.add_param.size(); ++i)
      std::swap(node.dparam[node.add_param[i]], node.param_sum[i]);
    node.run.config_ = node.state.config.get();
    node.run.x_ = node.x.data();
    node.run.y_ = node.y.data();
    node.run.dx_ = node.dx.data();
    node.run.dy_ = node.dy.data();
    node.run.param_ = node.param.data();
    node.run.dparam_ = node.dparam.data();
    node.run.touched_ = nullptr;
    node.run.kept_ = node.kept.data();
    node.run.scratch_ = node.scratch.data();
    node.run.worker_stride_ = node.worker_stride.data();
    node.run.packed_ = node.packed.data();
    node.run.stream = stream_;
    node.run.loss = device_ ? device_losses_ + j : &node.loss;
    node.run.fault = device_ ? nullptr : &node.fault;
    node.run.op = static_cast<std::uint32_t>(j);
  }
  bind_touched();
  bind_variables();
  find_placeable();
  list_steps();
}

// Marks for variables that one op alone gives a gradient, of few rows.
void Executor::bind_touched() {
  touched_rows_.resize(variable_gradient_.size());
  if (device_) return;
  std::vector<int> writers(variable_gradient_.size());
  for (const Node& node : nodes_)
    if (node.runs_backward)
      for (const int v : node.spec->params) ++writers[v];
  for (Node& node : nodes_) {
    if (!node.runs_backward) continue;
    for (const int i : node.state.few_rows) {
      const int v = node.spec->params[i];
      if (!variable_gradient_[v] || writers[v] != 1) continue;
      touched_rows_[v].resize(round_up(static_cast<std::size_t>(program_.spec().variables[v].shape[0])));
      node.touched.resize(node.spec->params.size());
      node.touched[i] = touched_rows_[v].data();
      node.run.touched_ = node.touched.data();
    }
  }
}

void Executor::list_steps() {
  const auto place = [&](int slot, void** pointer) {
    if (const int b = buffer_[slot]; b >= 0 && external_[b] >= 0) places_.push_back({pointer, external_[b]});
  };
  for (std::size_t s = 0; s < buffer_.size(); ++s) place(static_cast<int>(s), &slot_pointer_[s]);
  for (Node& node : nodes_)
    for (std::size_t i = 0; i < node.x.size(); ++i) place(node.spec->inputs[i], &node.x[i]);
  if (device_ || options_.backward) return;
  for (Node& node : nodes_) {
    if (node.host) continue;
    node.run.training = node.trains;
    if (node.packs_anew) steps_.push_back({node.def->pack, &node.run, 1});
    if (!node.state.alias) steps_.push_back({node.def->forward, &node.run, node.fold});
    if (node.def->explain) faulty_.push_back(&node);
  }
  for (Node& node : nodes_) {
    if (node.runs_after()) steps_.push_back({node.def->after, &node.run, node.fold});
    for (const int i : node.state.written_params)
      written_variables_.push_back(variables_[node.spec->params[i]].get());
  }
}

// Values of one buffer follow each other in place, so all of them move together. Outputs that are an
// input, or that share a buffer, stay.
void Executor::find_placeable() {
  const std::vector<int>& outputs = program_.spec().outputs;
  placeable_.resize(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int b = buffer_[outputs[i]];
    const auto shares = [&](int s) { return buffer_[s] == b; };
    if (device_ || options_.backward || b < 0 || external_[b] >= 0 ||
        std::count_if(outputs.begin(), outputs.end(), shares) > 1)
      continue;
    Placeable& p = placeable_[i];
    p.own = slot_pointer_[outputs[i]];
    for (std::size_t s = 0; s < buffer_.size(); ++s)
      if (buffer_[s] == b) p.names.push_back(&slot_pointer_[s]);
    for (Node& node : nodes_) {
      const OpSpec& op = *node.spec;
      for (std::size_t k = 0; k < op.inputs.size(); ++k)
        if (buffer_[op.inputs[k]] == b) p.names.push_back(&node.x[k]);
      for (std::size_t k = 0; k < op.outputs.size(); ++k)
        if (buffer_[op.outputs[k]] == b) p.names.push_back(&node.y[k]);
    }
  }
}

bool Executor::place_output(std::size_t i, void* to) {
  const Placeable& p = placeable_[i];
  if (p.names.empty()) return false;
  if (!to) to = p.own;
  if (*p.names[0] != to)
    for (void** name : p.names) *name = to;
  return true;
}

// A variable's copy on a GPU moves when the program's variables were on another one in between.
void Executor::bind_variables() {
  bool moved = variable_data_.empty();
  variable_data_.resize(variables_.size());
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    void* at = device_ ? on_device(*variables_[v], *device_, false)
                       : const_cast<void*>(std::as_const(*variables_[v]).data());
    moved = moved || at != variable_data_[v];
    variable_data_[v] = at;
  }
  if (!moved) return;
  for (Node& node : nodes_)
    for (std::size_t i = 0; i < node.param.size(); ++i)
      node.param[i] = variable_data_[node.spec->params[i]];
}

}  // namespace pyseq
