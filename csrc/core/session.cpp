#include "core/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

#include "core/executor.h"
#include "core/pace.h"
#include "core/precision.h"
#include "core/prepared.h"
#include "pyseq/model.h"

namespace pyseq {

namespace {

// What one call computes with.
struct Crew {
  std::unique_ptr<Executor> leader;
  // One for each thread, where pieces are computed apart; they use the leader's plans and packed weights.
  std::vector<std::unique_ptr<Executor>> workers;
  Pieces pieces{0};  // of the call
};

}  // namespace

struct Session::State {
  const ProgramPtr program;
  const std::vector<VariablePtr> variables;
  const int most_threads;
  const int precision;  // 0: the process's
  std::mutex mutex{};  // of what follows
  std::vector<std::unique_ptr<Crew>> idle{};
  Pace pace{};
  std::shared_ptr<const Prepared::Shared> prepared{};  // what those that were prepared share

  std::unique_ptr<Crew> take(std::int64_t n, bool whole);
  std::size_t slot_bytes(int slot, std::int64_t n) const;
  bool overlapping(const Call& call) const;
  // `disjoint`, here and below: no output lies where an input does.
  void run_rows(Executor& executor, Pool* pool, const Call& call, bool disjoint, std::int64_t at,
                std::int64_t rows) const;
  void run_on_host(Crew& crew, const Call& call, bool disjoint);
  void run_on_device(Executor& executor, const Call& call) const;
};

Session::Session(const Model& model, const SessionOptions& options)
    : Session(inference_program(model.program(), level_of(options.device)), model.variables(), options) {}

Session::Session(ProgramPtr program, std::vector<VariablePtr> variables,
                 const SessionOptions& options)
    : program_(program) {
  if (options.rows < 1)
    throw Error("Session: expected room for 1 row or more, got " + std::to_string(options.rows));
  if (options.threads < 0)
    throw Error("Session: expected 0 threads (the default) or more, got " +
                std::to_string(options.threads));
  const int precision =
      options.precision.empty() ? 0 : precision_from(options.precision.c_str(), "Session: precision");
  state_.reset(new State{std::move(program), std::move(variables), options.threads, precision});
  const PrecisionScope scope(precision);
  state_->idle.push_back(state_->take(options.rows, false));
}

Session::~Session() = default;

// A crew with room for the rows to run at once: all n, or as many as it advises.
std::unique_ptr<Crew> Session::State::take(std::int64_t n, bool whole) {
  std::unique_ptr<Crew> crew;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!idle.empty()) {
      crew = std::move(idle.back());
      idle.pop_back();
    }
  }
  ExecutorOptions options;
  options.threads = most_threads;
  if (!crew) {
    crew = std::make_unique<Crew>();
    crew->leader = std::make_unique<Executor>(*program, variables, options);
  }
  crew->pieces = whole ? Pieces{n} : crew->leader->pieces(n);
  const std::int64_t rows = crew->pieces.rows;
  if (crew->leader->max_rows() < rows || crew->leader->workers() < threads_or_default(most_threads)) {
    options.max_rows = std::max(rows, crew->leader->max_rows());
    crew->workers.clear();
    crew->leader.reset();
    crew->leader = std::make_unique<Executor>(*program, variables, options);
  }
  return crew;
}

std::size_t Session::State::slot_bytes(int slot, std::int64_t n) const {
  return static_cast<std::size_t>(n) * slot_row_bytes(program->spec(), slot);
}

void Session::State::run_on_device(Executor& executor, const Call& call) const {
  const DeviceTable& device = *program->table().device;
  const std::vector<int>& slots = program->spec().inputs;
  executor.begin(nullptr, false);
  std::vector<const void*> in;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    in.push_back(executor.input(static_cast<int>(i)));
    device.upload(executor.stream(), executor.input(static_cast<int>(i)), call.inputs[i],
                  slot_bytes(slots[i], call.n));
  }
  const StepState state{call.step, 0, 0, 0};
  device.upload(executor.stream(), device.state(executor.stream()), &state, sizeof state);
  executor.forward(nullptr, call.n, in.data(), call.training, call.step);
  executor.finish(nullptr, call.n);
  executor.end();
  const std::vector<int>& results = program->spec().outputs;
  for (std::size_t i = 0; i < results.size(); ++i)
    device.download(executor.stream(), call.outputs[i], executor.slot(results[i]),
                    slot_bytes(results[i], call.n));
}

namespace {

// Small outputs are copied: an arena's memory is aligned, a caller's need not be.
constexpr std::size_t kPlaced = 65536;

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

}  // namespace

bool Session::State::overlapping(const Call& call) const {
  const ProgramSpec& spec = program->spec();
  for (std::size_t i = 0; i < spec.outputs.size(); ++i)
    for (std::size_t k = 0; k < spec.inputs.size(); ++k)
      if (overlap(call.outputs[i], slot_bytes(spec.outputs[i], call.n), call.inputs[k],
                  slot_bytes(spec.inputs[k], call.n)))
        return true;
  return false;
}

