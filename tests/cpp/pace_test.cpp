// Pace: settles on the faster way, notices when that changes, and forgets another number of rows.
#include "core/pace.h"

#include <cstdio>

namespace {

// Calls with the team among `calls`, which take `with` and `without` seconds.
int team_calls(pyseq::Pace& pace, int rows, int calls, double with, double without) {
  int count = 0;
  for (int i = 0; i < calls; ++i) {
    const bool team = pace.team(rows);
    pace.took(rows, team, team ? with : without);
    count += team;
  }
  return count;
}

int failures = 0;
void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "pace_test: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  pyseq::Pace pace;
  team_calls(pace, 1, 2000, 1.0, 2.0);
  check(team_calls(pace, 1, 1000, 1.0, 2.0) > 950, "expected the team where it is faster");
  team_calls(pace, 1, 3000, 100.0, 2.0);
  check(team_calls(pace, 1, 1000, 100.0, 2.0) < 50, "expected no team where it is slower");
  team_calls(pace, 1, 8000, 1.0, 2.0);
  check(team_calls(pace, 1, 1000, 1.0, 2.0) > 950, "expected the team again");
  check(team_calls(pace, 2, 8, 1.0, 2.0) == 8, "expected the team first for other rows");
  return failures ? 1 : 0;
}
