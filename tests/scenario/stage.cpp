#include "scenario/stage.hpp"

#include <algorithm>

#include "scenario/words.hpp"
#include "sim/describe.hpp"

namespace paxledger::sim {

Stage::Stage() {
  commands_["cluster"] = [this](const Words& words) { cluster(words); };
  add_network_commands();
  add_node_commands();
  add_client_commands();
  add_looking_commands();
}

std::vector<std::string> Stage::perform(const std::string& command) {
  output_.clear();
  quiet_ = summary_ = false;
  shown_.clear();
  const Words words = split_words(command);
  try {
    const auto found = commands_.find(words.empty() ? "" : words.front());
    if (found == commands_.end()) throw BadCommand{"no such command"};
    found->second(words);
  } catch (const BadCommand& bad) {
    say("error: " + bad.text);
  } catch (const std::out_of_range&) {
    say("error: a word is missing, or there is no such node");
  }
  return std::move(output_);
}

std::vector<std::string> Stage::violations() const {
  return world_ ? world_->violations() : std::vector<std::string>{};
}

World& Stage::world() {
  if (!world_) throw BadCommand{"a transcript begins with 'cluster'"};
  return *world_;
}

void Stage::heard(const Event& event) {
  if (quiet_) return;
  // What a transcript asks for itself: deliver, drop, complete.
  if (event.kind == Event::Kind::arrived || event.kind == Event::Kind::dropped ||
      event.kind == Event::Kind::durable) {
    return;
  }
  if (event.name == "storage") return;  // what the files say, with their paths
  const bool message = event.kind == Event::Kind::message || event.kind == Event::Kind::lost;
  if (message && summary_ && !shown_.contains(std::string(event.name))) return;
  if (message && hidden_.contains(std::string(event.name))) return;
  if (summary_ && event.kind == Event::Kind::log) return;
  say(event.text);
}

void Stage::run_quiet(const std::function<void()>& what) {
  quiet_ = true;
  what();
  quiet_ = false;
}

void Stage::cluster(const Words& words) {
  Options options;
  options.nodes = static_cast<std::uint32_t>(number_option(words, "nodes", 3));
  options.seed = Seed{number_option(words, "seed", 1)};
  options.work_bits = static_cast<std::uint8_t>(number_option(words, "work", 0));
  if (const auto time = option(words, "heartbeat")) {
    options.timing.heartbeat_interval = duration(*time);
  }
  if (const auto time = option(words, "election")) {
    options.timing.election_timeout = duration(*time);
  }
  if (const auto time = option(words, "resend")) options.timing.resend_interval = duration(*time);
  if (const auto time = option(words, "wait")) options.timing.batch_wait_max = duration(*time);
  engine::Limits& limits = options.limits;
  limits.window_slots = number_option(words, "window", limits.window_slots);
  limits.batch_commands_max = number_option(words, "batch", limits.batch_commands_max);
  limits.catch_up_bytes = number_option(words, "catch-up", limits.catch_up_bytes);
  limits.queue_commands_max = number_option(words, "queue", limits.queue_commands_max);
  Listeners listeners;
  listeners.event = [this](const Event& event) { heard(event); };
  world_ = std::make_unique<World>(options, std::move(listeners));
  clients_.clear();
  paused_.clear();
  held_.clear();
}

// --- network --------------------------------------------------------------------------------

bool Stage::Filter::matches(const InFlight& flight) const {
  if (slot) {
    const auto* accept = std::get_if<paxos::Accept>(&flight.message);
    const auto* accepted = std::get_if<paxos::Accepted>(&flight.message);
    if (accept != nullptr ? accept->slot != *slot
                          : accepted == nullptr || accepted->slot != *slot) {
      return false;
    }
  }
  return (message.empty() || message == paxos::name_of(flight.message)) &&
         (!from || *from == flight.from) && (!to || *to == flight.to);
}

Stage::Filter Stage::parse_filter(const Words& words, std::size_t first) {
  Filter filter;
  for (std::size_t i = first; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t arrow = word.find("->");
    if (arrow != std::string::npos) {
      if (arrow > 0) filter.from = node_id(word.substr(0, arrow));
      if (arrow + 2 < word.size()) filter.to = node_id(word.substr(arrow + 2));
    } else if (word.starts_with("count=")) {
      filter.count = number(word.substr(6));
    } else if (word.starts_with("slot=")) {
      filter.slot = Slot(number(word.substr(5)));
    } else {
      filter.message = word;
    }
  }
  return filter;
}

void Stage::add_network_commands() {
  commands_["deliver"] = [this](const Words& words) { deliver(parse_filter(words, 1)); };
  commands_["drop"] = [this](const Words& words) { drop(parse_filter(words, 1)); };
  commands_["duplicate"] = [this](const Words& words) { duplicate(parse_filter(words, 1)); };
  commands_["hold"] = [this](const Words& words) { hold(parse_filter(words, 1)); };
  commands_["release"] = [this](const Words&) { release(); };
  commands_["partition"] = [this](const Words& words) { partition(words); };
  commands_["block"] = [this](const Words& words) { links(words, true); };
  commands_["unblock"] = [this](const Words& words) { links(words, false); };
  commands_["heal"] = [this](const Words&) { world().mend_all(); };
  commands_["show"] = [this](const Words& words) { hidden_.erase(words.at(1)); };
  commands_["hide"] = [this](const Words& words) { hidden_.insert(words.at(1)); };
  commands_["flight"] = [this](const Words& words) {
    const Filter filter = parse_filter(words, 1);
    for (const auto& [id, flight] : world().in_flight()) {
      if (!filter.matches(flight) || hidden_.contains(paxos::name_of(flight.message))) continue;
      say("in flight: " + name(flight.from) + "→" + name(flight.to) + " " +
          describe(flight.message));
    }
  };
}

std::vector<std::uint64_t> Stage::matching(const Filter& filter) {
  std::vector<std::uint64_t> chosen;
  for (const auto& [id, flight] : world().in_flight()) {
    if (filter.matches(flight) && chosen.size() < filter.count) chosen.push_back(id);
  }
  if (chosen.empty() && !filter.all()) throw BadCommand{"no such message is in flight"};
  return chosen;
}

std::uint64_t Stage::next_message() {
  for (const auto& [id, flight] : world().in_flight()) {
    if (!paused_.contains(flight.to)) return id;
  }
  return 0;
}

void Stage::deliver_until(const std::function<bool()>& stop) {
  for (int turns = 0; !stop(); ++turns) {
    const std::uint64_t next = next_message();
    if (next == 0) return;
    if (turns == 20'000) throw BadCommand{"the nodes do not stop talking"};
    world().deliver(next);
  }
}

void Stage::deliver(const Filter& filter) {
  if (filter.all()) {
    deliver_until([] { return false; });
    return;
  }
  for (const std::uint64_t id : matching(filter)) world().deliver(id);
}

void Stage::drop(const Filter& filter) {
  for (const std::uint64_t id : matching(filter)) {
    const InFlight& flight = world().in_flight().at(id);
    if (!hidden_.contains(paxos::name_of(flight.message))) {
      say("lost: " + name(flight.from) + "→" + name(flight.to) + " " + describe(flight.message));
    }
    world().drop(id);
  }
}

void Stage::duplicate(const Filter& filter) {
  for (const std::uint64_t id : matching(filter)) {
    const InFlight& flight = world().in_flight().at(id);
    say("twice: " + name(flight.from) + "→" + name(flight.to) + " " + describe(flight.message));
    (void)world().duplicate(id);
  }
}

void Stage::hold(const Filter& filter) {
  for (const std::uint64_t id : matching(filter)) {
    held_.push_back(world().withdraw(id));
    say("held up: " + name(held_.back().from) + "→" + name(held_.back().to) + " " +
        describe(held_.back().message));
  }
}

void Stage::release() {
  for (auto& flight : held_) world().resubmit(std::move(flight));
  held_.clear();
}

void Stage::partition(const Words& words) {
  std::vector<std::vector<NodeId>> sides;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] != "|") sides.push_back(node_ids(words[i]));
  }
  for (std::size_t i = 0; i < sides.size(); ++i) {
    for (std::size_t j = 0; j < sides.size(); ++j) {
      if (i == j) continue;
      for (const NodeId a : sides[i]) {
        for (const NodeId b : sides[j]) world().cut(a, b);
      }
    }
  }
}

