#include "kernels/rnn.h"

#include "kernels/gemm.h"
#include "kernels/random.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kForwardCache = 1 << 20;  // reals of z that a forward-only plan works on at a time

Index larger(Index a, Index b) { return a > b ? a : b; }
Index smaller(Index a, Index b) { return a < b ? a : b; }

void zero(real* x, Index n) {
  for (Index i = 0; i < n; ++i) x[i] = 0;
}

void copy(const real* x, real* y, Index n) { __builtin_memcpy(y, x, n * sizeof(real)); }

// A function of the batch alone: threads share the blocks, and bits stay what they are. An even
// number of blocks of one size, at most 8 where kRnnBlock allows. Weights that do not fit into a
// core's cache are read once for each block: then fewer, larger ones.
Index block_rows(const Rnn& c, Index n) {
  const Index unit = c.u * c.w > 131072 ? 14 : 8;
  const auto even = [](Index count) { return count + count % 2; };
  if (n < 2) return 1;
  const Index least = even((n + kRnnBlock - 1) / kRnnBlock);
  const Index count = larger(smaller(even((n + unit / 2) / unit), 8), least);
  return (n + count - 1) / count;
}

bool fresh(const Rnn& c, Index n) { return c.trains && c.t * n < 8; }

// A few rows at a time their products with x fill the registers as well as all together would, and
// nothing of z goes through memory.
bool projects_in_steps(const Rnn& c, Index n) {
  return c.input_offset >= 0 && !fresh(c, n) && n >= (c.trains ? 4 : 2);
}

// A number of a buffer is that of a kept one, or of a scratch one, or -1.
real* buffer(const Run& r, const Rnn& c, int number) {
  if (number < 0) return nullptr;
  return c.trains ? r.kept(number) : r.scratch(number);
}

real* packed_weights(const Run& r, const Rnn& c) {
  return c.trains ? r.scratch(c.packed) : r.packed(c.packed);
}

void dropout_factors(const Run& r, const Rnn& c, double rate, int stream, Index columns,
                     real* out) {
  const RandomKey key{static_cast<std::uint64_t>(c.seed) + 0x9E3779B97F4A7C15u * (stream + 1),
                      r.step, r.op};
  const real threshold = static_cast<real>(rate);
  const real scale = rate < 1 ? static_cast<real>(1 / (1 - rate)) : real{0};
  parallel_for(r.pool, r.n, 4096 / columns + 1, [&](Index begin, Index end, int) {
    random_uniform(key, begin * columns, (end - begin) * columns, out + begin * columns);
    for (Index i = begin * columns; i < end * columns; ++i) out[i] = out[i] < threshold ? 0 : scale;
  });
}

// out (n, T, K) = in times factors (n, groups, K) of one group
void drop(const Run& r, const real* in, const real* factors, Index groups, Index group, Index t,
          Index k, real* out) {
  parallel_for(r.pool, r.n, 8192 / (t * k) + 1, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      const real* m = factors + (n * groups + group) * k;
      for (Index s = n * t; s < (n + 1) * t; ++s)
        for (Index j = 0; j < k; ++j) out[s * k + j] = in[s * k + j] * m[j];
    }
  });
}

// Every gate's bias of the input projection. GRU with reset_after has a second bias inside the
// recurrent product: that of its first two gates is added here.
const real* input_bias(const Run& r, const Rnn& c) {
  if (!c.use_bias) return nullptr;
  const real* b = r.param(2);
  if (!(c.aux_used && c.reset_after)) return b;
  real* sum = r.scratch(c.bias_sum);
  for (Index j = 0; j < c.w; ++j) sum[j] = b[j] + (j < 2 * c.u ? b[c.w + j] : real{0});
  return sum;
}

void run_gemm(const Run& r, const Rnn& c, const Gemm& g) {
  gemm(r.pool, g, r.scratch(c.gemm_shared), r.scratch(c.gemm_worker, 0),
       r.worker_stride_[c.gemm_worker] / static_cast<Index>(sizeof(real)));
}

