#include "sim/promptness.hpp"

#include <algorithm>
#include <chrono>

#include "engine/plausible.hpp"

namespace paxledger::sim {

namespace {

std::string milliseconds_of(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) +
         " ms";
}

std::string outvoted(const char* does, const paxos::Ballot& ballot, const paxos::Ballot& promised) {
  return std::string("outvoted: ") + does + " with ballot " + to_string(ballot) +
         " though it was told of the promise " + to_string(promised);
}

}  // namespace

// --- what a node has heard ------------------------------------------------------------------

bool PromptnessCheck::is_quorum_with(const OfNode& of, bool (*counts)(const Peer&),
                                     Instant now) const {
  const auto found = std::count_if(of.peers.begin(), of.peers.end(), [&](const auto& entry) {
    const Peer& peer = entry.second;
    return now - peer.heard_at < timing_.election_timeout && !peer.abstains && counts(peer);
  });
  return static_cast<std::size_t>(found) + 1 >= membership_.quorum_size();
}

void PromptnessCheck::hear_leader(OfNode& of, NodeId leader, const paxos::Ballot& ballot,
                                  const Standing& before, Instant now) {
  if (ballot < before.promised) return;
  of.leader = leader;
  of.leader_ballot = ballot;
  of.leader_heard_at = now;
}

bool PromptnessCheck::hears_leader(const OfNode& of, Instant now) const {
  return of.leader != kNobody && now - of.leader_heard_at < timing_.election_timeout;
}

void PromptnessCheck::arrived(NodeId node, NodeId from, const paxos::Message& message,
                              const Standing& before, Instant now) {
  OfNode& of = nodes_[node];
  Peer& peer = of.peers[from];
  peer.heard_at = now;
  if (!engine::is_plausible(message, from, membership_)) return;
  if (const auto* promise = std::get_if<paxos::Promise>(&message)) {
    if (promise->complete && promise->ballot == of.ballot) of.promised_by.insert(from);
  } else if (const auto* nack = std::get_if<paxos::Nack>(&message)) {
    if (nack->promised > before.promised) {
      of.outvoted = before.promised;
      of.outvoted_by = nack->promised;
    }
  } else if (const auto* reply = std::get_if<paxos::PreVoteReply>(&message)) {
    if (reply->granted) of.granted_by[reply->ballot].insert(from);
  } else if (const auto* prepare = std::get_if<paxos::Prepare>(&message)) {
    // Who promises leaves the candidate time to win, and knows of no other leader meanwhile.
    if (before.abstains || prepare->ballot < before.promised) return;
    of.leader = of.leader == from ? from : kNobody;
    of.leader_ballot = prepare->ballot;
  } else if (const auto* accept = std::get_if<paxos::Accept>(&message)) {
    hear_leader(of, from, accept->ballot, before, now);
  } else if (const auto* heartbeat = std::get_if<paxos::Heartbeat>(&message)) {
    peer.abstains = heartbeat->abstaining;
    peer.follows = heartbeat->hears_leader && heartbeat->leader == node;
    if (heartbeat->leading) {
      hear_leader(of, from, heartbeat->promised, before, now);
    } else if (of.leader == from) {
      of.leader = kNobody;
    }
  }
}

// --- what it says ---------------------------------------------------------------------------

std::string PromptnessCheck::says(NodeId node, const paxos::Message& message,
                                  const Standing& before, const Standing& after,
                                  Instant now) const {
  const OfNode& of = nodes_.at(node);
  if (const auto* reply = std::get_if<paxos::PreVoteReply>(&message)) {
    return check_pre_vote(of, *reply, before, now);
  }
  if (const auto* heartbeat = std::get_if<paxos::Heartbeat>(&message)) {
    if (before.abstains == after.abstains && heartbeat->abstaining != after.abstains) {
      return std::string("candour: ") + (after.abstains ? "abstains" : "votes") +
             " and says otherwise";
    }
    if (before.leads == after.leads && heartbeat->leading != after.leads) {
      return std::string("candour: ") + (after.leads ? "leads" : "does not lead") +
             " and says otherwise";
    }
  }
  if (std::holds_alternative<paxos::PreVote>(message)) {
    if (before.abstains && after.abstains)
      return "election: asks for votes and does not vote itself";
    if (!is_quorum_with(
            of, [](const Peer&) { return true; }, now)) {
      return "election: asks for votes though it heard no majority for " +
             milliseconds_of(timing_.election_timeout);
    }
    if (of.disk_moved_at && now - *of.disk_moved_at >= timing_.election_timeout) {
      return "election: asks for votes though its disk did nothing for " +
             milliseconds_of(now - *of.disk_moved_at);
    }
  }
  return {};
}

