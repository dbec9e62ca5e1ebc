// The part of the stage that plays the clients, and the commands that look at the world.
#include <algorithm>

#include "scenario/stage.hpp"
#include "scenario/words.hpp"
#include "sim/describe.hpp"

namespace paxledger::sim {

namespace {

using engine::ReadConsistency;

Duration patience(const std::vector<std::string>& words) {
  const auto asked = option(words, "deadline");
  return asked ? duration(*asked) : Duration(std::chrono::seconds(10));
}

// The words after `first` that are not options.
std::vector<std::string> plain(const std::vector<std::string>& words, std::size_t first) {
  std::vector<std::string> rest;
  for (std::size_t i = first; i < words.size(); ++i) {
    if (words[i].find('=') == std::string::npos) rest.push_back(words[i]);
  }
  return rest;
}

// One command out of e.g. {"put", "alice", "555"}; its key and value are views into `words`.
kv::Command parse(const std::vector<std::string>& words) {
  kv::Command command;
  const std::string& what = words.at(0);
  command.key = words.at(1);
  if (what == "put" || what == "swap") command.value = words.at(2);
  if (what == "put") {
    command.kind = kv::CommandKind::put;
  } else if (what == "remove") {
    command.kind = kv::CommandKind::remove;
  } else if (what == "read") {
    command.kind = kv::CommandKind::read;
  } else if (what == "swap") {
    command.kind = kv::CommandKind::compare_and_put;
    command.argument = number(words.at(3));
  } else {
    throw BadCommand{"'" + what + "' is no command of the database"};
  }
  return command;
}

}  // namespace

void Stage::add_client_commands() {
  commands_["open"] = [this](const Words& words) {
    open(node_id(words.at(1)), number_option(words, "session", 1));
  };
  commands_["propose"] = [this](const Words& words) { propose(words); };
  commands_["read"] = [this](const Words& words) { read(words); };
  commands_["scan"] = [this](const Words& words) { scan(words); };
}

// Opens a session as any client does first, with every message arriving.
void Stage::open(NodeId node, std::uint64_t session) {
  const std::size_t before = world().open_requests();
  run_quiet([&] {
    kv::Command command;
    command.kind = kv::CommandKind::open_session;
    command.session = SessionId(session);
    command.argument = kv::kSessionMillisecondsMax;
    (void)world().propose(node, command, std::chrono::seconds(10));
    deliver_until([] { return false; });
  });
  if (world().open_requests() != before) throw BadCommand{"the session was not opened"};
  say("session " + std::to_string(session) + " is open at height " +
      std::to_string(world().status(node).head.height.value()));
}

// propose NODE [session=S] [sequence=N] [ack=N] [deadline=T] COMMAND [; COMMAND]*
void Stage::propose(const Words& words) {
  const NodeId node = node_id(words.at(1));
  if (!world().running(node)) throw BadCommand{"node " + name(node) + " is down"};
  const std::uint64_t session = number_option(words, "session", 1);
  Client& client = clients_[session];
  std::vector<Words> parts(1);
  for (const auto& word : plain(words, 2)) {
    if (word == ";") {
      parts.emplace_back();
    } else {
      parts.back().push_back(word);
    }
  }
  std::vector<kv::Command> commands;
  for (const auto& part : parts) {
    kv::Command command = parse(part);
    command.session = SessionId(session);
    command.sequence = Sequence(number_option(words, "sequence", client.next));
    command.acknowledged = Sequence(number_option(words, "ack", client.acknowledged));
    client.next = std::max(client.next, command.sequence.value() + 1);
    commands.push_back(command);
  }
  (void)world().propose(node, commands, patience(words));
}

// read NODE KEY [local] [deadline=T]
void Stage::read(const Words& words) {
  const NodeId node = node_id(words.at(1));
  if (!world().running(node)) throw BadCommand{"node " + name(node) + " is down"};
  const Words rest = plain(words, 2);
  const bool local = rest.size() > 1 && rest[1] == "local";
  (void)world().read(node, rest.at(0),
                     local ? ReadConsistency::local : ReadConsistency::linearizable,
                     patience(words));
}

// scan NODE [PREFIX] [max=N] [after=KEY] [local]
void Stage::scan(const Words& words) {
  const NodeId node = node_id(words.at(1));
  if (!world().running(node)) throw BadCommand{"node " + name(node) + " is down"};
  Words rest = plain(words, 2);
  const bool local = !rest.empty() && rest.back() == "local";
  if (local) rest.pop_back();
  (void)world().scan(node, rest.empty() ? "" : rest[0], option(words, "after").value_or(""),
                     number_option(words, "max", 100),
                     local ? ReadConsistency::local : ReadConsistency::linearizable,
                     patience(words));
}

// --- looking --------------------------------------------------------------------------------

void Stage::add_looking_commands() {
  commands_["status"] = [this](const Words&) { status(); };
  commands_["chain"] = [this](const Words& words) { chain(node_id(words.at(1))); };
  commands_["log"] = [this](const Words& words) { log(node_id(words.at(1))); };
  commands_["compare"] = [this](const Words&) { history_equal(); };
}

void Stage::status() {
  for (const NodeId node : world().nodes()) {
    say(name(node) + " " +
        (world().running(node) ? describe(world().status(node)) : std::string("down")));
  }
}

void Stage::chain(NodeId node) {
  for (const auto& octets : world().disk(node).blocks()) {
    const auto block = ledger::decode_block(octets);
    if (!block) throw BadCommand{block.error().message};
    say("block " + std::to_string(block->header.height.value()) + " " + describe_block(*block) +
        " previous=" + brief(block->header.previous) + " hash=" + brief(block->hash));
  }
}

void Stage::log(NodeId node) {
  const auto& disk = world().disk(node);
  const auto& durable = disk.durable();
  say("promised " + to_string(durable.promised));
  for (const auto& [slot, accepted] : durable.accepted) {
    say("accepted slot=" + std::to_string(slot.value()) + " ballot=" + to_string(accepted.ballot) +
        " value=" + describe_value(accepted.value));
  }
  for (const auto& [of, generation] : durable.generations) {
    say("generation of " + name(of) + " is " + std::to_string(generation.value()));
  }
  if (disk.trimmed() != Slot(0)) {
    say("trimmed through slot " + std::to_string(disk.trimmed().value()));
  }
  if (disk.writing()) say(std::to_string(disk.pending_count()) + " writes are not durable yet");
}

// Whether the running nodes have the same chain.
void Stage::history_equal() {
  std::string text;
  bool equal = true;
  std::optional<paxos::Head> first;
  for (const NodeId node : world().nodes()) {
    if (!world().running(node)) continue;
    const auto head = world().status(node).head;
    if (!first) first = head;
    equal = equal && head == *first;
    text += " " + name(node) + ":" + std::to_string(head.height.value());
  }
  say((equal ? "equal chains, heights" : "chains of different heights,") + text);
}

}  // namespace paxledger::sim
