#include "engine/replica.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "engine/replica_impl.hpp"

namespace paxledger::engine {

namespace {

// What a record weighs in the log beside its value, or a little more.
constexpr std::size_t kRecordBytes = 32;

Seed derive(Seed seed, std::uint64_t purpose) {
  return Seed{Prng(Seed{seed.value + purpose * 0x9e3779b97f4a7c15}).next()};
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::follower:
      return "follower";
    case Role::candidate:
      return "candidate";
    case Role::leader:
      return "leader";
  }
  return "unknown";
}

Replica::Replica(paxos::Membership membership, Settings settings, Recovered recovered, Seed seed,
                 Instant now)
    : impl_(std::make_unique<Impl>(std::move(membership), settings, std::move(recovered), seed,
                                   now)) {}
Replica::Replica(const Replica& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Replica& Replica::operator=(const Replica& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
Replica::Replica(Replica&&) noexcept = default;
Replica& Replica::operator=(Replica&&) noexcept = default;
Replica::~Replica() = default;

void Replica::step(Input input, Instant now, Output& out) {
  impl_->step(std::move(input), now, out);
}
Instant Replica::next_deadline() const {
  return impl_->next_deadline();
}
Role Replica::role() const {
  return impl_->role();
}
bool Replica::abstaining() const {
  return impl_->abstaining();
}
paxos::Ballot Replica::promised() const {
  return impl_->promised();
}
Status Replica::status(Instant now) const {
  return impl_->status(now);
}
std::vector<QueuedItem> Replica::queue(std::size_t count_max) const {
  return impl_->queue(count_max);
}
const AppliedState& Replica::applied() const {
  return impl_->applied();
}
paxos::DurableState Replica::durable() const {
  return impl_->durable();
}
Fingerprint Replica::fingerprint(Instant now, std::optional<TimeClasses> classes) const {
  StateHasher hasher(now, classes);
  impl_->hash_into(hasher);
  return hasher.fingerprint();
}
void Replica::check_invariants() const {
  impl_->check_invariants();
}

Replica::Impl::Impl(paxos::Membership membership, Settings settings, Recovered recovered, Seed seed,
                    Instant now)
    : membership_(std::move(membership)),
      settings_(settings),
      generations_(recovered.durable.generations),
      abstain_record_(recovered.durable.abstain),
      applied_(std::move(recovered.applied)),
      election_(settings.self, membership_,
                {settings.timing.heartbeat_interval, settings.timing.election_timeout},
                derive(seed, 1), now),
      requests_(settings.limits, derive(seed, 3).value >> 1),
      batch_wait_(settings.timing.batch_wait_max),
      reads_(settings.limits, derive(seed, 4).value >> 1),
      read_wait_(settings.timing.batch_wait_max),
      catch_up_(settings.timing.heartbeat_interval, 2 * settings.timing.resend_interval,
                derive(seed, 2)),
      abstain_through_(recovered.durable.abstain.through),
      repair_through_(recovered.repair_through),
      blocks_synced_(recovered.blocks_synced),
      damage_(std::move(recovered.damage)),
      heartbeat_at_(now),
      housekeeping_at_(now),
      now_(now) {
  invariant(membership_.contains(settings_.self), "a replica is a member of its cluster");
  for (const NodeId node : membership_.voters()) {
    if (node != settings_.self) peers_.push_back(node);
  }
  acceptor_ = paxos::Acceptor(std::move(recovered.durable));
  acceptor_.forget_through(applied_slot());
  election_.on_round(acceptor_.promised().round);
  // Rule 10: never vote on what is not known. Acceptances that were trimmed stand in blocks; if
  // those blocks are gone, the slots are off limits until they are back. Blocks above that the log
  // makes up for, as it does after a power failure: what they held is missing for reads only.
  if (recovered.log_complete_above > applied_slot()) {
    abstain_through_ = std::max(abstain_through_, recovered.log_complete_above);
  }
  if (recovered.log_lost || abstain_record_.open) {
    rejoin_.emplace(membership_, derive(seed, 5).value);
  }
  was_repairing_ = is_repairing();
}

void Replica::Impl::step(Input input, Instant now, Output& out) {
  invariant(now >= now_, "time never runs backwards");
  now_ = now;
  out_ = &out;
  if (!halted_) {
    std::visit([this](auto& alternative) { take(alternative); }, input);
    settle();
  } else if (auto* proposed = std::get_if<Proposed>(&input)) {
    for (const auto& command : proposed->commands) {
      answer(command.request, {ErrorCode::repairing, {}, {}}, "this node's history diverged");
    }
  } else if (auto* reads = std::get_if<ReadsRequested>(&input)) {
    for (auto& read : reads->reads) {
      refuse_read({std::move(read), {}, 0}, ErrorCode::repairing, "this node's history diverged");
    }
  }
  out_ = nullptr;
}

void Replica::Impl::take(Received& input) {
  if (!membership_.contains(input.from) || input.from == settings_.self) return;
  election_.on_heard(input.from, now_);
  if (!is_plausible(input.message, input.from, membership_)) {
    if (implausible_.insert(input.from).second) {
      notice(Notice::Level::error, "node " + std::to_string(input.from.value()) + " sent a " +
                                       paxos::name_of(input.message) +
                                       " that no correct node sends; such messages are ignored");
    }
    return;
  }
  std::visit([&](const auto& message) { on(input.from, message); }, input.message);
}

void Replica::Impl::take(Persisted& input) {
  invariant(input.ticket <= last_ticket_, "only tickets that were handed out become durable");
  wall_ = std::max(wall_, input.wall);
  if (input.ticket > durable_ticket_) log_moved_at_ = now_;
  durable_ticket_ = std::max(durable_ticket_, input.ticket);
  while (!undurable_.empty() && undurable_.front().ticket <= durable_ticket_) {
    undurable_bytes_ -= undurable_.front().bytes;
    undurable_.pop_front();
  }
  if (!log_is_choked()) choked_since_.reset();
  // The node's own votes count from here on, not earlier (rule 4).
  while (!own_acceptances_.empty() && own_acceptances_.front().ticket <= durable_ticket_) {
    if (leader_) {
      leader_->on_accepted(settings_.self, generations_.of(settings_.self),
                           own_acceptances_.front().slot, membership_, generations_);
    }
    own_acceptances_.pop_front();
  }
  if (own_promise_ && *own_promise_ <= durable_ticket_) {
    own_promise_.reset();
    if (candidate_) {
      candidate_->progressed_at = now_;
      // In one part, however much it is: nobody would ask for a second one.
      paxos::Promise own =
          acceptor_.report(candidate_->ballot(), candidate_->first(), SIZE_MAX, SIZE_MAX);
      own.generations = generations_.entries();
      candidate_->on_promise(settings_.self, own, generations_);
    }
  }
}

void Replica::Impl::take(TimerFired& input) {
  wall_ = std::max(wall_, input.wall);
  // E3: a leader that hears no majority, or is heard by none, is none.
  if (leader_ && !election_.hears_quorum(now_, !is_abstaining())) {
    step_down("it hears no majority");
  }
  if (leader_ && !election_.is_followed_by_quorum(now_, !is_abstaining())) {
    step_down("no majority says to hear it");
  }
  watch_disk();
  if (now_ >= heartbeat_at_) {
    send_heartbeats();
    heartbeat_at_ = now_ + settings_.timing.heartbeat_interval;
    catch_up(false);
  }
  watch_election();
  expire();
  if (now_ >= housekeeping_at_ && is_busy()) {
    housekeeping_at_ = now_ + settings_.timing.heartbeat_interval / 2;
    keep_house();
  }
}

bool Replica::Impl::is_busy() const {
  return !requests_.empty() || !reads_.empty() || candidate_ || rejoining() || is_repairing() ||
         catch_up_.fetch() || (leader_ && !leader_->window().empty());
}

void Replica::Impl::keep_house() {
  if (leader_) resend_accepts();
  if (candidate_) resend_prepares();
  if (!leader_) forward_due(now_ - settings_.timing.resend_interval);
  if (reads_.round() && now_ - reads_.round()->sent_at >= settings_.timing.resend_interval) {
    if (reads_.round()->is_probe) {
      send_to_peers(paxos::ReadProbe{leader_->ballot(), reads_.round()->id});
      reads_.mark_sent(now_);
    } else {
      reads_.abandon_round();
    }
  }
  drive_rejoin();
  catch_up(is_repairing());
}

// A leader whose disk does not keep up decides by the disks of others, until what waits for its own
// would fill the memory; then all would go at its pace. Who is faster shall lead. A disk that gets
// below the bound, be it for a moment, keeps up.
void Replica::Impl::watch_disk() {
  if (choked_since_ && leader_ && now_ - *choked_since_ >= settings_.timing.election_timeout) {
    step_down("its disk does not keep up");
  }
}

void Replica::Impl::settle() {
  apply_decided();
  apply_learned();
  if (halted_) return;
  watch_repair();
  lead_if_elected();
  propose_queued();
  drive_reads();
  apply_decided();  // a cluster of one decides as soon as its log is durable
  for (auto& read : reads_.take_ready(applied_slot())) {
    if (is_disputed(now_)) {
      refuse_read({std::move(read), {}, 0}, ErrorCode::repairing, repair_reason(now_));
    } else {
      answer_read(read);
    }
  }
}

Instant Replica::Impl::next_deadline() const {
  if (halted_) return Instant::never();
  Instant due = heartbeat_at_;
  if (!leader_ && !candidate_) due = std::min(due, election_.deadline());
  if (is_busy()) due = std::min(due, housekeeping_at_);
  return std::min(
      {due, batch_leaves_at_, round_begins_at_, requests_.next_expiry(), reads_.next_expiry()});
}

Status Replica::Impl::status(Instant now) const {
  Status status;
  status.self = settings_.self;
  status.role = role();
  status.leader = election_.hears_healthy_leader(now) ? election_.leader() : kNobody;
  status.promised = acceptor_.promised();
  status.decided = std::max(applied_slot(), learner_.highest());
  status.head = applied_.head();
  status.abstaining = is_abstaining();
  status.repairing = is_repairing() || is_disputed(now) || halted_;
  status.repair_reason = repair_reason(now);
  status.repair_through = repair_through();
  status.hears_quorum = election_.hears_quorum(now, !is_abstaining());
  status.revision = applied_.store().revision();
  status.keys = applied_.store().key_count();
  status.sessions = applied_.store().session_count();
  status.queued_commands = requests_.queued();
  status.queued_bytes = requests_.queued_bytes();
  status.slots_in_flight = leader_ ? leader_->window().size() : 0;
  status.pending_requests = requests_.size() + reads_.size();
  status.elections_started = election_.started();
  status.leader_changes = leader_changes_;
  for (const auto& [node, peer] : election_.peers()) {
    PeerStatus entry;
    entry.node = node;
    entry.heard = election_.hears(node, now);
    entry.ever_heard = peer.ever_heard;
    if (peer.ever_heard) entry.silent_for = now - peer.heard_at;
    entry.abstaining = peer.last.abstaining;
    entry.head = peer.last.head;
    entry.conflicting = conflicts_.contains(node);
    status.peers.push_back(entry);
  }
  return status;
}

std::vector<QueuedItem> Replica::Impl::queue(std::size_t count_max) const {
  std::vector<QueuedItem> items;
  requests_.describe(items, count_max);
  reads_.describe(items, count_max);
  return items;
}

paxos::DurableState Replica::Impl::durable() const {
  paxos::DurableState state;
  state.promised = acceptor_.promised();
  state.accepted = acceptor_.accepted();
  state.generations = generations_.known();
  state.abstain = abstain_record_;
  return state;
}

void Replica::Impl::check_invariants() const {
  invariant(!(leader_ && candidate_), "a node leads or runs, not both");
  if (leader_) {
    invariant(leader_->ballot() == acceptor_.promised(),
              "a leader has promised its own ballot and nothing above");
    invariant(leader_->ballot().node == settings_.self, "a leader uses its own ballot");
    invariant(leader_->next_slot().value() == applied_slot().value() + 1 + leader_->window().size(),
              "the window reaches from the applied slot to the next one");
    invariant(!is_abstaining(), "an abstaining node does not lead");
    invariant(inherited_.empty() || inherited_.begin()->first >= leader_->next_slot(),
              "what was accepted before is proposed again at its own slot");
  }
  if (candidate_) {
    invariant(candidate_->ballot() == acceptor_.promised(),
              "a candidate has promised its own ballot and nothing above");
  }
  for (const auto& [slot, accepted] : acceptor_.accepted()) {
    invariant(accepted.ballot <= acceptor_.promised(), "no acceptance is above the promise");
    invariant(slot > applied_slot(), "applied slots are answered for by blocks");
  }
  invariant(durable_ticket_ <= last_ticket_, "nothing is durable before it was handed out");
  invariant(requests_.size() <= settings_.limits.pending_requests_max,
            "the requests in hand are bounded");
}

void Replica::Impl::send(NodeId to, paxos::Message message) {
  out_->send_now.push_back({to, std::move(message)});
}

void Replica::Impl::send_to_peers(const paxos::Message& message) {
  for (const NodeId peer : peers_) send(peer, message);
}

Ticket Replica::Impl::persist(paxos::DurableRecord record) {
  if (out_->persist.records.empty()) {
    if (log_is_idle()) log_moved_at_ = now_;
    last_ticket_ = last_ticket_.next();
    out_->persist.ticket = last_ticket_;
    undurable_.push_back({last_ticket_, 0});
  }
  const auto* accept = std::get_if<paxos::AcceptRecord>(&record);
  const std::size_t bytes = kRecordBytes + (accept == nullptr ? 0 : accept->value.size());
  undurable_.back().bytes += bytes;
  undurable_bytes_ += bytes;
  if (log_is_choked() && !choked_since_) choked_since_ = now_;
  out_->persist.records.push_back(std::move(record));
  return out_->persist.ticket;
}

void Replica::Impl::send_once_durable(NodeId to, paxos::Message message) {
  invariant(!out_->persist.records.empty(), "a promise stands beside the record that keeps it");
  out_->persist.send_after.push_back({to, std::move(message)});
}

void Replica::Impl::notice(Notice::Level level, std::string text) {
  out_->notices.push_back({level, std::move(text)});
}

}  // namespace paxledger::engine
