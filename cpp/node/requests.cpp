// What clients, other threads and people ask a node for.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <string>
#include <utility>

#include "node/admin.hpp"
#include "node/clock.hpp"
#include "node/node.hpp"
#include "storage/verify.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::node {
namespace {

using Kind = ClientDesk::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kVerificationsMax = 64;  // waiting; they share their runs
constexpr std::size_t kQueueItemsMax = 1000;
constexpr std::size_t kScanBytesMax = std::size_t{1} << 20;
constexpr std::uint32_t kScanItemsMax = 4096;
constexpr std::size_t kReplyBytes = 128;  // about, beside the value
constexpr std::uint32_t kChainBytesDefault = 1u << 20;

engine::ReadConsistency consistency_of(wire::Consistency consistency) {
  return consistency == wire::Consistency::local ? engine::ReadConsistency::local
                                                 : engine::ReadConsistency::linearizable;
}

void add_drops(std::map<std::string, std::uint64_t>& reasons, const std::string& where,
               const net::DropCounter& drops) {
  for (std::size_t i = 0; i < net::kDropReasons; ++i) {
    const auto reason = static_cast<net::DropReason>(i);
    if (const auto count = drops.of(reason); count > 0) {
      reasons[where + std::string(net::to_string(reason))] += count;
    }
  }
}

}  // namespace

// --- other threads ---------------------------------------------------------------------------

void Node::take_events(engine::Output& out) {
  for (Event& event : events_->take_all()) {
    if (auto* read = std::get_if<BlocksRead>(&event)) {
      take(*read, out);
    } else if (const auto* synced = std::get_if<BlocksDurable>(&event)) {
      replica_->step(engine::BlocksSynced{synced->through}, now_, out);
    } else if (auto* verified = std::get_if<ChainVerified>(&event)) {
      take(*verified);
    } else {
      take(std::get<ReportWanted>(event));
    }
  }
}

void Node::take(BlocksRead& event, engine::Output& out) {
  const bool for_client = event.to == kNobody;
  for_client ? block_reads_.end_for_client() : block_reads_.end_for_peer();
  begin_client_reads();
  const auto origin = for_client ? desk_.settle(event.request) : std::nullopt;
  if (!event.blocks.ok()) {
    // Reading fails where the octets on disk are not what was written.
    const std::string& message = event.blocks.error().message;
    if (origin) {
      refuse(origin->connection, origin->id, Error{ErrorCode::repairing, message});
    }
    repair_wanted_ = {std::nullopt, message, {}};
    return;
  }
  if (!for_client) {
    counters_.catch_up_blocks_sent += event.blocks->size();
    replica_->step(engine::BlocksLoaded{event.to, event.first, std::move(*event.blocks)}, now_,
                   out);
  } else if (origin && !refuse_unread(origin->connection, origin->id)) {
    clients_->reply(origin->connection,
                    wire::ChainReply{origin->id, event.first, height(), std::move(*event.blocks)});
  }
}

void Node::take(ChainVerified& event) {
  const engine::Status status = replica_->status(now_);
  const bool intact = event.report.ok() && event.report->intact();
  if (intact && event.while_repairing && !status.repairing) {
    // The repair ended meanwhile, and what was read is not all that there is now.
    keeper_->verify(event.request, false);
    return;
  }
  --verifications_under_way_;
  const auto origin = desk_.settle(event.request);
  if (!event.report.ok()) {
    if (origin) {
      const Error& error = event.report.error();
      refuse(origin->connection, origin->id,
             Error{ErrorCode::bad_request, "cannot verify: " + error.message});
    }
    spdlog::error("cannot verify: {}", event.report.error().message);
    return;
  }
  if (origin) {
    RepairProgress repair;
    repair.under_way = status.repairing;
    repair.begins = !intact && !peers_->peers().empty();
    repair.restored = status.head.height;
    repair.reason = status.repair_reason;
    if (status.abstaining || status.repair_through > Height(0)) {
      repair.from = repair_from_;
      repair.through = status.repair_through;
    }
    answer_json(origin->connection, origin->id, verify_json(*event.report, repair));
  }
  if (!intact) {
    const storage::Problem& first = event.report->problems.front();
    // Reading the directory again finds the same, and sets aside what is damaged.
    repair_wanted_ = {
        std::nullopt,
        "verification found " + std::to_string(event.report->problems.size()) + " problem(s)",
        ", the first in " + first.file + " at offset " + std::to_string(first.offset) + ": " +
            first.text};
  }
}

