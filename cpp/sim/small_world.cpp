#include "sim/small_world.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "sim/broken_invariant.hpp"
#include "sim/describe.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::sim {

namespace {

using Kind = SmallAction::Kind;

// Inputs of a node, in the upper bits; a message is its own number.
enum class Input : std::uint32_t {
  message,
  write,
  tick,
  silence,
  timer,
  propose,
  crash,
  heartbeat
};

std::uint32_t code(Input input, std::uint32_t argument = 0) {
  return static_cast<std::uint32_t>(input) << 28 | argument;
}

// What a crash keeps, as the argument of an action: node, surviving writes, and whether blocks
// stay.
struct Crash {
  std::uint32_t place;
  std::uint32_t survivors;
  bool keeps_blocks;

  explicit Crash(std::uint32_t argument)
      : place(argument & 0xff),
        survivors(argument >> 8 & 0xff),
        keeps_blocks((argument >> 16 & 1) != 0) {}
  static std::uint32_t argument(std::size_t place, std::size_t survivors, bool keeps_blocks) {
    return static_cast<std::uint32_t>(place | survivors << 8 | (keeps_blocks ? 1u << 16 : 0));
  }
};

void add_sorted(std::vector<std::uint32_t>& numbers, std::uint32_t number) {
  numbers.insert(std::upper_bound(numbers.begin(), numbers.end(), number), number);
}

void remove_sorted(std::vector<std::uint32_t>& numbers, std::uint32_t number) {
  const auto found = std::lower_bound(numbers.begin(), numbers.end(), number);
  invariant(found != numbers.end() && *found == number, "only a message in flight is taken out");
  numbers.erase(found);
}

std::uint32_t number(std::size_t size) {
  invariant(size < (std::size_t{1} << 28), "names of a small world have 28 bits");
  return static_cast<std::uint32_t>(size);
}

}  // namespace

std::string SmallWorldBounds::complaint() const {
  if (nodes < 1 || nodes > 7) return "the nodes of a small world are 1 to 7";
  if (leaders < 1 || leaders > nodes) return "the leaders are 1 to as many as there are nodes";
  for (const std::uint32_t count :
       {candidacies, commands, strays, retries, losses, duplicates, crashes, timers}) {
    if (count > 15) return "nothing happens more than 15 times in a small world";
  }
  return {};
}

// --- states ----------------------------------------------------------------------------------

Fingerprint SmallState::fingerprint() const {
  StateHasher hasher{Instant()};
  hasher.add(nodes, messages, commands, strays, retries, candidacies, losses, duplicates, crashes,
             timers);
  return hasher.fingerprint();
}

void SmallState::pack(std::vector<std::uint32_t>& words) const {
  words.insert(words.end(), nodes.begin(), nodes.end());
  std::uint32_t counts = 0;
  for (const std::uint8_t count :
       {commands, strays, retries, candidacies, losses, duplicates, crashes, timers}) {
    counts = counts << 4 | count;
  }
  words.push_back(counts);
  words.push_back(static_cast<std::uint32_t>(messages.size()));
  words.insert(words.end(), messages.begin(), messages.end());
}