// z of rows [first, first + rows)
void project_packed(const Run& r, const Rnn& c, Index first, Index rows, const real* bias,
                    real* z) {
  constexpr Index kPiece = 14;
  const Index all = rows * c.t, work = kPiece * c.w * c.i;
  parallel_for(r.pool, (all + kPiece - 1) / kPiece, larger(1, 200000 / work),
               [&](Index begin, Index end, int) {
                 for (Index piece = begin; piece < end; ++piece) {
                   Gemm m;
                   m.m = smaller(kPiece, all - piece * kPiece);
                   m.n = c.w;
                   m.k = c.i;
                   m.a = static_cast<const real*>(r.x()) + (first * c.t + piece * kPiece) * c.i;
                   m.a_row = c.i;
                   m.c = z + piece * kPiece * c.w;
                   m.ldc = c.w;
                   m.bias = bias;
                   gemm_packed(m, packed_weights(r, c) + c.input_offset);
                 }
               });
}

void project(const Run& r, const Rnn& c, Index first, Index rows, const real* bias, real* z) {
  const real* x = r.x();
  const real* kernel = r.param(0);
  const bool dropping = r.training && c.x_masks;
  const int groups = dropping ? c.x_masks : 1;
  const Index columns = c.w / groups;
  for (int g = 0; g < groups; ++g) {
    Gemm m;
    m.m = rows * c.t;
    m.n = columns;
    m.k = c.i;
    m.a = x + first * c.t * c.i;
    if (dropping) {
      real* dropped = r.scratch(c.x_dropped);
      if (first == 0) drop(r, x, buffer(r, c, c.x_mask), groups, g, c.t, c.i, dropped);
      m.a = dropped + first * c.t * c.i;
    }
    m.a_row = c.i;
    m.b = kernel + g * columns;
    m.b_row = c.w;
    m.c = z + g * columns;
    m.ldc = c.w;
    m.bias = bias ? bias + g * columns : nullptr;
    run_gemm(r, c, m);
  }
}

void pack_units(const Rnn& c, const real* weights, real* out) {
  for (Index j = 0; j < c.u; j += kLanes) {
    const int k = static_cast<int>(smaller(kLanes, c.u - j));
    for (Index row = 0; row < c.u; ++row)
      for (int g = 0; g < c.gates; ++g, out += kLanes)
        store(out, rnn_load(weights + row * c.w + g * c.u + j, k));
  }
}

void pack_forward(const Run& r, const Rnn& c, bool input) {
  const real* weights = r.param(1);
  real* packed = packed_weights(r, c);
  if (c.fused) pack_units(c, weights, packed);
  for (int k = 0; !c.fused && k < c.parts; ++k)
    gemm_pack(weights + c.part_begin[k], c.w, 1, c.part_begin[k + 1] - c.part_begin[k], c.u,
              packed + c.packed_offset[k]);
  if (input) gemm_pack(r.param(0), c.w, 1, c.w, c.i, packed + c.input_offset);
}

void pack_backward(const Run& r, const Rnn& c, bool input) {
  const real* weights = r.param(1);
  real* packed = r.scratch(c.packed);
  for (int k = 0; k < c.parts; ++k)
    gemm_pack(weights + c.part_begin[k], 1, c.w, c.u, c.part_begin[k + 1] - c.part_begin[k],
              packed + c.packed_back_offset[k]);
  if (input) gemm_pack(r.param(0), 1, c.w, c.i, c.w, packed + c.input_back_offset);
}

// What a worker has for its block.
struct Block {
  Index first, rows;  // of the batch
  real* slots;        // kRnnSlots buffers (rows, U)
  real* slot(const Rnn& c, int k) const { return slots + k * kRnnBlock * c.u; }
};