void Node::take(ReportWanted& event) {
  --reports_wanted_;
  event.answer.set_value(report());
}

std::optional<Report> Node::ask_for_report() {
  // Questions that nobody waits for any more stay in the mailbox until the loop takes them.
  if (reports_wanted_.fetch_add(1) >= kReportsWantedMax) {
    --reports_wanted_;
    return std::nullopt;
  }
  ReportWanted wanted;
  auto answer = wanted.answer.get_future();
  if (!events_->push(std::move(wanted))) {
    --reports_wanted_;
    return std::nullopt;
  }
  if (answer.wait_for(seconds(1)) != std::future_status::ready) return std::nullopt;
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return std::nullopt;  // the node stops
  }
}

Report Node::report() const {
  Report report;
  report.cluster = configuration_.cluster;
  report.version = PAXLEDGER_VERSION;
  report.process = ::getpid();
  report.uptime = now_ - started_;
  report.status = replica_->status(now_);
  if (report.status.repairing) report.damage = damage_;
  report.counters = counters_;
  const net::PeerTransport& peers = peers_->transport();
  const net::ClientListener& clients = clients_->listener();
  const auto& peer_traffic = peers.traffic();
  const auto& client_traffic = clients.traffic();
  report.counters.client_messages_in = client_traffic.packets_received;
  report.counters.client_messages_out = client_traffic.packets_sent;
  report.bytes_sent = peer_traffic.bytes_sent + client_traffic.bytes_sent;
  report.bytes_received = peer_traffic.bytes_received + client_traffic.bytes_received;
  report.log = keeper_->log_report();
  report.block_bytes = keeper_->block_bytes();
  report.held_tickets = held_.tickets();
  report.client_requests = desk_.pending();
  report.client_connections = desk_.connections();
  report.client_reply_bytes = clients.queued_bytes();
  add_drops(report.dropped, "peer_", peers.drops_out());
  add_drops(report.dropped, "peer_", peers.faults().drops());
  add_drops(report.dropped, "client_", clients.drops_out());
  add_drops(report.malformed, "peer_", peers.drops_in());
  add_drops(report.malformed, "client_", clients.drops_in());
  if (http_) report.http_requests = http_->requests();
  return report;
}

// --- clients ---------------------------------------------------------------------------------

void Node::drain_clients(engine::Output& out) {
  clients_->drain(kPacketsPerTurn, kRequestsPerTurn, kBytesPerTurn, now_,
                  [&](net::ConnectionId connection, wire::ClientRequest request) {
                    take_request(connection, std::move(request));
                  });
  if (!commands_.empty()) {
    const std::size_t room = commands_.size();
    replica_->step(engine::Proposed{std::exchange(commands_, {}), wall_now()}, now_, out);
    commands_.reserve(room);  // the next turn is likely to bring as many
  }
}

void Node::begin_reads(engine::Output& out) {
  begin_reads(local_reads_);
  begin_reads(linearizable_reads_);
  if (!reads_.empty()) {
    replica_->step(engine::ReadsRequested{std::exchange(reads_, {})}, now_, out);
  }
}

