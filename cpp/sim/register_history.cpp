#include "sim/register_history.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace paxledger::sim {

namespace {

using Kind = RegisterOperation::Kind;
using Need = Transition::Need;

bool finds(const RegisterOperation& op) {
  return op.kind == Kind::read && op.known && op.value.has_value();
}

bool writes(const RegisterOperation& op) {
  return op.kind == Kind::write || (op.kind == Kind::swap && (op.succeeded || !op.known));
}

// An operation whose outcome nobody was told.
struct Unanswered {
  Need need = Need::always;
  StateId state = kAbsent;
  std::vector<StateId> products;  // it may leave any one of them behind
  std::uint64_t invoked = 0;
  bool promoted = false;  // it is known after all to have taken effect
};

class Preparation {
 public:
  explicit Preparation(const std::vector<RegisterOperation>& history)
      : history_(history), revisions_(has_revisions(history)) {}

  RegisterHistory run() {
    name_states();
    for (const auto& op : history_) op.known ? add_step(op) : add_unanswered(op);
    // A swap that is found to have succeeded is one more that found what it expected, so there may
    // be more to conclude. Any number of rounds is right; few suffice.
    for (int round = 0; round < 8 && conclude(); ++round) {
    }
    rank();
    group();
    result_.states = static_cast<StateId>(revision_of_.size());
    return std::move(result_);
  }

 private:
  using Name = std::pair<std::string, std::uint64_t>;  // value and, where they count, revision

  void mention(const std::string& value, std::uint64_t revision) {
    const Name name{value, revisions_ ? revision : 0};
    if (!ids_.emplace(name, static_cast<StateId>(revision_of_.size())).second) return;
    by_value_[value].push_back(static_cast<StateId>(revision_of_.size()));
    revision_of_.push_back(name.second);
  }
  void name_states() {
    for (const auto& op : history_) {
      if (finds(op)) mention(*op.value, op.revision);
      if (op.kind == Kind::swap && op.expected) mention(*op.expected, op.expected_revision);
    }
  }
  [[nodiscard]] StateId id(const std::optional<std::string>& value, std::uint64_t revision) const {
    if (!value) return kAbsent;
    const auto found = ids_.find({*value, revisions_ ? revision : 0});
    return found == ids_.end() ? kUnmentioned : found->second;
  }

  void add_step(const RegisterOperation& op);
  void add_unanswered(const RegisterOperation& op);
  bool conclude();
  void rank();
  void group();

