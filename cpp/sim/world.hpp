// A whole cluster of replicas in one thread, without a network, a disk or a clock.
//
// Everything that happens is asked for: the world never delivers a message, completes a write or
// moves time by itself. Scenarios ask step by step, random runs by a seeded schedule. What the
// world promises to a replica is what engine/replica.hpp demands of its caller, and no more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "engine/io.hpp"
#include "engine/replica.hpp"
#include "engine/settings.hpp"
#include "kv/command.hpp"
#include "sim/event.hpp"
#include "sim/node_disk.hpp"
#include "sim/promptness.hpp"
#include "sim/safety.hpp"

namespace paxledger::sim {

struct Options {
  std::uint32_t nodes = 3;  // named 1 … nodes
  engine::Timing timing;
  engine::Limits limits;
  std::uint8_t work_bits = 0;
  DiskOptions disk;
  Seed seed{1};
};

// A message on its way. It stays until it is delivered or dropped.
struct InFlight {
  std::uint64_t id = 0;
  NodeId from;
  NodeId to;
  paxos::Message message;
  Instant sent;
};

// A request of a client, from the moment when it was handed to a node.
struct Request {
  RequestKey key;
  NodeId node;
  std::uint64_t life = 0;  // of the node
  Instant invoked;
  Instant patience_ends;         // by the node's clock, once the node has it
  Instant deadline;              // the same in the world's time, at the rate of that clock now
  std::uint64_t invoked_at = 0;  // position in the order of all events
  // A command:
  std::optional<SessionId> session;
  Sequence sequence;
  // A read:
  std::string read_key;  // or the prefix of a scan
  bool scan = false;
  std::string scan_after;
  std::size_t scan_max = 0;
  bool linearizable = false;
};

struct Answered {
  Request request;
  engine::Reply reply;
  std::uint64_t answered_at = 0;  // position in the order of all events
};

// What a caller of the world may want to hear of. All may be empty.
struct Listeners {
  std::function<void(const Event&)> event;
  bool texts = true;  // whether events are told with their text, which costs time
  std::function<void(const InFlight&)> sent;
  std::function<void(NodeId)> write_begun;  // the node's log has one more pending write
  std::function<void(NodeId)> load_asked;   // the node waits for one more BlocksLoaded
  std::function<void(NodeId)> sync_asked;   // the node waits for BlocksSynced
  std::function<void(const Answered&)> answered;
};

// Not thread-safe. Broken promises of the replicas are collected in violations(); nothing else
// is known to be wrong while that is empty.
class World {
 public:
  World(Options options, Listeners listeners);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- time. `time` never falls. Each node's clock is off by its own constant.
  [[nodiscard]] Instant now() const { return now_; }
  void set_now(Instant time);
  // The node's wall clock jumps.
  void shift_wall(NodeId node, std::int64_t microseconds);
  // From now on the node's clocks run faster by so many parts in a million (slower if negative).
  // Precondition: |ppm| <= kClockRatePpmMax.
  static constexpr std::int64_t kClockRatePpmMax = 200'000;
  void set_clock_rate(NodeId node, std::int64_t ppm);
  // In the world's time. never() if the node is down.
  [[nodiscard]] Instant deadline(NodeId node) const;
  void fire(NodeId node);

  // --- network
  [[nodiscard]] const std::map<std::uint64_t, InFlight>& in_flight() const { return in_flight_; }
  // Does nothing if there is no such message any more. Lost if the link is cut or the node is down.
  void deliver(std::uint64_t id);
  // Several messages to one node in one turn of its event loop: one Output for all.
  void deliver_together(const std::vector<std::uint64_t>& ids);
  void drop(std::uint64_t id);
  std::uint64_t duplicate(std::uint64_t id);
  // Takes a message aside; resubmit() puts it back on its way. Precondition: it is in flight.
  InFlight withdraw(std::uint64_t id);
  void resubmit(InFlight flight);
  void cut(NodeId from, NodeId to) { cut_.insert({from, to}); }
  void mend(NodeId from, NodeId to) { cut_.erase({from, to}); }
  void mend_all() { cut_.clear(); }
  [[nodiscard]] bool is_cut(NodeId from, NodeId to) const { return cut_.contains({from, to}); }

  // --- disks. With an instant disk, writes complete, and blocks load and are synced, within the
  // step.
  void set_instant_disk(NodeId node, bool instant);
  // Completes the `count` oldest pending writes and reports only the last ticket (group commit).
  void complete_writes(NodeId node, std::size_t count);
  void serve_load(NodeId node);
  // Does nothing if the node did not ask for it.
  void serve_sync(NodeId node);
  // As NodeDisk::sync_blocks(); a node whose disk fails ends.
  void sync_blocks(NodeId node);
  [[nodiscard]] NodeDisk& disk(NodeId node);
  [[nodiscard]] const NodeDisk& disk(NodeId node) const;

  // --- faults
  // Power loss, and the end of the process alone; see NodeDisk.
  void crash(NodeId node, Prng* chaos, std::optional<SimulatedDisk::Unsynced> unsynced = {});
  void kill(NodeId node, Prng* chaos);
  // A node whose disk refuses stays down.
  void restart(NodeId node);
  void wipe(NodeId node);
  // Somebody rewrites the blocks of a node that is down, from `from` on. What the node says is not
  // held against it until it has found out.
  void forge(NodeId node, Height from);
  [[nodiscard]] bool forged(NodeId node) const;
  // Somebody alters blocks that are on their way: the first one of the message that was not applied
  // yet links to something else than the block before it. Does nothing to other messages.
  void tamper(std::uint64_t id);
  // From now on messages come that no node sent; a node may say so.
  void expect_lies() { somebody_lies_ = true; }
  [[nodiscard]] bool running(NodeId node) const;

