// Elections, phase 1 and phase 2.

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "engine/replica_impl.hpp"

namespace paxledger::engine {

using paxos::Ballot;

void Replica::Impl::send_heartbeats() {
  paxos::Heartbeat heartbeat;
  heartbeat.promised = acceptor_.promised();
  heartbeat.leading = leader_.has_value();
  heartbeat.hears_leader = election_.hears_healthy_leader(now_);
  heartbeat.leader = heartbeat.hears_leader ? election_.leader() : kNobody;
  heartbeat.abstaining = is_abstaining();
  // Nothing is claimed while it is not known how far this node's forgotten votes reach; once it is,
  // the leader sees from this that a no-op may help (help_to_rejoin()).
  heartbeat.decided = rejoining() ? Slot(0) : applied_slot();
  heartbeat.head = applied_.head();
  send_to_peers(heartbeat);
}

void Replica::Impl::on(NodeId from, const paxos::Heartbeat& heartbeat) {
  election_.on_heartbeat(from, heartbeat, now_);
  if (heartbeat.leading) {
    if (heartbeat.promised < acceptor_.promised()) {
      send(from, paxos::Nack{acceptor_.promised()});
    } else {
      follow(from, heartbeat.promised);
      learner_.hear(heartbeat.promised, heartbeat.decided);
    }
  }
  help_to_rejoin(heartbeat);
  compare_head(from, heartbeat.head);
  if (!halted_ && catch_up_.should_push(from, heartbeat.head.height, applied_.height(), now_)) {
    // Rule 9: a peer that stays behind is brought blocks without being asked.
    out_->loads.push_back({from, heartbeat.head.height.next(), settings_.limits.catch_up_bytes});
  }
}

// A peer abstains up to a slot at which somebody once accepted a value that was never decided. It
// has everything that there is, but in an idle cluster that slot would never come: a no-op moves
// on. So does a batch that waits for more commands, and a no-op would make it wait again.
void Replica::Impl::help_to_rejoin(const paxos::Heartbeat& heartbeat) {
  if (!leader_ || !leader_->window().empty() || leader_->next_slot() <= barrier_) return;
  if (requests_.queued() > 0) return;
  if (heartbeat.abstaining && heartbeat.decided == applied_slot()) {
    propose(encode_batch(wall_, settings_.work_bits, {}));
  }
}

// --- elections -----------------------------------------------------------------------------

void Replica::Impl::watch_election() {
  if (leader_) return;
  if (candidate_) {
    // Where every disk is slow a candidacy takes long, and one that is always given up too early
    // never comes to an end. So each one that failed gives the next one more time.
    const Duration patience =
        settings_.timing.election_timeout * (1 << std::min(failed_candidacies_, 4));
    if (now_ - candidate_->progressed_at >= patience) {
      notice(Notice::Level::info, "gave up running with ballot " + to_string(candidate_->ballot()));
      ++failed_candidacies_;
      abandon_candidacy();
    }
    return;
  }
  if (auto pre_vote =
          election_.on_timer(now_, acceptor_.promised(), !is_abstaining() && disk_keeps_up())) {
    send_to_peers(*pre_vote);
    if (election_.pre_vote_won()) campaign();
  }
}

void Replica::Impl::on(NodeId from, const paxos::PreVote& message) {
  send(from, election_.answer(message, now_, acceptor_.promised(), !is_abstaining()));
}

void Replica::Impl::on(NodeId from, const paxos::PreVoteReply& message) {
  if (election_.on_pre_vote_reply(from, message) && !leader_ && !candidate_) campaign();
}

void Replica::Impl::campaign() {
  const Ballot ballot = election_.pre_vote_ballot();
  election_.end_pre_vote();
  if (is_abstaining() || ballot <= acceptor_.promised()) return;
  notice(Notice::Level::info, "runs for leader with ballot " + to_string(ballot));
  acceptor_.promise(ballot);
  election_.on_round(ballot.round);
  candidate_.emplace(ballot, applied_slot().next(), now_);
  // Rule 1: the node's own new round is durable before it is used.
  own_promise_ = persist(paxos::PromiseRecord{ballot});
  for (const NodeId peer : peers_) {
    send_once_durable(peer, paxos::Prepare{ballot, candidate_->first()});
  }
}

void Replica::Impl::abandon_candidacy() {
  candidate_.reset();
  own_promise_.reset();
  election_.on_leader_gone(now_);
}

void Replica::Impl::step_down(const std::string& reason) {
  notice(Notice::Level::warning,
         "no longer leads with ballot " + to_string(leader_->ballot()) + ": " + reason);
  leader_.reset();
  inherited_.clear();
  own_acceptances_.clear();
  election_.on_leader_gone(now_);
  requests_.on_leadership_lost();
  reads_.abandon_round();
}

void Replica::Impl::give_way_to(Ballot ballot) {
  if (leader_ && leader_->ballot() < ballot) {
    step_down("ballot " + to_string(ballot) + " is higher");
  }
  if (candidate_ && candidate_->ballot() < ballot) abandon_candidacy();
}

void Replica::Impl::follow(NodeId leader, Ballot ballot) {
  give_way_to(ballot);
  failed_candidacies_ = 0;
  election_.on_leader(leader, now_);
  if (last_leader_ == leader) return;
  last_leader_ = leader;
  ++leader_changes_;
  notice(Notice::Level::info,
         "follows node " + std::to_string(leader.value()) + " with ballot " + to_string(ballot));
  reads_.abandon_round();
  ask_again_at_ = now_;
  forward_due(now_);
}

// --- phase 1 ---------------------------------------------------------------------------------

paxos::Promise Replica::Impl::promise_report(Ballot ballot, Slot first) const {
  paxos::Promise promise = acceptor_.report(ballot, first, settings_.limits.catch_up_bytes);
  promise.decided = applied_slot();
  promise.generations = generations_.entries();
  return promise;
}

void Replica::Impl::on(NodeId from, const paxos::Prepare& message) {
  if (is_abstaining() || message.ballot.node != from) return;
  // Paxos Made Simple §2.2, P1a: promise only what is above every promise before.
  if (!acceptor_.promise(message.ballot)) {
    send(from, paxos::Nack{acceptor_.promised()});
    return;
  }
  give_way_to(message.ballot);
  election_.on_round(message.ballot.round);
  if (election_.leader() != from) election_.on_leader_gone(now_);
  election_.on_promised(now_);
  persist(paxos::PromiseRecord{message.ballot});
  send_once_durable(from, promise_report(message.ballot, message.first));
}

void Replica::Impl::on(NodeId from, const paxos::Promise& message) {
  generations_.learn(message.generations);
  if (!candidate_ || message.ballot != candidate_->ballot()) return;
  for (const auto& accepted : message.accepted) {
    if (const auto batch = decode_batch(accepted.value); !batch) {
      notice(Notice::Level::error, "refused the promise of node " + std::to_string(from.value()) +
                                       ", slot " + std::to_string(accepted.slot.value()) + ": " +
                                       batch.error().message);
      return;
    }
  }
  const std::uint64_t parts = candidate_->parts_taken();
  if (auto next = candidate_->on_promise(from, message, generations_)) send(from, *next);
  if (candidate_->parts_taken() > parts) candidate_->progressed_at = now_;
}

void Replica::Impl::resend_prepares() {
  if (own_promise_ || now_ - candidate_->sent_at < settings_.timing.resend_interval) return;
  candidate_->sent_at = now_;
  for (const NodeId peer : peers_) {
    if (auto prepare = candidate_->prepare_for(peer, generations_)) send(peer, *prepare);
  }
}

void Replica::Impl::lead_if_elected() {
  if (!candidate_ || !candidate_->has_quorum(membership_, generations_)) return;
  // What is decided already is no longer reported: it must be fetched before holes may be filled.
  if (candidate_->decided_elsewhere() > applied_slot()) {
    catch_up(true);
    return;
  }
  lead();
}

void Replica::Impl::lead() {
  paxos::Candidate won = std::move(*candidate_);
  candidate_.reset();
  failed_candidacies_ = 0;
  leader_.emplace(won.ballot(), applied_slot().next());
  election_.on_leader(settings_.self, now_);
  if (last_leader_ != settings_.self) ++leader_changes_;
  last_leader_ = settings_.self;
  notice(Notice::Level::info, "leads with ballot " + to_string(won.ballot()));

  inherited_ = won.take_values();
  inherited_.erase(inherited_.begin(), inherited_.upper_bound(applied_slot()));
  barrier_ = inherited_.empty() ? leader_->next_slot() : inherited_.rbegin()->first.next();
  batch_wait_ = BatchWait(settings_.timing.batch_wait_max);
  propose_inherited();
  send_heartbeats();
  reads_.abandon_round();
  requests_.on_leadership_won();
}

// Rule 3: the value of the highest ballot for each open slot, no-ops for the holes, and a no-op of
// the own ballot on top, whose decision shows that everything before it is known. After a power
// failure these may be very many, so they keep to the window like everything else.
void Replica::Impl::propose_inherited() {
  while (leader_ && leader_->next_slot() <= barrier_ && window_has_room()) {
    auto found = inherited_.extract(leader_->next_slot());
    propose(found.empty() ? encode_batch(wall_, settings_.work_bits, {})
                          : std::move(found.mapped().value));
  }
}

// --- phase 2 ---------------------------------------------------------------------------------

bool Replica::Impl::window_has_room() const {
  return leader_->window().size() < settings_.limits.window_slots &&
         leader_->window_bytes() < settings_.limits.window_bytes && !log_is_choked();
}

void Replica::Impl::propose(paxos::Value value) {
  invariant(inherited_.empty() || inherited_.begin()->first > leader_->next_slot(),
            "nothing takes the slot of what was accepted before");
  const Slot slot = leader_->propose(value, now_);
  batch_wait_.on_proposed(now_);
  const Ballot ballot = leader_->ballot();
  // Rule 4: the peers are asked before the own disk is; the own vote counts once it is durable.
  send_to_peers(paxos::Accept{ballot, slot, value, applied_slot()});
  const bool accepted = acceptor_.accept(ballot, slot, value);
  invariant(accepted, "a leader accepts what it proposes");
  const Ticket ticket = persist(paxos::AcceptRecord{ballot, slot, std::move(value)});
  own_acceptances_.push_back({ticket, slot});
}

void Replica::Impl::on(NodeId from, const paxos::Accept& message) {
  if (message.ballot.node != from) return;
  if (message.ballot < acceptor_.promised()) {
    send(from, paxos::Nack{acceptor_.promised()});
    return;
  }
  follow(from, message.ballot);
  learner_.hear(message.ballot, message.decided);
  if (!is_abstaining()) accept_from(from, message);
}

void Replica::Impl::accept_from(NodeId leader, const paxos::Accept& message) {
  const paxos::Accepted accepted{message.ballot, message.slot, generations_.entries()};
  const paxos::AcceptedValue* held = acceptor_.at(message.slot);
  if (message.slot <= applied_slot() || (held != nullptr && held->ballot == message.ballot)) {
    // Decided, or accepted before: only the answer was lost. The record keeps the order: when it
    // is durable, so is the acceptance that the answer tells of.
    acceptor_.promise(message.ballot);
    persist(paxos::PromiseRecord{message.ballot});
    send_once_durable(leader, accepted);
    return;
  }
  // Bounded memory: what lies far ahead, or finds the disk far behind, will be sent again or
  // fetched as blocks. What takes the place of another value, or is next, is never too much.
  const auto& limits = settings_.limits;
  if (message.slot.value() > applied_slot().value() + 8 * limits.window_slots) return;
  const bool is_more = held == nullptr && message.slot != applied_slot().next();
  if (is_more && acceptor_.accepted_bytes() > 4 * limits.window_bytes) return;
  if (log_is_choked()) return;
  if (const auto batch = decode_batch(message.value); !batch) {
    notice(Notice::Level::error, "refused a value from node " + std::to_string(leader.value()) +
                                     ": " + batch.error().message);
    return;
  }
  acceptor_.accept(message.ballot, message.slot, message.value);
  persist(paxos::AcceptRecord{message.ballot, message.slot, message.value});
  send_once_durable(leader, accepted);
}

void Replica::Impl::on(NodeId from, const paxos::Accepted& message) {
  generations_.learn(message.generations);
  if (!leader_ || message.ballot != leader_->ballot()) return;
  leader_->on_accepted(from, paxos::own_generation(from, message.generations), message.slot,
                       membership_, generations_);
}

void Replica::Impl::on(NodeId from, const paxos::Nack& message) {
  election_.on_round(message.promised.round);
  if (leader_ && leader_->ballot() < message.promised) {
    step_down("node " + std::to_string(from.value()) + " promised " + to_string(message.promised));
  }
  if (candidate_ && candidate_->ballot() < message.promised) abandon_candidacy();
}

void Replica::Impl::resend_accepts() {
  const Instant before = now_ - settings_.timing.resend_interval;
  for (const NodeId peer : peers_) {
    for (const Slot slot :
         leader_->unanswered(peer, before, settings_.limits.catch_up_bytes, generations_)) {
      send(peer, paxos::Accept{leader_->ballot(), slot, leader_->window().at(slot).value,
                               applied_slot()});
    }
  }
  leader_->mark_sent(before, now_);
}

}  // namespace paxledger::engine
