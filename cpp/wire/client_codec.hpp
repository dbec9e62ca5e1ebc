// The encoding of what clients and nodes say to each other. docs/reference/client-protocol.md
// specifies it for writers of clients in other languages.
//
//   requests := [version, cluster, [request…]]            request := [kind, id, budget_ms, field…]
//   replies  := [version, cluster, node, [reply…]]        reply   := [kind, id, field…]
//
// All of it is msgpack with fixed arities. A packet is one ZeroMQ frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "wire/client_messages.hpp"
#include "wire/unpack.hpp"

namespace paxledger::wire {

inline constexpr std::uint64_t kClientProtocolVersion = 1;
inline constexpr std::size_t kClientPacketItemsMax = 1024;  // requests or replies in one packet
// A packet is closed when another item would take it over this; one item alone may be larger.
inline constexpr std::size_t kClientPacketBytesGoal = std::size_t{1} << 20;
inline constexpr std::size_t kChainReplyBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kAdminActionBytesMax = 64;
inline constexpr std::size_t kAdminArgumentBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kMessageBytesMax =
    1024;  // of ValueReply::message; the rest is cut off

// "Whatever cluster": accepted by every node.
inline constexpr ClusterId kAnyCluster{0};

// --- the client's side ----------------------------------------------------------------------

// Collects requests for one node. add() returns false if the packet is full; finish() it and add
// the request to the next. An empty writer takes any request whose command, key and texts are
// within their limits. Requests beyond them are the caller's to refuse.
class RequestWriter {
 public:
  explicit RequestWriter(ClusterId cluster);

  [[nodiscard]] bool add(const ClientRequest& request);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t size() const { return octets_.size(); }
  [[nodiscard]] std::string finish();  // leaves the writer empty and ready for the next packet

 private:
  void begin();

  ClusterId cluster_;
  std::string octets_;
  std::size_t count_at_ = 0;
  std::size_t count_ = 0;
};

struct ReplyPacket {
  ClusterId cluster;
  NodeId node;
  std::vector<ClientReply> replies;
};
// Errors: bad_request (malformed, or another version).
[[nodiscard]] Result<ReplyPacket> decode_replies(const SharedBytes& frame);

// --- the node's side ------------------------------------------------------------------------

// What was wrong with a packet, for counting.
enum class Defect : std::uint8_t { none, malformed, other_version, other_cluster };

// What a client's packet came to. `refusals` answer requests that are malformed, out of limits or
// meant for another cluster; each carries the id of its request, or 0 if that could not be read.
// They have had no effect and are to be sent back as they are.
struct RequestPacket {
  std::vector<ClientRequest> requests;
  std::vector<ValueReply> refusals;
  Defect defect = Defect::none;
};

// Every request that can be read is returned; one that cannot be read does not spoil its neighbours
// as long as it is msgpack. Errors: bad_request, when the octets are so foreign that there is
// nobody to answer.
[[nodiscard]] Result<RequestPacket> decode_requests(const SharedBytes& frame, ClusterId own);

// Collects replies for one connection. add() returns false if the packet is full; finish() it and
// add the reply to the next. An empty writer takes any reply. Items past kArrayItemsMax are left
// out: of a ScanReply `more` is set then, of a ChainReply the client asks again.
class ReplyWriter {
 public:
  ReplyWriter(ClusterId cluster, NodeId node);

  [[nodiscard]] bool add(const ClientReply& reply);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t size() const { return octets_.size(); }
  [[nodiscard]] std::string finish();  // leaves the writer empty and ready for the next packet

 private:
  void begin();

  ClusterId cluster_;
  NodeId node_;
  std::string octets_;
  std::size_t count_at_ = 0;
  std::size_t count_ = 0;
};

// The id of the request or reply.
[[nodiscard]] std::uint64_t id_of(const ClientRequest& request);
[[nodiscard]] std::uint64_t id_of(const ClientReply& reply);

}  // namespace paxledger::wire
