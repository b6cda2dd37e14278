// Where everything of an executor lies: which values share memory, how long each is wanted, arenas.
#include <algorithm>
#include <cstring>

#include "core/executor_node.h"

namespace pyseq {

// True if op j may overwrite the buffer of its input 0; `sharing` has the slots of each buffer.
bool Executor::shares_forward(int j, const std::vector<std::vector<int>>& sharing) const {
  const Node& op = nodes_[j];
  const int b = buffer_[op.spec->inputs[0]];
  if (external_[b] >= 0 || op.spec->inputs.size() > 1) return false;
  const auto listed = [](const std::vector<int>& v, int s) {
    return std::find(v.begin(), v.end(), s) != v.end();
  };
  for (const int slot : sharing[static_cast<std::size_t>(b)]) {
    const auto s = static_cast<std::size_t>(slot);
    if (listed(program_.spec().outputs, slot) || listed(options_.loss_slots, slot)) return false;
    for (const int r : readers_[s]) {
      if (r > j) return false;
      const Node& reader = nodes_[r];
      if (reader.runs_after()) return false;
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
  std::vector<std::vector<int>> sharing(spec.slots.size());
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    buffer_[spec.inputs[i]] = spec.inputs[i];
    external_[spec.inputs[i]] = static_cast<int>(i);
    sharing[static_cast<std::size_t>(spec.inputs[i])].push_back(spec.inputs[i]);
  }
  for (std::size_t j = 0; j < nodes_.size(); ++j) {
    const Node& node = nodes_[j];
    for (const int s : node.spec->outputs) buffer_[s] = s;
    if (node.state.alias || (node.state.in_place && shares_forward(static_cast<int>(j), sharing)))
      buffer_[node.spec->outputs[0]] = buffer_[node.spec->inputs[0]];
    for (const int s : node.spec->outputs) sharing[static_cast<std::size_t>(buffer_[s])].push_back(s);
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

// Forward runs op j at time j, the loss comes at time P, backward goes back from P + 1.
int Executor::backward_time(int op) const { return 2 * static_cast<int>(nodes_.size()) - op; }

void Executor::lay_out() {
  Layout layout;
  book_values(layout);
  book_buffers(layout);
  layout.values = place(layout.blocks);
  allocate_arena(layout);
  allocate_gradients();
  allocate_packed();
  if (options_.plan_only) return;
  point_slots(layout);
  point_buffers(layout);
}

void Executor::book_values(Layout& layout) const {
  const ProgramSpec& spec = program_.spec();
  const int count = static_cast<int>(nodes_.size()), slots = static_cast<int>(spec.slots.size());
  const auto rows = static_cast<std::size_t>(options_.max_rows);
  std::vector<Block>& blocks = layout.blocks;
  blocks.resize(2 * slots);
  const auto extend = [](Block& b, int first, int last) {
    if (b.last < b.first) {
      b.first = first;
      b.last = last;
    }
    b.first = std::min(b.first, first);
    b.last = std::max(b.last, last);
  };
  for (int s = 0; s < slots; ++s) {
    const std::size_t bytes = buffer_bytes({elements(spec.slots[s])}, rows, size_of(slot_dtype(spec, s)), "Program");
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
        if (nodes_[r].runs_after()) extend(block, p, options_.backward ? backward_time(0) + 1 : count);
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
}

void Executor::book_buffers(Layout& layout) {
  const ProgramSpec& spec = program_.spec();
  const int count = static_cast<int>(nodes_.size());
  const auto rows = static_cast<std::size_t>(options_.max_rows);
  std::vector<Block>& blocks = layout.blocks;
  for (int j = 0; j < count; ++j) {
    Node& node = nodes_[j];
    const std::size_t n = rows * static_cast<std::size_t>(node.fold);
    const int until = node.runs_backward ? backward_time(j) : j;
    const std::string& where = node.state.where;
    layout.kept_at.push_back(blocks.size());
    for (const Booking& k : node.state.kept)
      blocks.push_back({round_up(buffer_bytes(k, n, real_, where)), j, until});
    layout.temporary_at.push_back(blocks.size());
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
      bytes += round_up(buffer_bytes(s, n, real_, where)) + own * workers_;
    }
    layout.scratch = std::max(layout.scratch, bytes);
  }
}

// The arena, and in it what only a GPU needs.
void Executor::allocate_arena(const Layout& layout) {
  const ProgramSpec& spec = program_.spec();
  const auto rows = static_cast<std::size_t>(options_.max_rows);
  std::size_t total = layout.values + layout.scratch;
  const std::size_t losses_at = total;
  std::vector<std::size_t> input_at;
  if (device_) {
    total += round_up(nodes_.size() * sizeof(double));
    for (const int s : spec.inputs) {
      input_at.push_back(total);
      total += round_up(slot_row_bytes(spec, s) * rows);
    }
  }
  bytes_ += total;
  arena_bytes_ = total;
  if (options_.plan_only) return;
  arena_ = options_.memory ? std::make_unique<Arena>(options_.memory, total) : std::make_unique<Arena>(total, device_);
  std::byte* const base = arena_->data();
  if (device_) device_losses_ = reinterpret_cast<double*>(base + losses_at);
  for (const std::size_t at : input_at) inputs_.push_back(base + at);
}

// Gradients of variables, apart: those that no op writes stay 0.
void Executor::allocate_gradients() {
  const ProgramSpec& spec = program_.spec();
  std::vector<std::size_t> offset(spec.variables.size());
  std::size_t total = 0;
  for (std::size_t v = 0; v < spec.variables.size(); ++v) {
    if (!options_.trainable[v]) continue;
    offset[v] = total;
    total += round_up(static_cast<std::size_t>(elements(spec.variables[v].shape)) * real_);
  }
  bytes_ += total;
  if (options_.plan_only) return;
  gradients_ = std::make_unique<Arena>(total, device_);
  if (device_) device_->zero(stream_, gradients_->data(), total);
  else std::memset(gradients_->data(), 0, total);
  variable_gradient_.assign(spec.variables.size(), nullptr);
  for (std::size_t v = 0; v < spec.variables.size(); ++v)
    if (options_.trainable[v]) variable_gradient_[v] = gradients_->data() + offset[v];
}

void Executor::allocate_packed() {
  std::size_t packed = 0;
  const Executor* other = options_.leader;
  for (std::size_t j = 0; other && j < nodes_.size(); ++j) nodes_[j].packed = other->nodes_[j].packed;
  for (const Node& node : nodes_)
    for (const Index size : node.state.packed)
      if (!other) packed += round_up(static_cast<std::size_t>(size) * real_);
  bytes_ += packed;
  if (options_.plan_only) return;
  packed_ = std::make_unique<Arena>(packed, device_);
  packed = 0;
  for (Node& node : nodes_)
    for (const Index size : node.state.packed) {
      if (other) break;
      node.packed.push_back(packed_->data() + packed);
      packed += round_up(static_cast<std::size_t>(size) * real_);
    }
}

void Executor::point_slots(const Layout& layout) {
  const int slots = static_cast<int>(buffer_.size());
  const std::vector<Block>& blocks = layout.blocks;
  std::byte* const base = arena_->data();
  slot_pointer_.assign(slots, nullptr);
  slot_gradient_.assign(slots, nullptr);
  for (int s = 0; s < slots; ++s) {
    if (const int b = buffer_[s]; b >= 0 && external_[b] < 0) slot_pointer_[s] = base + blocks[b].offset;
    if (has_gradient_[s]) slot_gradient_[s] = base + blocks[slots + gradient_buffer_[s]].offset;
  }
}

void Executor::point_buffers(const Layout& layout) {
  const auto rows = static_cast<std::size_t>(options_.max_rows);
  const std::vector<Block>& blocks = layout.blocks;
  std::byte* const base = arena_->data();
  for (std::size_t j = 0; j < nodes_.size(); ++j) {
    Node& node = nodes_[j];
    const std::size_t n = rows * static_cast<std::size_t>(node.fold);
    for (std::size_t i = 0; i < node.state.kept.size(); ++i)
      node.kept.push_back(base + blocks[layout.kept_at[j] + i].offset);
    std::byte* at = base + layout.values;
    for (std::size_t i = 0; i < node.state.scratch.size(); ++i) {
      const Booking& s = node.state.scratch[i];
      const std::size_t shared = round_up(buffer_bytes(s, n, real_, node.state.where));
      // With only a per-worker part the shared pointer is that of worker 0.
      node.scratch.push_back(at);
      if (s.per_worker && shared) throw Error(node.state.where + ": book shared and per-worker scratch apart");
      at += shared + static_cast<std::size_t>(node.worker_stride[i]) * workers_;
    }
    std::size_t t = layout.temporary_at[j];
    for (std::size_t i = 0; i < node.add_input.size(); ++i) node.input_sum.push_back(base + blocks[t++].offset);
    for (std::size_t i = 0; i < node.add_param.size(); ++i) node.param_sum.push_back(base + blocks[t++].offset);
  }
}

}  // namespace pyseq
