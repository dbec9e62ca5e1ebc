// The stage on which a transcript plays: a world, and the commands that move it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/world.hpp"

namespace paxledger::sim {

// Not thread-safe. A command that makes no sense says so in its output: "error: …".
class Stage {
 public:
  Stage();
  // What the command caused, as lines.
  std::vector<std::string> perform(const std::string& command);
  [[nodiscard]] std::vector<std::string> violations() const;

 private:
  using Words = std::vector<std::string>;
  struct Client {
    std::uint64_t next = 1;
    std::uint64_t acknowledged = 0;
  };
  // Which messages a command means: "Accept 1->2", "1->2", "->2", "Accept" or all.
  struct Filter {
    std::string message;
    std::optional<NodeId> from;
    std::optional<NodeId> to;
    std::optional<Slot> slot;  // of Accept and Accepted
    std::size_t count = SIZE_MAX;
    [[nodiscard]] bool all() const {
      return message.empty() && !from && !to && !slot && count == SIZE_MAX;
    }
    [[nodiscard]] bool matches(const InFlight& flight) const;
  };

  void add_network_commands();
  void add_node_commands();
  void add_client_commands();
  void add_looking_commands();

  void cluster(const Words& words);
  void elect(const Words& words);
  void open(NodeId node, std::uint64_t session);
  void propose(const Words& words);
  void read(const Words& words);
  void scan(const Words& words);
  void deliver(const Filter& filter);
  void drop(const Filter& filter);
  void duplicate(const Filter& filter);
  void hold(const Filter& filter);
  void release();
  void partition(const Words& words);
  void links(const Words& words, bool cut);
  void tick(const Words& words);
  void advance(const Words& words);
  void status();
  void chain(NodeId node);
  void log(NodeId node);
  void history_equal();

  Filter parse_filter(const Words& words, std::size_t first);
  void run_quiet(const std::function<void()>& what);
  void say(const std::string& line) { output_.push_back(line); }
  void heard(const Event& event);
  [[nodiscard]] std::vector<std::uint64_t> matching(const Filter& filter);
  // The next message in the order of sending; zero if none may be delivered.
  [[nodiscard]] std::uint64_t next_message();
  // The running node whose timer rings first, and when.
  [[nodiscard]] std::pair<NodeId, Instant> next_timer();
  void deliver_until(const std::function<bool()>& stop);
  World& world();

  std::map<std::string, std::function<void(const Words&)>> commands_;
  std::unique_ptr<World> world_;
  std::vector<std::string> output_;
  std::set<std::string> hidden_{"Heartbeat"};
  std::set<std::string> shown_;  // messages listed in spite of summary_
  std::set<NodeId> paused_;      // their timers do not ring and they receive nothing
  std::vector<InFlight> held_;
  std::map<std::uint64_t, Client> clients_;
  bool quiet_ = false;
  bool summary_ = false;  // only what is not a message or a record
};

}  // namespace paxledger::sim
