// The inside of a replica: the parts of the protocol and how they work on each other.
//
// One step is: take in the input, then settle() whatever has become possible by it. The handlers
// stand in three files, by what they are about:
//   replica_ballots.cpp   elections, phase 1, phase 2
//   replica_history.cpp   applying, catching up, divergence, rejoining
//   replica_requests.cpp  commands and reads of clients and peers
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/batch_wait.hpp"
#include "engine/catch_up.hpp"
#include "engine/plausible.hpp"
#include "engine/reads.hpp"
#include "engine/rejoin.hpp"
#include "engine/replica.hpp"
#include "engine/requests.hpp"
#include "paxos/acceptor.hpp"
#include "paxos/candidate.hpp"
#include "paxos/election.hpp"
#include "paxos/leader.hpp"
#include "paxos/learner.hpp"
#include "paxos/votes.hpp"

namespace paxledger::engine {

class Replica::Impl {
 public:
  Impl(paxos::Membership membership, Settings settings, Recovered recovered, Seed seed,
       Instant now);

  void step(Input input, Instant now, Output& out);
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] Status status(Instant now) const;
  [[nodiscard]] Role role() const {
    return leader_ ? Role::leader : candidate_ ? Role::candidate : Role::follower;
  }
  [[nodiscard]] bool abstaining() const { return is_abstaining(); }
  [[nodiscard]] paxos::Ballot promised() const { return acceptor_.promised(); }
  [[nodiscard]] std::vector<QueuedItem> queue(std::size_t count_max) const;
  [[nodiscard]] const AppliedState& applied() const { return applied_; }
  [[nodiscard]] paxos::DurableState durable() const;
  void check_invariants() const;
  // Left out is what nothing but status() shows (leader_changes_), and now_, from which only the
  // duty of the caller follows.
  void hash_into(StateHasher& hasher) const;

 private:
  // --- inputs (replica.cpp) ---
  void take(Received& input);
  void take(Proposed& input);
  void take(ReadsRequested& input);
  void take(Persisted& input);
  void take(TimerFired& input);
  void take(BlocksLoaded& input);
  void take(BlocksSynced& input);
  void settle();
  void keep_house();
  void watch_disk();
  [[nodiscard]] bool is_busy() const;

  // --- messages ---
  void on(NodeId from, const paxos::Heartbeat& heartbeat);
  void on(NodeId from, const paxos::PreVote& message);
  void on(NodeId from, const paxos::PreVoteReply& message);
  void on(NodeId from, const paxos::Prepare& message);
  void on(NodeId from, const paxos::Promise& message);
  void on(NodeId from, const paxos::Accept& message);
  void on(NodeId from, const paxos::Accepted& message);
  void on(NodeId from, const paxos::Nack& message);
  void on(NodeId from, const paxos::Forward& message);
  void on(NodeId from, const paxos::ForwardReply& message);
  void on(NodeId from, const paxos::ReadIndexRequest& message);
  void on(NodeId from, const paxos::ReadIndexReply& message);
  void on(NodeId from, const paxos::ReadProbe& message);
  void on(NodeId from, const paxos::ReadProbeAck& message);
  void on(NodeId from, const paxos::FetchBlocks& message);
  void on(NodeId from, const paxos::Blocks& message);
  void on(NodeId from, const paxos::RejoinRequest& message);
  void on(NodeId from, const paxos::RejoinReply& message);

  // --- elections and ballots (replica_ballots.cpp) ---
  void send_heartbeats();
  void watch_election();
  void campaign();
  void abandon_candidacy();
  void lead_if_elected();
  void lead();
  void step_down(const std::string& reason);
  void follow(NodeId leader, paxos::Ballot ballot);
  void give_way_to(paxos::Ballot ballot);
  void propose(paxos::Value value);
  void propose_inherited();
  [[nodiscard]] bool window_has_room() const;
  void accept_from(NodeId leader, const paxos::Accept& message);
  void help_to_rejoin(const paxos::Heartbeat& heartbeat);
  void resend_accepts();
  void resend_prepares();
  [[nodiscard]] paxos::Promise promise_report(paxos::Ballot ballot, Slot first) const;

  // --- history (replica_history.cpp) ---
  void apply_decided();
  void apply_learned();
  void on_applied(AppliedState::Applied applied);
  void compare_head(NodeId from, const paxos::Head& head);
  void note_conflict(NodeId from, Height height);
  void catch_up(bool urgent);
  // Whether all of it was fit to be applied, and some of it was new.
  bool apply_fetched(NodeId from, const paxos::Blocks& message);
  void watch_repair();
  void drive_rejoin();
  [[nodiscard]] bool is_abstaining() const {
    return rejoining() || applied_.height() < height_of(abstain_through_);
  }
  // The blocks without which this node is not whole: it had them, or does not vote without them.
  [[nodiscard]] Height needed() const {
    return std::max(height_of(abstain_through_), repair_through_);
  }
  // Some of these are missing, or a power failure may take them again: it serves no reads. It may
  // vote nevertheless, if its log tells what it voted there, or once it has applied them: a start
  // that does not find them abstains again (docs/decisions/0015).
  [[nodiscard]] bool is_repairing() const { return rejoining() || blocks_synced_ < needed(); }
  [[nodiscard]] bool rejoining() const {
    return rejoin_ &&
           (rejoin_->phase() != Rejoin::Phase::bounded || durable_ticket_ < bounds_ticket_);
  }
  // Some peer has another history, and not enough others are heard that confirm this one. Nobody
  // can tell then which is the right one, so nobody serves reads.
  [[nodiscard]] bool is_disputed(Instant now) const;
  [[nodiscard]] std::string repair_reason(Instant now) const;
  [[nodiscard]] Height repair_through() const;