void Node::begin_reads(ReadQueue& queue) {
  for (const RequestKey late : queue.take_expired(now_)) {
    if (const auto origin = desk_.settle(late)) {
      refuse(origin->connection, origin->id,
             Error{ErrorCode::overloaded, "the node was busy with other reads"});
    }
  }
  while (auto next = queue.next()) {
    if (clients_->wants_more(next->connection)) {
      reads_.push_back(std::move(next->read));
      continue;
    }
    queue.end(next->read.request);
    if (const auto origin = desk_.settle(next->read.request)) {
      // Whatever the client has read meanwhile: nobody else answers this one any more.
      refuse_as_unread(origin->connection, origin->id);
    }
  }
}

void Node::add_read(net::ConnectionId connection, std::size_t cost, engine::ClientRead read) {
  const bool local = read.consistency == engine::ReadConsistency::local;
  // As the replica does, it keeps back some time for the answer's way.
  const Duration left = std::max(read.deadline - now_, Duration::zero());
  const Instant expires = read.deadline - std::min<Duration>(milliseconds(100), left / 5);
  (local ? local_reads_ : linearizable_reads_).add({connection, cost, expires, std::move(read)});
}

bool Node::refuse_unread(net::ConnectionId connection, std::uint64_t id) {
  if (clients_->wants_more(connection)) return false;
  refuse_as_unread(connection, id);
  return true;
}

void Node::refuse_as_unread(net::ConnectionId connection, std::uint64_t id) {
  refuse(connection, id,
         Error{ErrorCode::overloaded, "replies to this connection wait to be read"});
}

void Node::take_request(net::ConnectionId connection, wire::ClientRequest request) {
  if (stop_by_) {
    refuse(connection, wire::id_of(request),
           Error{ErrorCode::shutting_down, "the node is stopping; ask another one"});
    return;
  }
  std::visit([&](auto& each) { take_one(connection, each); }, request);
}

void Node::take_one(net::ConnectionId connection, wire::ExecuteRequest& request) {
  ++counters_.commands;
  if (const auto key = admit(connection, request.id, Kind::execute)) {
    commands_.push_back({*key, std::move(request.command), deadline_of(request.budget_ms, now_)});
  }
}

void Node::take_one(net::ConnectionId connection, wire::GetRequest& request) {
  const auto consistency = consistency_of(request.consistency);
  ++(consistency == engine::ReadConsistency::local ? counters_.reads_local
                                                   : counters_.reads_linearizable);
  if (request.key.empty()) {
    refuse(connection, request.id, Error{ErrorCode::bad_request, "the key is empty"});
    return;
  }
  if (refuse_unread(connection, request.id)) return;
  if (const auto key = admit(connection, request.id, Kind::get)) {
    // The value may change before it is read; this need not be exact.
    const kv::Entry* entry = replica_->applied().store().find(request.key.view());
    const std::size_t cost = kReplyBytes + (entry == nullptr ? 0 : entry->value.size());
    add_read(connection, cost,
             {*key, consistency, engine::Lookup{std::move(request.key)},
              deadline_of(request.budget_ms, now_)});
  }
}

void Node::take_one(net::ConnectionId connection, wire::ScanRequest& request) {
  const auto consistency = consistency_of(request.consistency);
  ++(consistency == engine::ReadConsistency::local ? counters_.reads_local
                                                   : counters_.reads_linearizable);
  if (refuse_unread(connection, request.id)) return;
  if (const auto key = admit(connection, request.id, Kind::scan)) {
    const std::size_t count = std::clamp(request.count_max, 1u, kScanItemsMax);
    add_read(
        connection, kScanBytesMax,
        {*key, consistency,
         engine::Scan{std::move(request.prefix), std::move(request.after), count, kScanBytesMax},
         deadline_of(request.budget_ms, now_)});
  }
}

