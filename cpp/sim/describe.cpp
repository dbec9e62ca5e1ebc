#include "sim/describe.hpp"

#include <vector>

#include "engine/batch.hpp"
#include "kv/command.hpp"

namespace paxledger::sim {

namespace {

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string describe_commands(const std::vector<std::string_view>& commands) {
  if (commands.empty()) return "[no-op]";
  std::string text = "[";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i > 0) text += ", ";
    text += describe_command(commands[i]);
  }
  return text + "]";
}

std::string describe_generations(const paxos::Generations& generations) {
  std::string text;
  for (const auto& [node, generation] : generations) {
    text += text.empty() ? " generations=" : ",";
    text += name(node) + ":" + number(generation.value());
  }
  return text;
}

const char* yes_no(bool value) {
  return value ? "yes" : "no";
}

struct DescribeMessage {
  std::string operator()(const paxos::Heartbeat& m) const {
    std::string text = " promised=" + to_string(m.promised);
    if (m.leading) text += " leading";
    if (m.hears_leader) text += " hears-leader=" + name(m.leader);
    if (m.abstaining) text += " abstaining";
    return text + " decided=" + number(m.decided.value()) +
           " height=" + number(m.head.height.value());
  }
  std::string operator()(const paxos::PreVote& m) const { return ballot(m.ballot); }
  std::string operator()(const paxos::PreVoteReply& m) const {
    return ballot(m.ballot) + " granted=" + yes_no(m.granted) +
           " promised=" + to_string(m.promised);
  }
  std::string operator()(const paxos::Prepare& m) const {
    return ballot(m.ballot) + " first=" + number(m.first.value());
  }
  std::string operator()(const paxos::Promise& m) const {
    std::string text = ballot(m.ballot) + " slots=" + number(m.first.value()) + "…";
    if (!m.complete) text += number(m.through.value());
    text += " decided=" + number(m.decided.value());
    for (const auto& accepted : m.accepted) {
      text += " accepted(slot=" + number(accepted.slot.value()) +
              " ballot=" + to_string(accepted.ballot) + " " + describe_value(accepted.value) + ")";
    }
    return text + describe_generations(m.generations);
  }
  std::string operator()(const paxos::Accept& m) const {
    return ballot(m.ballot) + slot(m.slot) + " value=" + describe_value(m.value) +
           " decided=" + number(m.decided.value());
  }
  std::string operator()(const paxos::Accepted& m) const {
    return ballot(m.ballot) + slot(m.slot) + describe_generations(m.generations);
  }
  std::string operator()(const paxos::Nack& m) const {
    return " promised=" + to_string(m.promised);
  }
  std::string operator()(const paxos::Forward& m) const {
    return " [" + describe_command(m.command.view()) + "]" +
           (m.hops > 0 ? " hops=" + number(m.hops) : "");
  }
  std::string operator()(const paxos::ForwardReply& m) const {
    return " " + std::string(to_string(m.code)) +
           (m.revision == Revision(0) ? "" : " revision=" + number(m.revision.value()));
  }
  std::string operator()(const paxos::ReadIndexRequest& m) const {
    return m.hops > 0 ? " hops=" + number(m.hops) : "";
  }
  std::string operator()(const paxos::ReadIndexReply& m) const {
    return m.confirmed ? " index=" + number(m.index.value()) : std::string(" not confirmed");
  }
  std::string operator()(const paxos::ReadProbe& m) const { return ballot(m.ballot); }
  std::string operator()(const paxos::ReadProbeAck& m) const { return ballot(m.ballot); }
  std::string operator()(const paxos::FetchBlocks& m) const {
    return " first=" + number(m.first.value());
  }
  std::string operator()(const paxos::Blocks& m) const {
    std::string text = m.blocks.empty() ? " none" : " heights=" + number(m.first.value());
    if (m.blocks.size() > 1) text += "…" + number(m.first.value() + m.blocks.size() - 1);
    return text + " head=" + number(m.head.height.value());
  }
  std::string operator()(const paxos::RejoinRequest& m) const {
    return " generation=" + number(m.generation.value());
  }
  std::string operator()(const paxos::RejoinReply& m) const {
    return " generation=" + number(m.generation.value()) + " promised=" + to_string(m.promised) +
           " highest-slot=" + number(m.highest_slot.value());
  }

