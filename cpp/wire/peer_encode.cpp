// Encoding: PeerPacketWriter.
#include <type_traits>
#include <utility>
#include <variant>

#include "wire/pack.hpp"
#include "wire/peer_kinds.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::wire {

namespace {

using namespace paxos;  // NOLINT: this file is about that vocabulary

// More than any message has beside its values and lists, and than any item has beside its value.
constexpr std::size_t kFixedBytesMax = 192;
constexpr std::size_t kItemBytesMax = 64;
constexpr std::size_t kMessageBytesLimit = kFrameBytesMax - 2 * kFixedBytesMax;

// How many of the blocks fit into one message.
std::size_t blocks_that_fit(const Blocks& message) {
  std::size_t bytes = kFixedBytesMax;
  std::size_t count = 0;
  for (const SharedBytes& block : message.blocks) {
    bytes += block.size() + kItemBytesMax;
    if (bytes > kMessageBytesLimit || count == kArrayItemsMax) break;
    ++count;
  }
  return count;
}

// An upper bound of the encoded size; SIZE_MAX if the message cannot be encoded at all.
std::size_t size_bound(const Message& message) {
  return std::visit(
      [](const auto& m) -> std::size_t {
        using M = std::decay_t<decltype(m)>;
        std::size_t bound = kFixedBytesMax;
        if constexpr (requires { m.generations; }) {
          if (m.generations.size() > kArrayItemsMax) return SIZE_MAX;
          bound += m.generations.size() * kItemBytesMax;
        }
        if constexpr (std::is_same_v<M, Promise>) {
          if (m.accepted.size() > kArrayItemsMax) return SIZE_MAX;
          for (const auto& item : m.accepted) bound += item.value.size() + kItemBytesMax;
        } else if constexpr (std::is_same_v<M, Blocks>) {
          const std::size_t fitting = blocks_that_fit(m);
          if (fitting == 0 && !m.blocks.empty()) return SIZE_MAX;
          for (std::size_t i = 0; i < fitting; ++i) bound += m.blocks[i].size() + kItemBytesMax;
        } else if constexpr (requires { m.value; }) {
          bound += m.value.size();
        } else if constexpr (requires { m.command; }) {
          bound += m.command.size();
        }
        return bound;
      },
      message);
}

void begin(Packer& out, PeerKind kind, std::size_t fields) {
  out.array(1 + fields);
  out.number(static_cast<std::uint64_t>(kind));
}
void put(Packer& out, const Ballot& ballot) {
  out.id(ballot.round);
  out.id(ballot.node);
}
void put(Packer& out, const Head& head) {
  out.id(head.height);
  out.digest(head.hash);
}
void put(Packer& out, const Generations& generations) {
  out.array(generations.size());
  for (const auto& entry : generations) {
    out.array(2);
    out.id(entry.node);
    out.id(entry.generation);
  }
}

void put(Packer& out, const Heartbeat& m) {
  begin(out, PeerKind::heartbeat, 9);
  put(out, m.promised);
  out.boolean(m.leading);
  out.boolean(m.hears_leader);
  out.id(m.leader);
  out.boolean(m.abstaining);
  out.id(m.decided);
  put(out, m.head);
}
void put(Packer& out, const PreVote& m) {
  begin(out, PeerKind::pre_vote, 2);
  put(out, m.ballot);
}
void put(Packer& out, const PreVoteReply& m) {
  begin(out, PeerKind::pre_vote_reply, 5);
  put(out, m.ballot);
  out.boolean(m.granted);
  put(out, m.promised);
}
void put(Packer& out, const Prepare& m) {
  begin(out, PeerKind::prepare, 3);
  put(out, m.ballot);
  out.id(m.first);
}
void put(Packer& out, const Promise& m) {
  begin(out, PeerKind::promise, 8);
  put(out, m.ballot);
  out.id(m.first);
  out.id(m.through);
  out.boolean(m.complete);
  out.id(m.decided);
  out.array(m.accepted.size());
  for (const auto& item : m.accepted) {
    out.array(4);
    out.id(item.slot);
    put(out, item.ballot);
    out.bytes(item.value.view());
  }
  put(out, m.generations);
}
void put(Packer& out, const Accept& m) {
  begin(out, PeerKind::accept, 5);
  put(out, m.ballot);
  out.id(m.slot);
  out.bytes(m.value.view());
  out.id(m.decided);
}
void put(Packer& out, const Accepted& m) {
  begin(out, PeerKind::accepted, 4);
  put(out, m.ballot);
  out.id(m.slot);
  put(out, m.generations);
}
void put(Packer& out, const Nack& m) {
  begin(out, PeerKind::nack, 2);
  put(out, m.promised);
}
void put(Packer& out, const Forward& m) {
  begin(out, PeerKind::forward, 4);
  out.number(m.id);
  out.number(m.hops);
  out.number(m.budget_ms);
  out.bytes(m.command.view());
}
void put(Packer& out, const ForwardReply& m) {
  begin(out, PeerKind::forward_reply, 4);
  out.number(m.id);
  out.number(static_cast<std::uint64_t>(m.code));
  out.id(m.revision);
  out.bytes(m.value.view());
}
void put(Packer& out, const ReadIndexRequest& m) {
  begin(out, PeerKind::read_index_request, 2);
  out.number(m.id);
  out.number(m.hops);
}
void put(Packer& out, const ReadIndexReply& m) {
  begin(out, PeerKind::read_index_reply, 3);
  out.number(m.id);
  out.boolean(m.confirmed);
  out.id(m.index);
}
void put(Packer& out, const ReadProbe& m) {
  begin(out, PeerKind::read_probe, 3);
  put(out, m.ballot);
  out.number(m.probe);
}
void put(Packer& out, const ReadProbeAck& m) {
  begin(out, PeerKind::read_probe_ack, 4);
  put(out, m.ballot);
  out.number(m.probe);
  put(out, m.generations);
}
void put(Packer& out, const FetchBlocks& m) {
  begin(out, PeerKind::fetch_blocks, 2);
  out.id(m.first);
  out.number(m.bytes_max);
}
void put(Packer& out, const Blocks& m) {
  begin(out, PeerKind::blocks, 4);
  out.id(m.first);
  const std::size_t count = blocks_that_fit(m);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) out.bytes(m.blocks[i].view());
  put(out, m.head);
}
void put(Packer& out, const RejoinRequest& m) {
  begin(out, PeerKind::rejoin_request, 2);
  out.id(m.generation);
  out.number(m.life);
}
void put(Packer& out, const RejoinReply& m) {
  begin(out, PeerKind::rejoin_reply, 6);
  out.id(m.generation);
  put(out, m.promised);
  out.id(m.highest_slot);
  out.number(m.life);
  put(out, m.generations);
}

}  // namespace

