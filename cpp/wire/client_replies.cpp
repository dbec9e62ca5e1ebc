// Replies: ReplyWriter and decode_replies.
#include <utility>
#include <variant>

#include "wire/client_codec.hpp"
#include "wire/client_kinds.hpp"
#include "wire/pack.hpp"

namespace paxledger::wire {

namespace {

constexpr std::size_t kFixedBytesMax = 96;  // of a reply, beside its octets, texts and items
constexpr std::size_t kItemBytesMax = 32;   // of an item, beside its octets
constexpr std::size_t kReplyBytesMax = kFrameBytesMax - 1024;
constexpr std::size_t kReplyItemsMax = 16;  // more fields than any reply has

// The longest start of a text that fits and does not end within a UTF-8 character.
std::string_view shortened(std::string_view text) {
  if (text.size() <= kMessageBytesMax) return text;
  std::size_t size = kMessageBytesMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

std::size_t item_bytes(const ScanItem& item) {
  return kItemBytesMax + item.key.size() + item.value.size();
}
std::size_t item_bytes(const SharedBytes& block) {
  return kItemBytesMax + block.size();
}

// How many of the items go into one reply, and the bound of its size then.
struct Fitting {
  std::size_t count = 0;
  std::size_t bytes = kFixedBytesMax;
};
template <class Items>
Fitting fitting(const Items& items) {
  Fitting result;
  for (const auto& item : items) {
    const std::size_t bytes = item_bytes(item);
    if (result.bytes + bytes > kReplyBytesMax || result.count == kArrayItemsMax) break;
    result.bytes += bytes;
    ++result.count;
  }
  return result;
}

void begin(Packer& out, ReplyKind kind, std::size_t fields, std::uint64_t id) {
  out.array(2 + fields);
  out.number(static_cast<std::uint64_t>(kind));
  out.number(id);
}

void put(Packer& out, const ValueReply& m) {
  begin(out, ReplyKind::value, 6, m.id);
  out.number(static_cast<std::uint64_t>(m.code));
  out.id(m.revision);
  out.id(m.height);
  out.bytes(m.value.view());
  out.text(shortened(m.message));
  out.id(m.leader);
}
void put(Packer& out, const ScanReply& m) {
  const std::size_t count = fitting(m.items).count;
  begin(out, ReplyKind::scan, 3, m.id);
  out.id(m.height);
  out.boolean(m.more || count < m.items.size());
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.array(3);
    out.bytes(m.items[i].key.view());
    out.bytes(m.items[i].value.view());
    out.id(m.items[i].revision);
  }
}
void put(Packer& out, const ChainReply& m) {
  const std::size_t count = fitting(m.blocks).count;
  begin(out, ReplyKind::chain, 3, m.id);
  out.id(m.first);
  out.id(m.head);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) out.bytes(m.blocks[i].view());
}

std::size_t size_bound(const ValueReply& m) {
  return kFixedBytesMax + m.value.size() + shortened(m.message).size();
}
std::size_t size_bound(const ScanReply& m) {
  return fitting(m.items).bytes;
}
std::size_t size_bound(const ChainReply& m) {
  return fitting(m.blocks).bytes;
}

ClientReply get_value(Unpacker& in, std::uint64_t id) {
  ValueReply m;
  m.id = id;
  m.code = static_cast<ErrorCode>(in.number(static_cast<std::uint64_t>(ErrorCode::repairing)));
  m.revision = in.position<Revision>();
  m.height = in.position<Height>();
  m.value = in.bytes();
  m.message = in.text(kMessageBytesMax);
  m.leader = NodeId(in.integer<std::uint32_t>());
  return m;
}
ClientReply get_scan(Unpacker& in, std::uint64_t id) {
  ScanReply m;
  m.id = id;
  m.height = in.position<Height>();
  m.more = in.boolean();
  const std::size_t count = in.array();
  m.items.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    in.array_of(3);
    ScanItem item;
    item.key = in.bytes();
    item.value = in.bytes();
    item.revision = in.position<Revision>();
    m.items.push_back(std::move(item));
  }
  return m;
}
ClientReply get_chain(Unpacker& in, std::uint64_t id) {
  ChainReply m;
  m.id = id;
  m.first = in.position<Height>();
  m.head = in.position<Height>();
  const std::size_t count = in.array();
  m.blocks.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) m.blocks.push_back(in.bytes());
  return m;
}

ClientReply get_reply(Unpacker& in) {
  const std::size_t items = in.array(kReplyItemsMax);
  const auto kind = static_cast<ReplyKind>(in.integer<std::uint8_t>());
  const std::uint64_t id = in.number();
  const auto arity = [&](std::size_t fields) {
    if (items != 2 + fields) in.fail("as many fields as a reply of this kind has");
  };
  if (in.failed()) return ValueReply{};
  switch (kind) {
    case ReplyKind::value:
      arity(6);
      return get_value(in, id);
    case ReplyKind::scan:
      arity(3);
      return get_scan(in, id);
    case ReplyKind::chain:
      arity(3);
      return get_chain(in, id);
  }
  in.fail("a known kind of reply");
  return ValueReply{};
}

}  // namespace

ReplyWriter::ReplyWriter(ClusterId cluster, NodeId node) : cluster_(cluster), node_(node) {
  begin();
}

void ReplyWriter::begin() {
  octets_.clear();
  count_ = 0;
  Packer out(octets_);
  out.array(4);
  out.number(kClientProtocolVersion);
  out.id(cluster_);
  out.id(node_);
  count_at_ = begin_counted_array(octets_);
}

bool ReplyWriter::add(const ClientReply& reply) {
  const std::size_t bound = std::visit([](const auto& m) { return size_bound(m); }, reply);
  const bool past_goal = octets_.size() + bound > kClientPacketBytesGoal;
  if (!empty() && (past_goal || count_ == kClientPacketItemsMax)) return false;
  octets_.reserve(octets_.size() + bound);
  Packer out(octets_);
  std::visit([&out](const auto& m) { put(out, m); }, reply);
  ++count_;
  return true;
}

std::string ReplyWriter::finish() {
  end_counted_array(octets_, count_at_, count_);
  std::string packet = std::move(octets_);
  begin();
  return packet;
}

Result<ReplyPacket> decode_replies(const SharedBytes& frame) {
  ReplyPacket packet;
  Unpacker in(frame);
  const std::size_t items = in.array(kReplyItemsMax);
  const std::uint64_t version = in.number();
  if (!in.failed() && version != kClientProtocolVersion) {
    return Error{ErrorCode::bad_request, "the node answers in protocol version " +
                                             std::to_string(version) + "; expected " +
                                             std::to_string(kClientProtocolVersion)};
  }
  if (items != 4) in.fail("a packet of 4 items");
  packet.cluster = in.id<ClusterId>();
  packet.node = in.id<NodeId>();
  const std::size_t count = in.array(kClientPacketItemsMax);
  packet.replies.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) packet.replies.push_back(get_reply(in));
  in.end();
  if (in.failed()) return in.error();
  return packet;
}

std::uint64_t id_of(const ClientReply& reply) {
  return std::visit([](const auto& m) { return m.id; }, reply);
}

}  // namespace paxledger::wire
