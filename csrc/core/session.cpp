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
  ExecutorOptions options;
  options.max_rows = n;
  idle_.push_back(std::make_unique<Executor>(*program_, variables_, options));
}

Session::~Session() = default;

std::unique_ptr<Executor> Session::take(std::int64_t n) {
  std::unique_ptr<Executor> executor;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      executor = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!executor || executor->max_rows() < n || executor->workers() < num_threads()) {
    ExecutorOptions options;
    options.max_rows = executor ? std::max(n, executor->max_rows()) : n;
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

void Session::run_on_device(Executor& executor, std::int64_t n, const void* const* inputs, bool training,
                            std::uint64_t step) {
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
}

namespace {

// Small outputs are copied: an arena's memory is aligned, a caller's need not be.
constexpr std::size_t kPlaced = 65536;

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

}  // namespace

// Lets large outputs be written where the caller wants them.
void Session::place_outputs(Executor& executor, std::int64_t n, const void* const* inputs,
                            void* const* outputs) const {
  const ProgramSpec& spec = program_->spec();
  for (std::size_t i = 0; i < spec.outputs.size(); ++i) {
    const std::size_t bytes = slot_bytes(spec.outputs[i], n);
    bool place = bytes >= kPlaced;
    for (std::size_t k = 0; place && k < spec.inputs.size(); ++k)
      place = !overlap(outputs[i], bytes, inputs[k], slot_bytes(spec.inputs[k], n));
    executor.place_output(i, place ? outputs[i] : nullptr);
  }
}

void Session::run(std::int64_t n, const void* const* inputs, void* const* outputs, bool training,
                  std::uint64_t step) {
  if (n < 0) throw Error("Session: expected 0 rows or more, got " + std::to_string(n));
  if (n == 0) return;
  std::unique_ptr<Executor> executor = take(n);
  if (program_->table().device) {
    run_on_device(*executor, n, inputs, training, step);
  } else {
    // Above this a time slice more or less does not count.
    constexpr double kShort = 1e9;
    const double work = executor->work(n);
    // Twice, for a try: the pace takes back a team that does not pay.
    int threads = std::min(threads_for(2 * work), executor->workers());
    const bool paced = threads > 1 && work < kShort;
    if (paced) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!pace_->team(n)) threads = 1;
    }
    place_outputs(*executor, n, inputs, outputs);
    const auto started = std::chrono::steady_clock::now();
    with_team(threads, [&](Pool* pool) {
      executor->begin(pool, false);
      executor->forward(pool, n, inputs, training, step);
      executor->end();
    });
    if (paced) {
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
      const std::lock_guard<std::mutex> lock(mutex_);
      pace_->took(n, threads > 1, took.count());
    }
  }
  const std::exception_ptr error = executor->take_error();
  const ProgramSpec& spec = program_->spec();
  for (std::size_t i = 0; !error && i < spec.outputs.size(); ++i) {
    const int s = spec.outputs[i];
    if (const DeviceTable* device = program_->table().device)
      device->download(executor->stream(), outputs[i], executor->slot(s), slot_bytes(s, n));
    else if (executor->slot(s) != outputs[i])
      std::memcpy(outputs[i], executor->slot(s), slot_bytes(s, n));
  }
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
