// Penalties and optimizers of a training step on a GPU.
#include <limits>

#include "core/device_run.h"

namespace pyseq {
namespace {

bool same(const std::vector<DeviceSegment>& a, const std::vector<DeviceSegment>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(DeviceSegment)) == 0);
}

}  // namespace

// Variables move when they were on another device; then everything that points to them is made anew.
void DeviceSteps::bind_parameters() {
  run_.groups.resize(s_.spec.optimizers.size());
  for (std::size_t o = 0; o < run_.groups.size(); ++o) {
    const OptimizerSpec& os = s_.spec.optimizers[o];
    auto fresh = std::make_unique<DeviceGroup>(device_);
    for (std::size_t i = 0; i < s_.spec.parameters.size(); ++i) {
      const ParameterSpec& p = s_.spec.parameters[i];
      if (p.optimizer != static_cast<int>(o)) continue;
      const auto bring = [&](const VariablePtr& v) {
        return v ? static_cast<float*>(on_device(*v, device_, true)) : nullptr;
      };
      Variable& v = *s_.variables[p.variable];
      // Compared byte by byte: the padding must be 0.
      DeviceSegment segment;
      std::memset(static_cast<void*>(&segment), 0, sizeof segment);
      segment.w = static_cast<float*>(on_device(v, device_, true));
      segment.n = v.size();
      segment.shape = to_shape(v.shape(), "variable");
      segment.weight_decay = p.decay ? os.weight_decay : 0.0;
      for (std::size_t k = 0; k < p.slots.size(); ++k) {
        segment.slot[k] = bring(p.slots[k]);
        segment.slot_size[k] = p.slots[k]->size();
      }
      float* accumulator = bring(p.accumulator);
      segment.g = accumulator ? accumulator : static_cast<const float*>(s_.executor->gradient(p.variable));
      const auto number = static_cast<std::int32_t>(fresh->segments.size());
      for (Index b = 0; b < segment.n; b += kUpdatePiece)
        fresh->pieces.push_back({number, b, std::min(kUpdatePiece, segment.n - b)});
      fresh->segments.push_back(segment);
      fresh->accumulator.push_back(accumulator);
      fresh->average.push_back(bring(p.average));
      fresh->parameter.push_back(static_cast<int>(i));
    }
    std::unique_ptr<DeviceGroup>& known = run_.groups[o];
    if (known && same(known->segments, fresh->segments) && known->average == fresh->average) continue;
    const std::size_t segments = round_up(fresh->segments.size() * sizeof(DeviceSegment));
    const std::size_t pieces = round_up(fresh->pieces.size() * sizeof(DevicePiece));
    fresh->memory.reserve(segments + pieces + fresh->segments.size() * sizeof(double));
    run_.forget();
    known = std::move(fresh);
    device_.upload(stream_, known->memory.data(), known->segments.data(),
                   known->segments.size() * sizeof(DeviceSegment));
    device_.upload(stream_, known->memory.data() + segments, known->pieces.data(),
                   known->pieces.size() * sizeof(DevicePiece));
  }
}

void DeviceSteps::penalties() {
  for (const ParameterSpec& p : s_.spec.parameters) {
    const PenaltySpec& q = p.penalty;
    if (q.l1 == 0 && q.l2 == 0 && q.orthogonal == 0) continue;
    Variable& v = *s_.variables[p.variable];
    device_.penalty(stream_, {q.l1, q.l2, q.orthogonal, q.rows, to_shape(v.shape(), "variable"),
                              static_cast<const float*>(on_device(v, device_, false)),
                              s_.trains ? static_cast<float*>(s_.executor->gradient(p.variable)) : nullptr,
                              loss()});
  }
}

