// A training run on the host.
#include <chrono>

#include "core/trainer_state.h"

namespace pyseq {

constexpr std::size_t kPartBytes = std::size_t{4} << 20;  // of gradients that travel in one message

// Backward, with each part of the gradient on its way to the other processes as soon as it is complete.
void Trainer::State::backward_together(Pool* pool, std::int64_t n, std::uint64_t step) {
  if (gradient_parts.empty()) gradient_parts = executor->gradient_parts(kPartBytes);
  const double part_of_all = static_cast<double>(n) / static_cast<double>(share.all);
  std::exception_ptr error;
  const auto send = [&](const GradientPart& part) {
    if (error) return;
    if (n == 0) std::memset(part.data, 0, static_cast<std::size_t>(part.size) * real);
    // Losses are means over this process's rows.
    else if (n != share.all) table->blend(pool, part.data, part.data, part.size, part_of_all, 0);
    try {
      group->start_sum(part.data, part.size, real == 4 ? DType::float32 : DType::float64, part.row);
    } catch (...) {
      error = std::current_exception();
    }
  };
  if (n > 0) executor->backward(pool, n, step, gradient_parts, send);
  else for (const GradientPart& part : gradient_parts) send(part);
  if (error) std::rethrow_exception(error);
  group->finish_sums();
}

void Trainer::State::sum_for_op(double* values, Index n) noexcept {
  try {
    if (!group_error) group->sum(values, n);
  } catch (...) {
    group_error = std::current_exception();
  }
}

std::exception_ptr Trainer::State::step_on_host(Pool* pool, const Program& program, const BatchRun& r,
                                                std::int64_t batch, std::int64_t begin, std::int64_t n,
                                                std::vector<Total>& totals) try {
  if (pool && pool->may_be_interrupted()) executor->keep_written();
  const auto interrupted = [&]() -> std::exception_ptr {
    if (!pool || !pool->interrupted()) return nullptr;
    executor->restore_written();
    return std::make_exception_ptr(Interrupted("Trainer: expected time to finish, got an interruption"));
  };
  share = r.shares ? r.shares[batch] : Share{n, n};
  const void* in = gather(pool, r.x, r.order, begin, n, x, slot_dtype(program.spec(), program.spec().inputs[0]));
  const DType numbers = program.spec().dtype;
  const void* targets = gather(pool, r.y, r.order, begin, n, y, numbers);
  const void* w = gather(pool, r.weights, r.order, begin, n, weights, numbers);
  const std::uint64_t step = r.step + static_cast<std::uint64_t>(batch);
  if (n > 0) {
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
  }
  const auto measured = [&](Measure& m, bool as_loss) {
    const bool gradient = as_loss && differentiates();
    return real == 4 ? evaluate<float>(m, pool, n, targets, w, as_loss, gradient, step)
                     : evaluate<double>(m, pool, n, targets, w, as_loss, gradient, step);
  };
  for (std::size_t i = 0; i < metrics.size() && targets && n > 0; ++i) {
    const Total t = measured(metrics[i], false);
    totals[i + 1].total += t.total;
    totals[i + 1].count += t.count;
  }
  double sum = n > 0 ? executor->added_loss() : 0;
  if (loss.def && targets) sum += measured(loss, true).total;
  if (differentiates() && !group) executor->backward(pool, n, step);
  else if (differentiates()) backward_together(pool, n, step);
  if (std::exception_ptr error = interrupted()) return error;
  if (pool) pool->wait_to_be_asked(true);
  if (n > 0) executor->finish(pool, n);
  sum += penalties(pool, trains);
  totals[0].total += sum * static_cast<double>(n);
  totals[0].count += static_cast<double>(n);
  if (trains)
    update(pool, r.learning_rates + batch * static_cast<std::int64_t>(spec.optimizers.size()),
           r.iteration + batch);
  if (pool) pool->wait_to_be_asked(false);
  return nullptr;
} catch (...) {
  return std::current_exception();
}

std::int64_t Trainer::State::run_on_host(const Program& program, const BatchRun& r,
                                         std::vector<Total>& totals) {
  using Clock = std::chrono::steady_clock;
  const double work = executor->work(std::min(r.batch_size, r.end - r.begin));
  const int threads = std::min(threads_for(work), executor->workers());
  std::int64_t done = 0, begin = r.begin;
  std::exception_ptr error;
  group = r.group;
  Group of_batch{[](void* self, double* values, Index n) noexcept {
                   static_cast<State*>(self)->sum_for_op(values, n);
                 },
                 this, 1};
  executor->join(group ? &of_batch : nullptr);
  const auto started = Clock::now();
  const LongCall call_lasts(work);
  with_team(threads, call_lasts.stop(), [&](Pool* pool) {
    executor->begin(pool, trains);
    while (done < r.max_batches && (r.shares || begin < r.end)) {
      const std::int64_t n = r.shares ? r.shares[done].own : std::min(r.batch_size, r.end - begin);
      if (r.shares) of_batch.share = static_cast<double>(n) / static_cast<double>(r.shares[done].all);
      error = step_on_host(pool, program, r, done, begin, n, totals);
      if (!error) error = std::exchange(group_error, nullptr);
      if (error) break;
      ++done;
      begin += n;
      if (r.max_seconds < 1e9 &&
          std::chrono::duration<double>(Clock::now() - started).count() > r.max_seconds)
        break;
    }
    executor->end();
  });
  if (error) {
    if (group) abandoned = std::move(executor);
    executor.reset();  // its values and packed weights may be half done
    std::rethrow_exception(error);
  }
  return done;
}

}  // namespace pyseq