// Pointers of step t that forward and backward share; buffers are those of a training plan.
void at_step(RnnStep& s, const Run& r, const Rnn& c, const Block& b, real* z, Index t) {
  s.t = t;
  const bool one_step = !c.trains && projects_in_steps(c, r.n);
  s.z = one_step ? z : z + t * c.w;
  s.ld_z = one_step ? c.w : c.t * c.w;
  s.mask = c.masked ? static_cast<const real*>(r.x(1)) + b.first * c.t + t : nullptr;
  s.ld_mask = c.t;
  if (!c.trains) return;
  const Index at = (b.first * c.t + t) * c.u;
  s.pre = c.keep_pre ? static_cast<real*>(r.kept(c.pre)) + (b.first * c.t + t) * c.w : nullptr;
  s.h = static_cast<real*>(r.kept(c.h)) + at;
  s.ld_h = s.ld_kept = c.t * c.u;
  if (c.states == 2) {
    s.c = static_cast<real*>(r.kept(c.c)) + at;
    s.tanh_c = static_cast<real*>(r.kept(c.tanh_c)) + at;
  }
  if (c.aux >= 0) s.aux = static_cast<real*>(r.kept(c.aux)) + at;
}

RnnStep begin_block(const Run& r, const Rnn& c, const Block& b) {
  RnnStep s{};
  s.rnn = &c;
  s.run = &r;
  s.rows = b.rows;
  s.first = b.first;
  s.fresh = fresh(c, r.n);
  s.tanh_c = b.slot(c, 4);
  s.aux = b.slot(c, 5);
  s.dropped = b.slot(c, 6);
  s.tmp = b.slot(c, 7);
  s.ld_kept = c.u;
  s.gemm_worker = b.slot(c, kRnnSlots);
  return s;
}

void initial_state(const Run& r, const Rnn& c, const Block& b, int which, real* out, Index ld) {
  const real* state =
      c.stateful ? static_cast<const real*>(r.param(2 + c.use_bias + which)) : nullptr;
  for (Index n = 0; n < b.rows; ++n) {
    if (state && b.first + n < c.state_rows) copy(state + (b.first + n) * c.u, out + n * ld, c.u);
    else zero(out + n * ld, c.u);
  }
}

// y of one step; a masked step repeats the output before it, or is zero.
void write_outputs(const Run& r, const Rnn& c, const RnnStep& s, Index position, bool last) {
  if (!c.sequences && !last && !c.masked) return;
  const Index ld = c.sequences ? c.t * c.u : c.u;
  real* y = static_cast<real*>(r.y()) + s.first * ld + (c.sequences ? position * c.u : 0);
  for (Index n = 0; n < s.rows; ++n, y += ld) {
    if (!s.skips(n)) copy(s.h_next + n * s.ld_next, y, c.u);
    else if (c.zero_masked || position == 0) zero(y, c.u);
    else if (c.sequences) copy(y - c.u, y, c.u);
  }
}

void keep_masked_state(const Rnn& c, const RnnStep& s) {
  for (Index n = 0; n < s.rows; ++n) {
    if (!s.skips(n)) continue;
    copy(s.h + n * s.ld_h, s.h_next + n * s.ld_next, c.u);
    if (c.states == 2) copy(s.c + n * s.ld_h, s.c_next + n * s.ld_next, c.u);
  }
}

void final_state(const Run& r, const Rnn& c, const RnnStep& s) {
  for (int which = 0; which < c.states; ++which) {
    const real* from = which ? s.c_next : s.h_next;
    for (Index n = 0; n < s.rows; ++n) {
      const Index at = (s.first + n) * c.u;
      if (c.stateful && s.first + n < c.state_rows)
        copy(from + n * s.ld_next, static_cast<real*>(r.param(2 + c.use_bias + which)) + at, c.u);
      if (c.states_out) copy(from + n * s.ld_next, static_cast<real*>(r.y(1 + which)) + at, c.u);
    }
  }
}

// x of the projection: after its dropout, where there is one mask for all gates.
const real* projected_input(const Run& r, const Rnn& c) {
  return r.training && c.x_masks ? r.scratch(c.x_dropped) : r.x();
}

void project_step(const Run& r, const Rnn& c, const RnnStep& s, const real* x, const real* bias) {
  Gemm m;
  m.m = s.rows;
  m.n = c.w;
  m.k = c.i;
  m.a = x + (s.first * c.t + s.t) * c.i;
  m.a_row = c.t * c.i;
  m.c = s.z;
  m.ldc = s.ld_z;
  m.bias = bias;
  gemm_packed(m, packed_weights(r, c) + c.input_offset);
}

