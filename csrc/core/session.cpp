#include "pyseq/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/executor.h"
#include "core/pace.h"
#include "pyseq/model.h"

namespace pyseq {

Session::Session(ProgramPtr program, std::vector<VariablePtr> variables)
    : Session(std::move(program), std::move(variables), 1) {}

Session::Session(const Model& model, std::int64_t n, const Device& device)
    : Session(std::make_shared<Program>(model.program().spec(), model.program().host(), device),
              model.variables(), n) {}

Session::Session(ProgramPtr program, std::vector<VariablePtr> variables, std::int64_t n)
    : program_(std::move(program)), variables_(std::move(variables)), pace_(std::make_unique<Pace>()) {
  if (n < 1) throw Error("Session: expected room for 1 row or more, got " + std::to_string(n));
  std::int64_t rows;
  idle_.push_back(take(n, false, &rows));
}

Session::~Session() = default;

std::unique_ptr<Executor> Session::take(std::int64_t n, bool whole, std::int64_t* rows) {
  std::unique_ptr<Executor> executor;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      executor = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  ExecutorOptions options;
  if (!executor) executor = std::make_unique<Executor>(*program_, variables_, options);
  *rows = whole ? n : executor->rows_at_once(n);
  if (executor->max_rows() < *rows || executor->workers() < num_threads()) {
    options.max_rows = std::max(*rows, executor->max_rows());
    executor.reset();
    executor = std::make_unique<Executor>(*program_, variables_, options);
  }
  return executor;
}

std::size_t Session::slot_bytes(int slot, std::int64_t n) const {
  std::size_t bytes = static_cast<std::size_t>(n) * program_->table().real_size;
  for (const std::int64_t d : program_->spec().slots[slot]) bytes *= static_cast<std::size_t>(d);
  return bytes;
}

void Session::run_on_device(Executor& executor, std::int64_t n, const void* const* inputs,
                            void* const* outputs, bool training, std::uint64_t step) const {
  const DeviceTable& device = *program_->table().device;
  const std::vector<int>& slots = program_->spec().inputs;
  executor.begin(nullptr, false);
  std::vector<const void*> in;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    in.push_back(executor.input(static_cast<int>(i)));
    device.upload(executor.stream(), executor.input(static_cast<int>(i)), inputs[i],
                  slot_bytes(slots[i], n));
  }
  const StepState state{step, 0, 0, 0};
  device.upload(executor.stream(), device.state(executor.stream()), &state, sizeof state);
  executor.forward(nullptr, n, in.data(), training, step);
  executor.end();
  const std::vector<int>& results = program_->spec().outputs;
  for (std::size_t i = 0; i < results.size(); ++i)
    device.download(executor.stream(), outputs[i], executor.slot(results[i]), slot_bytes(results[i], n));
}

namespace {

// Small outputs are copied: an arena's memory is aligned, a caller's need not be.
constexpr std::size_t kPlaced = 65536;

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

}  // namespace

bool Session::overlapping(std::int64_t n, const void* const* inputs, void* const* outputs) const {
  const ProgramSpec& spec = program_->spec();
  for (std::size_t i = 0; i < spec.outputs.size(); ++i)
    for (std::size_t k = 0; k < spec.inputs.size(); ++k)
      if (overlap(outputs[i], slot_bytes(spec.outputs[i], n), inputs[k], slot_bytes(spec.inputs[k], n)))
        return true;
  return false;
}

// All of these rows at once. Large outputs are written where the caller wants them, unless that is
// where inputs are.
void Session::run_rows(Executor& executor, Pool* pool, std::int64_t n, const void* const* inputs,
                       void* const* outputs, bool apart, bool training, std::uint64_t step) const {
  const std::vector<int>& slots = program_->spec().outputs;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool place = apart && slot_bytes(slots[i], n) >= kPlaced;
    executor.place_output(i, place ? outputs[i] : nullptr);
  }
  executor.forward(pool, n, inputs, training, step);
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (const void* from = executor.slot(slots[i]); from != outputs[i])
      std::memcpy(outputs[i], from, slot_bytes(slots[i], n));
}

// `most` rows at once; `apart`: no output lies where an input does.
void Session::run_on_host(Executor& executor, std::int64_t n, std::int64_t most, bool apart,
                          const void* const* inputs, void* const* outputs, bool training,
                          std::uint64_t step) {
  // Above this a time slice more or less does not count.
  constexpr double kShort = 1e9;
  const double work = executor.work(n);
  // Twice, for a try: the pace takes back a team that does not pay.
  int threads = std::min(threads_for(2 * work), executor.workers());
  const bool paced = threads > 1 && work < kShort;
  if (paced) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!pace_->team(n)) threads = 1;
  }
  const ProgramSpec& spec = program_->spec();
  const auto started = std::chrono::steady_clock::now();
  with_team(threads, [&](Pool* pool) {
    executor.begin(pool, false);
    if (most >= n) run_rows(executor, pool, n, inputs, outputs, apart, training, step);
    std::vector<const void*> in(most < n ? spec.inputs.size() : 0);
    std::vector<void*> out(most < n ? spec.outputs.size() : 0);
    for (std::int64_t at = 0; most < n && at < n; at += most) {
      for (std::size_t i = 0; i < in.size(); ++i)
        in[i] = static_cast<const std::byte*>(inputs[i]) + slot_bytes(spec.inputs[i], at);
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::byte*>(outputs[i]) + slot_bytes(spec.outputs[i], at);
      const std::int64_t rows = std::min(most, n - at);
      run_rows(executor, pool, rows, in.data(), out.data(), apart, training, step);
    }
    executor.end();
  });
  if (paced) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    const std::lock_guard<std::mutex> lock(mutex_);
    pace_->took(n, threads > 1, took.count());
  }
}

void Session::run(std::int64_t n, const void* const* inputs, void* const* outputs, bool training,
                  std::uint64_t step) {
  if (n < 0) throw Error("Session: expected 0 rows or more, got " + std::to_string(n));
  if (n == 0) return;
  const bool apart = !overlapping(n, inputs, outputs);
  std::int64_t most;
  std::unique_ptr<Executor> executor = take(n, training || !apart, &most);
  if (program_->table().device)
    run_on_device(*executor, n, inputs, outputs, training, step);
  else
    run_on_host(*executor, n, most, apart, inputs, outputs, training, step);
  const std::exception_ptr error = executor->take_error();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(executor));
  }
  if (error) std::rethrow_exception(error);
}

std::size_t Session::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t sum = 0;
  for (const auto& executor : idle_) sum += executor->bytes();
  return sum;
}

}  // namespace pyseq
