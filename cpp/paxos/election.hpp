// Elections: who is heard, whether the leader is well, and when to run.
//
// Rules (the design's protocol rule 6; OmniPaxos, EuroSys 2023, for the partial partitions):
//  E1. Only a node that hears a majority, and votes itself, may run.
//  E2. Before it spends a ballot it asks (PreVote); a node that hears a healthy leader, or votes
//      not, does not grant. So a node that lost sight of the leader alone disturbs nobody.
//  E3. A leader that hears no majority, or that no majority says to hear, says so by no longer
//      leading; then it is not healthy. Being heard counts too, for links fail in one direction:
//      who does not hear the leader cannot answer it, and who hears it would wait for ever.
//  E4. Timers are randomised.
// Nothing here is durable and nothing here is needed for safety.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/ids.hpp"
#include "base/prng.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "paxos/ballot.hpp"
#include "paxos/membership.hpp"
#include "paxos/messages.hpp"

namespace paxledger::paxos {

struct ElectionTiming {
  Duration heartbeat_interval;
  Duration election_timeout;
};

class Election {
 public:
  Election(NodeId self, const Membership& membership, ElectionTiming timing, Seed seed,
           Instant now);

  // --- what is heard ---
  struct Peer {
    bool ever_heard = false;
    Instant heard_at;
    Heartbeat last;  // the newest heartbeat
  };
  void on_heard(NodeId from, Instant now);
  void on_heartbeat(NodeId from, const Heartbeat& heartbeat, Instant now);
  // The owner of `ballot` was seen to lead.
  void on_leader(NodeId leader, Instant now);
  // The leader said that it no longer leads, or this node ceased to lead.
  void on_leader_gone(Instant now);
  // A promise was given: leave the candidate time to win.
  void on_promised(Instant now) { rearm(now); }
  // Any round that was seen, so that the next own ballot is above it.
  void on_round(Round round);

  [[nodiscard]] bool hears(NodeId node, Instant now) const;
  // Self included, abstaining peers not.
  [[nodiscard]] bool hears_quorum(Instant now, bool self_votes) const;
  // E3. The same of peers that say that this node is their leader. True while it leads for so short
  // that they may not have said it yet. Precondition: this node leads.
  [[nodiscard]] bool is_followed_by_quorum(Instant now, bool self_votes) const;
  [[nodiscard]] NodeId leader() const { return leader_; }
  [[nodiscard]] bool hears_healthy_leader(Instant now) const;
  [[nodiscard]] const std::map<NodeId, Peer>& peers() const { return peers_; }

  // The node to send a request to: the leader if it is heard, else a peer that hears it, else
  // nobody.
  [[nodiscard]] NodeId route_to_leader(Instant now) const;

  // --- running ---
  [[nodiscard]] Instant deadline() const { return deadline_; }
  // The timer is due. Returns the pre-vote to be sent to all peers, if this node may run.
  std::optional<PreVote> on_timer(Instant now, Ballot promised, bool self_votes);
  [[nodiscard]] PreVoteReply answer(const PreVote& asked, Instant now, Ballot promised,
                                    bool self_votes) const;
  // Returns true when the last needed grant is in: spend the ballot of the pre-vote.
  bool on_pre_vote_reply(NodeId from, const PreVoteReply& reply);
  // The ballot that the running (or just won) pre-vote is about.
  [[nodiscard]] Ballot pre_vote_ballot() const { return pre_vote_ballot_; }
  // A pre-vote of one: a cluster of one node needs no grant but its own.
  [[nodiscard]] bool pre_vote_won() const { return membership_.is_quorum(grants_); }
  void end_pre_vote() { grants_.clear(); }

  [[nodiscard]] std::uint64_t started() const { return started_; }

  // started() is left out: it is there to be looked at.
  void hash_into(StateHasher& hasher) const;

 private:
  void rearm(Instant now);
  void rearm_within(Instant now, Duration low, Duration high);

  NodeId self_;
  Membership membership_;
  ElectionTiming timing_;
  Prng prng_;
  std::map<NodeId, Peer> peers_;
  NodeId leader_;
  Instant leader_heard_at_;
  Instant deadline_;
  Round highest_round_;
  Ballot pre_vote_ballot_;
  std::set<NodeId> grants_;
  std::uint64_t started_ = 0;
};

}  // namespace paxledger::paxos