// Where the state of a step is and where the next one goes.
void place_state(const Rnn& c, const Block& b, RnnStep& s, Index position) {
  const int now = position & 1;
  if (!c.trains) {
    s.h = b.slot(c, now);
    s.c = b.slot(c, 2 + now);
    s.ld_h = c.u;
  }
  if (c.trains && position < c.t - 1) {
    const Index ahead = c.backwards ? -c.u : c.u;
    s.h_next = const_cast<real*>(s.h) + ahead;
    s.c_next = const_cast<real*>(s.c) + ahead;
    s.ld_next = s.ld_h;
  } else {
    s.h_next = b.slot(c, 1 - now);
    s.c_next = b.slot(c, 3 - now);
    s.ld_next = c.u;
  }
}

void forward_block(const Run& r, const Rnn& c, const RnnCell& cell, const Block& b, real* z,
                   const real* bias) {
  RnnStep s = begin_block(r, c, b);
  const bool projects = projects_in_steps(c, r.n);
  const real* x = projected_input(r, c);
  for (Index position = 0; position < c.t; ++position) {
    const bool last = position == c.t - 1;
    const Index t = c.backwards ? c.t - 1 - position : position;
    at_step(s, r, c, b, z, t);
    place_state(c, b, s, position);
    if (position == 0) {
      initial_state(r, c, b, 0, const_cast<real*>(s.h), s.ld_h);
      if (c.states == 2) initial_state(r, c, b, 1, const_cast<real*>(s.c), s.ld_h);
    }
    if (projects) project_step(r, c, s, x, bias);
    if (c.fused) cell.fused(s, 0, rnn_groups(c.u));
    else cell.forward(s);
    if (c.masked) keep_masked_state(c, s);
    write_outputs(r, c, s, position, last);
  }
  if (c.stateful || c.states_out) final_state(r, c, s);
}

// One row: workers share the units, and meet after each step. The first to come leads; the others
// join at the step that the leader gives them, so that nobody waits for a thread that is not awake.
// States of all steps stay, so whoever computes a unit twice writes the same number again: the
// leader can go on alone when a member lost its core to another process.
struct Line {
  alignas(64) Index value;
  Index read() const { return __atomic_load_n(&value, __ATOMIC_ACQUIRE); }
  void write(Index v) { __atomic_store_n(&value, v, __ATOMIC_RELEASE); }
};

struct Team {
  Line came;               // workers so far
  Line alone;              // 1: the leader goes on without the others
  Line size[2];            // members of step t: at t & 1
  Line done[kRnnTeam];     // steps that a member has finished
  Line started[kRnnTeam];  // 1 + the first step of a member; more than T: none is left
};

constexpr int kPatience = 4000;  // pauses of some ten nanoseconds

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// False if the team was dissolved, or if the line did not get there and `patience` is limited.
bool wait_for(const Line& line, Index least, const Team& team, bool limited) {
  for (int spins = 0; line.read() < least; ++spins) {
    if (team.alone.read() || (limited && spins >= kPatience)) return false;
    if (spins < kPatience) pause_briefly();
    else give_way();
  }
  return true;
}

struct TeamRun {
  const Run& r;
  const Rnn& c;
  const RnnCell& cell;
  real *z, *h, *states;  // h, states: (T + 1, U)
  Team team;
};

void team_units(const TeamRun& w, RnnStep& s, Index position, Index me, Index members) {
  const Rnn& c = w.c;
  const Index groups = rnn_groups(c.u);
  const Index first = groups * me / members, last = groups * (me + 1) / members;
  w.cell.fused(s, first, last);
  if (!c.sequences && position < c.t - 1) return;
  const Index from = first * kLanes, count = smaller(last * kLanes, c.u) - from;
  copy(s.h_next + from,
       static_cast<real*>(w.r.y()) + (c.sequences ? position * c.u : 0) + from, count);
}

