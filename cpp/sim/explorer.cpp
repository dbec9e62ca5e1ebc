#include "sim/explorer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace paxledger::sim {

namespace {

// A set of fingerprints in one table with open addressing. An empty place is all zeros; a state
// whose fingerprint is that is as unlikely as a collision.
class Visited {
 public:
  Visited() : places_(std::size_t{1} << 16) {}

  // Whether the fingerprint is new.
  bool insert(const Fingerprint& fingerprint) {
    if (3 * (size_ + 1) > 2 * places_.size()) grow();
    Fingerprint& place = find(fingerprint);
    if (place == fingerprint) return false;
    place = fingerprint;
    ++size_;
    return true;
  }
  [[nodiscard]] std::size_t bytes() const { return places_.size() * sizeof(Fingerprint); }

 private:
  Fingerprint& find(const Fingerprint& fingerprint) {
    const std::size_t mask = places_.size() - 1;
    std::size_t at = fingerprint.low & mask;
    while (places_[at] != Fingerprint{} && places_[at] != fingerprint) at = (at + 1) & mask;
    return places_[at];
  }
  void grow() {
    std::vector<Fingerprint> old(2 * places_.size());
    old.swap(places_);
    for (const auto& fingerprint : old) {
      if (fingerprint != Fingerprint{}) find(fingerprint) = fingerprint;
    }
  }

  std::vector<Fingerprint> places_;
  std::size_t size_ = 0;
};

class Search {
 public:
  explicit Search(const ExploreOptions& options)
      : options_(options), world_(options.bounds, options.bug) {}

  ExploreReport run() {
    SmallState first = world_.initial();
    visit(first, {0, {}});
    std::size_t expanded = 0;  // states are numbered in the order in which they are expanded
    while (!next_.empty() && !is_over_) {
      level_.swap(next_);
      next_.clear();
      for (std::size_t at = 0; at < level_.size() && !is_over_; ++expanded) {
        at = state_.unpack(level_, at, options_.bounds.nodes);
        expand(expanded);
      }
      if (!is_over_ && !next_.empty()) ++report_.depth;
    }
    tell();
    return std::move(report_);
  }

 private:
  // How a state was reached first.
  struct Origin {
    std::uint32_t parent;
    SmallAction action;
  };

  void visit(const SmallState& state, Origin origin) {
    if (!visited_.insert(state.fingerprint())) return;
    if (options_.found) options_.found(world_, state);
    origins_.push_back(origin);
    state.pack(next_);
    peak_words_ = std::max(peak_words_, level_.size() + next_.size());
  }

  void expand(std::size_t number) {
    world_.actions(state_, actions_);
    for (const SmallAction action : actions_) {
      successor_ = state_;
      const bool happened = world_.apply(successor_, action);
      if (!world_.violation().empty()) {
        conclude(ExploreVerdict::violated);
        report_.violation = world_.violation();
        trace(number, action);
        return;
      }
      if (!happened) continue;
      ++report_.transitions;
      visit(successor_, {static_cast<std::uint32_t>(number), action});
      if (origins_.size() >= options_.states_max) {
        conclude(ExploreVerdict::states_max);
        return;
      }
    }
    if (options_.progress && number % 65'536 == 65'535) {
      tell();
      if (!options_.progress(report_)) conclude(ExploreVerdict::interrupted);
    }
  }

  void conclude(ExploreVerdict verdict) {
    report_.verdict = verdict;
    is_over_ = true;
  }

  // The way from the first state to the action that broke a rule in the state of this number.
  void trace(std::size_t number, SmallAction last) {
    std::vector<SmallAction> way{last};
    for (; number != 0; number = origins_[number].parent) way.push_back(origins_[number].action);
    std::reverse(way.begin(), way.end());
    SmallState state = world_.initial();
    for (const SmallAction action : way) {
      report_.path.push_back(world_.describe(state, action));
      world_.apply(state, action);
    }
  }

  void tell() {
    report_.states = origins_.size();
    report_.node_states = world_.node_states();
    report_.messages = world_.messages();
    report_.node_steps = world_.local_steps();
    report_.bytes =
        visited_.bytes() + origins_.size() * sizeof(Origin) + peak_words_ * sizeof(std::uint32_t);
    report_.elapsed = std::chrono::steady_clock::now() - began_;
  }

  const ExploreOptions& options_;
  SmallWorld world_;
  Visited visited_;
  std::vector<Origin> origins_;
  // Packed states: those of the level that is expanded, and those of the next one.
  std::vector<std::uint32_t> level_;
  std::vector<std::uint32_t> next_;
  std::size_t peak_words_ = 0;
  // Under way, kept for their memory.
  SmallState state_;
  SmallState successor_;
  std::vector<SmallAction> actions_;
  ExploreReport report_;
  bool is_over_ = false;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace

std::string_view to_string(ExploreVerdict verdict) {
  switch (verdict) {
    case ExploreVerdict::exhausted:
      return "exhausted";
    case ExploreVerdict::states_max:
      return "states-max";
    case ExploreVerdict::interrupted:
      return "interrupted";
    case ExploreVerdict::violated:
      return "violated";
  }
  return "unknown";
}

ExploreReport explore(const ExploreOptions& options) {
  return Search(options).run();
}

}  // namespace paxledger::sim
