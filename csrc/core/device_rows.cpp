// Where the rows of a training run on a GPU come from: arrays that stay there, or chunks that are
// copied ahead of the steps.
#include "core/device_run.h"

namespace pyseq {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{16} << 20;  // of rows that are copied ahead
constexpr double kGroupSeconds = 0.02;  // enqueued before the host waits

std::size_t row_bytes(const Rows& r) {
  return r.data ? static_cast<std::size_t>(r.row) * size_of(r.dtype) : 0;
}

}  // namespace

bool DeviceSteps::is_held() const {
  return run_.held_rows > 0 && run_.held_x.data == r_.x.data && run_.held_y.data == r_.y.data &&
         run_.held_weights.data == r_.weights.data;
}

std::int64_t DeviceSteps::run_held(std::int64_t batches) {
  DeviceSource source;
  std::byte* at = run_.held.data();
  const auto next = [&](const Rows& rows) -> const void* {
    if (!rows.data) return nullptr;
    const std::byte* here = at;
    at += round_up(row_bytes(rows) * static_cast<std::size_t>(run_.held_rows));
    return here;
  };
  source.x = next(r_.x);
  source.y = next(r_.y);
  source.weights = next(r_.weights);
  std::int64_t first = r_.begin;
  if (r_.order) {
    const std::size_t bytes = static_cast<std::size_t>(r_.end - r_.begin) * sizeof(std::int64_t);
    if (run_.order.reserve(bytes)) run_.forget();
    device_.upload(stream_, run_.order.data(), r_.order + r_.begin, bytes);
    source.order = reinterpret_cast<const std::int64_t*>(run_.order.data());
    first = 0;
  }
  const StepState state{r_.step, r_.iteration, 0, first};
  device_.upload(stream_, device_.state(stream_), &state, sizeof state);
  std::int64_t done = 0, group = 1;
  while (done < batches) {
    const double before = seconds();
    const std::int64_t until = std::min(batches, done + group);
    for (; done < until; ++done) step(source, done);
    device_.wait(stream_);
    if (seconds() > r_.max_seconds) break;
    if (seconds() - before < kGroupSeconds / 2) group *= 2;
  }
  return done;
}

std::int64_t DeviceSteps::run_streamed(std::int64_t batches) {
  const std::size_t bytes = row_bytes(r_.x) + row_bytes(r_.y) + row_bytes(r_.weights);
  const auto batch_bytes = bytes * static_cast<std::size_t>(r_.batch_size);
  const auto most = static_cast<std::int64_t>(std::max<std::size_t>(1, kChunkBytes / std::max<std::size_t>(1, batch_bytes)));
  std::int64_t done = 0, group = 1;
  for (int turn = 0; done < batches; turn = 1 - turn) {
    const double before = seconds();
    const std::int64_t until = std::min({batches, done + group, done + most});
    const std::int64_t first = r_.begin + done * r_.batch_size;
    const std::int64_t rows = std::min(r_.end, r_.begin + until * r_.batch_size) - first;
    device_.wait_filled(stream_, turn);
    const std::size_t room = bytes * static_cast<std::size_t>(rows) + 3 * 64;
    std::byte* const host = run_.staging[turn].reserve(room);
    if (run_.chunk[turn].reserve(room)) run_.forget();
    std::byte* const target = run_.chunk[turn].data();
    std::size_t at = 0;
    const auto take = [&](const Rows& from) -> const void* {
      if (!from.data) return nullptr;
      const std::size_t width = row_bytes(from), here = at;
      const auto* data = static_cast<const std::byte*>(from.data);
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t row = r_.order ? r_.order[first + i] : first + i;
        std::memcpy(host + at + static_cast<std::size_t>(i) * width,
                    data + static_cast<std::size_t>(row) * width, width);
      }
      at = round_up(at + width * static_cast<std::size_t>(rows));
      return target + here;
    };
    DeviceSource source;
    source.x = take(r_.x);
    source.y = take(r_.y);
    source.weights = take(r_.weights);
    device_.upload_ahead(stream_, turn, target, host, at);
    const StepState state{r_.step + static_cast<std::uint64_t>(done), r_.iteration + done, done, 0};
    device_.upload(stream_, device_.state(stream_), &state, sizeof state);
    for (; done < until; ++done) step(source, done);
    device_.mark_used(stream_, turn);
    if (r_.max_seconds < 1e9) {
      device_.wait(stream_);
      if (seconds() > r_.max_seconds) break;
    }
    if (seconds() - before < kGroupSeconds / 2) group *= 2;
  }
  device_.wait(stream_);
  return done;
}

bool Trainer::hold(const Rows& x, const Rows& y, const Rows& weights, std::int64_t rows) {
  const DeviceTable* device = state_->table->device;
  if (!device || !x.data || rows <= 0) return false;
  std::size_t bytes = 0;
  for (const Rows* r : {&x, &y, &weights}) bytes += round_up(row_bytes(*r) * static_cast<std::size_t>(rows));
  if (!state_->device) state_->device.reset(new DeviceRun(*device));
  DeviceRun& run = *state_->device;
  run.held_rows = 0;
  if (!run.held.holds(bytes)) {
    release();
    if (bytes > device->free_bytes() / 2) return false;
    run.held.reserve(bytes);
  }
  DeviceStream* stream = device->open(true);
  try {
    std::byte* at = run.held.data();
    for (const Rows* r : {&x, &y, &weights}) {
      if (!r->data) continue;
      const std::size_t n = row_bytes(*r) * static_cast<std::size_t>(rows);
      device->upload(stream, at, r->data, n);
      at += round_up(n);
    }
    device->wait(stream);
  } catch (...) {
    device->close(stream);
    throw;
  }
  device->close(stream);
  run.held_x = x;
  run.held_y = y;
  run.held_weights = weights;
  run.held_rows = rows;
  return true;
}

void Trainer::release() {
  if (!state_->device) return;
  state_->device->forget();
  state_->device->held_rows = 0;
  state_->device->held.free();
}

}  // namespace pyseq
