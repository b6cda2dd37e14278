#include "core/executor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

namespace pyseq {

struct Executor::Node {
  const OpDef* def = nullptr;
  const HostFunction* host = nullptr;
  const OpSpec* spec = nullptr;
  PlanState state;
  std::int64_t fold = 1;
  bool runs_backward = false;
  std::vector<int> external;            // per input: number of the program's input, or -1
  std::vector<int> add_input;           // inputs whose gradient is added to what is there
  std::vector<int> add_param;           // the same for variables
  std::vector<void*> input_sum, param_sum;  // where those sums go
  std::vector<void*> x, y, dx, dy, param, dparam, kept, scratch, packed;
  std::vector<Index> worker_stride;
  double loss = 0;
  Run run{};
};

namespace {

constexpr std::size_t kSettled = 8;  // numbers of rows to remember

std::int64_t elements(const Dims& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

}  // namespace

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

// Forward runs op j at time j, the loss comes at time P, backward goes back from P + 1.
int Executor::backward_time(int op) const { return 2 * static_cast<int>(nodes_.size()) - op; }

Executor::Executor(const Program& program, const std::vector<VariablePtr>& variables,
                   const ExecutorOptions& options)
    : program_(program),
      table_(program.table()),
      options_(options),
      workers_(options.leader ? 1 : num_threads()),
      real_(table_.real_size),
      device_(table_.device),
      variables_(variables) {
  settled_.reserve(kSettled);
  options_.trainable.resize(program.spec().variables.size(), false);
  plan_ops();
  find_gradients();
  share_forward_memory();
  if (device_) stream_ = device_->open(false);
  try {
    lay_out();
    bind();
  } catch (...) {
    if (stream_) device_->close(stream_);
    throw;
  }
}

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
      else node.state = plan_op(*node.def, op, spec, options_.backward);
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
}

Pieces Executor::pieces(std::int64_t n) const {
  // Not asked of the machine: where a batch is cut may change last bits, and they are to be the same
  // for any number of threads.
  constexpr double kCache = 1 << 20, kCaches = 4 << 20;  // what a core and a few cores hold close
  constexpr std::int64_t kMostPieces = 16, kLeastPieces = 8, kLeastRows = 8;
  constexpr double kGain = 0.4;  // of the bytes of a whole batch: more than that does not show
  if (device_ || whole_batch_ || moved_.empty()) return {n};
  const double most = *std::max_element(moved_.begin(), moved_.end());
  if (worth_a_team(work(n)) && variable_bytes_ <= kCaches) {
    // Small enough to stay with a core, and large enough to use each weight often: a row uses it
    // `uses` times.
    const double even = std::ceil(static_cast<double>(n) / static_cast<double>(kMostPieces));
    const double often = variable_bytes_ <= kCache / 4 ? 32 : 64;
    const double uses = product_flops_ * static_cast<double>(real_) / std::max(2 * variable_bytes_, 1.0);
    const double rows = std::max(often / std::max(uses, 1.0), std::min(even, kCache / std::max(most, 1.0)));
    const auto count = static_cast<std::int64_t>(static_cast<double>(n) / std::max(rows, 1.0));
    if (count >= kLeastPieces) return {(n + count - 1) / count, true};
  }
  if (static_cast<double>(n) * most <= 2 * kCaches) return {n};
  // Bytes from and to memory: values that do not stay, and the variables, once for each piece.
  const auto cost = [&](std::int64_t rows, std::int64_t pieces) {
    double bytes = static_cast<double>(pieces) * variable_bytes_;
    for (const double moved : moved_)
      if (moved * static_cast<double>(rows) > kCaches) bytes += moved * static_cast<double>(n);
    return bytes;
  };
  std::int64_t best = n;
  double least = kGain * cost(n, 1);
  for (std::int64_t pieces = 2; n / pieces >= kLeastRows; ++pieces) {
    const std::int64_t rows = (n + pieces - 1) / pieces;
    const double bytes = cost(rows, pieces);
    if (bytes < least) best = rows, least = bytes;
    if (static_cast<double>(rows) * most <= kCaches) break;
  }
  return {best};
}

bool Executor::settled(std::int64_t n) const {
  return std::find(settled_.begin(), settled_.end(), n) != settled_.end();
}

void Executor::settle(std::int64_t n) {
  if (settled(n)) return;
  if (settled_.size() == kSettled) settled_.clear();
  settled_.push_back(n);
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
    for (const int s : node.spec->outputs) needs_gradient_[s] = wants(node);
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

// True if op j may overwrite the buffer of its input 0.
bool Executor::shares_forward(int j) const {
  const Node& op = nodes_[j];
  const int b = buffer_[op.spec->inputs[0]];
  if (external_[b] >= 0 || op.spec->inputs.size() > 1) return false;
  const auto listed = [](const std::vector<int>& v, int s) {
    return std::find(v.begin(), v.end(), s) != v.end();
  };
  for (std::size_t s = 0; s < buffer_.size(); ++s) {
    if (buffer_[s] != b) continue;
    const int slot = static_cast<int>(s);
    if (listed(program_.spec().outputs, slot) || listed(options_.loss_slots, slot)) return false;
    for (const int r : readers_[s]) {
      if (r > j) return false;
      const Node& reader = nodes_[r];
      if (!reader.runs_backward) continue;
      for (std::size_t i = 0; i < reader.spec->inputs.size(); ++i)
        if (reader.spec->inputs[i] == slot && reader.state.reads_input[i]) return false;
    }
    if (producer_[s] >= 0) {
      const Node& producer = nodes_[producer_[s]];
      for (std::size_t i = 0; producer.runs_backward && i < producer.spec->outputs.size(); ++i)
        if (producer.spec->outputs[i] == slot && producer.state.reads_output[i]) return false;
    }
  }
  return true;
}

void Executor::share_forward_memory() {
  const ProgramSpec& spec = program_.spec();
  buffer_.assign(spec.slots.size(), -1);
  external_.assign(spec.slots.size(), -1);
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    buffer_[spec.inputs[i]] = spec.inputs[i];
    external_[spec.inputs[i]] = static_cast<int>(i);
  }
  for (std::size_t j = 0; j < nodes_.size(); ++j) {
    const Node& node = nodes_[j];
    for (const int s : node.spec->outputs) buffer_[s] = s;
    if (node.state.alias || (node.state.in_place && shares_forward(static_cast<int>(j))))
      buffer_[node.spec->outputs[0]] = buffer_[node.spec->inputs[0]];
  }
  gradient_buffer_.assign(spec.slots.size(), -1);
  for (std::size_t s = 0; s < spec.slots.size(); ++s)
    if (has_gradient_[s]) gradient_buffer_[s] = static_cast<int>(s);
  for (int j = static_cast<int>(nodes_.size()) - 1; j >= 0; --j) {
    const Node& node = nodes_[j];
    if (!node.runs_backward || !(node.state.alias || node.state.in_place)) continue;
    const int x = node.spec->inputs[0], y = node.spec->outputs[0];
    if (first_writer_[x] == j && has_gradient_[y] && node.spec->inputs.size() == 1)
      gradient_buffer_[x] = gradient_buffer_[y];
  }
}

void Executor::lay_out() {
  const ProgramSpec& spec = program_.spec();
  const int count = static_cast<int>(nodes_.size()), slots = static_cast<int>(spec.slots.size());
  const auto rows = static_cast<std::size_t>(options_.max_rows);
  // Blocks: a value for each slot, a gradient for each slot, kept buffers, gradient temporaries,
  // and one scratch block that all ops use in turn.
  std::vector<Block> blocks(2 * slots);
  const auto extend = [](Block& b, int first, int last) {
    if (b.last < b.first) {
      b.first = first;
      b.last = last;
    }
    b.first = std::min(b.first, first);
    b.last = std::max(b.last, last);
  };
  for (int s = 0; s < slots; ++s) {
    const std::size_t bytes = static_cast<std::size_t>(elements(spec.slots[s])) * rows * real_;
    if (const int b = buffer_[s]; b >= 0 && external_[b] < 0) {
      Block& block = blocks[b];
      block.bytes = std::max(block.bytes, bytes);
      const int p = producer_[s];
      if (p >= 0) extend(block, p, p);
      if (p >= 0 && nodes_[p].runs_backward)
        for (std::size_t i = 0; i < nodes_[p].spec->outputs.size(); ++i)
          if (nodes_[p].spec->outputs[i] == s && nodes_[p].state.reads_output[i])
            extend(block, p, backward_time(p));
      for (const int r : readers_[s]) {
        extend(block, p, r);
        for (std::size_t i = 0; nodes_[r].runs_backward && i < nodes_[r].spec->inputs.size(); ++i)
          if (nodes_[r].spec->inputs[i] == s && nodes_[r].state.reads_input[i])
            extend(block, p, backward_time(r));
      }
      const auto until_loss = [&](const std::vector<int>& v) {
        if (std::find(v.begin(), v.end(), s) != v.end()) extend(block, p, count);
      };
      until_loss(spec.outputs);
      until_loss(options_.loss_slots);
    }
    if (has_gradient_[s]) {
      Block& block = blocks[slots + gradient_buffer_[s]];
      block.bytes = std::max(block.bytes, bytes);
      const int first = first_writer_[s] == count ? count : backward_time(first_writer_[s]);
      const int last = producer_[s] >= 0 ? backward_time(producer_[s]) : backward_time(0) + 1;
      extend(block, first, last);
    }
  }
  std::vector<std::size_t> kept_at, temporary_at;
  std::size_t scratch_bytes = 0;
  std::vector<bool> variable_written(spec.variables.size());
  for (int j = count - 1; j >= 0; --j) {
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
      if (!options_.trainable[v]) continue;
      if (variable_written[v]) node.add_param.push_back(static_cast<int>(i));
      variable_written[v] = true;
    }
  }
  for (int j = 0; j < count; ++j) {
    Node& node = nodes_[j];
    const std::size_t n = rows * static_cast<std::size_t>(node.fold);
    const int until = node.runs_backward ? backward_time(j) : j;
    kept_at.push_back(blocks.size());
    for (const Booking& k : node.state.kept)
      blocks.push_back({round_up((static_cast<std::size_t>(k.per_row) * n + k.fixed) * real_), j, until});
    temporary_at.push_back(blocks.size());
    for (const int i : node.add_input) {
      const std::size_t size = static_cast<std::size_t>(elements(spec.slots[node.spec->inputs[i]]));
      blocks.push_back({size * rows * real_, backward_time(j), backward_time(j)});
    }
    for (const int i : node.add_param) {
      const std::size_t size = static_cast<std::size_t>(node.state.params[i].size());
      blocks.push_back({size * real_, backward_time(j), backward_time(j)});
    }
    std::size_t bytes = 0;
    for (const Booking& s : node.state.scratch) {
      const std::size_t own = round_up(static_cast<std::size_t>(s.per_worker) * real_);
      node.worker_stride.push_back(static_cast<Index>(own));
      bytes += round_up((static_cast<std::size_t>(s.per_row) * n + s.fixed) * real_) + own * workers_;
    }
    scratch_bytes = std::max(scratch_bytes, bytes);
  }
  const std::size_t values = place(blocks);
  std::size_t total = values + scratch_bytes;
  const std::size_t losses_at = total;
  std::vector<std::size_t> input_at;
  if (device_) {
    total += round_up(nodes_.size() * sizeof(double));
    for (const int s : spec.inputs) {
      input_at.push_back(total);
      total += round_up(static_cast<std::size_t>(elements(spec.slots[s])) * rows * real_);
    }
  }
  arena_ = std::make_unique<Arena>(total, device_);
  std::byte* const base = arena_->data();
  if (device_) device_losses_ = reinterpret_cast<double*>(base + losses_at);
  for (const std::size_t at : input_at) inputs_.push_back(base + at);

