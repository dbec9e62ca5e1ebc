// Commands and reads: of this node's clients, and of peers that ask for theirs.

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "engine/replica_impl.hpp"

namespace paxledger::engine {

namespace {

constexpr std::uint8_t kHopsMax = 2;
constexpr std::size_t kScanBytesMax = std::size_t{2} << 20;

std::uint32_t milliseconds_until(Instant when, Instant now) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, UINT32_MAX));
}

// A reply that says for certain that the command had no effect there.
bool had_no_effect(ErrorCode code) {
  return code == ErrorCode::no_quorum || code == ErrorCode::overloaded ||
         code == ErrorCode::shutting_down || code == ErrorCode::repairing;
}

// What a command's failure means for its client, where the node that found it sent no words along.
std::string explain(ErrorCode code) {
  switch (code) {
    case ErrorCode::session_expired:
      return "there is no such session: it was silent for longer than it asked for, was closed, or "
             "had to go because there were too many sessions or unacknowledged results; open a new "
             "session, with a new number";
    case ErrorCode::overloaded:
      return "the queue of the leader is full, or the session has too many results that it did not "
             "acknowledge; acknowledge what you have, wait a little and send the command again";
    case ErrorCode::bad_request:
      return "the session has acknowledged the result of this command, or of a later one, before";
    default:
      return {};
  }
}

}  // namespace

Instant Replica::Impl::expiry(Instant deadline) const {
  const Duration left = std::max(deadline - now_, Duration::zero());
  return deadline - std::min<Duration>(std::chrono::milliseconds(100), left / 5);
}

std::optional<kv::CommandResult> Replica::Impl::known_result(const kv::Command& command) const {
  // Only the log can open a session or keep it alive: this node may not know yet that it was
  // closed, and a sign of life that the others do not see is none.
  if (command.kind == kv::CommandKind::open_session) return std::nullopt;
  return applied_.store().known_result(command.session, command.sequence);
}

// --- commands --------------------------------------------------------------------------------

void Replica::Impl::take(Proposed& input) {
  wall_ = std::max(wall_, input.wall);
  for (auto& command : input.commands) {
    admit(command.request, std::move(command.command), expiry(command.deadline), 0);
  }
}

void Replica::Impl::admit(Origin origin, SharedBytes octets, Instant expires, std::uint8_t hops) {
  const auto command = kv::parse_command(octets.view());
  if (!command) {
    answer(origin, {command.error().code, {}, {}}, command.error().message);
    return;
  }
  if (const auto result = known_result(*command)) {
    answer(origin, *result, {});
    return;
  }
  if (requests_.is_full() || (leader_ && requests_.queue_is_full())) {
    answer(origin, {ErrorCode::overloaded, {}, {}}, "too many requests wait at this node");
    return;
  }
  dispatch(requests_.admit(origin, std::move(octets), {command->session, command->sequence},
                           expires, hops));
}

void Replica::Impl::dispatch(std::uint64_t id) {
  if (leader_) {
    requests_.enqueue(id);
    return;
  }
  const NodeId target = election_.route_to_leader(now_);
  const auto& request = *requests_.find(id);
  const auto* remote = std::get_if<RemoteOrigin>(&request.origin);
  if (target == kNobody || (remote != nullptr && remote->node == target)) return;  // waits
  send(target, paxos::Forward{id, request.hops, milliseconds_until(request.expires, now_),
                              request.command});
  requests_.mark_forwarded(id, target, now_);
}

void Replica::Impl::forward_due(Instant before) {
  if (leader_ || requests_.empty() || election_.route_to_leader(now_) == kNobody) return;
  for (const std::uint64_t id : requests_.to_be_sent(before)) dispatch(id);
}

void Replica::Impl::on(NodeId from, const paxos::Forward& message) {
  const RemoteOrigin origin{from, message.id};
  if (requests_.knows(origin)) return;  // sent again; the answer is on its way
  const bool can_pass_on = message.hops < kHopsMax && election_.route_to_leader(now_) != kNobody &&
                           election_.route_to_leader(now_) != from;
  if (!leader_ && !can_pass_on) {
    send(from, paxos::ForwardReply{message.id, ErrorCode::no_quorum, {}, {}});
    return;
  }
  admit(origin, message.command, expiry(now_ + std::chrono::milliseconds(message.budget_ms)),
        static_cast<std::uint8_t>(message.hops + 1));
}

