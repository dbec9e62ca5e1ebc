// Requests: RequestWriter and decode_requests.
#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "kv/command.hpp"
#include "wire/client_codec.hpp"
#include "wire/client_kinds.hpp"
#include "wire/pack.hpp"

namespace paxledger::wire {

namespace {

constexpr std::size_t kFixedBytesMax = 64;  // of a request, beside its octets and texts
constexpr std::size_t kCommandBytesMax =
    kv::kCommandHeaderBytes + kv::kKeyBytesMax + kv::kValueBytesMax;
constexpr std::uint32_t kScanCountMax = 4096;
constexpr std::size_t kRequestItemsMax = 16;  // more fields than any request has

void begin(Packer& out, RequestKind kind, std::size_t fields, std::uint64_t id,
           std::uint32_t budget_ms) {
  out.array(3 + fields);
  out.number(static_cast<std::uint64_t>(kind));
  out.number(id);
  out.number(budget_ms);
}

void put(Packer& out, const ExecuteRequest& m) {
  begin(out, RequestKind::execute, 1, m.id, m.budget_ms);
  out.bytes(m.command.view());
}
void put(Packer& out, const GetRequest& m) {
  begin(out, RequestKind::get, 2, m.id, m.budget_ms);
  out.number(static_cast<std::uint64_t>(m.consistency));
  out.bytes(m.key.view());
}
void put(Packer& out, const ScanRequest& m) {
  begin(out, RequestKind::scan, 4, m.id, m.budget_ms);
  out.number(static_cast<std::uint64_t>(m.consistency));
  out.bytes(m.prefix.view());
  out.bytes(m.after.view());
  out.number(m.count_max);
}
void put(Packer& out, const ChainRequest& m) {
  begin(out, RequestKind::chain, 2, m.id, m.budget_ms);
  out.id(m.first);
  out.number(m.bytes_max);
}
void put(Packer& out, const AdminRequest& m) {
  begin(out, RequestKind::admin, 2, m.id, m.budget_ms);
  out.text(m.action);
  out.text(m.argument);
}

std::size_t size_bound(const ExecuteRequest& m) {
  return kFixedBytesMax + m.command.size();
}
std::size_t size_bound(const GetRequest& m) {
  return kFixedBytesMax + m.key.size();
}
std::size_t size_bound(const ScanRequest& m) {
  return kFixedBytesMax + m.prefix.size() + m.after.size();
}
std::size_t size_bound(const ChainRequest& /*m*/) {
  return kFixedBytesMax;
}
std::size_t size_bound(const AdminRequest& m) {
  return kFixedBytesMax + m.action.size() + m.argument.size();
}

Consistency get_consistency(Unpacker& in) {
  return static_cast<Consistency>(in.number(static_cast<std::uint64_t>(Consistency::local)));
}

// What is wrong with a request that is well-formed.
std::optional<Error> check_key(const SharedBytes& key, bool may_be_empty) {
  if (key.empty() && !may_be_empty) return Error{ErrorCode::bad_request, "the key is empty"};
  if (key.size() > kv::kKeyBytesMax) {
    return Error{ErrorCode::too_large, "the key has " + std::to_string(key.size()) +
                                           " octets; the limit is " +
                                           std::to_string(kv::kKeyBytesMax)};
  }
  return std::nullopt;
}
std::optional<Error> check(const ExecuteRequest& m) {
  if (m.command.size() <= kCommandBytesMax) return std::nullopt;
  return Error{ErrorCode::too_large, "the command has " + std::to_string(m.command.size()) +
                                         " octets; the limit is " +
                                         std::to_string(kCommandBytesMax)};
}
std::optional<Error> check(const GetRequest& m) {
  return check_key(m.key, false);
}
std::optional<Error> check(const ScanRequest& m) {
  if (auto wrong = check_key(m.prefix, true)) return wrong;
  if (auto wrong = check_key(m.after, true)) return wrong;
  if (m.count_max >= 1 && m.count_max <= kScanCountMax) return std::nullopt;
  return Error{ErrorCode::bad_request, "count_max is " + std::to_string(m.count_max) +
                                           "; expected 1 to " + std::to_string(kScanCountMax)};
}
std::optional<Error> check(const ChainRequest& m) {
  if (m.first >= Height(1)) return std::nullopt;
  return Error{ErrorCode::bad_request, "the first block is at height 1"};
}
std::optional<Error> check(const AdminRequest& /*m*/) {
  return std::nullopt;
}

ClientRequest get_request(Unpacker& in) {
  const std::size_t items = in.array(kRequestItemsMax);
  const auto kind = static_cast<RequestKind>(in.integer<std::uint8_t>());
  const std::uint64_t id = in.number();
  const auto budget_ms = in.integer<std::uint32_t>();
  const auto arity = [&](std::size_t fields) {
    if (items != 3 + fields) in.fail("as many fields as a request of this kind has");
  };
  if (in.failed()) return ExecuteRequest{};
  switch (kind) {
    case RequestKind::execute:
      arity(1);
      return ExecuteRequest{id, budget_ms, in.bytes()};
    case RequestKind::get: {
      arity(2);
      const Consistency consistency = get_consistency(in);
      return GetRequest{id, budget_ms, consistency, in.bytes()};
    }
    case RequestKind::scan: {
      arity(4);
      ScanRequest m;
      m.id = id;
      m.budget_ms = budget_ms;
      m.consistency = get_consistency(in);
      m.prefix = in.bytes();
      m.after = in.bytes();
      m.count_max = in.integer<std::uint32_t>();
      return m;
    }
    case RequestKind::chain: {
      arity(2);
      ChainRequest m;
      m.id = id;
      m.budget_ms = budget_ms;
      m.first = in.position<Height>();
      const std::uint64_t bytes_max = in.integer<std::uint32_t>();
      m.bytes_max =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes_max, kChainReplyBytesMax));
      return m;
    }
    case RequestKind::admin: {
      arity(2);
      AdminRequest m;
      m.id = id;
      m.budget_ms = budget_ms;
      m.action = in.text(kAdminActionBytesMax);
      m.argument = in.text(kAdminArgumentBytesMax);
      return m;
    }
  }
  in.fail("a known kind of request");
  return ExecuteRequest{};
}