// These rows at once, from row `at`. Large outputs are written where the caller wants them, unless
// that is where inputs are.
void Session::State::run_rows(Executor& executor, Pool* pool, const Call& call, bool disjoint,
                              std::int64_t at, std::int64_t rows) const {
  const ProgramSpec& spec = program->spec();
  constexpr std::size_t kFew = 8;
  const void* some[kFew];
  std::vector<const void*> many(spec.inputs.size() > kFew ? spec.inputs.size() : 0);
  const void** in = many.empty() ? some : many.data();
  for (std::size_t i = 0; i < spec.inputs.size(); ++i)
    in[i] = static_cast<const std::byte*>(call.inputs[i]) + slot_bytes(spec.inputs[i], at);
  const auto target = [&](std::size_t i) {
    return static_cast<std::byte*>(call.outputs[i]) + slot_bytes(spec.outputs[i], at);
  };
  for (std::size_t i = 0; i < spec.outputs.size(); ++i) {
    const bool place = disjoint && slot_bytes(spec.outputs[i], rows) >= kPlaced;
    executor.place_output(i, place ? target(i) : nullptr);
  }
  executor.name_rows(call.first_row + at);
  executor.forward(pool, rows, in, call.training, call.step);
  if (!(pool && pool->interrupted())) executor.finish(pool, rows);
  for (std::size_t i = 0; i < spec.outputs.size(); ++i)
    if (const void* from = executor.slot(spec.outputs[i]); from != target(i))
      std::memcpy(target(i), from, slot_bytes(spec.outputs[i], rows));
}

void Session::State::run_on_host(Crew& crew, const Call& call, bool disjoint) {
  // Above this a time slice more or less does not count.
  constexpr double kShort = 1e9;
  Executor& leader = *crew.leader;
  const std::int64_t n = call.n, rows = crew.pieces.rows;
  const double work = leader.work(n);
  // Twice, for a try: the pace takes back a team that does not pay.
  int threads = std::min(threads_for(2 * work, threads_or_default(most_threads)), leader.workers());
  const bool paced = threads > 1 && work < kShort;
  if (paced) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!pace.team(n)) threads = 1;
  }
  const std::int64_t count = (n + rows - 1) / rows;
  const bool apart = crew.pieces.apart && threads > 1 && threads <= count;
  ExecutorOptions options;
  options.max_rows = rows;
  options.leader = &leader;
  if (!crew.workers.empty() && crew.workers[0]->max_rows() < rows) crew.workers.clear();
  while (apart && (crew.workers.size() < static_cast<std::size_t>(threads)))
    crew.workers.push_back(std::make_unique<Executor>(*program, variables, options));
  const auto started = std::chrono::steady_clock::now();
  const LongCall call_lasts(work);
  if (call_lasts.stop()) leader.keep_written();
  bool interrupted = false;
  with_team(threads, call_lasts.stop(), [&](Pool* pool) {
    leader.begin(pool, false);
    if (apart && leader.settled(n)) {
      for (int w = 0; w < threads; ++w) crew.workers[w]->begin(nullptr, false);
      parallel_for(pool, count, 1, [&](Index begin, Index end, int worker) {
        for (Index i = begin; i < end; ++i)
          run_rows(*crew.workers[worker], nullptr, call, disjoint, i * rows, std::min(rows, n - i * rows));
      });
    } else {
      for (std::int64_t at = 0; at < n && !(pool && pool->interrupted()); at += rows)
        run_rows(leader, pool, call, disjoint, at, std::min(rows, n - at));
      leader.settle(n);
    }
    interrupted = pool && pool->interrupted();
    if (interrupted) leader.restore_written();
    leader.end();
  });
  if (interrupted) throw Interrupted("Session: expected time to finish, got an interruption");
  if (paced) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    const std::lock_guard<std::mutex> lock(mutex);
    pace.took(n, threads > 1, took.count());
  }
}

void Session::run(std::int64_t n, const void* const* inputs, void* const* outputs) {
  run(Call{n, inputs, outputs});
}

void Session::run(const Call& call) {
  if (call.n < 0) throw Error("Session: expected 0 rows or more, got " + std::to_string(call.n));
  if (call.n == 0) return;
  const PrecisionScope scope(state_->precision);
  const bool disjoint = !state_->overlapping(call);
  std::unique_ptr<Crew> crew = state_->take(call.n, call.training || !disjoint);
  // An interrupted call leaves its crew behind, with values and packed weights that are half done.
  if (program_->table().device) state_->run_on_device(*crew->leader, call);
  else state_->run_on_host(*crew, call, disjoint);
  std::exception_ptr error = crew->leader->take_error();
  for (const auto& worker : crew->workers)
    if (std::exception_ptr other = worker->take_error(); !error) error = other;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->idle.push_back(std::move(crew));
  }
  if (error) std::rethrow_exception(error);
}

Prepared Session::prepare(std::int64_t max_rows, void* memory) {
  if (max_rows < 1) throw Error("Session::prepare: expected 1 row or more, got " + std::to_string(max_rows));
  if (reinterpret_cast<std::uintptr_t>(memory) % 64)
    throw Error("Session::prepare: expected memory at a multiple of 64 bytes");
  std::shared_ptr<const Prepared::Shared> shared;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (!state_->prepared || state_->prepared->stale())
      state_->prepared =
          std::make_shared<const Prepared::Shared>(program_, state_->variables, state_->precision);
    shared = state_->prepared;
  }
  return Prepared(std::make_unique<Prepared::State>(std::move(shared), state_->variables, max_rows, memory));
}

std::size_t Session::memory_bytes(std::int64_t max_rows) const {
  if (max_rows < 1) throw Error("Session::memory_bytes: expected 1 row or more, got " + std::to_string(max_rows));
  ExecutorOptions options;
  options.max_rows = max_rows;
  options.plan_only = true;
  options.threads = 1;
  return std::max<std::size_t>(Executor(*program_, state_->variables, options).arena_bytes(), 64);
}

std::size_t Session::bytes() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  std::size_t sum = 0;
  for (const auto& crew : state_->idle) {
    sum += crew->leader->bytes();
    for (const auto& worker : crew->workers) sum += worker->bytes();
  }
  return sum;
}

}  // namespace pyseq
