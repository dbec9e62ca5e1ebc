#include "sim/linearizability.hpp"

#include <algorithm>
#include <unordered_set>

namespace paxledger::sim {

namespace {

using Register = std::optional<std::string>;

// Whether the operation may take effect on `state`; the new state if so.
std::optional<Register> effect(const RegisterOperation& op, const Register& state) {
  switch (op.kind) {
    case RegisterOperation::Kind::write:
      return Register(op.value);
    case RegisterOperation::Kind::read:
      if (op.known && op.value != state) return std::nullopt;
      return state;
    case RegisterOperation::Kind::remove:
      if (op.known && op.succeeded != state.has_value()) return std::nullopt;
      return Register();
    case RegisterOperation::Kind::swap: {
      const bool matches = op.expected == state;
      if (op.known && op.succeeded != matches) return std::nullopt;
      return matches ? Register(op.value) : state;
    }
  }
  return std::nullopt;
}

class Search {
 public:
  Search(std::vector<RegisterOperation> history, std::size_t states_max)
      : history_(std::move(history)), done_(history_.size(), '0'), states_max_(states_max) {
    std::sort(history_.begin(), history_.end(),
              [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
    for (const auto& op : history_) open_ += op.known ? 1 : 0;
  }

  bool run(const Register& state) {
    if (open_ == 0) return true;
    if (!visited_.insert(done_ + (state ? "=" + *state : "-")).second) return false;
    if (visited_.size() > states_max_) return exhausted_ = true;
    // An operation may come next if none that is still open was answered before it was invoked.
    std::uint64_t first_answer = UINT64_MAX;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (done_[i] == '0' && history_[i].known) {
        first_answer = std::min(first_answer, history_[i].answered);
      }
    }
    for (std::size_t i = 0; i < history_.size() && history_[i].invoked < first_answer; ++i) {
      if (done_[i] != '0') continue;
      const auto next = effect(history_[i], state);
      if (!next) continue;
      done_[i] = '1';
      open_ -= history_[i].known ? 1 : 0;
      if (run(*next)) return true;
      open_ += history_[i].known ? 1 : 0;
      done_[i] = '0';
    }
    return false;
  }

  [[nodiscard]] bool exhausted() const { return exhausted_; }

 private:
  std::vector<RegisterOperation> history_;
  std::string done_;  // '1' for what has taken effect
  std::size_t open_ = 0;
  std::size_t states_max_;
  std::unordered_set<std::string> visited_;
  bool exhausted_ = false;
};

std::string describe(const RegisterOperation& op) {
  static constexpr const char* kNames[] = {"write", "remove", "read", "swap"};
  std::string text = "[" + std::to_string(op.invoked) + ", " +
                     (op.known ? std::to_string(op.answered) : std::string("?")) + "] " +
                     kNames[static_cast<std::size_t>(op.kind)];
  if (op.kind == RegisterOperation::Kind::swap)
    text += " " + op.expected.value_or("nothing") + " →";
  if (op.kind != RegisterOperation::Kind::remove) text += " " + op.value.value_or("nothing");
  return op.succeeded ? text : text + " failed";
}

}  // namespace

Verdict check_register(const std::vector<RegisterOperation>& history, std::size_t states_max) {
  Search search(history, states_max);
  Verdict verdict;
  verdict.linearizable = search.run(std::nullopt);
  verdict.exhausted = search.exhausted();
  if (!verdict.linearizable) {
    for (const auto& op : history) verdict.text += describe(op) + "\n";
  }
  return verdict;
}

}  // namespace paxledger::sim