std::size_t SmallState::unpack(const std::vector<std::uint32_t>& words, std::size_t at,
                               std::size_t count) {
  const auto from = [&](std::size_t offset) {
    return words.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  nodes.assign(from(at), from(at + count));
  at += count;
  std::uint32_t counts = words[at];
  for (std::uint8_t* each :
       {&timers, &crashes, &duplicates, &losses, &candidacies, &retries, &strays, &commands}) {
    *each = static_cast<std::uint8_t>(counts & 0xf);
    counts >>= 4;
  }
  const std::size_t in_flight = words[at + 1];
  at += 2;
  messages.assign(from(at), from(at + in_flight));
  return at + in_flight;
}

// --- names -----------------------------------------------------------------------------------

SmallWorld::SmallWorld(const SmallWorldBounds& bounds, WorldBug bug)
    : bounds_(bounds),
      settings_(std::make_shared<const SmallWorldSettings>(bounds.nodes, bounds.commands, bug)) {
  invariant(bounds.complaint().empty(), "the bounds of a small world are checked before");
  for (std::uint32_t i = 1; i <= bounds.nodes; ++i) {
    initial_.nodes.push_back(intern(SmallNode(settings_, NodeId(i))));
  }
  if (!bounds.cold) elect_the_first();
}

void SmallWorld::elect_the_first() {
  const auto settle = [&] {
    while (true) {
      const auto writes = std::find_if(initial_.nodes.begin(), initial_.nodes.end(),
                                       [&](auto each) { return nodes_[each].writing() > 0; });
      if (writes != initial_.nodes.end()) {
        const auto place = static_cast<std::uint32_t>(writes - initial_.nodes.begin());
        apply(initial_, {Kind::write, place});
      } else if (!initial_.messages.empty()) {
        apply(initial_, {Kind::deliver, initial_.messages.front()});
      } else {
        return;
      }
    }
  };
  apply(initial_, {Kind::run, 0});
  settle();
  apply(initial_, {Kind::tick, 0});  // its heartbeats tell what is decided
  settle();
  initial_.candidacies = 0;
  initial_.timers = 0;
  invariant(nodes_[initial_.nodes[0]].role() == engine::Role::leader || !violation_.empty(),
            "a cluster without faults elects the node that runs");
}

SmallWorld::Essence::Essence(const Flight& flight)
    : from(flight.from.value() - 1), to(flight.to.value() - 1) {
  if (const auto* prepare = std::get_if<paxos::Prepare>(&flight.message)) {
    kind = Kind::question;
    ballot = prepare->ballot;
  } else if (const auto* accept = std::get_if<paxos::Accept>(&flight.message)) {
    kind = Kind::question;
    ballot = accept->ballot;
  } else if (const auto* promise = std::get_if<paxos::Promise>(&flight.message)) {
    kind = Kind::promise;
    ballot = promise->ballot;
  } else if (const auto* accepted = std::get_if<paxos::Accepted>(&flight.message)) {
    kind = Kind::accepted;
    ballot = accepted->ballot;
    height = height_of(accepted->slot);
  } else if (const auto* nack = std::get_if<paxos::Nack>(&flight.message)) {
    kind = Kind::nack;
    ballot = nack->promised;
  }
}

// Whether a message comes too late, now and for ever: all that it would do is to be heard, or to
// draw a Nack that does no more.
bool SmallWorld::is_past(const SmallState& state, std::uint32_t message) const {
  const Essence& flight = essences_[message];
  const Stand& to = stands_[state.nodes[flight.to]];
  switch (flight.kind) {
    case Essence::Kind::other:
      return false;
    case Essence::Kind::question:
      // Both who asks and who is asked are beyond that ballot.
      return flight.ballot < to.promised_durably &&
             flight.ballot < stands_[state.nodes[flight.from]].promised_durably;
    case Essence::Kind::promise:
      // No ballot is used twice: who does not run with it any more never will again.
      return to.role != engine::Role::candidate || to.promised != flight.ballot;
    case Essence::Kind::accepted:
      return to.role != engine::Role::leader || to.promised != flight.ballot ||
             flight.height <= to.height;
    case Essence::Kind::nack:
      // Who promised as much, durably, runs and leads above it from then on.
      return flight.ballot <= to.promised_durably;
  }
  return false;
}

std::uint32_t SmallWorld::intern(SmallNode node) {
  const auto [place, is_new] = node_numbers_.try_emplace(node.fingerprint(), number(nodes_.size()));
  if (is_new) {
    stands_.push_back({node.role(), node.promised(), node.promised_durably(), node.height()});
    nodes_.push_back(std::move(node));
  }
  return place->second;
}

std::uint32_t SmallWorld::intern(Flight flight) {
  const auto [place, is_new] = message_numbers_.try_emplace(
      wire::encode_packet({settings_->cluster, flight.from, flight.to, {}}, {&flight.message, 1}),
      number(messages_.size()));
  if (is_new) {
    essences_.emplace_back(flight);
    messages_.push_back(std::move(flight));
  }
  return place->second;
}

// --- local steps -----------------------------------------------------------------------------

const SmallWorld::LocalStep& SmallWorld::local(
    std::uint32_t node, std::uint32_t input,
    const std::function<SmallNode::Effects(SmallNode&)>& step) {
  const auto [place, is_new] = step_numbers_.try_emplace(std::uint64_t{node} << 32 | input,
                                                         static_cast<std::uint32_t>(steps_.size()));
  if (!is_new) return steps_[place->second];
  LocalStep& result = steps_.emplace_back();
  SmallNode copy = nodes_[node];
  SmallNode::Effects effects;
  try {
    const CatchInvariants catching;
    effects = step(copy);
  } catch (const BrokenInvariant& broken) {
    effects.violation = "invariant: node " + name(copy.self()) + ": " + broken.what();
  }
  result.checks = effects.decided || effects.voted;
  result.answers = std::move(effects.answers);
  result.violation = std::move(effects.violation);
  for (auto& [to, message] : effects.sent) {
    const auto* accept = std::get_if<paxos::Accept>(&message);
    if (accept != nullptr && settings_->bug == WorldBug::phantom_vote) {
      result.sent.push_back(
          intern(Flight{to, copy.self(), paxos::Accepted{accept->ballot, accept->slot, {}}}));
    }
    result.sent.push_back(intern(Flight{copy.self(), to, std::move(message)}));
  }
  result.next = intern(std::move(copy));
  return result;
}

const SmallWorld::LocalStep& SmallWorld::receive(std::uint32_t node, std::uint32_t message) {
  return local(node, code(Input::message, message), [&](SmallNode& copy) {
    return copy.receive(messages_[message].from, messages_[message].message);
  });
}

const SmallWorld::LocalStep& SmallWorld::write(std::uint32_t node) {
  return local(node, code(Input::write), [](SmallNode& copy) { return copy.complete_write(); });
}

bool SmallWorld::take(SmallState& state, std::size_t place, const LocalStep& step,
                      bool keeps_heartbeats) {
  state.nodes[place] = step.next;
  for (const std::uint32_t sent : step.sent) {
    const paxos::Message& message = messages_[sent].message;
    // Elections are run as a whole (run()), and a heartbeat that is not wanted is lost at once.
    if (std::holds_alternative<paxos::PreVote>(message)) continue;
    if (std::holds_alternative<paxos::PreVoteReply>(message)) continue;
    if (std::holds_alternative<paxos::Heartbeat>(message) && !keeps_heartbeats) continue;
    add_sorted(state.messages, sent);
  }
  if (!step.violation.empty() && violation_.empty()) violation_ = step.violation;
  const SmallNode& node = nodes_[step.next];
  if (step.checks) {
    check_values(state, node);
    check_blocks(state, node);
  }
  if (!step.answers.empty()) check_answers(state, node, step);
  if (!bounds_.slow_logs && node.role() == engine::Role::follower && node.writing() > 0) {
    return take(state, place, write(step.next), keeps_heartbeats);
  }
  if (!bounds_.late_messages) {
    std::erase_if(state.messages, [&](std::uint32_t message) { return is_past(state, message); });
  }
  return true;
}

bool SmallWorld::deliver(SmallState& state, std::uint32_t message) {
  const std::size_t place = messages_[message].to.value() - 1;
  return take(state, place, receive(state.nodes[place], message), false);
}

// Whom the node at `place` hears and asks when it runs: those that follow, and if they are too few
// those that run themselves, but never a leader.
std::vector<std::size_t> SmallWorld::supporters(const SmallState& state, std::size_t place) const {
  std::vector<std::size_t> followers;
  std::vector<std::size_t> all;
  for (std::size_t peer = 0; peer < state.nodes.size(); ++peer) {
    const engine::Role role = nodes_[state.nodes[peer]].role();
    if (peer == place || role == engine::Role::leader) continue;
    all.push_back(peer);
    if (role == engine::Role::follower) followers.push_back(peer);
  }
  return followers.size() + 1 >= settings_->membership.quorum_size() ? followers : all;
}

void SmallWorld::fall_silent(SmallState& state, std::size_t place) {
  const auto silence = [](SmallNode& node) {
    node.fall_silent();
    return SmallNode::Effects{};
  };
  take(state, place, local(state.nodes[place], code(Input::silence), silence), false);
}

std::optional<std::uint32_t> SmallWorld::first_of(const LocalStep& step, NodeId to,
                                                  std::string_view name) const {
  const auto found = std::find_if(step.sent.begin(), step.sent.end(), [&](std::uint32_t sent) {
    return messages_[sent].to == to &&
           std::string_view(paxos::name_of(messages_[sent].message)) == name;
  });
  if (found == step.sent.end()) return std::nullopt;
  return *found;
}

// An election timeout passes at `place` without a sign of a leader, and its timer is the first to
// fire; its supporters heard none either, and answer its pre-vote at once. Each part is a step that
// the node could take, and the supporters' heartbeats are what they would say. Whoever leads is cut
// off from all this.
bool SmallWorld::run(SmallState& state, std::size_t place) {
  if (nodes_[state.nodes[place]].role() == engine::Role::leader) return false;
  const auto peers = supporters(state, place);
  const LocalStep* fired = nullptr;
  const auto asks = [&](std::size_t peer) {
    return first_of(*fired, NodeId(static_cast<std::uint32_t>(peer + 1)), "PreVote");
  };
  // A candidate gives up first, and runs when its timer fires once more.
  for (int attempt = 0; attempt < 2; ++attempt) {
    fall_silent(state, place);
    for (const std::size_t peer : peers) {
      const std::uint32_t from = state.nodes[peer];
      const auto hear = [&](SmallNode& node) {
        return node.receive(nodes_[from].self(), nodes_[from].heartbeat());
      };
      take(state, place, local(state.nodes[place], code(Input::heartbeat, from), hear), false);
    }
    fired = &local(state.nodes[place], code(Input::timer),
                   [](SmallNode& node) { return node.fire_timer(); });
    take(state, place, *fired, false);
    if (!peers.empty() && asks(peers.front())) break;
  }
  for (const std::size_t peer : peers) {
    const auto question = asks(peer);
    if (!question) return false;
    fall_silent(state, peer);
    const LocalStep& answered = receive(state.nodes[peer], *question);
    take(state, peer, answered, false);
    const auto reply = first_of(answered, nodes_[state.nodes[place]].self(), "PreVoteReply");
    if (reply) deliver(state, *reply);
  }
  return nodes_[state.nodes[place]].role() == engine::Role::candidate;
}

// --- actions ---------------------------------------------------------------------------------

// Node 1 is the first that runs: nodes differ in their names alone, and names order nothing but
// ballots of equal rounds, whose candidates ran without knowing of each other, in any order.
bool SmallWorld::may_run(const SmallState& state, std::size_t place) const {
  const bool only_the_first = bounds_.cold && state.candidacies == 0 && !bounds_.any_first;
  return state.candidacies < bounds_.candidacies && place < (only_the_first ? 1 : bounds_.leaders);
}

void SmallWorld::actions(const SmallState& state, std::vector<SmallAction>& actions) const {
  actions.clear();
  for (std::size_t i = 0; i < state.messages.size(); ++i) {
    const std::uint32_t message = state.messages[i];
    if (i > 0 && state.messages[i - 1] == message) continue;
    actions.emplace_back(Kind::deliver, message);
    if (state.duplicates < bounds_.duplicates) actions.emplace_back(Kind::duplicate, message);
    if (state.losses < bounds_.losses) actions.emplace_back(Kind::drop, message);
  }
  for (std::uint32_t place = 0; place < state.nodes.size(); ++place) {
    const SmallNode& node = nodes_[state.nodes[place]];
    if (node.writing() > 0) actions.emplace_back(Kind::write, place);
    if (state.timers < bounds_.timers) actions.emplace_back(Kind::tick, place);
    if (may_run(state, place)) actions.emplace_back(Kind::run, place);
    const bool strays = node.role() != engine::Role::leader;
    if (state.commands < bounds_.commands && (!strays || state.strays < bounds_.strays)) {
      actions.emplace_back(Kind::propose, place);
    }
    if (state.retries < bounds_.retries && state.commands > 0) {
      actions.emplace_back(Kind::retry, place);
    }
    if (state.crashes == bounds_.crashes) continue;
    for (std::size_t survivors = 0; survivors <= node.writing(); ++survivors) {
      actions.emplace_back(Kind::crash, Crash::argument(place, survivors, true));
      if (node.has_unsynced_blocks()) {
        actions.emplace_back(Kind::crash, Crash::argument(place, survivors, false));
      }
    }
  }
}

bool SmallWorld::apply(SmallState& state, SmallAction action) {
  const std::uint32_t argument = action.argument();
  const auto step = [&](std::size_t place, std::uint32_t input, bool keeps_heartbeats,
                        const std::function<SmallNode::Effects(SmallNode&)>& function) {
    return take(state, place, local(state.nodes[place], input, function), keeps_heartbeats);
  };
  const auto propose = [&](std::uint32_t command) {
    return step(argument, code(Input::propose, command), false,
                [&](SmallNode& node) { return node.propose(command); });
  };
  switch (action.kind()) {
    case Kind::deliver:
      remove_sorted(state.messages, argument);
      return deliver(state, argument);
    case Kind::duplicate:
      ++state.duplicates;
      return deliver(state, argument);
    case Kind::drop:
      ++state.losses;
      remove_sorted(state.messages, argument);
      return true;
    case Kind::write:
      return take(state, argument, write(state.nodes[argument]), false);
    case Kind::tick:
      ++state.timers;
      return step(argument, code(Input::tick), true, [](SmallNode& node) { return node.tick(); });
    case Kind::run:
      ++state.candidacies;
      return run(state, argument);
    case Kind::propose:
      if (nodes_[state.nodes[argument]].role() != engine::Role::leader) ++state.strays;
      return propose(state.commands++);
    case Kind::retry:
      ++state.retries;
      return propose(state.commands - 1u);
    case Kind::crash: {
      ++state.crashes;
      const Crash crash(argument);
      return step(crash.place, code(Input::crash, argument), false,
                  [&](SmallNode& node) { return node.crash(crash.survivors, crash.keeps_blocks); });
    }
  }
  return false;
}

std::string SmallWorld::describe(const SmallState& state, SmallAction action) const {
  const std::uint32_t argument = action.argument();
  const auto message = [&](const char* what) {
    const Flight& flight = messages_[argument];
    return std::string(what) + " " + name(flight.from) + " -> " + name(flight.to) + " " +
           sim::describe(flight.message);
  };
  const std::string node = name(NodeId((argument & 0xff) + 1));
  const auto command = [&](std::size_t index) {
    return describe_command(settings_->commands[index].view());
  };
  switch (action.kind()) {
    case Kind::deliver:
      return message("deliver");
    case Kind::duplicate:
      return message("deliver a copy of");
    case Kind::drop:
      return message("lose");
    case Kind::write:
      return node + " completes a write of its log";
    case Kind::tick:
      return node + " fires its timer";
    case Kind::run:
      return node + " hears no leader and runs";
    case Kind::propose:
      return "a client of " + node + " asks for " + command(state.commands);
    case Kind::retry:
      return "a client of " + node + " asks again for " + command(state.commands - 1u);
    case Kind::crash: {
      const Crash crash(argument);
      return node + " crashes, with " + std::to_string(crash.survivors) + " of " +
             std::to_string(nodes_[state.nodes[crash.place]].writing()) + " writes done" +
             (crash.keeps_blocks ? "" : " and its unsynced blocks lost") + ", and starts again";
    }
  }
  return {};
}

}  // namespace paxledger::sim
