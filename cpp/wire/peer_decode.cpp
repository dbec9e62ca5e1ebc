// Decoding: decode_preamble and decode_packet.
#include <utility>

#include "wire/peer_kinds.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::wire {

namespace {

using namespace paxos;  // NOLINT: this file is about that vocabulary

Ballot get_ballot(Unpacker& in) {
  Ballot ballot;
  ballot.round = in.position<Round>();
  ballot.node = in.id<NodeId>();
  return ballot;
}
Head get_head(Unpacker& in) {
  Head head;
  head.height = in.position<Height>();
  head.hash = in.digest();
  return head;
}
Generations get_generations(Unpacker& in) {
  const std::size_t count = in.array();
  Generations generations;
  generations.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    in.array_of(2);
    GenerationEntry entry;
    entry.node = in.id<NodeId>();
    entry.generation = in.id<Generation>();
    if (!generations.empty() && entry.node <= generations.back().node) {
      in.fail("generations in the order of their nodes");
    }
    generations.push_back(entry);
  }
  return generations;
}

Heartbeat get_heartbeat(Unpacker& in) {
  Heartbeat m;
  m.promised = get_ballot(in);
  m.leading = in.boolean();
  m.hears_leader = in.boolean();
  m.leader = in.id<NodeId>();
  m.abstaining = in.boolean();
  m.decided = in.position<Slot>();
  m.head = get_head(in);
  return m;
}
PreVoteReply get_pre_vote_reply(Unpacker& in) {
  PreVoteReply m;
  m.ballot = get_ballot(in);
  m.granted = in.boolean();
  m.promised = get_ballot(in);
  return m;
}
Prepare get_prepare(Unpacker& in) {
  Prepare m;
  m.ballot = get_ballot(in);
  m.first = in.position<Slot>();
  return m;
}
Promise get_promise(Unpacker& in) {
  Promise m;
  m.ballot = get_ballot(in);
  m.first = in.position<Slot>();
  m.through = in.position<Slot>();
  m.complete = in.boolean();
  m.decided = in.position<Slot>();
  const std::size_t count = in.array();
  m.accepted.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    in.array_of(4);
    AcceptedValue item;
    item.slot = in.position<Slot>();
    item.ballot = get_ballot(in);
    item.value = in.bytes();
    const bool rises = m.accepted.empty() || m.accepted.back().slot < item.slot;
    if (!rises || item.slot < m.first || item.slot > m.through) {
      in.fail("accepted values in slot order, within the slots that the promise covers");
    }
    m.accepted.push_back(std::move(item));
  }
  m.generations = get_generations(in);
  return m;
}
Accept get_accept(Unpacker& in) {
  Accept m;
  m.ballot = get_ballot(in);
  m.slot = in.position<Slot>();
  m.value = in.bytes();
  m.decided = in.position<Slot>();
  return m;
}
Accepted get_accepted(Unpacker& in) {
  Accepted m;
  m.ballot = get_ballot(in);
  m.slot = in.position<Slot>();
  m.generations = get_generations(in);
  return m;
}
Forward get_forward(Unpacker& in) {
  Forward m;
  m.id = in.number();
  m.hops = in.integer<std::uint8_t>();
  m.budget_ms = in.integer<std::uint32_t>();
  m.command = in.bytes();
  return m;
}
ForwardReply get_forward_reply(Unpacker& in) {
  ForwardReply m;
  m.id = in.number();
  m.code = static_cast<ErrorCode>(in.number(static_cast<std::uint64_t>(ErrorCode::repairing)));
  m.revision = in.position<Revision>();
  m.value = in.bytes();
  return m;
}
ReadIndexRequest get_read_index_request(Unpacker& in) {
  ReadIndexRequest m;
  m.id = in.number();
  m.hops = in.integer<std::uint8_t>();
  return m;
}
ReadIndexReply get_read_index_reply(Unpacker& in) {
  ReadIndexReply m;
  m.id = in.number();
  m.confirmed = in.boolean();
  m.index = in.position<Slot>();
  return m;
}
ReadProbe get_read_probe(Unpacker& in) {
  ReadProbe m;
  m.ballot = get_ballot(in);
  m.probe = in.number();
  return m;
}
ReadProbeAck get_read_probe_ack(Unpacker& in) {
  ReadProbeAck m;
  m.ballot = get_ballot(in);
  m.probe = in.number();
  m.generations = get_generations(in);
  return m;
}
FetchBlocks get_fetch_blocks(Unpacker& in) {
  FetchBlocks m;
  m.first = in.position<Height>();
  m.bytes_max = in.integer<std::uint32_t>();
  return m;
}
Blocks get_blocks(Unpacker& in) {
  Blocks m;
  m.first = in.position<Height>();
  const std::size_t count = in.array();
  m.blocks.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) m.blocks.push_back(in.bytes());
  m.head = get_head(in);
  return m;
}
RejoinReply get_rejoin_reply(Unpacker& in) {
  RejoinReply m;
  m.generation = in.id<Generation>();
  m.promised = get_ballot(in);
  m.highest_slot = in.position<Slot>();
  m.life = in.number();
  m.generations = get_generations(in);
  return m;
}

