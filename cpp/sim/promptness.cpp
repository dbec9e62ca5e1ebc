#include "sim/promptness.hpp"

#include <algorithm>
#include <chrono>

namespace paxledger::sim {

namespace {

std::string milliseconds_of(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) +
         " ms";
}

}  // namespace

bool PromptnessCheck::hears_quorum(NodeId node, Instant now) const {
  const auto& heard_at = nodes_.at(node).heard_at;
  const auto heard = std::count_if(heard_at.begin(), heard_at.end(), [&](const auto& entry) {
    return now - entry.second < timing_.election_timeout;
  });
  return static_cast<std::size_t>(heard) + 1 >= membership_.quorum_size();
}

void PromptnessCheck::arrived(NodeId node, NodeId from, const paxos::Message& message,
                              Instant now) {
  OfNode& of = nodes_[node];
  of.heard_at[from] = now;
  const auto* promise = std::get_if<paxos::Promise>(&message);
  if (promise != nullptr && promise->complete && promise->ballot == of.ballot) {
    of.promised_by.insert(from);
  }
}

std::string PromptnessCheck::leaves(NodeId node, const paxos::Message& message, Instant now) {
  if (const auto* prepare = std::get_if<paxos::Prepare>(&message)) {
    OfNode& of = nodes_[node];
    if (of.ballot != prepare->ballot) of.promised_by.clear();
    of.ballot = prepare->ballot;
    of.asked_at = now;
  } else if (std::holds_alternative<paxos::PreVote>(message) && !hears_quorum(node, now)) {
    return "election: asks for votes though it heard no majority for " +
           milliseconds_of(timing_.election_timeout);
  }
  return {};
}

std::string PromptnessCheck::leads(NodeId node, Instant now) const {
  if (hears_quorum(node, now)) return {};
  return "leadership: leads though it heard no majority for " +
         milliseconds_of(timing_.election_timeout);
}

std::string PromptnessCheck::runs(NodeId node, const paxos::Ballot& ballot, Instant now) const {
  const OfNode& of = nodes_.at(node);
  // Before its own promise is durable nothing has left; with enough promises it may be catching up.
  if (of.ballot != ballot || of.promised_by.size() + 1 >= membership_.quorum_size()) return {};
  // The node looks after its candidacy every half heartbeat interval.
  const Duration most = timing_.resend_interval + timing_.heartbeat_interval / 2;
  if (now - of.asked_at <= most) return {};
  return "resend: runs with ballot " + to_string(ballot) + " and asked for promises " +
         milliseconds_of(now - of.asked_at) + " ago, though too few came";
}

}  // namespace paxledger::sim