void Stage::links(const Words& words, bool cut) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool both = word.find("<->") != std::string::npos;
    const std::size_t arrow = word.find(both ? "<->" : "->");
    if (arrow == std::string::npos) throw BadCommand{"'" + word + "' is not a link such as 1->2"};
    const NodeId from = node_id(word.substr(0, arrow));
    const NodeId to = node_id(word.substr(arrow + (both ? 3 : 2)));
    if (cut) {
      world().cut(from, to);
      if (both) world().cut(to, from);
    } else {
      world().mend(from, to);
      if (both) world().mend(to, from);
    }
  }
}

// --- time -----------------------------------------------------------------------------------

std::pair<NodeId, Instant> Stage::next_timer() {
  std::pair<NodeId, Instant> first{kNobody, Instant::never()};
  for (const NodeId node : world().nodes()) {
    const Instant due = paused_.contains(node) ? Instant::never() : world().deadline(node);
    if (due < first.second) first = {node, due};
  }
  return first;
}

// tick TIME [NODES]: moves the clock and fires the timers that come due, of some nodes or of all.
void Stage::tick(const Words& words) {
  const Instant end = world().now() + duration(words.at(1));
  const std::set<NodeId> before = paused_;
  if (words.size() > 2) {
    const auto chosen = node_ids(words[2]);
    for (const NodeId node : world().nodes()) {
      if (std::find(chosen.begin(), chosen.end(), node) == chosen.end()) paused_.insert(node);
    }
  }
  for (int fired = 0; fired < 10'000; ++fired) {
    const auto [node, due] = next_timer();
    if (due > end) break;
    world().set_now(std::max(world().now(), due));
    world().fire(node);
  }
  paused_ = before;
  world().set_now(std::max(world().now(), end));
}