// The array head and the kind have been read; `items` counts the kind too.
Message get_fields(Unpacker& in, PeerKind kind, std::size_t items) {
  const auto arity = [&](std::size_t fields) {
    if (items != 1 + fields) in.fail("as many fields as a message of this kind has");
  };
  switch (kind) {
    case PeerKind::heartbeat:
      return arity(9), get_heartbeat(in);
    case PeerKind::pre_vote:
      return arity(2), PreVote{get_ballot(in)};
    case PeerKind::pre_vote_reply:
      return arity(5), get_pre_vote_reply(in);
    case PeerKind::prepare:
      return arity(3), get_prepare(in);
    case PeerKind::promise:
      return arity(8), get_promise(in);
    case PeerKind::accept:
      return arity(5), get_accept(in);
    case PeerKind::accepted:
      return arity(4), get_accepted(in);
    case PeerKind::nack:
      return arity(2), Nack{get_ballot(in)};
    case PeerKind::forward:
      return arity(4), get_forward(in);
    case PeerKind::forward_reply:
      return arity(4), get_forward_reply(in);
    case PeerKind::read_index_request:
      return arity(2), get_read_index_request(in);
    case PeerKind::read_index_reply:
      return arity(3), get_read_index_reply(in);
    case PeerKind::read_probe:
      return arity(3), get_read_probe(in);
    case PeerKind::read_probe_ack:
      return arity(4), get_read_probe_ack(in);
    case PeerKind::fetch_blocks:
      return arity(2), get_fetch_blocks(in);
    case PeerKind::blocks:
      return arity(4), get_blocks(in);
    case PeerKind::rejoin_request:
      return arity(2), RejoinRequest{in.id<Generation>(), in.number()};
    case PeerKind::rejoin_reply:
      return arity(6), get_rejoin_reply(in);
  }
  in.fail("a known kind of message");
  return Heartbeat{};
}

Message get_message(Unpacker& in) {
  const std::size_t items = in.array(16);
  const auto kind = static_cast<PeerKind>(in.integer<std::uint8_t>());
  if (in.failed()) return Heartbeat{};
  return get_fields(in, kind, items);
}

// Reads up to the messages, or only the version if it is not ours.
PeerPreamble get_preamble(Unpacker& in) {
  PeerPreamble preamble;
  const std::size_t items = in.array(16);
  preamble.version = in.number();
  if (in.failed() || preamble.version != kPeerProtocolVersion) return preamble;
  if (items != 6) in.fail("a packet of 6 items");
  preamble.header.cluster = in.id<ClusterId>();
  preamble.header.from = in.id<NodeId>();
  preamble.header.to = in.id<NodeId>();
  preamble.header.incarnation = in.id<Incarnation>();
  return preamble;
}

}  // namespace

Result<PeerPreamble> decode_preamble(const SharedBytes& frame) {
  Unpacker in(frame);
  PeerPreamble preamble = get_preamble(in);
  if (in.failed()) return in.error();
  return preamble;
}

Result<PeerPacket> decode_packet(const SharedBytes& frame) {
  Unpacker in(frame);
  const PeerPreamble preamble = get_preamble(in);
  if (!in.failed() && preamble.version != kPeerProtocolVersion) in.fail("our protocol version");
  const std::size_t count = in.array(kPeerPacketMessagesMax);
  PeerPacket packet{preamble.header, {}};
  packet.messages.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    packet.messages.push_back(get_message(in));
  }
  in.end();
  if (in.failed()) return in.error();
  return packet;
}

}  // namespace paxledger::wire