  static std::string ballot(const paxos::Ballot& b) { return " ballot=" + to_string(b); }
  static std::string slot(Slot s) { return " slot=" + number(s.value()); }
};

struct DescribeRecord {
  std::string operator()(const paxos::PromiseRecord& r) const {
    return "promise ballot=" + to_string(r.ballot);
  }
  std::string operator()(const paxos::AcceptRecord& r) const {
    return "accept ballot=" + to_string(r.ballot) + " slot=" + number(r.slot.value()) +
           " value=" + describe_value(r.value);
  }
  std::string operator()(const paxos::GenerationRecord& r) const {
    return "generation of " + name(r.node) + " is " + number(r.generation.value());
  }
  std::string operator()(const paxos::AbstainRecord& r) const {
    return r.open ? std::string("abstain until the bound is known")
                  : "abstain through slot=" + number(r.through.value());
  }
};

}  // namespace

std::string name(NodeId node) {
  return number(node.value());
}

std::string brief(const Digest& digest) {
  return digest.hex().substr(0, 8);
}

std::string describe_command(std::string_view octets) {
  const auto parsed = kv::parse_command(octets);
  if (!parsed) return "(" + printable(octets, 24) + ")";
  const auto& command = *parsed;
  std::string text(to_string(command.kind));
  const std::string key = printable(command.key, 24);
  switch (command.kind) {
    case kv::CommandKind::open_session:
    case kv::CommandKind::close_session:
      return text + " " + number(command.session.value());
    case kv::CommandKind::put:
      return text + " " + key + "=" + printable(command.value, 24);
    case kv::CommandKind::compare_and_put:
      return text + " " + key + "=" + printable(command.value, 24) + " if revision " +
             number(command.argument);
    case kv::CommandKind::remove:
    case kv::CommandKind::read:
      return text + " " + key;
  }
  return text;
}

std::string describe_value(const paxos::Value& value) {
  const auto batch = engine::decode_batch(value);
  if (!batch) return "(no batch: " + printable(value.view(), 24) + ")";
  return describe_commands(batch->commands);
}

std::string describe_block(const ledger::Block& block) {
  const auto commands = ledger::split_ops(block.ops.view(), block.header.op_count);
  if (!commands) return "(damaged ops)";
  return describe_commands(*commands);
}

std::string describe(const paxos::Message& message) {
  return paxos::name_of(message) + std::visit(DescribeMessage{}, message);
}

std::string describe(const paxos::DurableRecord& record) {
  return std::visit(DescribeRecord{}, record);
}

std::string describe(const engine::Reply& reply) {
  if (const auto* page = std::get_if<kv::ScanPage>(&reply.what)) {
    std::string text = "ok";
    for (const auto& item : page->items) {
      text += " " + printable(item.key, 24) + "=" + printable(item.value.view(), 24);
    }
    return page->more ? text + " …" : text;
  }
  const auto& result = std::get<kv::CommandResult>(reply.what);
  std::string text(to_string(result.code));
  if (result.revision != Revision(0)) text += " revision=" + number(result.revision.value());
  if (!result.value.empty()) text += " value=" + printable(result.value.view(), 24);
  if (!reply.message.empty()) text += " (" + reply.message + ")";
  return text;
}

std::string describe(const engine::Status& status) {
  std::string text(to_string(status.role));
  text += " leader=" + (status.leader == kNobody ? std::string("none") : name(status.leader));
  text += " promised=" + to_string(status.promised);
  text += " decided=" + number(status.decided.value());
  text += " height=" + number(status.head.height.value());
  if (status.abstaining) text += " abstaining";
  if (status.repairing) text += " repairing";
  return text;
}

}  // namespace paxledger::sim
