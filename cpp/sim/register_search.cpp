#include "sim/register_search.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/invariant.hpp"
#include "sim/interruption.hpp"
#include "sim/register_history.hpp"

namespace paxledger::sim {

namespace {

using Need = Transition::Need;

// A depth-first search over configurations: which steps have taken effect, how many operations of
// every open group, and what the register holds then. Iterative, for histories of any length.
//
// Calls and returns of the steps stand in a doubly linked list in the order of time. A step that
// has taken effect is taken out, so the steps that may come next are those whose calls stand before
// the first return. Going back puts it in again (Lowe, "Testing for linearizability", §2).
//
// What keeps the search small, and why an order is still found if there is one:
//  1. A step that is enabled and leaves the register alone comes at once, without an alternative.
//     Wherever an order has it later, it may be moved here: it changes nothing for the others, and
//     its own interval has begun and not ended.
//  2. Of steps that differ in their times alone, the one that is answered first comes first, and of
//     a group without answers the one that was invoked first. In an order that has them the other
//     way round they may change places.
//  3. An open operation comes as late as possible. Let `u` be one that stands in an order and `y`
//     its successor. If `y` is enabled without `u` and overwrites the register whatever it holds,
//     `u` may be left out; if it leaves the register alone, it may stand before `u`. So in an order
//     with the fewest open operations, each as late as possible, `y` is not enabled in the state
//     that `u` found; and only those need be tried that produce what a waiting step needs, or what
//     an open swap needs that produces it, and so on.
//  4. A state that some step still has to find is not left if nothing left can produce it again.
//  5. Steps with a rank take effect in its order.
//  6. A configuration that was seen before leads nowhere, for the search would have ended there.
class Search {
 public:
  Search(RegisterHistory history, std::size_t states_max)
      : history_(std::move(history)), states_max_(states_max) {
    link();
    count();
  }

  SearchResult run();
  [[nodiscard]] std::size_t states() const { return visited_.size(); }

 private:
  // An entry of the list: the call of step `i` stands at 2i + 1, its return at 2i + 2, the head at
  // 0.
  struct Entry {
    std::uint32_t before = 0;
    std::uint32_t after = 0;
  };
  struct Move {
    std::uint32_t index = 0;  // of a step, or of an open step
    bool open = false;
  };
  // A configuration on the way to the present one: how it was left, and what else can be tried.
  struct Frame {
    std::size_t moves_begin = 0;
    std::size_t moves_next = 0;
    StateId state = kAbsent;
    StateId found = kNoState;
    std::uint32_t rank = 0;
  };

  [[nodiscard]] static bool is_call(std::uint32_t entry) { return entry % 2 == 1; }
  [[nodiscard]] static std::uint32_t step_of(std::uint32_t entry) { return (entry - 1) / 2; }
  [[nodiscard]] std::uint64_t time_of(std::uint32_t entry) const {
    const Step& step = history_.steps[step_of(entry)];
    return is_call(entry) ? step.invoked : step.answered;
  }

  void link();
  void count();
  void take_out(std::uint32_t step);
  void put_back(std::uint32_t step);
  void enter(const Transition& what, int change);
  void apply(const Move& move);
  void undo(const Move& move, const Frame& frame);

  void expand();
  bool take_at_once();
  void add_steps();
  void add_open_steps();
  void add_open_step(std::uint32_t index);
  [[nodiscard]] bool may_leave(const Transition& what) const;
  bool remember();

  RegisterHistory history_;
  std::size_t states_max_;
  std::vector<Entry> list_;
  std::size_t left_ = 0;                // steps that have not taken effect
  StateId state_ = kAbsent;             // what the register holds
  StateId found_ = kNoState;            // after an open operation: what the register held before it
  std::uint32_t rank_ = 0;              // of the next step that has one
  std::vector<std::uint32_t> used_;     // by group
  std::vector<std::uint32_t> finders_;  // by state: steps left that must find it
  std::vector<std::uint32_t> producers_;  // by state: operations left that can produce it
  std::vector<std::vector<std::uint32_t>> producing_;  // by state: open steps that produce it
  std::vector<std::vector<StateId>> products_;         // by group

  std::vector<Frame> frames_;
  std::vector<Move> moves_;
  std::vector<Move> path_;
  std::unordered_set<std::string> visited_;
  bool given_up_ = false;

