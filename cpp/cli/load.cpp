#include "cli/load.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
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

// The state of one run. issue() and finished() may be called from any thread.
class Run {
 public:
  Run(client::Client& db, const LoadPlan& plan)
      : db_(db), plan_(plan), prng_(plan.seed), value_(random_value(prng_, plan.value_bytes)) {}

  LoadResult go(const LoadProgress& progress) {
    begin_ = Clock::now();
    measured_from_ = begin_ + plan_.warm_up;
    end_ = measured_from_ + plan_.duration;
    next_word_ = begin_ + std::chrono::seconds(1);
    if (plan_.rate > 0) {
      open_loop(progress);
    } else {
      for (std::size_t i = 0; i < plan_.outstanding; ++i) begin(Clock::now());
      while (Clock::now() < end_) {
        std::this_thread::sleep_until(std::min(end_, next_word_));
        tell(progress);
      }
    }
    std::unique_lock lock(mutex_);
    all_ended_.wait(lock, [&] { return under_way_ == 0; });
    result_.measured = plan_.duration;
    return std::move(result_);
  }

 private:
  void open_loop(const LoadProgress& progress) {
    const double interval_ns = 1e9 / plan_.rate;
    for (std::uint64_t number = 0;; ++number) {
      const auto due = begin_ + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                    static_cast<double>(number) * interval_ns));
      if (due >= end_) return;
      // Sleeping for each request of a high rate would cost more than the request: what falls
      // into the same millisecond begins together, and is measured from its own due time.
      if (due > Clock::now() + milliseconds(1)) std::this_thread::sleep_until(due);
      begin(due);
      tell(progress);
    }
  }

  // One request more.
  void begin(Clock::time_point due) {
    {
      const std::lock_guard lock(mutex_);
      ++under_way_;
    }
    issue(due);
  }

  void issue(Clock::time_point due) {
    bool read = false;
    std::string key;
    {
      const std::lock_guard lock(mutex_);
      read = plan_.workload == Workload::get ||
             (plan_.workload == Workload::mixed && prng_.chance(1, 2));
      key = key_of(prng_.below(plan_.keys));
    }
    auto done = [this, due](const client::Outcome& outcome) { finished(due, outcome); };
    if (read) {
      db_.get(key, client::ReadMode::linearizable, {}, std::move(done));
    } else {
      db_.put(key, value_, {}, std::move(done));
    }
  }

  void finished(Clock::time_point due, const client::Outcome& outcome) {
    const auto now = Clock::now();
    const bool open = plan_.rate > 0;
    // In a closed loop a request that cannot even begin must not call itself again at once.
    const bool again = !open && now < end_ && outcome.code != ErrorCode::shutting_down;
    {
      const std::lock_guard lock(mutex_);
      const bool counts = open ? due >= measured_from_ : now >= measured_from_ && now < end_;
      const bool success = outcome.ok() || outcome.code == ErrorCode::not_found;
      if (success) ++since_word_;
      if (success) slowest_ = std::max<Duration>(slowest_, now - due);
      if (!success) ++errors_;
      if (counts && success) {
        ++result_.succeeded;
        result_.latency.record(now - due);
      } else if (counts) {
        ++result_.errors[std::string(to_string(outcome.code))];
      }
      if (!again) {
        if (--under_way_ == 0) all_ended_.notify_all();
        return;
      }
    }
    issue(Clock::now());  // takes this one's place
  }

  void tell(const LoadProgress& progress) {
    const auto now = Clock::now();
    if (now < next_word_) return;
    next_word_ += std::chrono::seconds(1);
    if (!progress) return;
    std::uint64_t count = 0;
    std::uint64_t errors = 0;
    Duration slowest{0};
    {
      const std::lock_guard lock(mutex_);
      count = std::exchange(since_word_, 0);
      slowest = std::exchange(slowest_, Duration::zero());
      errors = errors_;
    }
    progress(std::chrono::duration<double>(now - begin_).count(), count, slowest, errors);
  }

  client::Client& db_;
  const LoadPlan& plan_;
  Clock::time_point begin_;
  Clock::time_point measured_from_;
  Clock::time_point end_;
  Clock::time_point next_word_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable all_ended_;
  Prng prng_;
  const std::string value_;
  std::size_t under_way_ = 0;
  std::uint64_t since_word_ = 0;
  std::uint64_t errors_ = 0;
  Duration slowest_{0};
  LoadResult result_;
};

}  // namespace

double LoadResult::per_second() const {
  const double seconds = std::chrono::duration<double>(measured).count();
  return seconds > 0 ? static_cast<double>(succeeded) / seconds : 0;
}

Result<void> fill(client::Client& db, const LoadPlan& plan) {
  constexpr std::size_t kAtOnce = 256;
  Prng prng(plan.seed);
  const std::string value = random_value(prng, plan.value_bytes);
  std::vector<std::future<client::Outcome>> puts;
  for (std::size_t number = 0; number < plan.keys; ++number) {
    puts.push_back(db.put(key_of(number), value));
    if (puts.size() < kAtOnce && number + 1 < plan.keys) continue;
    for (auto& put : puts) {
      const auto outcome = put.get();
      if (!outcome.ok()) return outcome.error();
    }
    puts.clear();
  }
  return {};
}

LoadResult run_load(client::Client& db, const LoadPlan& plan, const LoadProgress& progress) {
  return Run(db, plan).go(progress);
}

}  // namespace paxledger::cli
