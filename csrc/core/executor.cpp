#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/executor_node.h"
#include "core/precision.h"

namespace pyseq {
namespace {

constexpr std::size_t kSettled = 8;  // numbers of rows to remember

}  // namespace

Executor::Executor(const Program& program, const std::vector<VariablePtr>& variables,
                   const ExecutorOptions& options)
    : program_(program),
      table_(program.table()),
      options_(options),
      workers_(options.leader ? 1 : threads_or_default(options.threads)),
      real_(table_.real_size),
      device_(table_.device),
      variables_(variables) {
  settled_.reserve(kSettled);
  options_.trainable.resize(program.spec().variables.size(), false);
  plan_ops();
  find_gradients();
  find_sums();
  share_forward_memory();
  if (device_) stream_ = device_->open(false);
  try {
    lay_out();
    if (!options_.plan_only) bind();
  } catch (...) {
    if (stream_) device_->close(stream_);
    throw;
  }
}

Executor::~Executor() {
  if (stream_) {
    // Nothing may still use the memory that goes now.
    try {
      device_->wait(stream_);
    } catch (...) {
    }
    device_->close(stream_);
  }
}

int Executor::ops() const { return static_cast<int>(nodes_.size()); }

void Executor::call(Node& node, Pool* pool, bool backward) {
  node.run.pool = pool;
  if (device_) {
    device_->range(node.spec->name.c_str());
    if (profile_) device_->start_clock(stream_);
  }
  const auto started = profile_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  if (!backward) {
    if (node.host) {
      try {
        if (!error_) (*node.host)(node.run.n, node.x[0], node.y[0]);
      } catch (...) {
        error_ = std::current_exception();
      }
    } else {
      node.def->forward(node.run);
      if (node.fault) complain(node);
    }
  } else if (!node.state.alias) {
    node.def->backward(node.run);
    const std::size_t rows = static_cast<std::size_t>(node.run.n);
    for (std::size_t i = 0; i < node.add_input.size(); ++i) {
      const Index size = node.state.inputs[node.add_input[i]].size() * static_cast<Index>(rows);
      add(pool, node.dx[node.add_input[i]], node.input_sum[i], size);
    }
    for (std::size_t i = 0; i < node.add_param.size(); ++i)
      add(pool, node.dparam[node.add_param[i]], node.param_sum[i],
          node.state.params[node.add_param[i]].size());
  } else if (!node.add_input.empty()) {
    const Index size = node.state.inputs[0].size() * node.run.n;
    add(pool, node.dy[0], node.input_sum[0], size);
  }
  if (profile_) {
    const std::size_t at = node.run.op + (backward ? nodes_.size() : 0);
    const std::chrono::duration<double, std::micro> host = std::chrono::steady_clock::now() - started;
    microseconds_[at] += device_ ? device_->stop_clock(stream_) : host.count();
  }
  if (device_) device_->range(nullptr);
}

void Executor::add(Pool* pool, const void* src, void* dst, Index n) {
  if (device_) device_->add(stream_, static_cast<const float*>(src), static_cast<float*>(dst), n);
  else table_.add(pool, src, dst, n);
}

// Packs weights anew if any was written since the last time.
void Executor::pack(Pool* pool) {
  if (const int precision = matmul_precision(); precision != settled_precision_) {
    settled_.clear();
    settled_precision_ = precision;
  }
  const std::uint64_t version = version_of_packed();
  if (version == packed_version_) return;
  packed_version_ = version;
  settled_.clear();
  for (Node& node : nodes_) {
    if (node.packed.empty()) continue;
    node.run.pool = pool;
    node.run.n = options_.packs_all ? 1 : 0;
    node.def->pack(node.run);
  }
}

std::uint64_t Executor::version_of_packed() const noexcept {
  std::uint64_t version = 0;
  for (const Variable* v : packed_variables_) version += v->version();
  return version;
}

std::vector<int> Executor::written() const {
  std::vector<int> all;
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params) all.push_back(node.spec->params[i]);
  return all;
}

bool Executor::can_lead() const {
  return std::none_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.packs_anew; });
}

bool Executor::settled(std::int64_t n) const {
  return std::find(settled_.begin(), settled_.end(), n) != settled_.end();
}

void Executor::settle(std::int64_t n) {
  if (settled(n)) return;
  if (settled_.size() == kSettled) settled_.clear();
  settled_.push_back(n);
}

void Executor::begin(Pool* pool, bool updates) {
  if (device_) device_->enter();
  bind_variables();
  if (!options_.leader) pack(pool);
  if (!device_) return;
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params)
      on_device(*variables_[node.spec->params[i]], *device_, true);
  for (std::size_t v = 0; updates && v < variables_.size(); ++v)
    if (options_.trainable[v]) on_device(*variables_[v], *device_, true);
}

void Executor::end() {
  if (device_) return;
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params) variables_[node.spec->params[i]]->changed();
}

void Executor::forward(Pool* pool, std::int64_t n, const void* const* inputs, bool training,
                       std::uint64_t step) {
  if (device_) device_->zero(stream_, device_losses_, nodes_.size() * sizeof(double));
  point_inputs(inputs);
  for (Node& node : nodes_) {
    if (node.state.alias) continue;
    if (pool && pool->interrupted()) return;
    if (node.packs_anew) {
      node.run.pool = pool;
      node.run.n = options_.packs_all ? 1 : 0;
      node.def->pack(node.run);
    }
    node.run.n = n * node.fold;
    node.run.training = training || node.trains;
    node.run.step = step;
    node.loss = 0;
    call(node, pool, false);
  }
}

