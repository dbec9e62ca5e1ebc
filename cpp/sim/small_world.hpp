// A small world: a few replicas, the messages between them, and everything that may happen next.
//
// States are small: nodes and messages are kept once and named by numbers, and what a step of a
// node comes to is worked out once for each pair of node and input, however many states of the
// world it happens in (the replica is a function of its inputs). So the shipped code runs for every
// distinct local step, and the interleavings of those are numbers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/small_node.hpp"

namespace paxledger::sim {

// How much of each kind of thing happens at most, in the whole life of the world.
struct SmallWorldBounds {
  std::uint32_t nodes = 3;
  std::uint32_t leaders = 2;      // nodes 1 … leaders may run for leader
  std::uint32_t candidacies = 1;  // of all of them together
  std::uint32_t commands = 1;
  std::uint32_t strays = 0;   // of them to nodes that do not lead at the time
  std::uint32_t retries = 0;  // hand-overs of the newest command once more, to any node
  std::uint32_t losses = 0;
  std::uint32_t duplicates = 1;
  std::uint32_t crashes = 1;
  std::uint32_t timers = 0;  // ticks of any node
  bool slow_logs = false;    // writes of followers take time, too
  bool cold = false;         // nobody leads at the start; else node 1 does, and all know it
  // Without the reductions that leave out what cannot matter, to show that it does not:
  bool late_messages = false;  // messages that come too late stay in flight
  bool any_first = false;  // from a cold start any of the leaders may run first, not node 1 alone

  // What is out of range, or nothing.
  [[nodiscard]] std::string complaint() const;
};

// Something that can happen in a state of the world, in 32 bits.
class SmallAction {
 public:
  enum class Kind : std::uint8_t {
    deliver,
    duplicate,
    drop,
    write,
    tick,
    run,
    propose,
    retry,
    crash
  };

  SmallAction() = default;
  SmallAction(Kind kind, std::uint32_t argument)
      : code_(static_cast<std::uint32_t>(kind) << kShift | argument) {}

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(code_ >> kShift); }
  // The number of a message; of a crash node, survivors and whether blocks stay; else a node.
  [[nodiscard]] std::uint32_t argument() const { return code_ & ((1u << kShift) - 1); }

 private:
  static constexpr int kShift = 28;
  std::uint32_t code_ = 0;
};

// A state of the world. Equal states are equal values.
struct SmallState {
  std::vector<std::uint32_t> nodes;     // numbers of nodes, by their place
  std::vector<std::uint32_t> messages;  // numbers of messages in flight, sorted, with repetition
  // What is left to happen.
  std::uint8_t commands = 0;  // handed in so far
  std::uint8_t strays = 0;
  std::uint8_t retries = 0;
  std::uint8_t candidacies = 0;
  std::uint8_t losses = 0;
  std::uint8_t duplicates = 0;
  std::uint8_t crashes = 0;
  std::uint8_t timers = 0;

  [[nodiscard]] Fingerprint fingerprint() const;
  // As words, to be kept in a queue; unpack() returns where the next state begins.
  void pack(std::vector<std::uint32_t>& words) const;
  std::size_t unpack(const std::vector<std::uint32_t>& words, std::size_t at, std::size_t count);
};

// Rules on several nodes, beside those of SmallNode:
//  value   one value per (ballot, slot) among all that was proposed and accepted
//  chosen  a block is decided only after a quorum accepted its value durably, under one ballot
//  chain   equal heights have equal blocks, of what any node ever decided
//  answer  a client is told of nothing but what a node decided, and of what it came to
//
// The numbers that it gives out follow from the order of the calls alone. Not thread-safe.
class SmallWorld {
 public:
  SmallWorld(const SmallWorldBounds& bounds, WorldBug bug);

  [[nodiscard]] SmallState initial() const { return initial_; }
  // The node at `place` (that of node 1 is 0).
  [[nodiscard]] const SmallNode& node(const SmallState& state, std::size_t place) const {
    return nodes_[state.nodes[place]];
  }
  // Everything that can happen, in a fixed order. Some of it may turn out to be impossible.
  void actions(const SmallState& state, std::vector<SmallAction>& actions) const;
  // Lets it happen: brings `state` up to date. False if it cannot happen here; the state is spoilt
  // then. After a violation() nothing more is to be asked.
  bool apply(SmallState& state, SmallAction action);

