// Pace: settles on the faster way, notices when that changes, and forgets another number of rows.
#include "core/pace.h"

#include "check.h"

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

}  // namespace

int main() {
  pyseq::Pace pace;
  team_calls(pace, 1, 2000, 1.0, 2.0);
  CHECK(team_calls(pace, 1, 1000, 1.0, 2.0) > 950);  // the team where it is faster
  team_calls(pace, 1, 3000, 100.0, 2.0);
  CHECK(team_calls(pace, 1, 1000, 100.0, 2.0) < 50);  // no team where it is slower
  team_calls(pace, 1, 8000, 1.0, 2.0);
  CHECK(team_calls(pace, 1, 1000, 1.0, 2.0) > 950);  // the team again
  CHECK(team_calls(pace, 2, 8, 1.0, 2.0) == 8);  // the team first for other rows
  return report("pace");
}