  gradient_offset_.assign(spec.variables.size(), 0);
  total = 0;
  for (std::size_t v = 0; v < spec.variables.size(); ++v) {
    if (!options_.trainable[v]) continue;
    gradient_offset_[v] = total;
    total += round_up(static_cast<std::size_t>(elements(spec.variables[v].shape)) * real_);
  }
  gradients_ = std::make_unique<Arena>(total, device_);
  if (device_) device_->zero(stream_, gradients_->data(), total);
  else std::memset(gradients_->data(), 0, total);

  std::size_t packed = 0;
  const Executor* other = options_.leader;
  for (int j = 0; other && j < count; ++j) nodes_[j].packed = other->nodes_[j].packed;
  for (const Node& node : nodes_)
    for (const Index size : node.state.packed)
      if (!other) packed += round_up(static_cast<std::size_t>(size) * real_);
  packed_ = std::make_unique<Arena>(packed, device_);
  packed = 0;
  for (Node& node : nodes_)
    for (const Index size : node.state.packed) {
      if (other) break;
      node.packed.push_back(packed_->data() + packed);
      packed += round_up(static_cast<std::size_t>(size) * real_);
    }

  slot_pointer_.assign(slots, nullptr);
  slot_gradient_.assign(slots, nullptr);
  for (int s = 0; s < slots; ++s) {
    if (const int b = buffer_[s]; b >= 0 && external_[b] < 0) slot_pointer_[s] = base + blocks[b].offset;
    if (has_gradient_[s]) slot_gradient_[s] = base + blocks[slots + gradient_buffer_[s]].offset;
  }
  variable_gradient_.assign(spec.variables.size(), nullptr);
  for (std::size_t v = 0; v < spec.variables.size(); ++v)
    if (options_.trainable[v]) variable_gradient_[v] = gradients_->data() + gradient_offset_[v];
  for (int j = 0; j < count; ++j) {
    Node& node = nodes_[j];
    const std::size_t n = rows * static_cast<std::size_t>(node.fold);
    for (std::size_t i = 0; i < node.state.kept.size(); ++i)
      node.kept.push_back(base + blocks[kept_at[j] + i].offset);
    std::byte* at = base + values;
    for (std::size_t i = 0; i < node.state.scratch.size(); ++i) {
      const Booking& s = node.state.scratch[i];
      const std::size_t shared = round_up((static_cast<std::size_t>(s.per_row) * n + s.fixed) * real_);
      // With only a per-worker part the shared pointer is that of worker 0.
      node.scratch.push_back(at);
      if (s.per_worker && shared) throw Error(node.state.where + ": book shared and per-worker scratch apart");
      at += shared + static_cast<std::size_t>(node.worker_stride[i]) * workers_;
    }
    std::size_t t = temporary_at[j];
    for (std::size_t i = 0; i < node.add_input.size(); ++i) node.input_sum.push_back(base + blocks[t++].offset);
    for (std::size_t i = 0; i < node.add_param.size(); ++i) node.param_sum.push_back(base + blocks[t++].offset);
  }
}