  // Of the configuration that is being expanded.
  std::vector<std::uint32_t> waiting_;  // steps whose calls stand before the first return
  std::uint64_t first_answer_ = 0;
  std::vector<std::uint64_t> step_seen_;    // by `alike`: the expansion that last met it
  std::vector<std::uint64_t> open_seen_;    // by open step
  std::vector<std::uint64_t> wanted_seen_;  // by state
  std::vector<StateId> wanted_;
  std::uint64_t expansion_ = 0;
};

void Search::link() {
  const auto steps = static_cast<std::uint32_t>(history_.steps.size());
  std::vector<std::uint32_t> order;
  order.reserve(std::size_t{2} * steps);
  for (std::uint32_t entry = 1; entry <= 2 * steps; ++entry) order.push_back(entry);
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    const std::uint64_t at = time_of(a);
    const std::uint64_t bt = time_of(b);
    if (at != bt) return at < bt;
    if (is_call(a) != is_call(b)) return is_call(a);
    return a < b;
  });
  list_.resize(std::size_t{2} * steps + 1);
  std::uint32_t last = 0;
  for (const std::uint32_t entry : order) {
    list_[last].after = entry;
    list_[entry].before = last;
    last = entry;
  }
  list_[last].after = 0;
  list_[0].before = last;
  left_ = steps;
}

void Search::count() {
  used_.resize(history_.groups.size());
  finders_.resize(history_.states);
  producers_.resize(history_.states);
  producing_.resize(history_.states);
  products_.resize(history_.groups.size());
  wanted_seen_.resize(history_.states);
  step_seen_.resize(history_.steps.size());
  open_seen_.resize(history_.open.size());
  for (const Step& step : history_.steps) enter(step.what, +1);
  for (std::uint32_t i = 0; i < history_.open.size(); ++i) {
    const OpenStep& open = history_.open[i];
    producing_[open.what.product].push_back(i);
    products_[open.group].push_back(open.what.product);
    producers_[open.what.product] +=
        static_cast<std::uint32_t>(history_.groups[open.group].invoked.size());
  }
}

void Search::take_out(std::uint32_t step) {
  for (const std::uint32_t entry : {2 * step + 1, 2 * step + 2}) {
    list_[list_[entry].before].after = list_[entry].after;
    list_[list_[entry].after].before = list_[entry].before;
  }
}

void Search::put_back(std::uint32_t step) {
  for (const std::uint32_t entry : {2 * step + 2, 2 * step + 1}) {
    list_[list_[entry].before].after = entry;
    list_[list_[entry].after].before = entry;
  }
}

// Counts a step in or out of those that are left.
void Search::enter(const Transition& what, int change) {
  const auto by = static_cast<std::uint32_t>(change);
  if (what.need == Need::equals) finders_[what.state] += by;
  if (what.changes()) producers_[what.product] += by;
}

void Search::apply(const Move& move) {
  if (move.open) {
    const OpenStep& open = history_.open[move.index];
    used_[open.group] += 1;
    for (const StateId product : products_[open.group]) producers_[product] -= 1;
    found_ = state_;
    state_ = open.what.product;
    return;
  }
  const Step& step = history_.steps[move.index];
  take_out(move.index);
  enter(step.what, -1);
  left_ -= 1;
  found_ = kNoState;
  if (step.what.changes()) state_ = step.what.product;
  if (step.rank != kUnranked) rank_ += 1;
}

void Search::undo(const Move& move, const Frame& frame) {
  state_ = frame.state;
  found_ = frame.found;
  rank_ = frame.rank;
  if (move.open) {
    const OpenStep& open = history_.open[move.index];
    used_[open.group] -= 1;
    for (const StateId product : products_[open.group]) producers_[product] += 1;
    return;
  }
  put_back(move.index);
  enter(history_.steps[move.index].what, +1);
  left_ += 1;
}

// Rule 4. A step counts as a finder of what it needs and as a producer until it has taken effect.
bool Search::may_leave(const Transition& what) const {
  if (!what.changes() || what.product == state_ || state_ == kUnmentioned) return true;
  const std::uint32_t itself = what.need == Need::equals ? 1 : 0;
  return finders_[state_] <= itself || producers_[state_] > 0;
}

// Rule 1.
bool Search::take_at_once() {
  if (found_ != kNoState) return false;
  for (const std::uint32_t index : waiting_) {
    const Transition& what = history_.steps[index].what;
    if (what.changes() || !what.enabled(state_)) continue;
    moves_.push_back({index, false});
    return true;
  }
  return false;
}