// advance TIME [show=KIND,…]: lets everything happen, timers when due, messages one millisecond
// after they were sent. Says only what came of it.
void Stage::advance(const Words& words) {
  const Instant end = world().now() + duration(words.at(1));
  summary_ = true;
  if (const auto kinds = option(words, "show")) {
    std::string spaced = *kinds;
    std::replace(spaced.begin(), spaced.end(), ',', ' ');
    for (const auto& kind : split_words(spaced)) shown_.insert(kind);
  }
  for (int turns = 0; turns < 200'000; ++turns) {
    const auto [node, due] = next_timer();
    const std::uint64_t message = next_message();
    const Instant arrival =
        message == 0 ? Instant::never()
                     : world().in_flight().at(message).sent + std::chrono::milliseconds(1);
    const Instant next = std::min(due, arrival);
    if (next > end) break;
    world().set_now(std::max(world().now(), next));
    if (arrival <= due) {
      world().deliver(message);
    } else {
      world().fire(node);
    }
  }
  world().set_now(std::max(world().now(), end));
  shown_.clear();
  summary_ = false;
}

// --- nodes ----------------------------------------------------------------------------------

void Stage::add_node_commands() {
  commands_["elect"] = [this](const Words& words) { elect(words); };
  commands_["tick"] = [this](const Words& words) { tick(words); };
  commands_["advance"] = [this](const Words& words) { advance(words); };
  commands_["pause"] = [this](const Words& words) { paused_.insert(node_id(words.at(1))); };
  commands_["resume"] = [this](const Words& words) { paused_.erase(node_id(words.at(1))); };
  commands_["disk"] = [this](const Words& words) {
    world().set_instant_disk(node_id(words.at(1)), words.at(2) == "fast");
  };
  commands_["persist"] = [this](const Words& words) {
    const NodeId node = node_id(words.at(1));
    if (!world().disk(node).writing()) throw BadCommand{"no write is pending"};
    world().complete_writes(node, number_option(words, "count", SIZE_MAX));
  };
  commands_["crash"] = [this](const Words& words) {
    for (const NodeId node : node_ids(words.at(1))) world().crash(node, nullptr);
  };
  commands_["restart"] = [this](const Words& words) {
    for (const NodeId node : node_ids(words.at(1))) world().restart(node);
  };
  commands_["wipe"] = [this](const Words& words) { world().wipe(node_id(words.at(1))); };
  commands_["sync"] = [this](const Words& words) {
    for (const NodeId node : node_ids(words.at(1))) world().disk(node).sync_blocks();
  };
  commands_["trim"] = [this](const Words& words) {
    for (const NodeId node : node_ids(words.at(1))) world().disk(node).trim_log();
  };
  commands_["damage"] = [this](const Words& words) {
    world().disk(node_id(words.at(1))).damage_blocks(Height(number_option(words, "above", 0)));
  };
  commands_["forge"] = [this](const Words& words) {
    world().forge(node_id(words.at(1)), Height(number_option(words, "from", 1)));
  };
}

// elect NODE [loud] [just]: makes the node the leader in the usual way. All clocks run and every
// message arrives, but nobody else's request for votes does. `just` stops at the moment when it
// leads; its first messages as leader are then still on their way.
void Stage::elect(const Words& words) {
  const NodeId node = node_id(words.at(1));
  const auto has = [&](const char* word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  const bool just = has("just");
  const auto leads = [&] { return world().status(node).role == engine::Role::leader; };
  const auto campaign = [&] {
    for (int turns = 0; turns < 1000 && !leads(); ++turns) {
      const auto [ringing, due] = next_timer();
      if (ringing == kNobody) break;
      world().set_now(std::max(world().now(), due));
      world().fire(ringing);
      if (ringing != node) {
        std::vector<std::uint64_t> rivals;
        for (const auto& [id, flight] : world().in_flight()) {
          const bool asks = std::holds_alternative<paxos::PreVote>(flight.message);
          if (asks && flight.from == ringing) rivals.push_back(id);
        }
        for (const std::uint64_t id : rivals) world().drop(id);
      }
      deliver_until([&] { return just && leads(); });
    }
  };
  if (has("loud")) {
    campaign();
  } else {
    run_quiet(campaign);
  }
  if (!leads()) throw BadCommand{"node " + name(node) + " cannot lead"};
  const auto status = world().status(node);
  say("node " + name(node) + " leads with ballot " + to_string(status.promised) +
      ", decided=" + std::to_string(status.decided.value()));
}

}  // namespace paxledger::sim
