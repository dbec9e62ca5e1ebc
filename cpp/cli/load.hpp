// A load on a cluster.
//
// Closed loop: a fixed number of requests is always under way; the next begins when one ends. It
// shows how much a cluster can do. While it stalls nothing new begins: the stall shows as that many
// long latencies and as a lower rate, and not as the waits of all who would have come meanwhile.
// Open loop: requests begin at fixed times, whether or not the earlier ones have ended, and a
// latency counts from the time at which its request was meant to begin. It shows how long people
// wait; a stall delays everything that was due meanwhile, and all of that is measured (no
// coordinated omission).
//
// Either way every request is accounted for (cli/load_tally.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/prng.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "cli/load_tally.hpp"
#include "client/client.hpp"

namespace paxledger::cli {

enum class Workload : std::uint8_t { put, get, mixed };  // mixed: half of each

struct LoadPlan {
  Workload workload = Workload::put;
  std::size_t outstanding = 64;  // closed loop
  double rate = 0;               // open loop: requests per second; 0: closed loop
  Duration warm_up = std::chrono::seconds(1);
  Duration duration = std::chrono::seconds(10);  // after the warm-up
  Duration grace = std::chrono::seconds(10);     // for what is under way then
  std::size_t value_bytes = 256;
  std::size_t keys = 10'000;  // bench/00000000 …, drawn uniformly
  Seed seed;
};

// Called about once a second, and at the end with the counts of the result.
using LoadListener = std::function<void(const LoadProgress&)>;

// Writes every key once, so that reads find something. Gives what the first put that fails came to,
// else `ok`.
[[nodiscard]] client::Outcome fill(client::Client& db, const LoadPlan& plan);

// Runs the load on the caller's thread and the client's own. After the measured time no request
// begins; what is under way is waited for, `grace` long at most, and is unfinished then.
// Precondition: the client allows at least plan.outstanding calls at once.
[[nodiscard]] LoadResult run_load(client::Client& db, const LoadPlan& plan,
                                  const LoadListener& listener);

}  // namespace paxledger::cli