void Search::add_steps() {
  const std::size_t begin = moves_.size();
  for (const std::uint32_t index : waiting_) {
    const Step& step = history_.steps[index];
    if (!step.what.enabled(state_)) continue;
    if (found_ != kNoState && step.what.enabled(found_)) continue;
    if (step.rank != kUnranked && step.rank != rank_) continue;
    if (may_leave(step.what)) moves_.push_back({index, false});
  }
  std::sort(moves_.begin() + static_cast<std::ptrdiff_t>(begin), moves_.end(),
            [this](const Move& a, const Move& b) {
              return std::pair(history_.steps[a.index].answered, a.index) <
                     std::pair(history_.steps[b.index].answered, b.index);
            });
  const auto repeated = [this](const Move& move) {
    std::uint64_t& seen = step_seen_[history_.steps[move.index].alike];
    return std::exchange(seen, expansion_) == expansion_;
  };
  std::size_t kept = begin;
  for (std::size_t i = begin; i < moves_.size(); ++i) {
    if (!repeated(moves_[i])) moves_[kept++] = moves_[i];
  }
  moves_.resize(kept);
}

void Search::add_open_step(std::uint32_t index) {
  const OpenStep& open = history_.open[index];
  const auto& invoked = history_.groups[open.group].invoked;
  const std::uint32_t used = used_[open.group];
  if (used == invoked.size() || invoked[used] > first_answer_) return;
  if (open.what.product == state_ || !open.what.enabled(state_)) return;
  // After another open operation only a swap needs what that one produced.
  if (found_ != kNoState && open.what.need != Need::equals) return;
  if (!may_leave(open.what)) return;
  if (std::exchange(open_seen_[index], expansion_) == expansion_) return;
  moves_.push_back({index, true});
}

// Rule 3.
void Search::add_open_steps() {
  wanted_.clear();
  bool any = false;
  const auto want = [this](StateId state) {
    if (std::exchange(wanted_seen_[state], expansion_) != expansion_) wanted_.push_back(state);
  };
  for (const std::uint32_t index : waiting_) {
    const Transition& what = history_.steps[index].what;
    if (what.enabled(state_)) continue;
    if (what.need == Need::equals) {
      want(what.state);
    } else {
      any = true;  // any state but this one
    }
  }
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    for (const std::uint32_t index : producing_[wanted_[i]]) {
      const OpenStep& open = history_.open[index];
      if (open.what.need == Need::equals) want(open.what.state);
      add_open_step(index);
    }
  }
  if (!any) return;
  for (std::uint32_t index = 0; index < history_.open.size(); ++index) add_open_step(index);
}

// Whether the configuration is a new one. What has taken effect follows from the steps that wait:
// of all that were called before the first return, the others have, and of the rest none has.
bool Search::remember() {
  std::string key;
  const auto add = [&key](std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) key.push_back(static_cast<char>(number >> shift));
  };
  add(state_);
  add(found_);
  add(static_cast<std::uint32_t>(waiting_.size()));
  for (const std::uint32_t index : waiting_) add(index);
  for (std::uint32_t group = 0; group < used_.size(); ++group) {
    if (used_[group] == 0) continue;
    add(group);
    add(used_[group]);
  }
  if (!visited_.insert(std::move(key)).second) return false;
  if (visited_.size() > states_max_) given_up_ = true;
  return true;
}

// Adds what can come next to the moves.
void Search::expand() {
  expansion_ += 1;
  if (expansion_ % 1024 == 0) check_interruption();
  waiting_.clear();
  std::uint32_t entry = list_[0].after;
  for (; is_call(entry); entry = list_[entry].after) waiting_.push_back(step_of(entry));
  first_answer_ = time_of(entry);
  if (take_at_once()) return;
  const std::size_t begin = moves_.size();
  add_steps();
  add_open_steps();
  // Where there is no choice, a configuration that was seen before is noticed a little later.
  if (moves_.size() - begin > 1 && !remember()) moves_.resize(begin);
}

SearchResult Search::run() {
  if (history_.contradiction) return SearchResult::not_linearizable;
  while (left_ > 0) {
    Frame frame{moves_.size(), moves_.size(), state_, found_, rank_};
    expand();
    frames_.push_back(frame);
    if (given_up_) return SearchResult::given_up;
    while (frames_.back().moves_next == moves_.size()) {
      moves_.resize(frames_.back().moves_begin);
      frames_.pop_back();
      if (frames_.empty()) return SearchResult::not_linearizable;
      undo(path_.back(), frames_.back());
      path_.pop_back();
    }
    path_.push_back(moves_[frames_.back().moves_next++]);
    apply(path_.back());
  }
  return SearchResult::linearizable;
}

}  // namespace

SearchOutcome search_order(const std::vector<RegisterOperation>& history, std::size_t states_max) {
  for (const auto& op : history) {
    invariant(!op.known || op.answered >= op.invoked, "an operation is answered after its begin");
  }
  check_interruption();
  Search search(prepare(history), states_max);
  const SearchResult result = search.run();
  return {result, search.states()};
}

}  // namespace paxledger::sim