void Replica::Impl::on(NodeId from, const paxos::ForwardReply& message) {
  const auto* request = requests_.find(message.id);
  if (request == nullptr) return;
  // Whether the answer speaks for every copy of the command that left this node.
  const bool definite = request->sends <= 1 && !request->was_proposed;
  if (had_no_effect(message.code)) {
    if (message.code != ErrorCode::overloaded || !definite) {
      requests_.mark_refused(message.id, from);  // tried again, elsewhere or later
      return;
    }
  }
  kv::CommandResult result{message.code, message.revision, message.value};
  // Another copy may have been applied before the session ended.
  if (message.code == ErrorCode::session_expired && !definite && !request->key.opens_session())
    result = {ErrorCode::timeout, {}, {}};
  if (request->key.opens_session() || result.code == ErrorCode::timeout ||
      had_no_effect(result.code)) {
    answer(requests_.take(message.id)->origin, result, {});
    return;
  }
  requests_.resolve(CommandKey(request->key),
                    [&](const Origin& origin) { answer(origin, result, {}); });
}

void Replica::Impl::propose_queued() {
  batch_leaves_at_ = Instant::never();
  propose_inherited();
  if (leader_ && requests_.queued() == 0) batch_wait_.on_empty(!leader_->window().empty());
  while (leader_ && leader_->next_slot() > barrier_ && requests_.queued() > 0) {
    const auto& limits = settings_.limits;
    const auto& window = leader_->window();
    if (!window_has_room()) return;
    // Rule 4: collect while the log is busy with the batch before, unless a full batch waits, no
    // more can come, or the followers decided without this node's disk.
    const bool full = requests_.queued() >= limits.batch_commands_max ||
                      requests_.queued_bytes() >= limits.batch_bytes_max ||
                      requests_.queue_is_full();
    if (!log_is_idle() && !window.empty() && !full) return;
    if (!full) {
      const Instant leaves_at = batch_wait_.leaves_at(requests_.queued(), requests_.queued_bytes(),
                                                      !window.empty(), now_);
      if (leaves_at > now_) {
        batch_leaves_at_ = leaves_at;
        return;
      }
    }
    const auto commands = requests_.cut_batch(limits.batch_bytes_max, limits.batch_commands_max);
    if (commands.empty()) return;
    propose(encode_batch(wall_, settings_.work_bits, commands));
  }
}

void Replica::Impl::answer(const Origin& origin, const kv::CommandResult& result,
                           std::string message) {
  if (const auto* remote = std::get_if<RemoteOrigin>(&origin)) {
    send(remote->node, paxos::ForwardReply{remote->id, result.code, result.revision, result.value});
    return;
  }
  if (message.empty()) message = explain(result.code);
  out_->replies.push_back(
      {std::get<RequestKey>(origin), result, applied_.height(), std::move(message)});
}

// --- reads -----------------------------------------------------------------------------------

void Replica::Impl::take(ReadsRequested& input) {
  for (auto& read : input.reads) {
    const Instant expires = expiry(read.deadline);
    Reader reader{std::move(read), expires, 0};
    const auto& wanted = std::get<ClientRead>(reader.who);
    if (is_repairing() || is_disputed(now_)) {
      refuse_read(reader, ErrorCode::repairing, repair_reason(now_));
    } else if (wanted.consistency == ReadConsistency::local) {
      answer_read(wanted);
    } else if (reads_.is_full()) {
      refuse_read(reader, ErrorCode::overloaded, "too many reads wait at this node");
    } else {
      reads_.add(std::move(reader));
    }
  }
}

void Replica::Impl::answer_read(const ClientRead& read) {
  Reply reply;
  reply.request = read.request;
  reply.height = applied_.height();
  if (const auto* lookup = std::get_if<Lookup>(&read.what)) {
    const kv::Entry* entry = applied_.store().find(lookup->key.view());
    reply.what = entry == nullptr ? kv::CommandResult{ErrorCode::not_found, {}, {}}
                                  : kv::CommandResult{ErrorCode::ok, entry->revision, entry->value};
  } else {
    const auto& scan = std::get<Scan>(read.what);
    reply.what = applied_.store().scan(scan.prefix.view(), scan.after.view(), scan.count_max,
                                       std::min(scan.bytes_max, kScanBytesMax));
  }
  out_->replies.push_back(std::move(reply));
}

void Replica::Impl::refuse_read(const Reader& reader, ErrorCode code, std::string message) {
  if (const auto* remote = std::get_if<RemoteOrigin>(&reader.who)) {
    send(remote->node, paxos::ReadIndexReply{remote->id, false, {}});
    return;
  }
  out_->replies.push_back({std::get<ClientRead>(reader.who).request,
                           kv::CommandResult{code, {}, {}}, applied_.height(), std::move(message)});
}

// A round for reads costs its messages, however many share it: they wait as batches do.
bool Replica::Impl::reads_wait() {
  const Instant begins_at = read_wait_.leaves_at(reads_.waiting(), 0, false, now_);
  if (begins_at > now_) {
    round_begins_at_ = begins_at;
    return true;
  }
  read_wait_.on_proposed(now_);
  return false;
}