void team_member(TeamRun& w) {
  const Rnn& c = w.c;
  Team& team = w.team;
  const Index me = __atomic_fetch_add(&team.came.value, 1, __ATOMIC_ACQ_REL);
  if (me >= kRnnTeam) return;
  const Block b{0, 1, w.r.scratch(c.worker, 0)};
  RnnStep s = begin_block(w.r, c, b);
  s.ld_h = s.ld_next = c.u;
  if (me && !wait_for(team.started[me], 1, team, false)) return;
  for (Index t = me ? team.started[me].read() - 1 : 0; t < c.t; ++t) {
    const Index members = team.alone.read() ? 1 : team.size[t & 1].read();
    if (me >= members) return;
    at_step(s, w.r, c, b, w.z, c.backwards ? c.t - 1 - t : t);
    s.h = w.h + t * c.u, s.h_next = w.h + (t + 1) * c.u;
    s.c = w.states + t * c.u, s.c_next = w.states + (t + 1) * c.u;
    team_units(w, s, t, me, members);
    Index next = members;
    if (me == 0 && !team.alone.read()) {
      next = smaller(smaller(team.came.read(), kRnnTeam), rnn_groups(c.u));
      team.size[(t + 1) & 1].write(next);
    }
    team.done[me].write(t + 1);
    for (Index k = 0; k < members; ++k) {
      if (k == me || wait_for(team.done[k], t + 1, team, me == 0)) continue;
      if (me) return;
      team.alone.write(1);
      team_units(w, s, t, k, members);
    }
    if (me == 0 && !team.alone.read())
      for (Index k = members; k < next; ++k) team.started[k].write(t + 2);
  }
  if (me) return;
  team.alone.write(1);
  if (c.stateful || c.states_out) final_state(w.r, c, s);
}

void forward_team(const Run& r, const Rnn& c, const RnnCell& cell, real* z, const real* bias) {
  if (c.input_offset >= 0) project_packed(r, c, 0, 1, bias, z);
  else project(r, c, 0, 1, bias, z);
  real* h = r.scratch(c.history);
  TeamRun w{r, c, cell, z, h, h + (c.t + 1) * c.u, {}};
  w.team.size[0].value = 1;
  const Block b{0, 1, nullptr};
  for (int which = 0; which < c.states; ++which)
    initial_state(r, c, b, which, which ? w.states : h, c.u);
  parallel_for(r.pool, smaller(c.team, pool_workers(r.pool)), 1, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k) team_member(w);
  });
}

// Adds dy of this step to dh. Where a masked step repeated the output before it, its gradient waits
// in `waiting` for the step that made that output.
void add_output_gradient(const Run& r, const Rnn& c, const RnnStep& s, Index position,
                         real* waiting) {
  const real* dy = r.dy();
  if (!c.sequences && position != c.t - 1) dy = nullptr;
  const Index ld = c.sequences ? c.t * c.u : c.u;
  if (dy) dy += s.first * ld + (c.sequences ? position * c.u : 0);
  if (!dy && !c.masked) return;
  for (Index n = 0; n < s.rows; ++n) {
    real* to = s.dh + n * c.u;
    real* w = waiting + n * c.u;
    if (!c.masked) {
      for (Index j = 0; j < c.u; ++j) to[j] += dy[n * ld + j];
      continue;
    }
    if (dy)
      for (Index j = 0; j < c.u; ++j) w[j] += dy[n * ld + j];
    const bool skips = s.skips(n);
    if (!skips)
      for (Index j = 0; j < c.u; ++j) to[j] += w[j];
    if (!skips || c.zero_masked) zero(w, c.u);
  }
}

// dx of one step, while its dz is in the cache.
void input_gradient_step(const Run& r, const Rnn& c, const RnnStep& s) {
  Gemm m;
  m.m = s.rows;
  m.n = c.i;
  m.k = c.w;
  m.a = s.z;
  m.a_row = s.ld_z;
  m.c = static_cast<real*>(r.dx()) + (s.first * c.t + s.t) * c.i;
  m.ldc = c.t * c.i;
  gemm_packed(m, static_cast<const real*>(r.scratch(c.packed)) + c.input_back_offset);
  if (!r.training || !c.x_masks) return;
  const real* factors = r.kept(c.x_mask);
  for (Index n = 0; n < s.rows; ++n)
    for (Index j = 0; j < c.i; ++j) m.c[n * m.ldc + j] *= factors[(s.first + n) * c.i + j];
}

