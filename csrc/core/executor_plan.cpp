// What a program's ops are and want, before any memory is given out.
#include <algorithm>

#include "core/executor_node.h"

namespace pyseq {

void Executor::plan_ops() {
  const ProgramSpec& spec = program_.spec();
  const std::vector<VariablePtr>& variables = variables_;
  if (variables.size() != spec.variables.size())
    throw Error("Program: expected " + std::to_string(spec.variables.size()) + " variables, got " +
                std::to_string(variables.size()));
  for (std::size_t i = 0; i < variables.size(); ++i) {
    if (variables[i]->shape() != spec.variables[i].shape || variables[i]->dtype() != spec.dtype)
      throw Error("Program: expected variable " + spec.variables[i].name +
                  " to have the shape and dtype that the program was lowered for");
  }
  readers_.resize(spec.slots.size());
  producer_.assign(spec.slots.size(), -1);
  nodes_.resize(spec.ops.size());
  for (std::size_t j = 0; j < nodes_.size(); ++j) {
    Node& node = nodes_[j];
    const OpSpec& op = spec.ops[j];
    node.spec = &op;
    node.fold = op.fold;
    const auto trains = op.attributes.find("training");
    node.trains = trains != op.attributes.end() && trains->second == Attribute(std::int64_t{1});
    for (const int s : op.inputs) readers_[s].push_back(static_cast<int>(j));
    for (const int s : op.outputs) producer_[s] = static_cast<int>(j);
    double moved = 0;
    for (const int s : op.inputs) moved += static_cast<double>(elements(spec.slots[s]));
    for (const int s : op.outputs) moved += static_cast<double>(elements(spec.slots[s]));
    if (op.kind == "host") {
      node.host = &program_.host().at(
          static_cast<std::size_t>(std::get<std::int64_t>(op.attributes.at("callback"))));
    } else {
      node.def = find_op(table_, op.kind.c_str());
      if (options_.leader) node.state = options_.leader->nodes_[j].state;
      else node.state = plan_op(*node.def, op, spec, options_.backward, table_);
    }
    node.state.reads_input.resize(op.inputs.size());
    node.state.reads_output.resize(op.outputs.size());
    whole_batch_ = whole_batch_ || node.host || node.state.whole_batch || node.state.adds_loss ||
                   !node.state.written_params.empty();
    if (!node.state.alias) {
      moved_.push_back(moved * static_cast<double>(real_));
      const double fold = static_cast<double>(op.fold);
      double& work = node.state.by_rows && op.fold == 1 ? work_by_rows_ : work_per_row_;
      work += node.state.forward_flops * fold + 2 * moved;
      if (options_.backward) work += node.state.backward_flops * fold + 2 * moved;
      // Variables pass through memory once a call, each element in the time of a few operations.
      double elements_read = 0;
      for (const int v : op.params) elements_read += static_cast<double>(elements(spec.variables[v].shape));
      const double flops = node.state.forward_flops * fold;
      // A table that rows are picked from is not read as a whole.
      if (flops >= elements_read) {
        variable_bytes_ += elements_read * static_cast<double>(real_);
        product_flops_ += flops;
      }
      work_per_call_ += std::min(4 * elements_read, 2 * node.state.forward_flops * fold);
    }
  }
  std::vector<bool> written(spec.variables.size(), false);
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params) written[node.spec->params[i]] = true;
  for (Node& node : nodes_) {
    if (node.state.packed.empty()) continue;
    for (std::size_t i = 0; i < node.spec->params.size(); ++i) {
      // What an op writes itself is a state, which it does not pack.
      const std::vector<int>& own = node.state.written_params;
      if (std::find(own.begin(), own.end(), static_cast<int>(i)) != own.end()) continue;
      const int v = node.spec->params[i];
      packed_variables_.push_back(variables[v].get());
      node.packs_anew = node.packs_anew || written[v];
    }
  }
}

// Which values and variables want a gradient, and which ops run backward for it.
void Executor::find_gradients() {
  const ProgramSpec& spec = program_.spec();
  const int count = static_cast<int>(nodes_.size());
  needs_gradient_.assign(spec.slots.size(), false);
  has_gradient_.assign(spec.slots.size(), false);
  first_writer_.assign(spec.slots.size(), -1);
  if (!options_.backward) return;
  for (const int s : spec.inputs) needs_gradient_[s] = options_.input_gradients;
  const auto wants = [&](const Node& node) {
    for (const int s : node.spec->inputs)
      if (needs_gradient_[s]) return true;
    for (const int v : node.spec->params)
      if (options_.trainable[v]) return true;
    return false;
  };
  for (const Node& node : nodes_)
    for (const int s : node.spec->outputs)
      needs_gradient_[s] =
          slot_dtype(spec, s) != DType::int64 && !node.state.ends_gradient && wants(node);
  for (const int s : options_.seed_slots) {
    has_gradient_[s] = true;
    first_writer_[s] = count;
  }
  for (int j = count - 1; j >= 0; --j) {
    Node& node = nodes_[j];
    bool fed = node.state.adds_loss;
    for (const int s : node.spec->outputs) fed = fed || has_gradient_[s];
    if (!fed || !wants(node)) continue;
    if (!node.host && !node.def->backward && !node.state.alias)
      throw Error(node.state.where + ": expected an op with a gradient, got one without; freeze the "
                  "layers before it (trainable=False)");
    if (node.host)
      throw Error(node.spec->name + ": expected a layer with a gradient, got a Python function; "
                  "use it for inference or before the first trainable layer");
    node.runs_backward = true;
    for (const int s : node.spec->inputs) {
      if (!needs_gradient_[s]) continue;
      has_gradient_[s] = true;
      if (first_writer_[s] < 0) first_writer_[s] = j;
    }
  }
}

// Gradients that are added to what another op wrote before.
void Executor::find_sums() {
  std::vector<bool> variable_written(program_.spec().variables.size());
  for (int j = static_cast<int>(nodes_.size()) - 1; j >= 0; --j) {
    Node& node = nodes_[j];
    if (!node.runs_backward) continue;
    for (std::size_t i = 0; i < node.spec->inputs.size(); ++i) {
      const int s = node.spec->inputs[i];
      const bool again = std::find(node.spec->inputs.begin(), node.spec->inputs.begin() + i, s) !=
                         node.spec->inputs.begin() + i;
      if (needs_gradient_[s] && (first_writer_[s] != j || again))
        node.add_input.push_back(static_cast<int>(i));
    }
    for (std::size_t i = 0; i < node.spec->params.size(); ++i) {
      const int v = node.spec->params[i];
      if (!options_.trainable[v] || node.state.alias) continue;
      if (variable_written[v]) node.add_param.push_back(static_cast<int>(i));
      variable_written[v] = true;
    }
  }
}

}  // namespace pyseq
