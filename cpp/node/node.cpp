#include "node/node.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "base/invariant.hpp"
#include "node/clock.hpp"
#include "node/exit_codes.hpp"

namespace paxledger::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kEventsMax = 4096;
constexpr Duration kStopPatience = milliseconds(500);
// A repair that follows another within this time was not enough.
constexpr Duration kRepairsInARow = seconds(60);

StartFailure port_failure(const Error& error) {
  return {error.code == ErrorCode::configuration ? kExitConfiguration : kExitUnavailable,
          error.message};
}

Seed random_seed() {
  std::random_device device;
  return Seed{(std::uint64_t{device()} << 32) | device()};
}

spdlog::level::level_enum level_of(engine::Notice::Level level) {
  switch (level) {
    case engine::Notice::Level::info:
      return spdlog::level::info;
    case engine::Notice::Level::warning:
      return spdlog::level::warn;
    case engine::Notice::Level::error:
      break;
  }
  return spdlog::level::err;
}

spdlog::level::level_enum level_of(storage::Notice::Level level) {
  switch (level) {
    case storage::Notice::Level::info:
      return spdlog::level::info;
    case storage::Notice::Level::warning:
      return spdlog::level::warn;
    case storage::Notice::Level::error:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

// --- start -----------------------------------------------------------------------------------

std::variant<std::unique_ptr<Node>, StartFailure> Node::start(
    Configuration configuration, NodeId self, storage::OpenMode mode, int stop_descriptor,
    const std::vector<FaultOrder>& faults) {
  auto context = net::Context::create();
  if (!context.ok()) return StartFailure{kExitUnavailable, context.error().message};
  auto bell = net::Wakeup::create();
  if (!bell.ok()) return StartFailure{kExitUnavailable, bell.error().message};
  auto events = EventMailbox::create(kEventsMax);
  if (!events.ok()) return StartFailure{kExitUnavailable, events.error().message};
  std::unique_ptr<Node> node(new Node(std::move(configuration), self, stop_descriptor,  // NOLINT
                                      std::move(*context), std::move(*bell), std::move(*events)));
  if (auto failure = node->open(mode)) return std::move(*failure);
  // Nothing is sent or taken in before run().
  for (const FaultOrder& order : faults) {
    node->peers_->transport().faults().set(order.peer, order.fault);
    spdlog::warn("the link to node {} is faulty from the start", order.peer.value());
  }
  return node;
}

Node::Node(Configuration configuration, NodeId self, int stop_descriptor, net::Context context,
           net::Wakeup bell, std::unique_ptr<EventMailbox> events)
    : configuration_(std::move(configuration)),
      self_(self),
      stop_descriptor_(stop_descriptor),
      started_(monotonic_now()),
      context_(std::move(context)),
      bell_(std::move(bell)),
      events_(std::move(events)),
      desk_(configuration_.limits.pending_requests_max, configuration_.service.client_outstanding) {
}

Node::~Node() {
  if (http_) http_->close();
}

std::optional<StartFailure> Node::open(storage::OpenMode mode) {
  // A second process of this node is told so first, and not of a taken port.
  if (auto refusal = Keeper::find_other_process(disk_, configuration_, self_)) return refusal;
  // A directory is begun last, so that nothing is left of a first start that fails at a port. One
  // that is there is read first: that may take long, and meanwhile clients and peers are better
  // refused than kept waiting.
  const bool begins = Keeper::is_empty(disk_, configuration_, self_);
  if (begins) {
    if (auto failure = open_doors()) return failure;
  }
  auto opened = Keeper::open(disk_, configuration_, self_, mode, bell_, *events_);
  if (auto* failure = std::get_if<StartFailure>(&opened)) return std::move(*failure);
  if (!begins) {
    if (auto failure = open_doors()) return failure;
  }
  adopt(std::move(std::get<Keeper::Opened>(opened)));
  const NodeEntry& own = *configuration_.find(self_);
  spdlog::info("node {} of cluster \"{}\" listens: peers {}, clients {}, http {}", self_.value(),
               configuration_.cluster, own.peer.tcp(), own.client.tcp(), own.http.http());
  stay_awake_if_configured();
  return std::nullopt;
}

void Node::stay_awake_if_configured() {
  const Duration linger = configuration_.service.keep_awake;
  if (linger == Duration::zero()) return;
  auto opened = Wakefulness::open(linger);
  if (opened.ok()) {
    wakefulness_.emplace(std::move(*opened));
  } else {
    spdlog::warn("keep_awake does nothing here: {}", opened.error().message);
  }
}

std::optional<StartFailure> Node::open_doors() {
  auto peers = PeerDoor::open(context_, configuration_, self_);
  if (!peers.ok()) return port_failure(peers.error());
  peers_.emplace(std::move(*peers));
  auto clients = ClientDoor::open(context_, configuration_, self_, counters_);
  if (!clients.ok()) return port_failure(clients.error());
  clients_.emplace(std::move(*clients));
  // In the order of wait().
  poller_.add(peers_->transport().pollable());
  poller_.add(clients_->listener().pollable());
  for (const int descriptor : {bell_.fd(), events_->fd(), stop_descriptor_}) {
    poller_.add(descriptor);
  }
  // What HTTP asks for waits in the mailbox until the loop runs.
  http_ = std::make_unique<HttpDoor>([this] { return ask_for_report(); });
  if (auto listening = http_->open(configuration_.find(self_)->http); !listening.ok()) {
    return port_failure(listening.error());
  }
  return std::nullopt;
}

void Node::adopt(Keeper::Opened opened) {
  for (const storage::Notice& notice : opened.notices) {
    spdlog::log(level_of(notice.level), "{}", notice.text);
  }
  damage_ = opened.recovered.damage;
  if (!damage_.empty()) {
    ++counters_.repairs;
    spdlog::warn("serves no reads until its peers gave back what is missing");
  }
  keeper_ = std::move(opened.keeper);
  held_ = HeldMessages();
  reported_ = Ticket();
  repair_from_ = opened.recovered.applied.height().next();
  replica_.emplace(paxos::Membership(configuration_.node_ids()),
                   configuration_.engine_settings(self_), std::move(opened.recovered),
                   random_seed(), monotonic_now());
}

// --- the loop --------------------------------------------------------------------------------

void Node::run() {
  while (!stop_by_ || (desk_.pending() > 0 && now_ < *stop_by_)) turn();
  stop();
}

Node::Ready Node::wait() {
  Instant deadline = std::min(replica_->next_deadline(), peers_->next_deadline());
  if (stop_by_) deadline = std::min(deadline, *stop_by_);
  for (const ReadQueue* queue : {&local_reads_, &linearizable_reads_}) {
    deadline = std::min(deadline, queue->can_begin() ? now_ : queue->next_expiry());
  }
  if (wakefulness_ && !awaits_something()) deadline = std::min(deadline, wakefulness_->rests_at());
  std::optional<Duration> timeout;
  if (deadline != Instant::never()) timeout = deadline - monotonic_now();
  poller_.wait(timeout);
  return {poller_.readable(0), poller_.readable(1), poller_.readable(2), poller_.readable(3),
          poller_.readable(4) && !stop_by_};
}

void Node::turn() {
  const Ready ready = wait();
  now_ = std::max(now_, monotonic_now());
  ++counters_.wake_ups;
  admin_bytes_ = 0;
  if (ready.stop) begin_to_stop("was told to stop");

  engine::Output out;
  if (ready.bell) release_durable(out);
  if (ready.events) take_events(out);
  if (ready.peers) {
    peers_->drain(kPacketsPerTurn, kBytesPerTurn, now_, [&](NodeId from, paxos::Message message) {
      ++counters_.peer_messages_in;
      if (const auto* blocks = std::get_if<paxos::Blocks>(&message)) {
        counters_.catch_up_blocks_received += blocks->blocks.size();
      }
      replica_->step(engine::Received{from, std::move(message)}, now_, out);
    });
  }
  if (ready.clients) drain_clients(out);
  begin_reads(out);
  if (replica_->next_deadline() <= now_) replica_->step(engine::TimerFired{wall_now()}, now_, out);
  stay_awake_for(out);
  hand_out(out);
  if (repair_wanted_) repair(*std::exchange(repair_wanted_, std::nullopt));
}

bool Node::awaits_something() const {
  return desk_.pending() > 0 || held_.tickets() > 0;
}

void Node::stay_awake_for(const engine::Output& out) {
  if (!wakefulness_) return;
  const bool did_something = !out.persist.empty() || !out.decided.empty() || !out.replies.empty();
  wakefulness_->end_turn({.did_something = did_something, .awaits_something = awaits_something()},
                         now_);
}

void Node::release_durable(engine::Output& out) {
  bell_.clear();  // first, so that a ticket that becomes durable from here on rings again
  const Ticket durable = keeper_->durable();
  if (durable <= reported_) return;
  reported_ = durable;
  auto released = held_.release(durable);
  counters_.peer_messages_out += released.size();
  peers_->post(std::move(released));
  replica_->step(engine::Persisted{durable, wall_now()}, now_, out);
}

void Node::hand_out(engine::Output& out) {
  counters_.peer_messages_out += out.send_now.size();
  peers_->post(std::move(out.send_now));
  for (engine::Reply& reply : out.replies) {
    local_reads_.end(reply.request);
    linearizable_reads_.end(reply.request);
    if (const auto origin = desk_.settle(reply.request)) {
      clients_->reply(origin->connection, to_client_reply(*origin, std::move(reply)));
    }
  }
  // Who waits for a message is served before the threads of the disk: the one that is woken may
  // take this thread's processor, and meanwhile a peer's disk could work beside our own.
  flush_replies();
  peers_->flush(now_);
  if (!out.persist.empty()) {
    held_.hold(out.persist.ticket, std::move(out.persist.send_after), now_);
    keeper_->submit(out.persist.ticket, std::move(out.persist.records));
  }
  if (!out.decided.empty()) {
    counters_.blocks_decided += out.decided.size();
    for (const ledger::Block& block : out.decided) {
      counters_.commands_decided += block.header.op_count;
    }
    keeper_->append(std::move(out.decided));
  }
  if (out.sync_blocks) keeper_->sync_blocks();
  for (const engine::LoadBlocks& wanted : out.loads) {
    // The peer asks again if its question is dropped here.
    if (!block_reads_.begin_for_peer()) break;
    keeper_->read_for_peer(wanted);
  }
  for (const engine::Notice& notice : out.notices) {
    spdlog::log(level_of(notice.level), "{}", notice.text);
  }
  if (out.diverged_at) {
    const Height first = repair_from(*out.diverged_at);
    repair_wanted_ = {first,
                      "its chain is not that of the majority at height " +
                          std::to_string(out.diverged_at->value()) +
                          " or below; sets aside its blocks from height " +
                          std::to_string(first.value()) + " on",
                      {}};
  }
}

// --- repair ----------------------------------------------------------------------------------

Height Node::repair_from(Height at) {
  // Where exactly the chains part is not known. If setting aside what is known to be wrong was not
  // enough, each further attempt goes back sixteen times as far.
  if (!last_repair_ || now_ - *last_repair_ > kRepairsInARow) repairs_in_a_row_ = 0;
  const std::uint64_t back = repairs_in_a_row_ == 0 ? 0
                                                    : std::uint64_t{1} << std::min<std::uint64_t>(
                                                          4 * repairs_in_a_row_, 62);
  ++repairs_in_a_row_;
  const std::uint64_t newest = std::min(at, height()).value();
  return Height(newest > back ? std::max<std::uint64_t>(newest - back, 1) : 1);
}

void Node::repair(const RepairOrder& order) {
  if (peers_->peers().empty()) {
    spdlog::error("cannot repair without peers: {}{}", order.reason, order.place);
    return;
  }
  spdlog::error("repairs its history from its peers: {}{}", order.reason, order.place);
  if (wakefulness_) wakefulness_->sleep();  // for this may take long, and waits for the disk alone
  last_repair_ = now_;
  const Height known = height();
  if (order.first && *order.first <= known) keeper_->set_aside_from(*order.first);
  keeper_->stop();
  // What the old threads still had to say is about a history that is no more.
  for (Event& event : events_->take_all()) {
    if (auto* wanted = std::get_if<ReportWanted>(&event)) take(*wanted);
  }
  block_reads_ = BlockReads();
  local_reads_ = ReadQueue(kLocalReadBytesPerTurn);
  linearizable_reads_ = ReadQueue(kLinearizableReadBytes);
  verifications_under_way_ = 0;
  settle_as_failed(ErrorCode::timeout, ErrorCode::repairing, "the node repairs its history");
  flush_replies();

  keeper_.reset();
  auto opened =
      Keeper::open(disk_, configuration_, self_, storage::OpenMode::open_existing, bell_, *events_);
  if (auto* failure = std::get_if<StartFailure>(&opened)) {
    spdlog::critical("cannot go on after setting history aside: {}", failure->message);
    spdlog::shutdown();
    ::_exit(failure->exit_code);
  }
  auto& found = std::get<Keeper::Opened>(opened);
  const std::string& damage = found.recovered.damage;
  found.recovered.damage = order.reason + (damage.empty() ? order.place : "; " + damage);
  found.recovered.repair_through = std::max(found.recovered.repair_through, known);
  adopt(std::move(found));
}

// --- stop ------------------------------------------------------------------------------------

void Node::begin_to_stop(const char* why) {
  spdlog::info("{}; {} requests are unanswered", why, desk_.pending());
  stop_by_ = now_ + kStopPatience;
}

void Node::flush_replies() {
  clients_->flush([this] { return replica_ ? replica_->status(now_).leader : kNobody; });
}

void Node::settle_as_failed(ErrorCode writes, ErrorCode reads, const std::string& message) {
  using Kind = ClientDesk::Kind;
  for (const auto& origin : desk_.settle_all({Kind::execute})) {
    clients_->reply(origin.connection, failure_reply(origin.id, writes, message, height()));
  }
  for (const auto& origin : desk_.settle_all({Kind::get, Kind::scan, Kind::chain, Kind::admin})) {
    clients_->reply(origin.connection, failure_reply(origin.id, reads, message, height()));
  }
}

void Node::stop() {
  settle_as_failed(ErrorCode::timeout, ErrorCode::shutting_down,
                   "the node stopped before the answer was known");
  flush_replies();
  if (wakefulness_) wakefulness_->sleep();
  // Sockets close without lingering; this is the time in which the last replies leave.
  std::this_thread::sleep_for(milliseconds(20));
  // Whoever waits for a report gets none.
  reports_wanted_ = kReportsWantedMax;
  static_cast<void>(events_->take_all());
  http_->close();
  keeper_->stop();
  spdlog::info("stopped at height {}", height().value());
}

}  // namespace paxledger::node