bool input_gradient_in_steps(const Run& r, const Rnn& c) {
  return c.input_back_offset >= 0 && r.dx() && projects_in_steps(c, r.n);
}

void backward_block(const Run& r, const Rnn& c, const RnnCell& cell, const Block& b, real* z) {
  RnnStep s = begin_block(r, c, b);
  const bool input = input_gradient_in_steps(r, c);
  s.dh = b.slot(c, 0);
  s.dc = b.slot(c, 1);
  real* waiting = b.slot(c, 2);
  zero(waiting, b.rows * c.u);
  for (int which = 0; which < c.states; ++which) {
    real* to = which ? s.dc : s.dh;
    const real* from = c.states_out ? static_cast<const real*>(r.dy(1 + which)) : nullptr;
    if (from) copy(from + b.first * c.u, to, b.rows * c.u);
    else zero(to, b.rows * c.u);
  }
  for (Index position = c.t - 1; position >= 0; --position) {
    at_step(s, r, c, b, z, c.backwards ? c.t - 1 - position : position);
    add_output_gradient(r, c, s, position, waiting);
    cell.backward(s);
    if (input) input_gradient_step(r, c, s);
  }
}

template <class F>
void for_blocks(const Run& r, const Rnn& c, Index first, Index rows, F&& f) {
  const Index size = block_rows(c, r.n);
  parallel_for(r.pool, (rows + size - 1) / size, 1, [&](Index begin, Index end, int worker) {
    for (Index k = begin; k < end; ++k)
      f(Block{first + k * size, smaller(size, rows - k * size), r.scratch(c.worker, worker)});
  });
}

void kernel_gradients(const Run& r, const Rnn& c, const real* dz, int groups) {
  const Index rows = r.n * c.t, columns = c.w / groups;
  real* dx = input_gradient_in_steps(r, c) ? nullptr : static_cast<real*>(r.dx());
  real* dropped = c.x_dropped >= 0 ? static_cast<real*>(r.scratch(c.x_dropped)) : nullptr;
  const bool dropping = r.training && c.x_masks;
  const real* factors = dropping ? buffer(r, c, c.x_mask) : nullptr;
  for (int g = 0; g < groups; ++g) {
    if (r.dparam(0)) {
      const real* a = r.x();
      if (dropping) {
        drop(r, a, factors, groups, g, c.t, c.i, dropped);
        a = dropped;
      }
      Gemm m;
      m.m = c.i;
      m.n = columns;
      m.k = rows;
      m.a = a;
      m.a_row = 1;
      m.a_col = c.i;
      m.b = dz + g * columns;
      m.b_row = c.w;
      m.c = static_cast<real*>(r.dparam(0)) + g * columns;
      m.ldc = c.w;
      run_gemm(r, c, m);
    }
    if (!dx) continue;
    Gemm m;
    m.m = rows;
    m.n = c.i;
    m.k = columns;
    m.a = dz + g * columns;
    m.a_row = c.w;
    m.b = static_cast<const real*>(r.param(0)) + g * columns;
    m.b_row = 1;
    m.b_col = c.w;
    m.c = dropping ? dropped : dx;
    m.ldc = c.i;
    run_gemm(r, c, m);
    if (!dropping) continue;
    parallel_for(r.pool, r.n, 8192 / (c.t * c.i) + 1, [&](Index begin, Index end, int) {
      for (Index n = begin; n < end; ++n) {
        const real* f = factors + (n * groups + g) * c.i;
        for (Index s = n * c.t; s < (n + 1) * c.t; ++s)
          for (Index j = 0; j < c.i; ++j) {
            const real v = dropped[s * c.i + j] * f[j];
            dx[s * c.i + j] = g ? dx[s * c.i + j] + v : v;
          }
      }
    });
  }
}