  // The first rule that was broken, or nothing.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  // The action in words, before it happens in `state`, and after it what came of it.
  [[nodiscard]] std::string describe(const SmallState& state, SmallAction action) const;

  [[nodiscard]] std::size_t node_states() const { return nodes_.size(); }
  [[nodiscard]] std::size_t messages() const { return messages_.size(); }
  [[nodiscard]] std::size_t local_steps() const { return steps_.size(); }

 private:
  struct Flight {
    NodeId from;
    NodeId to;
    paxos::Message message;
  };
  // What is_past() needs of a message, and of a node.
  struct Essence {
    enum class Kind : std::uint8_t { other, question, promise, accepted, nack };
    explicit Essence(const Flight& flight);

    Kind kind = Kind::other;
    std::uint32_t from;
    std::uint32_t to;
    paxos::Ballot ballot;
    Height height;
  };
  struct Stand {
    engine::Role role;
    paxos::Ballot promised;
    paxos::Ballot promised_durably;
    Height height;
  };
  // What an input to a node comes to.
  struct LocalStep {
    std::uint32_t next = 0;
    bool checks = false;  // the rules on several nodes are to be looked at
    std::vector<std::uint32_t> sent;
    std::vector<SmallNode::Effects::Answer> answers;
    std::string violation;
  };

  void elect_the_first();
  std::uint32_t intern(SmallNode node);
  std::uint32_t intern(Flight flight);
  [[nodiscard]] bool is_past(const SmallState& state, std::uint32_t message) const;
  const LocalStep& local(std::uint32_t node, std::uint32_t input,
                         const std::function<SmallNode::Effects(SmallNode&)>& step);
  const LocalStep& write(std::uint32_t node);
  const LocalStep& receive(std::uint32_t node, std::uint32_t message);
  // The node at `place` takes the step.
  bool take(SmallState& state, std::size_t place, const LocalStep& step, bool keeps_heartbeats);
  [[nodiscard]] bool may_run(const SmallState& state, std::size_t place) const;
  bool run(SmallState& state, std::size_t place);
  [[nodiscard]] std::vector<std::size_t> supporters(const SmallState& state,
                                                    std::size_t place) const;
  void fall_silent(SmallState& state, std::size_t place);
  // The first message of this name that the step sends there.
  [[nodiscard]] std::optional<std::uint32_t> first_of(const LocalStep& step, NodeId to,
                                                      std::string_view name) const;
  bool deliver(SmallState& state, std::uint32_t message);
  void check_answers(const SmallState& state, const SmallNode& node, const LocalStep& step);
  void check_values(const SmallState& state, const SmallNode& node);
  void check_blocks(const SmallState& state, const SmallNode& node);
  [[nodiscard]] bool is_chosen(const SmallState& state, const ledger::Block& block) const;
  void violated(const std::string& rule, const SmallNode& node, const std::string& text);

  SmallWorldBounds bounds_;
  std::shared_ptr<const SmallWorldSettings> settings_;
  std::deque<SmallNode> nodes_;  // grow, and never move
  std::deque<Flight> messages_;
  std::vector<Stand> stands_;      // by the numbers of nodes
  std::vector<Essence> essences_;  // by the numbers of messages
  std::deque<LocalStep> steps_;
  // Looked up only, never walked.
  struct FingerprintHash {
    std::size_t operator()(const Fingerprint& f) const noexcept { return f.low; }
  };
  std::unordered_map<Fingerprint, std::uint32_t, FingerprintHash> node_numbers_;
  std::unordered_map<std::string, std::uint32_t> message_numbers_;
  std::unordered_map<std::uint64_t, std::uint32_t> step_numbers_;  // by node and input
  SmallState initial_;
  std::string violation_;
};

}  // namespace paxledger::sim
