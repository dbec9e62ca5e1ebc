#include "cli/load.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace paxledger::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string key_of(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "bench/%08llu", static_cast<unsigned long long>(number));
  return text;
}

std::string random_value(Prng& prng, std::size_t bytes) {
  std::string value;
  value.reserve(bytes + 8);
  while (value.size() < bytes) append_le(value, prng.next());
  value.resize(bytes);
  return value;
}

Instant now_instant() {
  return Instant(Clock::now().time_since_epoch());
}

// The state of one run. Callbacks of requests that end late hold it too, so it outlives them.
// begin() and finished() may be called from any thread.
class Run : public std::enable_shared_from_this<Run> {
 public:
  Run(client::Client& db, const LoadPlan& plan)
      : db_(db),
        plan_(plan),
        begin_(now_instant()),
        measured_from_(begin_ + plan.warm_up),
        end_(measured_from_ + plan.duration),
        // Just before whole seconds, so that the word at the end of a warm-up is still about it.
        next_word_(begin_ + milliseconds(990)),
        prng_(plan.seed),
        value_(random_value(prng_, plan.value_bytes)),
        tally_(begin_, measured_from_, end_) {}

  LoadResult go(const LoadListener& listener) {
    if (plan_.rate > 0) {
      open_loop(listener);
    } else {
      for (std::size_t i = 0; i < plan_.outstanding; ++i) begin(std::nullopt);
      tell_until(end_, listener, [] { return false; });
    }
    tell_until(end_ + plan_.grace, listener, [this] { return tally_.under_way() == 0; });
    // From here on a request that ends is one that was told to be unfinished.
    const std::lock_guard lock(mutex_);
    closed_ = true;
    const Instant now = now_instant();
    if (listener) listener(tally_.progress(now));
    return tally_.result(now);
  }

 private:
  void open_loop(const LoadListener& listener) {
    const double interval_ns = 1e9 / plan_.rate;
    for (std::uint64_t number = 0;; ++number) {
      const Instant due = begin_ + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                       static_cast<double>(number) * interval_ns));
      if (due >= end_) return;
      // Sleeping for each request of a high rate would cost more than the request: what falls
      // into the same millisecond begins together, and is measured from its own due time.
      if (due > now_instant() + milliseconds(1)) {
        tell_until(due, listener, [] { return false; });
      }
      begin(due);
      if (now_instant() >= next_word_) tell(listener);
    }
  }

  // One request more. Without a due time it is due now.
  void begin(std::optional<Instant> due) {
    bool read = false;
    std::string key;
    LoadTally::Ticket ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      read = plan_.workload == Workload::get ||
             (plan_.workload == Workload::mixed && prng_.chance(1, 2));
      key = key_of(prng_.below(plan_.keys));
      ticket = tally_.begin(due ? *due : now_instant());
    }
    auto done = [run = shared_from_this(), ticket](const client::Outcome& outcome) {
      run->finished(ticket, outcome);
    };
    if (read) {
      db_.get(key, client::ReadMode::linearizable, {}, std::move(done));
    } else {
      db_.put(key, value_, {}, std::move(done));
    }
  }

  void finished(LoadTally::Ticket ticket, const client::Outcome& outcome) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      const Instant now = now_instant();
      tally_.end(ticket, now, outcome.code);
      if (now >= end_ && tally_.under_way() == 0) ended_.notify_all();
      // In a closed loop a request that cannot even begin must not call itself again at once.
      const bool open = plan_.rate > 0;
      if (open || now >= end_ || outcome.code == ErrorCode::shutting_down) return;
    }
    begin(std::nullopt);  // takes this one's place
  }

  // Waits, with a word each second, until `until` or until the tally says `enough`.
  template <class Enough>
  void tell_until(Instant until, const LoadListener& listener, Enough enough) {
    for (;;) {
      const Instant next = std::min(until, next_word_);
      {
        std::unique_lock lock(mutex_);
        if (ended_.wait_until(lock, Clock::time_point(next.since_origin()), enough)) return;
      }
      const Instant now = now_instant();
      if (now >= next_word_) tell(listener);
      if (now >= until) return;
    }
  }

  void tell(const LoadListener& listener) {
    next_word_ = next_word_ + std::chrono::seconds(1);
    if (!listener) return;
    LoadProgress progress;
    {
      const std::lock_guard lock(mutex_);
      progress = tally_.progress(now_instant());
    }
    listener(progress);
  }

  client::Client& db_;
  const LoadPlan plan_;
  const Instant begin_;
  const Instant measured_from_;
  const Instant end_;
  Instant next_word_;  // of the thread that runs go()

  std::mutex mutex_;  // guards what follows
  std::condition_variable ended_;
  Prng prng_;
  const std::string value_;
  LoadTally tally_;
  bool closed_ = false;
};

}  // namespace

client::Outcome fill(client::Client& db, const LoadPlan& plan) {
  constexpr std::size_t kAtOnce = 256;
  Prng prng(plan.seed);
  const std::string value = random_value(prng, plan.value_bytes);
  std::vector<std::future<client::Outcome>> puts;
  for (std::size_t number = 0; number < plan.keys; ++number) {
    puts.push_back(db.put(key_of(number), value));
    if (puts.size() < kAtOnce && number + 1 < plan.keys) continue;
    for (auto& put : puts) {
      auto outcome = put.get();
      if (!outcome.ok()) return outcome;
    }
    puts.clear();
  }
  return {};
}

LoadResult run_load(client::Client& db, const LoadPlan& plan, const LoadListener& listener) {
  return std::make_shared<Run>(db, plan)->go(listener);
}

}  // namespace paxledger::cli