  // --- requests (replica_requests.cpp) ---
  void admit(Origin origin, SharedBytes command, Instant expires, std::uint8_t hops);
  void dispatch(std::uint64_t id);
  void forward_due(Instant before);
  void propose_queued();
  void resolve(const CommandKey& key, const kv::CommandResult& result);
  void answer(const Origin& origin, const kv::CommandResult& result, std::string message);
  void answer_read(const ClientRead& read);
  void refuse_read(const Reader& reader, ErrorCode code, std::string message);
  void drive_reads();
  // Whether the next round for reads waits for more of them; if not, it begins now.
  [[nodiscard]] bool reads_wait();
  void confirm_reads(Slot index);
  void expire();
  void fail_everything();
  [[nodiscard]] std::optional<kv::CommandResult> known_result(const kv::Command& command) const;
  // When to answer at the latest, so that the answer arrives before `deadline`.
  [[nodiscard]] Instant expiry(Instant deadline) const;

  // --- output ---
  void send(NodeId to, paxos::Message message);
  void send_to_peers(const paxos::Message& message);
  // Returns the ticket under which the record becomes durable.
  Ticket persist(paxos::DurableRecord record);
  void send_once_durable(NodeId to, paxos::Message message);
  void notice(Notice::Level level, std::string text);
  [[nodiscard]] bool log_is_idle() const { return durable_ticket_ == last_ticket_; }
  // The disk is so slow that what waits for it would fill the memory. Nothing is accepted or
  // proposed then; heartbeats, promises and reads go on.
  [[nodiscard]] bool log_is_choked() const {
    return undurable_bytes_ > settings_.limits.undurable_bytes_max();
  }
  // Whether this node could keep a promise in good time. If not, it does not run for leader.
  [[nodiscard]] bool disk_keeps_up() const {
    return !log_is_choked() &&
           (log_is_idle() || now_ - log_moved_at_ < settings_.timing.election_timeout);
  }
  [[nodiscard]] Slot applied_slot() const { return slot_of(applied_.height()); }

  paxos::Membership membership_;
  Settings settings_;
  std::vector<NodeId> peers_;

  // Durable, or on the way to the disk.
  paxos::Acceptor acceptor_;
  paxos::GenerationTable generations_;
  paxos::AbstainRecord abstain_record_;
  // The decided history.
  AppliedState applied_;
  paxos::Learner learner_;
  // Volatile. At most one of candidate_ and leader_ is there; neither: follower.
  paxos::Election election_;
  std::optional<paxos::Candidate> candidate_;
  int failed_candidacies_ = 0;  // given up since there was a leader
  std::optional<paxos::Leader> leader_;
  // Leader: what phase 1 found and is not proposed yet, and the slot of the no-op of its own ballot
  // on top. Reads wait until that is applied, commands until it is proposed.
  std::map<Slot, paxos::AcceptedValue> inherited_;
  Slot barrier_;
  Requests requests_;
  BatchWait batch_wait_;
  Instant batch_leaves_at_ = Instant::never();  // what is queued here, if it waits for more
  Reads reads_;
  BatchWait read_wait_;
  Instant round_begins_at_ = Instant::never();  // the next one for reads, if it waits for more
  Instant ask_again_at_;                        // no question about a read index before
  CatchUp catch_up_;
  std::optional<Rejoin> rejoin_;
  Ticket bounds_ticket_;  // of the records that end the rejoin
  Slot abstain_through_;
  Height repair_through_;
  Height blocks_synced_;  // as last told
  Height sync_asked_;     // BlocksSynced will come for the blocks up to here
  bool was_repairing_ = false;
  std::string damage_;
  std::map<NodeId, Height> conflicts_;  // peers whose chain differs from ours, and where seen
  std::map<NodeId, Height> agreeing_;   // peers whose chain was ours there when last compared
  bool halted_ = false;                 // diverged: nothing is done any more
  std::set<NodeId> implausible_;        // peers that sent what no correct node sends

  // Tickets.
  Ticket last_ticket_;
  Ticket durable_ticket_;
  struct OwnAcceptance {
    Ticket ticket;
    Slot slot;
  };
  std::deque<OwnAcceptance> own_acceptances_;
  std::optional<Ticket> own_promise_;
  struct Undurable {
    Ticket ticket;
    std::size_t bytes = 0;
  };
  std::deque<Undurable> undurable_;  // what the log has not reported yet, by ticket
  std::size_t undurable_bytes_ = 0;
  Instant log_moved_at_;                 // when the log last became durable, or began to write
  std::optional<Instant> choked_since_;  // when log_is_choked() became true

  Instant heartbeat_at_;
  Instant housekeeping_at_;
  std::uint64_t leader_changes_ = 0;
  NodeId last_leader_;
  Timestamp wall_;

  // The step under way.
  Instant now_;
  Output* out_ = nullptr;
};

}  // namespace paxledger::engine
