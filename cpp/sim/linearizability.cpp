#include "sim/linearizability.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "sim/register_history.hpp"
#include "sim/register_search.hpp"

namespace paxledger::sim {

namespace {

using Kind = RegisterOperation::Kind;
using History = std::vector<RegisterOperation>;

// How many of the explained operations a text shows, besides those that are under way.
constexpr std::size_t kShownMax = 12;
// How much longer than the first search one for a possible state may be.
constexpr std::size_t kStatesBeyond = 20'000;

std::string value_text(const std::optional<std::string>& value) {
  return value ? "\"" + *value + "\"" : "nothing";
}

// The history as it was known at `moment`: what is answered later, or not at all, is under way.
History prefix(const History& history, std::uint64_t moment) {
  History known;
  for (const RegisterOperation& op : history) {
    if (op.invoked > moment) continue;
    known.push_back(op);
    if (op.known && op.answered > moment) known.back().known = false;
  }
  return known;
}

bool wrote(const RegisterOperation& op) {
  return op.known && op.kind != Kind::read && op.succeeded;
}

std::optional<std::string> left_behind(const RegisterOperation& op) {
  return op.kind == Kind::remove ? std::nullopt : op.value;
}

// The invocation of the oldest operation without an answer whose effect is tried as a final state.
std::uint64_t oldest_open_considered(const History& history) {
  std::vector<std::uint64_t> invoked;
  for (const RegisterOperation& op : history) {
    if (!op.known && op.kind != Kind::read) invoked.push_back(op.invoked);
  }
  std::sort(invoked.begin(), invoked.end(), std::greater<>());
  return invoked.size() < kShownMax ? 0 : invoked[kShownMax - 1];
}

// What the register may hold at the end of `history`: the values that a read could find then. An
// order with such a read mostly differs in its end only, so a search that goes back much farther
// than one without the read is given up.
std::vector<std::optional<std::string>> final_states(const History& history,
                                                     std::size_t states_max) {
  const std::size_t budget = search_order(history, states_max).states + kStatesBeyond;
  // What was written before the begin of a write that is done by now has been overwritten.
  std::uint64_t last_begin = 0;
  std::uint64_t end = 0;
  for (const RegisterOperation& op : history) {
    if (wrote(op)) last_begin = std::max(last_begin, op.invoked);
    end = std::max({end, op.invoked, op.known ? op.answered : 0});
  }
  std::map<std::optional<std::string>, std::set<std::uint64_t>> candidates;  // and their revisions
  if (last_begin == 0) candidates[std::nullopt].insert(0);
  const std::uint64_t oldest = oldest_open_considered(history);
  for (const RegisterOperation& op : history) {
    const bool overwritten = op.known ? op.answered < last_begin : op.invoked < oldest;
    const bool found = op.kind == Kind::read && op.known;
    const bool may_have_written = op.kind != Kind::read && (wrote(op) || !op.known);
    if (overwritten || !(found || may_have_written)) continue;
    candidates[left_behind(op)].insert(op.known ? op.revision : 0);
  }
  std::vector<std::optional<std::string>> states;
  for (const auto& [value, revisions] : candidates) {
    const bool possible =
        std::any_of(revisions.begin(), revisions.end(), [&](std::uint64_t revision) {
          History asked = history;
          RegisterOperation read;
          read.known = true;
          read.invoked = end + 1;
          read.answered = end + 2;
          read.value = value;
          // A write without an answer has a revision that nobody knows, so any new one is right.
          read.revision = revision != 0 ? revision : UINT64_MAX;
          asked.push_back(std::move(read));
          return search_order(asked, std::min(budget, states_max)).result ==
                 SearchResult::linearizable;
        });
    if (possible) states.push_back(value);
  }
  return states;
}

// Linearizability is closed under prefixes, so the first answer without an explanation is found by
// halving.
Contradiction find_contradiction(const History& history, std::size_t states_max) {
  std::vector<std::pair<std::uint64_t, std::size_t>> answers;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history[i].known) answers.emplace_back(history[i].answered, i);
  }
  std::sort(answers.begin(), answers.end());
  std::size_t explained = 0;  // the history up to this many answers is linearizable
  std::size_t beyond = answers.size();
  while (explained + 1 < beyond) {
    const std::size_t middle = explained + (beyond - explained) / 2;
    const History known = prefix(history, answers[middle - 1].first);
    if (search_order(known, states_max).result == SearchResult::not_linearizable) {
      beyond = middle;
    } else {
      explained = middle;
    }
  }
  Contradiction contradiction;
  contradiction.operation = answers[explained].second;
  contradiction.explained = explained;
  History before = prefix(history, answers[explained].first);
  for (RegisterOperation& op : before) {
    if (op.answered == answers[explained].first) op.known = false;
  }
  contradiction.states = final_states(before, states_max);
  return contradiction;
}