PeerPacketWriter::PeerPacketWriter(const PeerHeader& header) : header_(header) {
  begin();
}

void PeerPacketWriter::begin() {
  octets_.clear();
  count_ = 0;
  Packer out(octets_);
  out.array(6);
  out.number(kPeerProtocolVersion);
  out.id(header_.cluster);
  out.id(header_.from);
  out.id(header_.to);
  out.id(header_.incarnation);
  count_at_ = begin_counted_array(octets_);
}

PeerPacketWriter::Added PeerPacketWriter::add(const paxos::Message& message) {
  const std::size_t bound = size_bound(message);
  if (bound > kMessageBytesLimit) return Added::too_large;
  const bool past_goal = octets_.size() + bound > kPeerPacketBytesGoal;
  if (!empty() && (past_goal || count_ == kPeerPacketMessagesMax)) return Added::full;
  octets_.reserve(octets_.size() + bound);
  Packer out(octets_);
  std::visit([&out](const auto& m) { put(out, m); }, message);
  ++count_;
  return Added::yes;
}

std::string PeerPacketWriter::finish() {
  end_counted_array(octets_, count_at_, count_);
  std::string packet = std::move(octets_);
  begin();
  return packet;
}

std::vector<std::string> encode_packets(const PeerHeader& header,
                                        std::span<const paxos::Message> messages) {
  std::vector<std::string> packets;
  PeerPacketWriter writer(header);
  for (const auto& message : messages) {
    if (writer.add(message) == PeerPacketWriter::Added::full) {
      packets.push_back(writer.finish());
      static_cast<void>(writer.add(message));
    }
  }
  if (!writer.empty()) packets.push_back(writer.finish());
  return packets;
}

std::string encode_packet(const PeerHeader& header, std::span<const paxos::Message> messages) {
  PeerPacketWriter writer(header);
  for (const auto& message : messages) {
    invariant(writer.add(message) == PeerPacketWriter::Added::yes,
              "the messages given to encode_packet fit into one packet");
  }
  return writer.finish();
}

}  // namespace paxledger::wire
