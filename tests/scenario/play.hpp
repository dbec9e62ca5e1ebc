// A simulated cluster in which time passes by itself, for scenarios that are told in C++.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sim/world.hpp"

namespace paxledger::sim {

inline constexpr SessionId kSession{7};
inline constexpr NodeId kOne{1};
inline constexpr NodeId kTwo{2};
inline constexpr NodeId kThree{3};

template <class Message>
[[nodiscard]] bool is(const InFlight& flight) {
  return std::holds_alternative<Message>(flight.message);
}

// The usual settings.
[[nodiscard]] inline Options nodes(std::uint32_t count) {
  Options options;
  options.nodes = count;
  return options;
}

// What crosses the border between `apart` and all other nodes, for Play::loses.
[[nodiscard]] std::function<bool(const InFlight&)> across(std::set<NodeId> apart);

// A message takes a millisecond, timers ring when they are due, disks are instant unless a test
// says otherwise. Not thread-safe.
class Play {
 public:
  explicit Play(Options options);

  [[nodiscard]] World& world() { return *world_; }

  // --- time passes
  void run(Duration time);
  // Until `goal` comes true; false if it does not within `patience`.
  [[nodiscard]] bool reach(const std::function<bool()>& goal, Duration patience);

  // --- nodes
  // The running node that leads; of several, the one with the lowest id. kNobody if none does.
  [[nodiscard]] NodeId leader() const;
  // Brings `wanted` to lead: nobody else's request for votes arrives meanwhile.
  void elect(NodeId wanted);
  // The node runs again, with nothing on its disk.
  void lose_disk(NodeId node);
  // Until the node takes part in votes; until all nodes have the same head.
  [[nodiscard]] bool votes_again(NodeId node, Duration patience = std::chrono::seconds(5));
  [[nodiscard]] bool agree(Duration patience = std::chrono::seconds(5));
  // Neither timers nor messages reach the node. When it goes on, it reads first what has come.
  void pause(NodeId node) { paused_ = node; }
  void resume(NodeId node);
  // From now on a sync takes this long at every node; what is written meanwhile waits for the next.
  void slow_disks(Duration delay);

  // --- clients
  void open(NodeId node);  // the session kSession
  RequestKey put(NodeId node, std::uint64_t sequence, const std::string& value,
                 Duration patience = std::chrono::seconds(10));
  // Until the request is answered with success.
  [[nodiscard]] bool done(RequestKey key, Duration patience = std::chrono::seconds(5));
  // Nothing while there is no answer.
  [[nodiscard]] std::optional<ErrorCode> code_of(RequestKey key) const;
  // What a read found; empty if there is no answer or no value.
  [[nodiscard]] std::string value_of(RequestKey key) const;

  // --- messages
  // Puts a message on its way that `from` never sent.
  void inject(NodeId from, NodeId to, paxos::Message message);
  std::function<void(const InFlight&)> on_sent;
  std::function<void(const Event&)> on_event;
  std::function<bool(const InFlight&)> loses;  // which messages do not arrive

  void expect_no_violations() const;

 private:
  struct Sync {
    Instant at;
    NodeId node;
    std::size_t writes = 0;
  };

  bool run_until(const std::function<bool()>& goal, Instant end);
  void begin_sync(NodeId node);
  bool end_sync(Instant end);
  [[nodiscard]] bool is_lost(const InFlight& flight) const;
  [[nodiscard]] const kv::CommandResult* result_of(RequestKey key, bool* answered) const;

  NodeId may_run_ = kNobody;
  NodeId paused_ = kNobody;
  Duration disk_delay_{0};
  std::vector<Sync> syncs_;  // at most one of a node, in the order of their end
  std::vector<Answered> answers_;
  std::unique_ptr<World> world_;
};

// Where most stories begin: node 1 leads, kSession is open, and every node has heard of both.
class Serving : public Play {
 public:
  explicit Serving(Options options);
};

}  // namespace paxledger::sim
