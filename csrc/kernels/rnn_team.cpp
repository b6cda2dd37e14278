// One row: workers share the units, and meet after each step. The first to come leads; the others
// join at the step that the leader gives them, so that nobody waits for a thread that is not awake.
// States of all steps stay, so whoever computes a unit twice writes the same number again: the
// leader can go on alone when a member lost its core to another process.
#include "kernels/rnn_detail.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

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
  const RnnBlock b{0, 1, w.r.scratch(c.worker, 0)};
  RnnStep s = rnn_begin_block(w.r, c, b);
  s.ld_h = s.ld_next = c.u;
  if (me && !wait_for(team.started[me], 1, team, false)) return;
  for (Index t = me ? team.started[me].read() - 1 : 0; t < c.t; ++t) {
    if (pool_interrupted(w.r.pool)) {
      if (me == 0) team.alone.write(1);
      return;
    }
    const Index members = team.alone.read() ? 1 : team.size[t & 1].read();
    if (me >= members) return;
    rnn_at_step(s, w.r, c, b, w.z, c.backwards ? c.t - 1 - t : t);
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
  if (c.stateful || c.states_out) rnn_final_state(w.r, c, s);
}

}  // namespace

void rnn_forward_team(const Run& r, const Rnn& c, const RnnCell& cell, real* z, const real* bias) {
  if (c.input_offset >= 0) rnn_project_packed(r, c, 0, 1, bias, z);
  else rnn_project(r, c, 0, 1, bias, z);
  real* h = r.scratch(c.history);
  TeamRun w{r, c, cell, z, h, h + (c.t + 1) * c.u, {}};
  w.team.size[0].value = 1;
  const RnnBlock b{0, 1, nullptr};
  for (int which = 0; which < c.states; ++which)
    rnn_initial_state(r, c, b, which, which ? w.states : h, c.u);
  parallel_for(r.pool, smaller(c.team, pool_workers(r.pool)), 1, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k) team_member(w);
  }, true);
}

}  // namespace pyseq::PYSEQ_NS