void Replica::Impl::drive_reads() {
  round_begins_at_ = Instant::never();
  if (reads_.round() && reads_.round()->is_probe != leader_.has_value()) reads_.abandon_round();
  if (reads_.waiting() == 0) read_wait_.on_empty(reads_.round().has_value());
  if (!reads_.can_begin()) return;
  if (leader_) {
    if (applied_slot() < barrier_) return;  // rule 3
    if (reads_wait()) return;
    auto& round = reads_.begin_probe(applied_slot(), now_);
    const std::uint64_t id = round.id;
    send_to_peers(paxos::ReadProbe{leader_->ballot(), id});
    if (reads_.on_ack(id, settings_.self, generations_.of(settings_.self), membership_,
                      generations_)) {
      confirm_reads(round.index);
    }
    return;
  }
  const NodeId target = election_.route_to_leader(now_);
  if (target == kNobody || now_ < ask_again_at_ || reads_wait()) return;
  const auto& round = reads_.begin_question(target, now_);
  send(target, paxos::ReadIndexRequest{round.id, round.hops});
}

void Replica::Impl::confirm_reads(Slot index) {
  read_wait_.on_decided(reads_.round()->readers.size(), now_);
  for (const auto& origin : reads_.finish_round(index)) {
    // The peer needs to learn that the index is decided; the heartbeat tells it at once.
    if (leader_) {
      paxos::Heartbeat heartbeat;
      heartbeat.promised = leader_->ballot();
      heartbeat.leading = true;
      heartbeat.hears_leader = true;
      heartbeat.leader = settings_.self;
      heartbeat.decided = applied_slot();
      heartbeat.head = applied_.head();
      send(origin.node, heartbeat);
    }
    send(origin.node, paxos::ReadIndexReply{origin.id, true, index});
  }
}

void Replica::Impl::on(NodeId from, const paxos::ReadIndexRequest& message) {
  const NodeId target = leader_ ? settings_.self : election_.route_to_leader(now_);
  if (target == kNobody || target == from || (!leader_ && message.hops >= kHopsMax) ||
      reads_.is_full()) {
    send(from, paxos::ReadIndexReply{message.id, false, {}});
    return;
  }
  reads_.add({RemoteOrigin{from, message.id}, now_ + settings_.timing.election_timeout,
              static_cast<std::uint8_t>(message.hops + 1)});
}

void Replica::Impl::on(NodeId from, const paxos::ReadIndexReply& message) {
  const auto& round = reads_.round();
  if (!round || round->is_probe || round->id != message.id || round->asked != from) return;
  if (message.confirmed) {
    confirm_reads(message.index);
  } else {
    reads_.abandon_round();
    ask_again_at_ = now_ + settings_.timing.heartbeat_interval / 2;
  }
}

void Replica::Impl::on(NodeId from, const paxos::ReadProbe& message) {
  if (message.ballot.node != from || is_abstaining()) return;
  const bool is_news = message.ballot > acceptor_.promised();
  if (!acceptor_.promise(message.ballot)) {
    send(from, paxos::Nack{acceptor_.promised()});
    return;
  }
  give_way_to(message.ballot);
  if (is_news) {
    // A node that caught up by blocks alone may not have promised the leader's ballot yet.
    persist(paxos::PromiseRecord{message.ballot});
    send_once_durable(from,
                      paxos::ReadProbeAck{message.ballot, message.probe, generations_.entries()});
    return;
  }
  send(from, paxos::ReadProbeAck{message.ballot, message.probe, generations_.entries()});
}

void Replica::Impl::on(NodeId from, const paxos::ReadProbeAck& message) {
  generations_.learn(message.generations);
  if (!leader_ || message.ballot != leader_->ballot()) return;
  if (reads_.on_ack(message.probe, from, paxos::own_generation(from, message.generations),
                    membership_, generations_)) {
    confirm_reads(reads_.round()->index);
  }
}

// --- endings ---------------------------------------------------------------------------------

void Replica::Impl::expire() {
  for (const auto& request : requests_.take_expired(now_)) {
    const bool exposed = request.is_exposed();
    answer(request.origin, {exposed ? ErrorCode::timeout : ErrorCode::no_quorum, {}, {}},
           exposed ? "the command was sent to the log, but no decision came back in time"
                   : "no leader could be reached in time");
  }
  for (const auto& reader : reads_.take_expired(now_)) {
    refuse_read(reader, ErrorCode::no_quorum, "no majority confirmed the read in time");
  }
}

void Replica::Impl::fail_everything() {
  for (const auto& request : requests_.take_expired(Instant::never())) {
    answer(request.origin,
           {request.is_exposed() ? ErrorCode::timeout : ErrorCode::repairing, {}, {}}, damage_);
  }
  for (const auto& reader : reads_.take_expired(Instant::never())) {
    refuse_read(reader, ErrorCode::repairing, damage_);
  }
}

}  // namespace paxledger::engine