// Revisions count where all answers carry them, so that a prefix is judged as the whole is.
History with_revisions_or_without(History history) {
  if (has_revisions(history)) return history;
  for (RegisterOperation& op : history) op.revision = op.expected_revision = 0;
  return history;
}

std::string explain(const History& history, const Contradiction& contradiction) {
  const RegisterOperation& culprit = history[contradiction.operation];
  std::vector<const RegisterOperation*> done;
  std::vector<const RegisterOperation*> under_way;
  for (const RegisterOperation& op : history) {
    if (&op == &culprit || op.invoked > culprit.answered) continue;
    const bool open = !op.known || op.answered >= culprit.answered;
    if (open && op.kind == Kind::read) continue;
    (open ? under_way : done).push_back(&op);
  }
  std::sort(done.begin(), done.end(),
            [](const auto* a, const auto* b) { return a->answered < b->answered; });
  std::string text = "no order explains the answer to\n  " + describe(culprit) + "\n";
  if (contradiction.states.empty()) {
    text += "just before it nothing is known of the register\n";
  } else {
    text += "just before it the register may hold";
    for (std::size_t i = 0; i < contradiction.states.size(); ++i) {
      text += (i == 0 ? " " : " or ") + value_text(contradiction.states[i]);
    }
    text += "\n";
  }
  const std::size_t hidden = done.size() - std::min(done.size(), kShownMax);
  text += std::to_string(contradiction.explained) + " answers before it are explained";
  text += hidden > 0 ? ", the last of them:\n" : ":\n";
  for (std::size_t i = hidden; i < done.size(); ++i) text += "  " + describe(*done[i]) + "\n";
  if (!under_way.empty()) text += "under way or without an answer then:\n";
  for (std::size_t i = 0; i < std::min(under_way.size(), kShownMax); ++i) {
    text += "  " + describe(*under_way[i]) + "\n";
  }
  if (under_way.size() > kShownMax) {
    text += "  and " + std::to_string(under_way.size() - kShownMax) + " more\n";
  }
  return text;
}

}  // namespace

std::string describe(const RegisterOperation& op) {
  static constexpr const char* kNames[] = {"write", "remove", "read", "swap"};
  std::string text = "client " + std::to_string(op.client) + " [" + std::to_string(op.invoked) +
                     ", " + (op.known ? std::to_string(op.answered) : std::string("?")) + "] " +
                     kNames[static_cast<std::size_t>(op.kind)];
  if (op.kind == Kind::swap) text += " " + value_text(op.expected) + " →";
  if (op.kind == Kind::read) {
    return text + (op.known ? " found " + value_text(op.value) : std::string());
  }
  if (op.kind != Kind::remove) text += " " + value_text(op.value);
  if (op.known && op.revision != 0) text += " revision " + std::to_string(op.revision);
  return op.succeeded || !op.known ? text : text + " failed";
}

Verdict check_register(const std::vector<RegisterOperation>& operations, std::size_t states_max) {
  const History history = with_revisions_or_without(operations);
  Verdict verdict;
  const SearchResult result = search_order(history, states_max).result;
  verdict.exhausted = result == SearchResult::given_up;
  verdict.linearizable = result != SearchResult::not_linearizable;
  if (!verdict.linearizable) {
    verdict.contradiction = find_contradiction(history, states_max);
    verdict.text = explain(history, *verdict.contradiction);
  }
  return verdict;
}

HistoryVerdict check_history(const std::vector<KeyedOperation>& history, std::size_t states_max) {
  std::map<std::string, History> by_key;
  for (const KeyedOperation& op : history) by_key[op.key].push_back(op.operation);
  HistoryVerdict whole;
  for (const auto& [key, operations] : by_key) {
    Verdict verdict = check_register(operations, states_max);
    if (!verdict.linearizable) return {std::move(verdict), key};
    if (verdict.exhausted && !whole.verdict.exhausted) whole = {std::move(verdict), key};
  }
  return whole;
}

}  // namespace paxledger::sim