void recurrent_gradient(const Run& r, const Rnn& c, const real* dz) {
  const real* aux = c.aux >= 0 ? static_cast<const real*>(r.kept(c.aux)) : nullptr;
  const bool dropping = r.training && c.h_masks;
  for (int k = 0; k < c.parts; ++k) {
    const bool special = aux && k == c.parts - 1;
    Gemm m;
    m.m = c.u;
    m.n = c.part_begin[k + 1] - c.part_begin[k];
    m.k = r.n * c.t;
    m.a = r.kept(c.h);
    if (dropping) {
      real* dropped = r.scratch(c.h_dropped);
      drop(r, m.a, buffer(r, c, c.h_mask), c.h_masks, k, c.t, c.u, dropped);
      m.a = dropped;
    }
    m.a_row = 1;
    m.a_col = c.u;
    m.b = dz + c.part_begin[k];
    m.b_row = c.w;
    if (special && c.reset_after) {
      m.b = aux;
      m.b_row = c.u;
    } else if (special) {
      m.a = aux;
    }
    m.c = static_cast<real*>(r.dparam(1)) + c.part_begin[k];
    m.ldc = c.w;
    run_gemm(r, c, m);
  }
}

void bias_gradient(const Run& r, const Rnn& c, const real* dz) {
  real* db = r.dparam(2);
  real* sums = r.scratch(c.sums);
  column_sum(r.pool, dz, c.w, r.n * c.t, c.w, db, false, sums);
  if (!(c.aux_used && c.reset_after)) return;
  copy(db, db + c.w, 2 * c.u);
  column_sum(r.pool, r.kept(c.aux), c.u, r.n * c.t, c.u, db + c.w + 2 * c.u, false, sums);
}

}  // namespace

void rnn_forward(const Run& r, const RnnCell& cell) {
  const Rnn& c = r.config<Rnn>();
  if (r.training && c.x_masks)
    dropout_factors(r, c, c.dropout, 0, c.x_masks * c.i, buffer(r, c, c.x_mask));
  if (r.training && c.h_masks)
    dropout_factors(r, c, c.recurrent_dropout, 1, c.h_masks * c.u, buffer(r, c, c.h_mask));
  const bool in_steps = projects_in_steps(c, r.n);
  if (c.trains && (c.fused || !fresh(c, r.n))) pack_forward(r, c, in_steps);
  const real* bias = input_bias(r, c);
  real* z = buffer(r, c, c.z);
  if (in_steps) {
    if (r.training && c.x_masks)
      drop(r, r.x(), buffer(r, c, c.x_mask), 1, 0, c.t, c.i, r.scratch(c.x_dropped));
    const Index row = c.trains ? c.t * c.w : c.w;
    for_blocks(r, c, 0, r.n, [&](const Block& b) {
      forward_block(r, c, cell, b, z + b.first * row, bias);
    });
    return;
  }
  if (r.n == 1 && c.team > 1 && !(r.training && c.x_masks)) {
    forward_team(r, c, cell, z, bias);
    return;
  }
  const Index block = block_rows(c, r.n), row = c.t * c.w;
  // Without a backward z is needed once: as many rows at a time as stay in the cache.
  Index group = r.n;
  if (!c.trains && !(r.training && c.x_masks))
    group = smaller(r.n, larger(kForwardCache / (row * block), 8) * block);
  for (Index first = 0; first < r.n; first += group) {
    const Index rows = smaller(group, r.n - first);
    if (!c.trains && c.input_offset >= 0 && !(r.training && c.x_masks))
      project_packed(r, c, first, rows, bias, z);
    else project(r, c, first, rows, bias, z);
    for_blocks(r, c, first, rows, [&](const Block& b) {
      forward_block(r, c, cell, b, z + (b.first - first) * row, bias);
    });
  }
}