DeviceUpdates DeviceSteps::updates(std::size_t o) const {
  const OptimizerSpec& os = s_.spec.optimizers[o];
  const DeviceGroup& group = *run_.groups[o];
  const std::size_t segments = round_up(group.segments.size() * sizeof(DeviceSegment));
  DeviceUpdates u{};
  u.segments = group.segments.data();
  u.device_segments = reinterpret_cast<const DeviceSegment*>(group.memory.data());
  u.count = static_cast<int>(group.segments.size());
  u.pieces = reinterpret_cast<const DevicePiece*>(group.memory.data() + segments);
  u.piece_count = static_cast<int>(group.pieces.size());
  u.grad_scale = 1.0 / (os.loss_scale * static_cast<double>(std::max<std::int64_t>(os.accumulation_steps, 1)));
  u.clip = os.clip_value > 0 ? os.clip_value : std::numeric_limits<double>::infinity();
  u.lr = reinterpret_cast<const double*>(run_.rates.data()) + o;
  u.lr_stride = static_cast<Index>(s_.spec.optimizers.size());
  u.accumulation_steps = std::max<std::int64_t>(os.accumulation_steps, 1);
  u.skip = os.skip_non_finite ? skip(o) : nullptr;
  u.state = device_.state(stream_);
  u.config_ = s_.optimizer_states[o].config.get();
  u.scratch = reinterpret_cast<float*>(s_.optimizer_scratch[o]->data());
  return u;
}

const double* DeviceSteps::clip(std::size_t o, const DeviceUpdates& u) {
  const OptimizerSpec& os = s_.spec.optimizers[o];
  if (os.clip_norm <= 0 && os.global_clip_norm <= 0) return nullptr;
  const DeviceGroup& group = *run_.groups[o];
  auto* scale = reinterpret_cast<double*>(group.memory.data() +
                                          round_up(group.segments.size() * sizeof(DeviceSegment)) +
                                          round_up(group.pieces.size() * sizeof(DevicePiece)));
  device_.clip_norms(stream_, u, os.clip_norm, os.global_clip_norm, scale);
  return scale;
}

void DeviceSteps::update() {
  for (std::size_t o = 0; o < s_.spec.optimizers.size(); ++o) {
    const OptimizerSpec& os = s_.spec.optimizers[o];
    const DeviceGroup& group = *run_.groups[o];
    if (group.segments.empty()) continue;
    DeviceUpdates u = updates(o);
    const auto gradient = [&](std::size_t i) {
      return static_cast<const float*>(s_.executor->gradient(s_.spec.parameters[group.parameter[i]].variable));
    };
    if (os.skip_non_finite) {
      device_.zero(stream_, skip(o), sizeof(int));
      for (std::size_t i = 0; i < group.segments.size(); ++i)
        device_.find_non_finite(stream_, gradient(i), group.segments[i].n, skip(o));
    }
    for (std::size_t i = 0; i < group.segments.size(); ++i)
      if (group.accumulator[i])
        device_.accumulate(stream_, u, gradient(i), group.accumulator[i], group.segments[i].n);
    u.scale = clip(o, u);
    s_.device_optimizers[o]->update(stream_, u);
    for (std::size_t i = 0; i < group.segments.size(); ++i) {
      const DeviceSegment& segment = group.segments[i];
      if (group.accumulator[i]) device_.reset_accumulator(stream_, u, group.accumulator[i], segment.n);
      if (os.ema_momentum > 0 && group.average[i])
        device_.average(stream_, u, os.ema_momentum, os.ema_overwrite_frequency, segment.w,
                        group.average[i], segment.n);
      const ConstraintSpec& c = s_.spec.parameters[group.parameter[i]].constraint;
      if (c.kind.empty()) continue;
      DeviceConstraint d{};
      d.kind = constraint_kind(c.kind);
      d.min_value = c.min_value;
      d.max_value = c.max_value;
      d.rate = c.rate;
      for (const int axis : c.axes)
        if (d.axis_count < kMaxRank) d.axes[d.axis_count++] = axis;
      d.shape = segment.shape;
      d.w = segment.w;
      device_.constrain(stream_, d);
    }
  }
}

}  // namespace pyseq