void Executor::bind() {
  for (std::size_t j = 0; j < nodes_.size(); ++j) {
    Node& node = nodes_[j];
    const OpSpec& op = *node.spec;
    for (const int s : op.inputs) {
      node.x.push_back(slot_pointer_[s]);
      node.external.push_back(external_[buffer_[s]]);
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
    node.run.kept_ = node.kept.data();
    node.run.scratch_ = node.scratch.data();
    node.run.worker_stride_ = node.worker_stride.data();
    node.run.packed_ = node.packed.data();
    node.run.stream = stream_;
    node.run.loss = device_ ? device_losses_ + j : &node.loss;
    node.run.op = static_cast<std::uint32_t>(j);
  }
  bind_variables();
  find_placeable();
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
  std::uint64_t version = 0;
  for (const Node& node : nodes_) {
    if (node.packed.empty()) continue;
    for (const int v : node.spec->params) version += variables_[v]->version();
    for (const int i : node.state.written_params) version -= variables_[node.spec->params[i]]->version();
  }
  if (version == packed_version_) return;
  packed_version_ = version;
  settled_.clear();
  for (Node& node : nodes_) {
    if (node.packed.empty()) continue;
    node.run.pool = pool;
    node.def->pack(node.run);
  }
}

// A variable's copy on a GPU moves when the program's variables were on another one in between.
void Executor::bind_variables() {
  bool moved = variable_data_.empty();
  variable_data_.resize(variables_.size());
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    void* at = device_ ? variables_[v]->on_device(*device_, false)
                       : const_cast<void*>(std::as_const(*variables_[v]).data());
    moved = moved || at != variable_data_[v];
    variable_data_[v] = at;
  }
  if (!moved) return;
  for (Node& node : nodes_)
    for (std::size_t i = 0; i < node.param.size(); ++i)
      node.param[i] = variable_data_[node.spec->params[i]];
}

