#include "node/client_desk.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::node {

Result<RequestKey> ClientDesk::admit(net::ConnectionId connection, std::uint64_t id, Kind kind) {
  if (pending_.size() >= pending_max_) {
    return Error{ErrorCode::overloaded, "the node has " + std::to_string(pending_max_) +
                                            " unanswered requests (limits.pending_requests)"};
  }
  const auto entry = connections_.try_emplace(connection, 0).first;
  if (entry->second >= outstanding_max_) {
    return Error{ErrorCode::overloaded, "the connection has " + std::to_string(outstanding_max_) +
                                            " unanswered requests (limits.client_outstanding)"};
  }
  ++entry->second;
  last_key_ = last_key_.next();
  if (spare_.empty()) {
    pending_.emplace(last_key_, Pending{entry, id, kind});
    return last_key_;
  }
  auto node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = last_key_;
  node.mapped() = Pending{entry, id, kind};
  pending_.insert(std::move(node));
  return last_key_;
}

ClientDesk::Origin ClientDesk::forget(PendingMap::iterator entry) {
  const Pending& pending = entry->second;
  Origin origin{pending.connection->first, pending.id, pending.kind};
  if (--pending.connection->second == 0) connections_.erase(pending.connection);
  spare_.push_back(pending_.extract(entry));
  return origin;
}

std::optional<ClientDesk::Origin> ClientDesk::settle(RequestKey key) {
  const auto entry = pending_.find(key);
  if (entry == pending_.end()) return std::nullopt;
  return forget(entry);
}

std::vector<ClientDesk::Origin> ClientDesk::settle_all(std::initializer_list<Kind> kinds) {
  std::vector<Origin> origins;
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    const auto current = entry++;
    if (std::find(kinds.begin(), kinds.end(), current->second.kind) != kinds.end()) {
      origins.push_back(forget(current));
    }
  }
  return origins;
}

Instant deadline_of(std::uint32_t budget_ms, Instant now) {
  constexpr std::uint32_t kDefault = 5'000;
  constexpr std::uint32_t kMax = 3'600'000;
  const std::uint32_t milliseconds = budget_ms == 0 ? kDefault : std::min(budget_ms, kMax);
  return now + std::chrono::milliseconds(milliseconds);
}

wire::ClientReply failure_reply(std::uint64_t id, ErrorCode code, std::string message,
                                Height height) {
  wire::ValueReply reply;
  reply.id = id;
  reply.code = code;
  reply.height = height;
  reply.message = message.empty() ? std::string(to_string(code)) : std::move(message);
  return reply;
}

wire::ClientReply to_client_reply(const ClientDesk::Origin& origin, engine::Reply reply) {
  if (auto* page = std::get_if<kv::ScanPage>(&reply.what)) {
    invariant(origin.kind == ClientDesk::Kind::scan, "a page answers a scan");
    wire::ScanReply scan;
    scan.id = origin.id;
    scan.height = reply.height;
    scan.more = page->more;
    scan.items.reserve(page->items.size());
    for (kv::ScanItem& item : page->items) {
      scan.items.push_back({SharedBytes(std::move(item.key)), item.value, item.revision});
    }
    return scan;
  }
  auto& result = std::get<kv::CommandResult>(reply.what);
  wire::ValueReply value;
  value.id = origin.id;
  value.code = result.code;
  value.revision = result.revision;
  value.height = reply.height;
  value.value = std::move(result.value);
  value.message = std::move(reply.message);
  if (value.code != ErrorCode::ok && value.message.empty()) value.message = to_string(value.code);
  return value;
}

}  // namespace paxledger::node