  const std::vector<RegisterOperation>& history_;
  bool revisions_;
  std::map<Name, StateId> ids_;
  std::map<std::string, std::vector<StateId>> by_value_;
  std::vector<std::uint64_t> revision_of_{0, 0};  // by state
  std::vector<Unanswered> unanswered_;
  RegisterHistory result_;
};

void Preparation::add_step(const RegisterOperation& op) {
  Step step;
  step.invoked = op.invoked;
  step.answered = op.answered;
  switch (op.kind) {
    case Kind::write:
      step.what = {Need::always, kAbsent, id(op.value, op.revision)};
      break;
    case Kind::read:
      step.what = {Need::equals, id(op.value, op.revision), kNoState};
      break;
    case Kind::remove:
      step.what = op.succeeded ? Transition{Need::differs, kAbsent, kAbsent}
                               : Transition{Need::equals, kAbsent, kNoState};
      break;
    case Kind::swap: {
      const StateId expected = id(op.expected, op.expected_revision);
      step.what = op.succeeded ? Transition{Need::equals, expected, id(op.value, op.revision)}
                               : Transition{Need::differs, expected, kNoState};
      break;
    }
  }
  if (revisions_ && writes(op)) step.revision = op.revision;
  result_.steps.push_back(step);
}

void Preparation::add_unanswered(const RegisterOperation& op) {
  Unanswered open;
  open.invoked = op.invoked;
  switch (op.kind) {
    case Kind::read:
      return;
    case Kind::remove:
      open.need = Need::differs;
      open.products = {kAbsent};
      break;
    case Kind::swap:
      open.need = Need::equals;
      open.state = id(op.expected, op.expected_revision);
      [[fallthrough]];
    case Kind::write:
      if (!op.value) {
        open.products = {kAbsent};
        break;
      }
      // Nobody was told its revision: it may be any that was found with its value.
      const auto found = by_value_.find(*op.value);
      if (found != by_value_.end()) open.products = found->second;
      if (revisions_ || open.products.empty()) open.products.push_back(kUnmentioned);
      break;
  }
  unanswered_.push_back(std::move(open));
}

// Draws the conclusions from values that one operation alone can have written; whether there were
// operations without an answer that must have taken effect.
bool Preparation::conclude() {
  struct Trace {
    std::size_t writers = 0;
    std::size_t step = SIZE_MAX;  // the last writer, one of these two
    std::size_t unanswered = SIZE_MAX;
    std::uint64_t found_by = UINT64_MAX;  // the first answer that tells of the value
  };
  std::vector<Trace> traces(revision_of_.size());
  for (std::size_t i = 0; i < result_.steps.size(); ++i) {
    const Step& step = result_.steps[i];
    if (step.what.changes()) {
      traces[step.what.product].writers += 1;
      traces[step.what.product].step = i;
    }
    if (step.what.need == Need::equals) {
      auto& found_by = traces[step.what.state].found_by;
      found_by = std::min(found_by, step.answered);
    }
  }
  for (std::size_t i = 0; i < unanswered_.size(); ++i) {
    if (unanswered_[i].promoted) continue;
    for (const StateId product : unanswered_[i].products) {
      traces[product].writers += 1;
      traces[product].unanswered = i;
    }
  }
  bool more = false;
  std::vector<std::uint64_t> written(revision_of_.size(), 0);
  for (StateId state = kUnmentioned + 1; state < revision_of_.size(); ++state) {
    const Trace& trace = traces[state];
    if (trace.writers == 0 && trace.found_by != UINT64_MAX) result_.contradiction = true;
    if (trace.writers != 1 || trace.found_by == UINT64_MAX) continue;
    if (trace.step != SIZE_MAX) {
      Step& writer = result_.steps[trace.step];
      if (trace.found_by > writer.invoked)
        writer.answered = std::min(writer.answered, trace.found_by);
      written[state] = writer.invoked;
      continue;
    }
    Unanswered& writer = unanswered_[trace.unanswered];
    written[state] = writer.invoked;
    if (writer.promoted || trace.found_by <= writer.invoked) continue;
    writer.promoted = more = true;
    Step step;
    step.what = {writer.need, writer.state, state};
    step.invoked = writer.invoked;
    step.answered = trace.found_by;
    step.revision = revision_of_[state];
    result_.steps.push_back(step);
  }
  for (Step& step : result_.steps) {
    if (step.what.need != Need::equals || written[step.what.state] >= step.answered) continue;
    step.invoked = std::max(step.invoked, written[step.what.state]);
  }
  return more;
}

void Preparation::rank() {
  std::vector<Step*> ranked;
  for (Step& step : result_.steps) {
    if (step.revision != 0) ranked.push_back(&step);
  }
  std::sort(ranked.begin(), ranked.end(),
            [](const Step* a, const Step* b) { return a->revision < b->revision; });
  for (std::uint32_t i = 0; i < ranked.size(); ++i) {
    ranked[i]->rank = i;
    if (i > 0 && ranked[i]->revision == ranked[i - 1]->revision) result_.contradiction = true;
  }
}

void Preparation::group() {
  std::map<std::pair<Transition, std::uint32_t>, std::uint32_t> alike;
  for (Step& step : result_.steps) {
    const auto next = static_cast<std::uint32_t>(alike.size());
    step.alike = alike.emplace(std::pair(step.what, step.rank), next).first->second;
  }
  std::map<std::tuple<Need, StateId, std::vector<StateId>>, std::vector<std::uint64_t>> groups;
  for (const Unanswered& open : unanswered_) {
    if (open.promoted) continue;
    groups[{open.need, open.state, open.products}].push_back(open.invoked);
  }
  for (auto& [what, invoked] : groups) {
    const auto& [need, state, products] = what;
    std::sort(invoked.begin(), invoked.end());
    for (const StateId product : products) {
      result_.open.push_back(
          {{need, state, product}, static_cast<std::uint32_t>(result_.groups.size())});
    }
    result_.groups.push_back({std::move(invoked)});
  }
}

}  // namespace

bool has_revisions(const std::vector<RegisterOperation>& history) {
  return std::all_of(history.begin(), history.end(), [](const RegisterOperation& op) {
    const bool says = finds(op) || (op.known && writes(op));
    const bool expects = op.kind == Kind::swap && op.expected.has_value();
    return (!says || op.revision != 0) && (!expects || op.expected_revision != 0);
  });
}

RegisterHistory prepare(const std::vector<RegisterOperation>& history) {
  return Preparation(history).run();
}

}  // namespace paxledger::sim