void Executor::begin(Pool* pool, bool updates) {
  if (device_) device_->enter();
  bind_variables();
  if (!options_.leader) pack(pool);
  if (!device_) return;
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params)
      variables_[node.spec->params[i]]->on_device(*device_, true);
  for (std::size_t v = 0; updates && v < variables_.size(); ++v)
    if (options_.trainable[v]) variables_[v]->on_device(*device_, true);
}

void Executor::end() {
  if (device_) return;
  for (const Node& node : nodes_)
    for (const int i : node.state.written_params) variables_[node.spec->params[i]]->changed();
}

void Executor::forward(Pool* pool, std::int64_t n, const void* const* inputs, bool training,
                       std::uint64_t step) {
  if (device_) device_->zero(stream_, device_losses_, nodes_.size() * sizeof(double));
  for (std::size_t s = 0; s < buffer_.size(); ++s)
    if (buffer_[s] >= 0 && external_[buffer_[s]] >= 0)
      slot_pointer_[s] = const_cast<void*>(inputs[external_[buffer_[s]]]);
  for (Node& node : nodes_) {
    if (node.state.alias) continue;
    for (std::size_t i = 0; i < node.external.size(); ++i)
      if (node.external[i] >= 0) node.x[i] = const_cast<void*>(inputs[node.external[i]]);
    node.run.n = n * node.fold;
    node.run.training = training;
    node.run.step = step;
    node.loss = 0;
    call(node, pool, false);
  }
}

void Executor::backward(Pool* pool, std::int64_t n, std::uint64_t step) {
  for (std::size_t j = nodes_.size(); j-- > 0;) {
    Node& node = nodes_[j];
    if (!node.runs_backward) continue;
    node.run.n = n * node.fold;
    node.run.step = step;
    call(node, pool, true);
  }
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
