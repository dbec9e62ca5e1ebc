// One node of a small world: a shipped replica, its log and its block files, as one value.
//
// A small world is explored in all its interleavings (sim/explorer.hpp), so a node is copied before
// each step, and equal nodes must be recognised as equal. What no node could know but the rules
// need (every vote and every block that there ever was) is part of the value: two nodes that differ
// in it are two states, so nothing that a rule would find is lost when equal states are merged.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "engine/io.hpp"
#include "engine/replica.hpp"
#include "ledger/block.hpp"
#include "paxos/membership.hpp"

namespace paxledger::sim {

// Bugs of the world around the replicas, to test that exploration finds what follows from them.
enum class WorldBug : std::uint8_t {
  none,
  forgotten_promise,  // a restart finds the acceptances, but no promise above them
  early_message,      // messages leave before the records that they tell of are durable
  phantom_vote        // every Accept is answered at once by an acceptance that nobody made
};

// What all nodes of one small world share.
struct SmallWorldSettings {
  SmallWorldSettings(std::uint32_t nodes, std::uint32_t commands, WorldBug planted);

  ClusterId cluster;
  paxos::Membership membership;
  std::vector<SharedBytes> commands;  // each of a session of its own
  ledger::Block first_block;          // opens the sessions; every node starts with it, synced
  WorldBug bug;

  // The clock of a node stands still but for these two moves; see TimeClasses. A tick lets every
  // heartbeat and resend come due, a silence every election timeout as well.
  static constexpr TimeClasses kTime{std::chrono::seconds(1), std::chrono::seconds(100'000'000)};
  [[nodiscard]] static engine::Timing timing();
};

// Rules, checked in every step (the text of a violation names its rule):
//  durable      Promise, Accepted, Prepare and Accept leave only when the log covers them
//  promise      nothing is promised or accepted below a ballot that was promised before, in the
//               same life or by a message that left in an earlier one
//  chain        blocks come in height order without a gap, and none is decided differently again
//  exactly-once the map's revision counts each command of the chain once
//  value        one value per (ballot, slot) of what the node proposes
//  trust        no correct node is taken for one that is not; no chain is found to be a wrong one
// The rules on several nodes are those of SmallWorld.
//
// A broken invariant of the replica throws where CatchInvariants is in force.
class SmallNode {
 public:
  SmallNode(std::shared_ptr<const SmallWorldSettings> settings, NodeId self);

  // What came of a step.
  struct Effects {
    std::vector<paxos::Envelope> sent;
    bool decided = false;  // blocks that the node had never decided before
    bool voted = false;    // acceptances became durable
    struct Answer {
      std::size_t command;
      Revision revision;
    };
    std::vector<Answer> answers;  // that a client was told that its command was carried out
    std::string violation;        // empty: no rule was broken
  };

  Effects receive(NodeId from, const paxos::Message& message);
  Effects propose(std::size_t command);
  // The oldest write of the log is done. Precondition: writing() > 0.
  Effects complete_write();
  // A tick passes, and the timer fires.
  Effects tick();
  // A silence passes: nothing is heard any more. The timer does not fire in it.
  void fall_silent();
  Effects fire_timer();
  // The node stops and starts again. Of the writes under way the first `survivors` were done; of
  // the blocks that were not synced all or none are there.
  Effects crash(std::size_t survivors, bool keeps_blocks);

  [[nodiscard]] NodeId self() const { return self_; }
  [[nodiscard]] std::size_t writing() const { return writes_.size(); }
  // Whether a crash may lose blocks.
  [[nodiscard]] bool has_unsynced_blocks() const { return held_ > 1; }
  [[nodiscard]] engine::Role role() const { return replica_.role(); }
  [[nodiscard]] paxos::Ballot promised() const { return replica_.promised(); }
  [[nodiscard]] paxos::Ballot promised_durably() const { return durable_.promised; }
  [[nodiscard]] Height height() const { return replica_.applied().height(); }
  [[nodiscard]] engine::Status status() const { return replica_.status(now_); }
  // What the node would say now if its heartbeat were due and it heard no leader.
  [[nodiscard]] paxos::Heartbeat heartbeat() const;
  [[nodiscard]] Fingerprint fingerprint() const;

  // --- what the rules on several nodes need
  using Place = std::pair<Slot, paxos::Ballot>;
  using Values = std::map<Place, paxos::Value>;
  // Accepted by the node, durably, at any time.
  [[nodiscard]] const Values& votes() const { return votes_; }
  [[nodiscard]] const Values& proposed() const { return proposed_; }
  // All blocks that the node ever decided, the first block included.
  [[nodiscard]] const std::vector<ledger::Block>& decided() const { return decided_; }
  // What each command came to in them; zero if they do not hold it.
  [[nodiscard]] const std::vector<Revision>& outcomes() const { return outcomes_; }

 private:
  // Records on their way to the disk. What they amount to is worked out once.
  struct Write {
    engine::Persist persist;
    Fingerprint fingerprint;
  };

  [[nodiscard]] engine::Replica start() const;
  void step(engine::Input input, Effects& effects);
  void handle(engine::Output out, Effects& effects);
  void hand_over(engine::Persist persist, Effects& effects);
  void make_durable(const engine::Persist& persist, Effects& effects);
  void leave(paxos::Envelope envelope, Effects& effects);
  void check_accepted(const paxos::Accepted& accepted, Effects& effects) const;
  void check_record(const paxos::DurableRecord& record, Effects& effects);
  void take_block(const ledger::Block& block, Effects& effects);
  void note_outcomes(const ledger::Block& block);
  void check_revision(Effects& effects) const;
  void violated(Effects& effects, const std::string& rule, const std::string& text) const;
  [[nodiscard]] Timestamp wall() const;

  std::shared_ptr<const SmallWorldSettings> settings_;
  NodeId self_;
  Instant now_;
  std::uint32_t life_ = 0;
  // The disk.
  paxos::DurableState durable_;
  std::deque<Write> writes_;
  std::size_t held_ = 1;  // blocks in the files: the first of decided_
  // For the rules.
  Values votes_;
  Values proposed_;
  std::vector<ledger::Block> decided_;
  std::vector<Revision> outcomes_;
  paxos::Ballot recorded_;  // the highest ballot of a record that this life handed over
  paxos::Ballot promised_;  // the highest one that a message told of, in any life

  engine::Replica replica_;
};

}  // namespace paxledger::sim
