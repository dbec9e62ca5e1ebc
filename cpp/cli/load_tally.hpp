// What becomes of the requests of a load. Time is an argument: nothing here looks at a clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "cli/histogram.hpp"

namespace paxledger::cli {

// The requests of the measured time: those that were under way at any moment of it, whether they
// began in it or in the warm-up. One that is stuck from before its beginning to after its end is
// so among them, and an outage can never look like idle time.
//
// Invariant: begun == completed + failed() + unfinished, at every moment.
struct LoadCounts {
  std::uint64_t begun = 0;
  std::uint64_t completed = 0;                // `not found` is an answer, too
  std::map<ErrorCode, std::uint64_t> errors;  // of those that failed
  std::uint64_t unfinished = 0;               // still under way
  Duration oldest{0};                         // of those: for how long the oldest one has waited
  [[nodiscard]] std::uint64_t failed() const;
};

// One word on the way.
struct LoadProgress {
  bool warm_up = false;  // the counts are those of the warm-up; they start again after it
  Duration elapsed{0};   // since the beginning of the warm-up
  std::uint64_t completed_since = 0;  // since the last word about the same of the two
  Duration slowest_since{0};          // of those
  LoadCounts counts;                  // so far
};

struct LoadResult {
  Duration measured{0};
  LoadCounts counts;
  std::uint64_t completed_late = 0;  // of counts.completed: after the measured time
  LoadCounts warm_up;                // what ended in the warm-up; nothing of it is measured
  // Of every request, however it ended; of unfinished ones the time that they have waited so far.
  // What got stuck is so never left out. (A client gives up at its deadline only, so a failure is
  // hardly ever fast; where some are, their number is told beside.)
  Histogram latency;

  // What completed within the measured time, for each second of it.
  [[nodiscard]] double per_second() const;
  // Nothing failed or remained unfinished, in the warm-up neither.
  [[nodiscard]] bool all_completed() const;
};

// Keeps account of every request from its beginning to its end. Not thread-safe.
class LoadTally {
 public:
  // A request under way; given again after its end.
  using Ticket = std::size_t;

  // The warm-up lasts from `begin` to `measured_from`, the measured time from there to `end`.
  LoadTally(Instant begin, Instant measured_from, Instant end);

  // A request that was due at `due`, from where its latency counts.
  [[nodiscard]] Ticket begin(Instant due);
  void end(Ticket ticket, Instant now, ErrorCode code);

  [[nodiscard]] std::size_t under_way() const { return requests_.size() - free_.size(); }

  // `now` never falls from call to call, here and above.
  [[nodiscard]] LoadProgress progress(Instant now);
  // What there is to say at `now`; what is under way then stays unfinished.
  [[nodiscard]] LoadResult result(Instant now) const;

 private:
  struct Request {
    bool under_way = false;
    Instant due;
  };
  [[nodiscard]] LoadCounts counts_at(Instant now, const LoadCounts& ended) const;

  const Instant begin_;
  const Instant measured_from_;
  const Instant end_;
  std::vector<Request> requests_;  // by ticket
  std::vector<Ticket> free_;
  // Of these, `unfinished` and `oldest` are not kept up to date; counts_at() knows them.
  LoadCounts warm_up_;
  LoadCounts measured_;
  std::uint64_t completed_late_ = 0;
  Histogram latency_;
  struct Since {
    std::uint64_t completed = 0;
    Duration slowest{0};
  };
  Since warm_up_since_;
  Since measured_since_;
};

}  // namespace paxledger::cli