std::string PromptnessCheck::check_pre_vote(const OfNode& of, const paxos::PreVoteReply& reply,
                                            const Standing& before, Instant now) const {
  const bool heard = before.leads || hears_leader(of, now);
  // Who has come to promise more, as who rejoins does, need not heed the leader, but may.
  if (reply.granted && (before.leads || (heard && reply.promised <= of.leader_ballot))) {
    return std::string("grant: grants a pre-vote though it ") +
           (before.leads ? "leads"
                         : "heard the leader, node " + std::to_string(of.leader.value()) + ", " +
                               milliseconds_of(now - of.leader_heard_at) + " ago");
  }
  if (!reply.granted && !heard && !before.abstains && reply.ballot > reply.promised) {
    return "grant: refuses a pre-vote for ballot " + to_string(reply.ballot) +
           " though it hears no leader and promised only " + to_string(reply.promised);
  }
  return {};
}

std::string PromptnessCheck::leaves(NodeId node, const paxos::Message& message, Instant now) {
  const auto* prepare = std::get_if<paxos::Prepare>(&message);
  if (prepare == nullptr) return {};
  OfNode& of = nodes_.at(node);
  if (of.ballot != prepare->ballot) of.promised_by.clear();
  of.ballot = prepare->ballot;
  of.asked_at = now;
  if (of.granted_by[prepare->ballot].size() + 1 < membership_.quorum_size()) {
    return "election: runs with ballot " + to_string(prepare->ballot) + " that no majority granted";
  }
  return {};
}

// --- its disk -------------------------------------------------------------------------------

std::string PromptnessCheck::waits(NodeId node, std::uint64_t value_bytes, std::uint64_t last_bytes,
                                   Instant now) {
  OfNode& of = nodes_.at(node);
  if (!of.disk_moved_at) of.disk_moved_at = now;
  of.backlog_bytes += value_bytes;
  // Nothing is taken beyond the bound, but up to there whatever comes.
  if (value_bytes == 0 || of.backlog_bytes <= backlog_bytes_max_ + last_bytes) return {};
  return "backlog: values of " + std::to_string(of.backlog_bytes) +
         " octets wait for its disk, where " + std::to_string(backlog_bytes_max_) +
         " and the last one may";
}

void PromptnessCheck::is_durable(NodeId node, std::uint64_t value_bytes, bool idle, Instant now) {
  OfNode& of = nodes_.at(node);
  of.backlog_bytes -= value_bytes;
  of.disk_moved_at = idle ? std::nullopt : std::optional(now);
  if (of.backlog_bytes <= backlog_bytes_max_) of.backlogged_since.reset();
}

// --- its timer ------------------------------------------------------------------------------

std::string PromptnessCheck::leads(NodeId node, const paxos::Ballot& ballot, Instant now) {
  OfNode& of = nodes_.at(node);
  if (of.leads_with != ballot) {
    of.leads_with = ballot;
    of.leads_since = now;
  }
  if (!is_quorum_with(
          of, [](const Peer&) { return true; }, now)) {
    return "leadership: leads though it heard no majority for " +
           milliseconds_of(timing_.election_timeout);
  }
  // At first they may not have said it yet.
  if (now - of.leads_since >= 2 * timing_.election_timeout &&
      !is_quorum_with(
          of, [](const Peer& peer) { return peer.follows; }, now)) {
    return "leadership: leads though no majority says to follow it";
  }
  if (of.outvoted == ballot) return outvoted("leads", ballot, of.outvoted_by);
  if (of.backlog_bytes > backlog_bytes_max_) {
    if (!of.backlogged_since) of.backlogged_since = now;
    if (now - *of.backlogged_since >= timing_.election_timeout) {
      return "backlog: leads though its disk has not kept up for " +
             milliseconds_of(now - *of.backlogged_since);
    }
  }
  return {};
}

std::string PromptnessCheck::runs(NodeId node, const paxos::Ballot& ballot, Instant now) const {
  const OfNode& of = nodes_.at(node);
  if (of.outvoted == ballot) return outvoted("runs", ballot, of.outvoted_by);
  // Before its own promise is durable nothing has left; with enough promises it may be catching up.
  if (of.ballot != ballot || of.promised_by.size() + 1 >= membership_.quorum_size()) return {};
  // The node looks after its candidacy every half heartbeat interval.
  const Duration most = timing_.resend_interval + timing_.heartbeat_interval / 2;
  if (now - of.asked_at <= most) return {};
  return "resend: runs with ballot " + to_string(ballot) + " and asked for promises " +
         milliseconds_of(now - of.asked_at) + " ago, though too few came";
}

}  // namespace paxledger::sim