void rnn_backward(const Run& r, const RnnCell& cell) {
  const Rnn& c = r.config<Rnn>();
  if (!fresh(c, r.n)) pack_backward(r, c, input_gradient_in_steps(r, c));
  real* z = r.kept(c.z);
  for_blocks(r, c, 0, r.n,
             [&](const Block& b) { backward_block(r, c, cell, b, z + b.first * c.t * c.w); });
  const int groups = r.training && c.x_masks ? c.x_masks : 1;
  kernel_gradients(r, c, z, groups);
  if (r.dparam(1)) recurrent_gradient(r, c, z);
  if (c.use_bias && r.dparam(2)) bias_gradient(r, c, z);
}

void rnn_pack(const Run& r) noexcept {
  const Rnn& c = r.config<Rnn>();
  pack_forward(r, c, c.input_offset >= 0);
}

const real* rnn_units(const RnnStep& s) { return packed_weights(*s.run, *s.rnn); }

const real* rnn_h_mask(const RnnStep& s, Index row, int gate) {
  const Rnn& c = *s.rnn;
  if (!s.run->training || !c.h_masks) return nullptr;
  return buffer(*s.run, c, c.h_mask) + ((s.first + row) * c.h_masks + gate) * c.u;
}

const real* rnn_dropped(const RnnStep& s, int gate, const real* h, Index* ld_h) {
  if (!rnn_h_mask(s, 0, gate)) return h;
  const Index u = s.rnn->u;
  for (Index n = 0; n < s.rows; ++n) {
    const real* m = rnn_h_mask(s, n, gate);
    for (Index j = 0; j < u; ++j) s.dropped[n * u + j] = h[n * *ld_h + j] * m[j];
  }
  *ld_h = u;
  return s.dropped;
}

void rnn_product(const RnnStep& s, int part, const real* a, Index ld_a, real* to, Index ld_to,
                 bool accumulate, const real* bias) {
  const Rnn& c = *s.rnn;
  Gemm m;
  m.m = s.rows;
  m.n = c.part_begin[part + 1] - c.part_begin[part];
  m.k = c.u;
  m.a = a;
  m.a_row = ld_a;
  m.b = static_cast<const real*>(s.run->param(1)) + c.part_begin[part];
  m.b_row = c.w;
  m.c = to;
  m.ldc = ld_to;
  m.accumulate = accumulate;
  m.bias = bias;
  if (s.fresh)
    gemm(nullptr, m, s.gemm_worker, s.gemm_worker + gemm_scratch(m.m, m.n, m.k).fixed, 0);
  else gemm_packed(m, packed_weights(*s.run, c) + c.packed_offset[part]);
}

void rnn_product_back(const RnnStep& s, int part, const real* dz, Index ld_dz, real* dh,
                      bool accumulate) {
  const Rnn& c = *s.rnn;
  Gemm m;
  m.m = s.rows;
  m.n = c.u;
  m.k = c.part_begin[part + 1] - c.part_begin[part];
  m.a = dz;
  m.a_row = ld_dz;
  m.b = static_cast<const real*>(s.run->param(1)) + c.part_begin[part];
  m.b_row = 1;
  m.b_col = c.w;
  m.c = dh;
  m.ldc = c.u;
  m.accumulate = accumulate;
  if (s.fresh)
    gemm(nullptr, m, s.gemm_worker, s.gemm_worker + gemm_scratch(m.m, m.n, m.k).fixed, 0);
  else
    gemm_packed(m, static_cast<const real*>(s.run->scratch(c.packed)) + c.packed_back_offset[part]);
}

void rnn_dropped_product_back(const RnnStep& s, int part, const real* dz, Index ld_dz, real* dh,
                              bool accumulate) {
  if (!rnn_h_mask(s, 0, part)) {
    rnn_product_back(s, part, dz, ld_dz, dh, accumulate);
    return;
  }
  const Index u = s.rnn->u;
  rnn_product_back(s, part, dz, ld_dz, s.tmp, false);
  for (Index n = 0; n < s.rows; ++n) {
    const real* m = rnn_h_mask(s, n, part);
    real* to = dh + n * u;
    for (Index j = 0; j < u; ++j) {
      const real v = s.tmp[n * u + j] * m[j];
      to[j] = accumulate ? to[j] + v : v;
    }
  }
}

}  // namespace pyseq::PYSEQ_NS
