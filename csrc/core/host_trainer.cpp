// A training run on the host.
#include <chrono>

#include "core/trainer_state.h"

namespace pyseq {

// Returns what a host op threw, or an interruption, and then nothing was updated.
std::exception_ptr Trainer::State::step_on_host(Pool* pool, const Program& program,
                                                const BatchRun& r, std::int64_t batch,
                                                std::vector<Total>& totals) {
  if (pool && pool->may_be_interrupted()) executor->keep_written();
  const auto interrupted = [&]() -> std::exception_ptr {
    if (!pool || !pool->interrupted()) return nullptr;
    executor->restore_written();
    return std::make_exception_ptr(Interrupted("Trainer: expected time to finish, got an interruption"));
  };
  const std::int64_t begin = r.begin + batch * r.batch_size;
  const std::int64_t n = std::min(r.batch_size, r.end - begin);
  const void* in = gather(pool, r.x, r.order, begin, n, x, slot_dtype(program.spec(), program.spec().inputs[0]));
  const DType numbers = program.spec().dtype;
  const void* targets = gather(pool, r.y, r.order, begin, n, y, numbers);
  const void* w = gather(pool, r.weights, r.order, begin, n, weights, numbers);
  const std::uint64_t step = r.step + static_cast<std::uint64_t>(batch);
  const void* const inputs[] = {in, targets};
  executor->name_rows(begin, r.order);
  executor->forward(pool, n, inputs, trains, step);
  if (std::exception_ptr error = executor->take_error()) return error;
  if (std::exception_ptr error = interrupted()) return error;
  if (r.predictions) {
    const ProgramSpec& ps = program.spec();
    const std::size_t row = slot_row_bytes(ps, ps.outputs[0]);
    std::memcpy(static_cast<char*>(r.predictions) + static_cast<std::size_t>(begin - r.begin) * row,
                executor->slot(ps.outputs[0]), static_cast<std::size_t>(n) * row);
  }
  const auto measured = [&](Measure& m, bool as_loss) {
    const bool gradient = as_loss && differentiates();
    return real == 4 ? evaluate<float>(m, pool, n, targets, w, as_loss, gradient, step)
                     : evaluate<double>(m, pool, n, targets, w, as_loss, gradient, step);
  };
  for (std::size_t i = 0; i < metrics.size() && targets; ++i) {
    const Total t = measured(metrics[i], false);
    totals[i + 1].total += t.total;
    totals[i + 1].count += t.count;
  }
  double sum = executor->added_loss();
  if (loss.def && targets) sum += measured(loss, true).total;
  if (differentiates()) executor->backward(pool, n, step);
  if (std::exception_ptr error = interrupted()) return error;
  if (pool) pool->wait_to_be_asked(true);
  executor->finish(pool, n);
  sum += penalties(pool, trains);
  totals[0].total += sum * static_cast<double>(n);
  totals[0].count += static_cast<double>(n);
  if (trains)
    update(pool, r.learning_rates + batch * static_cast<std::int64_t>(spec.optimizers.size()),
           r.iteration + batch);
  if (pool) pool->wait_to_be_asked(false);
  return nullptr;
}

std::int64_t Trainer::State::run_on_host(const Program& program, const BatchRun& r,
                                         std::vector<Total>& totals) {
  using Clock = std::chrono::steady_clock;
  const double work = executor->work(std::min(r.batch_size, r.end - r.begin));
  const int threads = std::min(threads_for(work), executor->workers());
  std::int64_t done = 0;
  std::exception_ptr error;
  const auto started = Clock::now();
  const LongCall call_lasts(work);
  with_team(threads, call_lasts.stop(), [&](Pool* pool) {
    executor->begin(pool, trains);
    while (done < r.max_batches && r.begin + done * r.batch_size < r.end) {
      error = step_on_host(pool, program, r, done, totals);
      if (error) break;
      ++done;
      if (r.max_seconds < 1e9 &&
          std::chrono::duration<double>(Clock::now() - started).count() > r.max_seconds)
        break;
    }
    executor->end();
  });
  if (error) {
    executor.reset();  // its values and packed weights may be half done
    std::rethrow_exception(error);
  }
  return done;
}

}  // namespace pyseq
