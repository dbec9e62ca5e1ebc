// A load on a cluster, and what came of it.
//
// Closed loop: a fixed number of requests is always under way; the next begins when one ends. It
// shows how much a cluster can do. Open loop: requests begin at fixed times, whether or not the
// earlier ones have ended, and a latency counts from the time at which its request was meant to
// begin. It shows how long people wait; a stall delays everything that was due meanwhile, and all
// of that is measured (no coordinated omission).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/prng.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "cli/histogram.hpp"
#include "client/client.hpp"

namespace paxledger::cli {

enum class Workload : std::uint8_t { put, get, mixed };  // mixed: half of each

struct LoadPlan {
  Workload workload = Workload::put;
  std::size_t outstanding = 64;  // closed loop
  double rate = 0;               // open loop: requests per second; 0: closed loop
  Duration warm_up = std::chrono::seconds(1);
  Duration duration = std::chrono::seconds(10);  // after the warm-up
  std::size_t value_bytes = 256;
  std::size_t keys = 10'000;  // bench/00000000 …, drawn uniformly
  Seed seed;
};

struct LoadResult {
  Duration measured{0};
  std::uint64_t succeeded = 0;
  std::map<std::string, std::uint64_t> errors;  // by the word of their code
  Histogram latency;                            // of what succeeded
  [[nodiscard]] double per_second() const;
};

// Called about once a second: seconds since the start, what succeeded since the last call, the
// greatest latency of that, and the errors so far.
using LoadProgress = std::function<void(double, std::uint64_t, Duration, std::uint64_t)>;

// Writes every key once, so that reads find something. Errors: those of the first put that fails.
[[nodiscard]] Result<void> fill(client::Client& db, const LoadPlan& plan);

// Runs the load on the caller's thread and the client's own. Requests that end after the measured
// time are waited for, and counted in an open loop only. Precondition: the client allows at least
// plan.outstanding calls at once.
[[nodiscard]] LoadResult run_load(client::Client& db, const LoadPlan& plan,
                                  const LoadProgress& progress);

}  // namespace paxledger::cli