bool Executor::run_flat(std::int64_t n, const void* const* inputs) noexcept {
  point_inputs(inputs);
  for (const Step& step : steps_) {
    step.run->n = n * step.fold;
    step.call(*step.run);
  }
  bool good = true;
  for (Node* node : faulty_) {
    good = good && !node->fault;
    node->fault = false;
  }
  for (Variable* v : written_variables_) v->changed();
  return good;
}

void Executor::backward(Pool* pool, std::int64_t n, std::uint64_t step, const std::vector<GradientPart>& parts,
                        const std::function<void(const GradientPart&)>& done) {
  std::size_t next = 0;
  const auto complete = [&](int op) {
    while (next < parts.size() && parts[next].completed_by >= op) done(parts[next++]);
  };
  complete(ops());
  for (std::size_t j = nodes_.size(); j-- > 0;) {
    Node& node = nodes_[j];
    if (!node.runs_backward) continue;
    if (pool && pool->interrupted()) return;
    node.run.n = n * node.fold;
    node.run.step = step;
    call(node, pool, true);
    complete(static_cast<int>(j));
  }
}

std::vector<GradientPart> Executor::gradient_parts(std::size_t bytes) const {
  const ProgramSpec& spec = program_.spec();
  const auto variables = spec.variables.size();
  std::vector<int> completed_by(variables, ops());
  std::vector<bool> few_rows(variables, true);
  for (std::size_t j = nodes_.size(); j-- > 0;) {
    const Node& node = nodes_[j];
    if (!node.runs_backward) continue;
    for (std::size_t i = 0; i < node.spec->params.size(); ++i) {
      const auto v = static_cast<std::size_t>(node.spec->params[i]);
      const std::vector<int>& few = node.state.few_rows;
      completed_by[v] = static_cast<int>(j);
      few_rows[v] = few_rows[v] && std::find(few.begin(), few.end(), static_cast<int>(i)) != few.end();
    }
  }
  std::vector<GradientPart> parts;
  bool open = false;  // whether the last part may grow
  for (std::size_t v = variables; v-- > 0;) {
    if (!options_.trainable[v]) continue;
    auto* const data = static_cast<std::byte*>(variable_gradient_[v]);
    const Index size = elements(spec.variables[v].shape);
    if (few_rows[v] && completed_by[v] < ops() && spec.variables[v].shape.size() == 2) {
      parts.push_back({completed_by[v], data, size, spec.variables[v].shape[1]});
      open = false;
    } else if (open) {
      GradientPart& last = parts.back();
      // Variables lie apart by less than a cache line of zeros, which are added up as well.
      last.size += (last.data - data) / static_cast<Index>(real_);
      last.data = data;
      last.completed_by = std::min(last.completed_by, completed_by[v]);
    } else {
      parts.push_back({completed_by[v], data, size, 0});
      open = true;
    }
    if (open && static_cast<std::size_t>(parts.back().size) * real_ >= bytes) open = false;
  }
  for (std::size_t i = 1; i < parts.size(); ++i)
    parts[i].completed_by = std::min(parts[i].completed_by, parts[i - 1].completed_by);
  return parts;
}

void Executor::join(const Group* group) {
  for (Node& node : nodes_) node.run.group = group;
}

void Executor::finish(Pool* pool, std::int64_t n) {
  for (Node& node : nodes_) {
    if (!node.runs_after()) continue;
    node.run.n = n * node.fold;
    node.run.pool = pool;
    node.def->after(node.run);
  }
}

void Executor::keep_written() {
  written_.clear();
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params) {
      const Variable& v = *variables_[node.spec->params[i]];
      const auto* data = static_cast<const std::byte*>(v.data());
      written_.emplace_back(data, data + v.bytes());
    }
}

void Executor::restore_written() {
  std::size_t at = 0;
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params) {
      const std::vector<std::byte>& kept = written_[at++];
      if (!kept.empty()) std::memcpy(variables_[node.spec->params[i]]->data(), kept.data(), kept.size());
    }
}

void Executor::complain(Node& node) {
  node.fault = false;
  if (error_) return;
  Fault fault{};
  node.def->explain(node.run, &fault);
  const std::int64_t row = first_row_ + fault.row / node.fold;
  const std::string got = fault.whole ? std::to_string(fault.id) : std::to_string(fault.number);
  error_ = std::make_exception_ptr(
      Error(node.spec->name + ": expected ids from 0 to " + std::to_string(fault.limit - 1) + ", got " + got +
            " in row " + std::to_string(row_order_ ? row_order_[row] : row) +
            "; check the data or enlarge input_dim"));
}

double Executor::added_loss() const {
  double sum = 0;
  for (const Node& node : nodes_) sum += node.loss;
  return sum;
}

std::vector<double> Executor::flops() const {
  std::vector<double> result(2 * nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const double fold = static_cast<double>(nodes_[i].spec->fold);
    const double forward = nodes_[i].state.forward_flops, backward = nodes_[i].state.backward_flops;
    // A product's backward is two products, unless nobody wants the gradient of its input.
    const bool half = backward == 2 * forward && !nodes_[i].dx.empty() && !nodes_[i].dx[0];
    result[i] = forward * fold;
    result[nodes_.size() + i] = (half ? forward : backward) * fold;
  }
  return result;
}

void Executor::profile(bool on) {
  profile_ = on;
  microseconds_.assign(2 * nodes_.size(), 0.0);
}

}  // namespace pyseq