void Node::take_one(net::ConnectionId connection, wire::ChainRequest& request) {
  ++counters_.chain_requests;
  if (request.first == Height(0)) {
    refuse(connection, request.id,
           Error{ErrorCode::bad_request, "there is no block 0; the first one has height 1"});
    return;
  }
  if (refuse_unread(connection, request.id)) return;
  if (!block_reads_.has_room_for_client()) {
    refuse(connection, request.id,
           Error{ErrorCode::overloaded, "the node has " + std::to_string(BlockReads::kClientsMax) +
                                            " unanswered requests for parts of the chain"});
    return;
  }
  if (const auto key = admit(connection, request.id, Kind::chain)) {
    const std::uint32_t bytes = request.bytes_max == 0 ? kChainBytesDefault : request.bytes_max;
    block_reads_.add_for_client(
        {*key, request.first, std::min<std::size_t>(bytes, wire::kChainReplyBytesMax)});
    begin_client_reads();
  }
}

void Node::begin_client_reads() {
  while (const auto read = block_reads_.next_for_client()) {
    keeper_->read_for_client(read->request, read->first, read->bytes_max);
  }
}

void Node::take_one(net::ConnectionId connection, wire::AdminRequest& request) {
  ++counters_.admin_requests;
  if (refuse_unread(connection, request.id)) return;
  if (admin_bytes_ >= kAdminBytesPerTurn) {
    refuse(connection, request.id,
           Error{ErrorCode::overloaded, "the node was asked too much about itself at once"});
    return;
  }
  if (request.action == "status") {
    answer_json(connection, request.id, status_json(report()));
  } else if (request.action == "queue") {
    answer_json(connection, request.id, queue_json(replica_->queue(kQueueItemsMax)));
  } else if (request.action == "verify") {
    order_verify(connection, request);
  } else if (request.action == "fault") {
    order_fault(connection, request);
  } else if (request.action == "faults") {
    answer_json(connection, request.id, faults_json(peers_->transport().faults().faults()));
  } else {
    refuse(
        connection, request.id,
        Error{ErrorCode::bad_request, "found the action \"" + printable(request.action) +
                                          "\", expected status, queue, verify, fault or faults"});
  }
}

void Node::order_verify(net::ConnectionId connection, const wire::AdminRequest& request) {
  if (verifications_under_way_ >= kVerificationsMax) {
    refuse(connection, request.id,
           Error{ErrorCode::overloaded, "too many verifications wait at this node"});
    return;
  }
  if (const auto key = admit(connection, request.id, Kind::admin)) {
    ++verifications_under_way_;
    keeper_->verify(*key, replica_->status(now_).repairing);
  }
}

void Node::order_fault(net::ConnectionId connection, const wire::AdminRequest& request) {
  if (!configuration_.fault_injection) {
    refuse(connection, request.id,
           Error{ErrorCode::unauthorized,
                 "faults are allowed only where the configuration says fault_injection: true"});
    return;
  }
  const auto order = parse_fault_order(request.argument, peers_->peers());
  if (!order.ok()) {
    refuse(connection, request.id, order.error());
    return;
  }
  net::LinkFilter& links = peers_->transport().faults();
  if (order->heal) {
    links.clear();
    spdlog::warn("all links are healed, by order");
  } else {
    links.set(order->peer, order->fault);
    spdlog::warn("the link to node {} is {}, by order: {}", order->peer.value(),
                 order->fault.is_none() ? "healed" : "faulty", printable(request.argument, 256));
  }
  answer_json(connection, request.id, faults_json(links.faults()));
}

std::optional<RequestKey> Node::admit(net::ConnectionId connection, std::uint64_t id,
                                      ClientDesk::Kind kind) {
  const auto key = desk_.admit(connection, id, kind);
  if (key.ok()) return *key;
  refuse(connection, id, key.error());
  return std::nullopt;
}

void Node::answer_json(net::ConnectionId connection, std::uint64_t id, std::string json) {
  admin_bytes_ += json.size();
  wire::ValueReply reply;
  reply.id = id;
  reply.height = height();
  reply.value = SharedBytes(std::move(json));
  clients_->reply(connection, std::move(reply));
}

void Node::refuse(net::ConnectionId connection, std::uint64_t id, const Error& error) {
  clients_->reply(connection, failure_reply(id, error.code, error.message, height()));
}

}  // namespace paxledger::node
