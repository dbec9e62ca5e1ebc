#include "paxos/election.hpp"

#include <algorithm>

#include "paxos/hash_messages.hpp"

namespace paxledger::paxos {

Election::Election(NodeId self, const Membership& membership, ElectionTiming timing, Seed seed,
                   Instant now)
    : self_(self), membership_(membership), timing_(timing), prng_(seed) {
  for (const NodeId node : membership_.voters()) {
    if (node != self_) peers_[node] = {};
  }
  // At the start there is either a leader, which makes itself heard within an interval, or none,
  // and then nobody gains by waiting for a full timeout.
  rearm_within(now, 2 * timing_.heartbeat_interval,
               2 * timing_.heartbeat_interval + timing_.election_timeout / 2);
}

void Election::rearm(Instant now) {
  rearm_within(now, timing_.election_timeout, 2 * timing_.election_timeout);
}

void Election::rearm_within(Instant now, Duration low, Duration high) {
  const auto spread = static_cast<std::uint64_t>((high - low).count()) + 1;
  deadline_ = now + low + Duration(static_cast<std::int64_t>(prng_.below(spread)));
}

void Election::on_heard(NodeId from, Instant now) {
  const auto peer = peers_.find(from);
  if (peer == peers_.end()) return;
  peer->second.ever_heard = true;
  peer->second.heard_at = now;
}

void Election::on_heartbeat(NodeId from, const Heartbeat& heartbeat, Instant now) {
  const auto peer = peers_.find(from);
  if (peer == peers_.end()) return;
  peer->second.last = heartbeat;
  on_round(heartbeat.promised.round);
  if (leader_ == from && !heartbeat.leading) on_leader_gone(now);
}

void Election::on_leader(NodeId leader, Instant now) {
  leader_ = leader;
  leader_heard_at_ = now;
  grants_.clear();
  rearm(now);
}

void Election::on_leader_gone(Instant now) {
  leader_ = kNobody;
  // Everybody hears of it at about the same time, so the randomised part matters most here.
  rearm_within(now, timing_.heartbeat_interval,
               timing_.heartbeat_interval + timing_.election_timeout / 2);
}

void Election::on_round(Round round) {
  highest_round_ = std::max(highest_round_, round);
}

bool Election::hears(NodeId node, Instant now) const {
  const auto peer = peers_.find(node);
  return peer != peers_.end() && peer->second.ever_heard &&
         now - peer->second.heard_at < timing_.election_timeout;
}

bool Election::hears_quorum(Instant now, bool self_votes) const {
  std::size_t heard = self_votes ? 1 : 0;
  for (const auto& [node, peer] : peers_) {
    if (hears(node, now) && !peer.last.abstaining) ++heard;
  }
  return heard >= membership_.quorum_size();
}

bool Election::is_followed_by_quorum(Instant now, bool self_votes) const {
  if (now - leader_heard_at_ < 2 * timing_.election_timeout) return true;
  std::size_t following = self_votes ? 1 : 0;
  for (const auto& [node, peer] : peers_) {
    const bool follows = peer.last.hears_leader && peer.last.leader == self_;
    if (follows && hears(node, now) && !peer.last.abstaining) ++following;
  }
  return following >= membership_.quorum_size();
}

bool Election::hears_healthy_leader(Instant now) const {
  if (leader_ == self_) return true;
  return leader_ != kNobody && now - leader_heard_at_ < timing_.election_timeout;
}

NodeId Election::route_to_leader(Instant now) const {
  if (hears_healthy_leader(now)) return leader_;
  for (const auto& [node, peer] : peers_) {
    if (hears(node, now) && peer.last.hears_leader && peer.last.leader != self_) return node;
  }
  return kNobody;
}

std::optional<PreVote> Election::on_timer(Instant now, Ballot promised, bool self_votes) {
  if (now < deadline_) return std::nullopt;
  if (leader_ != kNobody && leader_ != self_ && !hears_healthy_leader(now)) leader_ = kNobody;
  grants_.clear();
  // E1. A node that hears too few, or does not vote, looks again soon: it may be starting, or
  // healing.
  if (!self_votes || !hears_quorum(now, self_votes)) {
    rearm_within(now, timing_.heartbeat_interval, 3 * timing_.heartbeat_interval);
    return std::nullopt;
  }
  on_round(promised.round);
  pre_vote_ballot_ = {highest_round_.next(), self_};
  grants_.insert(self_);
  ++started_;
  rearm_within(now, timing_.election_timeout / 2, timing_.election_timeout);
  return PreVote{pre_vote_ballot_};
}

PreVoteReply Election::answer(const PreVote& asked, Instant now, Ballot promised,
                              bool self_votes) const {
  // E2.
  const bool granted = self_votes && !hears_healthy_leader(now) && asked.ballot > promised;
  return {asked.ballot, granted, promised};
}

bool Election::on_pre_vote_reply(NodeId from, const PreVoteReply& reply) {
  on_round(reply.promised.round);
  if (!reply.granted || reply.ballot != pre_vote_ballot_ || grants_.empty()) return false;
  grants_.insert(from);
  return pre_vote_won();
}

void Election::hash_into(StateHasher& hasher) const {
  const auto& [self, membership, timing, prng, peers, leader, leader_heard_at, deadline,
               highest_round, pre_vote_ballot, grants, started] = *this;
  hasher.add(self, membership.voters(), timing.heartbeat_interval.count(),
             timing.election_timeout.count());
  hasher.add_jitter(prng);
  for (const auto& [node, peer] : peers) {
    const auto& [ever_heard, heard_at, last] = peer;
    hasher.add(ever_heard, last);
    if (ever_heard) hasher.add(heard_at);
  }
  hasher.add(leader, deadline, highest_round, grants);
  // What nobody would look at is no difference.
  if (leader != kNobody) hasher.add(leader_heard_at);
  if (!grants.empty()) hasher.add(pre_vote_ballot);
}

}  // namespace paxledger::paxos