ValueReply refusal(std::uint64_t id, ErrorCode code, std::string message) {
  ValueReply reply;
  reply.id = id;
  reply.code = code;
  reply.message = std::move(message);
  return reply;
}

// The id of the request that begins at the reader's place, or 0. Moves the reader.
std::uint64_t read_id(Unpacker& in) {
  in.array();
  in.skip();
  const std::uint64_t id = in.number();
  return in.failed() ? 0 : id;
}

// Answers the request that begins at `start` and could not be read, and goes on behind it if it is
// at least msgpack. Leaves the reader failed otherwise.
void refuse_unreadable(Unpacker& in, std::size_t start, RequestPacket& packet) {
  const std::string message = in.error().message;
  packet.defect = Defect::malformed;
  in.rewind(start);
  const std::uint64_t id = read_id(in);
  packet.refusals.push_back(refusal(id, ErrorCode::bad_request, message));
  in.rewind(start);
  in.skip();
}

// Turns every request into a refusal.
void refuse_all(RequestPacket& packet, Defect defect, const std::string& message) {
  packet.defect = defect;
  for (const auto& request : packet.requests) {
    packet.refusals.push_back(refusal(id_of(request), ErrorCode::bad_request, message));
  }
  packet.requests.clear();
  if (packet.refusals.empty()) {
    packet.refusals.push_back(refusal(0, ErrorCode::bad_request, message));
  }
}

}  // namespace

RequestWriter::RequestWriter(ClusterId cluster) : cluster_(cluster) {
  begin();
}

void RequestWriter::begin() {
  octets_.clear();
  count_ = 0;
  Packer out(octets_);
  out.array(3);
  out.number(kClientProtocolVersion);
  out.id(cluster_);
  count_at_ = begin_counted_array(octets_);
}

bool RequestWriter::add(const ClientRequest& request) {
  const std::size_t bound = std::visit([](const auto& m) { return size_bound(m); }, request);
  const bool past_goal = octets_.size() + bound > kClientPacketBytesGoal;
  if (!empty() && (past_goal || count_ == kClientPacketItemsMax)) return false;
  octets_.reserve(octets_.size() + bound);
  Packer out(octets_);
  std::visit([&out](const auto& m) { put(out, m); }, request);
  ++count_;
  return true;
}

std::string RequestWriter::finish() {
  end_counted_array(octets_, count_at_, count_);
  std::string packet = std::move(octets_);
  begin();
  return packet;
}

Result<RequestPacket> decode_requests(const SharedBytes& frame, ClusterId own) {
  RequestPacket packet;
  Unpacker in(frame);
  const std::size_t items = in.array(kRequestItemsMax);
  const std::uint64_t version = in.number();
  if (in.failed()) return in.error();
  if (version != kClientProtocolVersion) {
    refuse_all(packet, Defect::other_version,
               "protocol version " + std::to_string(version) + " is not spoken here; expected " +
                   std::to_string(kClientProtocolVersion));
    return packet;
  }
  if (items != 3) in.fail("a packet of 3 items");
  const auto cluster = in.id<ClusterId>();
  const std::size_t count = in.array(kClientPacketItemsMax);
  packet.requests.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    const std::size_t start = in.offset();
    ClientRequest request = get_request(in);
    if (in.failed()) {
      refuse_unreadable(in, start, packet);
      continue;
    }
    if (auto wrong = std::visit([](const auto& m) { return check(m); }, request)) {
      packet.refusals.push_back(refusal(id_of(request), wrong->code, std::move(wrong->message)));
      continue;
    }
    packet.requests.push_back(std::move(request));
  }
  in.end();
  if (in.failed()) {
    refuse_all(packet, Defect::malformed, in.error().message);
  } else if (cluster != kAnyCluster && cluster != own) {
    refuse_all(packet, Defect::other_cluster,
               "meant for cluster " + std::to_string(cluster.value()) + "; this is a node of " +
                   std::to_string(own.value()));
  }
  return packet;
}

std::uint64_t id_of(const ClientRequest& request) {
  return std::visit([](const auto& m) { return m.id; }, request);
}

}  // namespace paxledger::wire