  // --- clients
  // The name of the next request: its answer may come before the call that makes it returns.
  [[nodiscard]] RequestKey next_request() const { return RequestKey(next_request_ + 1); }
  // A node that stands still takes no request in: what it is sent waits in its sockets until it
  // goes on, and its time runs from there.
  void set_stalled(NodeId node, bool stalled);
  RequestKey propose(NodeId node, const kv::Command& command, Duration patience);
  std::vector<RequestKey> propose(NodeId node, const std::vector<kv::Command>& commands,
                                  Duration patience);
  RequestKey read(NodeId node, const std::string& key, engine::ReadConsistency consistency,
                  Duration patience);
  RequestKey scan(NodeId node, const std::string& prefix, const std::string& after,
                  std::size_t count_max, engine::ReadConsistency consistency, Duration patience);
  // To be called whenever time has moved, before anything else happens: every request of a node
  // that lives must have been answered `slack` after its deadline. While nobody drives a node
  // (`undriven` says until when, or was last) it has nothing to answer.
  void check_overdue(Duration slack, const std::map<NodeId, Instant>& undriven);
  [[nodiscard]] std::size_t open_requests() const { return open_.size(); }

  // --- looking
  [[nodiscard]] std::vector<NodeId> nodes() const;
  [[nodiscard]] engine::Status status(NodeId node) const;
  [[nodiscard]] const engine::Replica& replica(NodeId node) const;
  [[nodiscard]] const AgreedHistory& history() const { return safety_.history(); }
  [[nodiscard]] const std::vector<std::string>& violations() const { return safety_.violations(); }
  [[nodiscard]] ClusterId cluster() const { return cluster_; }
  [[nodiscard]] std::uint64_t tick() { return ++clock_; }
  // Of everything that has happened so far.
  [[nodiscard]] std::uint64_t trace_hash() const { return hash_.value(); }
  // Tells the listeners, and the trace hash, of something that was done to the cluster.
  void note_fault(NodeId node, std::string_view name, const std::string& text);

 private:
  struct Node;

  // Why a node starts anew by itself, and which blocks it knows to be there.
  struct Repair {
    std::string reason;
    Height through;
  };

  Node& node(NodeId id);
  [[nodiscard]] const Node& node(NodeId id) const;
  void start(Node& node, const Repair& repair);
  void go_down(Node& node);
  void repair(Node& node, const std::string& reason);
  bool end_if_failed(Node& node);
  [[nodiscard]] Timestamp wall(const Node& node) const;
  void step(Node& node, std::vector<engine::Input> inputs);
  void handle(Node& node, engine::Output out);
  void settle(Node& node);
  void check_node(Node& node);
  void hand_over(Node& node, engine::Persist write);
  void leave(Node& node, paxos::Envelope envelope);
  void answer(Node& node, engine::Reply reply);
  void check_reply(const Answered& answered);
  void check_forged_reply(const Node& node, const Answered& answered);
  Request& open_request(Node& node);
  Instant begin_patience(Node& node, RequestKey key, Duration patience);
  // Makes the input when the node takes it: now, or when it goes on.
  void hand_in(Node& node, std::function<engine::Input()> input);
  [[nodiscard]] Instant local_now(const Node& node) const;
  // Adds the event to the trace hash, and tells the listener, for whom the text is made.
  template <class Text>
  void note(Event event, const Text& text) {
    event.at = now_;
    hash_.add(static_cast<std::uint64_t>(now_.since_origin().count()));
    hash_.add(static_cast<std::uint64_t>(event.kind) << 32 | event.node.value());
    hash_.add(event.id);
    if (!listeners_.event) return;
    if (listeners_.texts) event.text = text();
    listeners_.event(event);
  }
  void note_message(Event::Kind kind, const InFlight& flight, const char* why);
  void note_notice(Node& node, const engine::Notice& notice);
  void check_forward_replies(const Node& node, const engine::Output& out, std::size_t first);
  void check_promptness(const Node& node, bool led);
  void check_repair(const Node& node);
  void check_backlog(const Node& node, const engine::Persist& write);
  [[nodiscard]] static PromptnessCheck::Standing standing(const Node& node);
  [[nodiscard]] static std::uint64_t value_bytes_of(const engine::Persist& write);
  // `text` names its rule; nothing is wrong if it is empty.
  void complain(const Node& node, const std::string& text);

  Options options_;
  Listeners listeners_;
  ClusterId cluster_;
  paxos::Membership membership_;
  SafetyCheck safety_;
  PromptnessCheck promptness_;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::map<std::uint64_t, InFlight> in_flight_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::map<RequestKey, Request> open_;
  Instant now_{std::chrono::seconds(1)};
  std::uint64_t next_message_ = 0;
  std::uint64_t next_request_ = 0;
  std::uint64_t clock_ = 0;
  bool somebody_lies_ = false;  // blocks were rewritten, or messages altered
  TraceHash hash_;
};

}  // namespace paxledger::sim
