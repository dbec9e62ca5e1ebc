#include "engine/requests.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::engine {

CommandKey command_key(std::string_view command) {
  // kv/command.hpp: session at octet 8, sequence at octet 16.
  return {SessionId(read_le<std::uint64_t>(command, 8)),
          Sequence(read_le<std::uint64_t>(command, 16))};
}

std::uint64_t Requests::admit(Origin origin, SharedBytes command, CommandKey key, Instant expires,
                              std::uint8_t hops) {
  const std::uint64_t id = next_id_++;
  if (const auto* remote = std::get_if<RemoteOrigin>(&origin)) remote_[*remote] = id;
  by_key_[key].push_back(id);
  by_expiry_.emplace(expires, id);
  bytes_ += command.size();
  Request request;
  request.origin = origin;
  request.command = std::move(command);
  request.key = key;
  request.expires = expires;
  request.hops = hops;
  requests_.emplace_hint(requests_.end(), id, std::move(request));
  return id;
}

void Requests::enqueue(std::uint64_t id) {
  auto& request = requests_.at(id);
  if (request.stage == Stage::queued || request.stage == Stage::proposed) return;
  for (const std::uint64_t twin : by_key_.at(request.key)) {
    const auto& other = requests_.at(twin);
    if (other.stage != Stage::queued && other.stage != Stage::proposed) continue;
    request.stage = other.stage;
    request.was_proposed = request.was_proposed || other.stage == Stage::proposed;
    if (other.stage == Stage::queued) {  // whichever lives longer takes the place in the queue
      queue_.push_back(id);
      queued_bytes_ += request.command.size();
    }
    return;
  }
  request.stage = Stage::queued;
  queue_.push_back(id);
  queued_bytes_ += request.command.size();
}

std::vector<SharedBytes> Requests::cut_batch(std::size_t bytes_max, std::size_t count_max) {
  std::vector<SharedBytes> batch;
  std::size_t bytes = 0;
  while (!queue_.empty() && batch.size() < count_max) {
    const auto found = requests_.find(queue_.front());
    // The request may have ended, or a twin of it may have been cut before it.
    if (found == requests_.end() || found->second.stage != Stage::queued) {
      queue_.pop_front();
      continue;
    }
    const SharedBytes& command = found->second.command;
    if (!batch.empty() && bytes + command.size() > bytes_max) break;
    bytes += command.size();
    batch.push_back(command);
    queue_.pop_front();
    for (const std::uint64_t twin : by_key_.at(found->second.key)) {
      auto& request = requests_.at(twin);
      if (request.stage != Stage::queued) continue;
      request.stage = Stage::proposed;
      request.was_proposed = true;
      queued_bytes_ -= request.command.size();
    }
  }
  return batch;
}

void Requests::on_leadership_lost() {
  for (auto& [id, request] : requests_) {
    if (request.stage == Stage::queued || request.stage == Stage::proposed) {
      request.stage = Stage::waiting;
    }
  }
  queue_.clear();
  queued_bytes_ = 0;
}

void Requests::on_leadership_won() {
  for (const auto& [id, request] : requests_) enqueue(id);
}

std::vector<std::uint64_t> Requests::to_be_sent(Instant before) const {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, request] : requests_) {
    if (request.stage == Stage::waiting ||
        (request.stage == Stage::forwarded && request.sent_at <= before)) {
      ids.push_back(id);
    }
  }
  return ids;
}

void Requests::mark_forwarded(std::uint64_t id, NodeId to, Instant now) {
  auto& request = requests_.at(id);
  request.stage = Stage::forwarded;
  request.sends += 1;
  request.sent_to = to;
  request.sent_at = now;
}

void Requests::mark_refused(std::uint64_t id, NodeId by) {
  auto& request = requests_.at(id);
  if (request.stage != Stage::forwarded || request.sent_to != by) return;
  request.stage = Stage::waiting;
  // With one send out and that one refused, nothing can have come of it.
  if (request.sends == 1) request.sends = 0;
}

const Requests::Request* Requests::find(std::uint64_t id) const {
  const auto found = requests_.find(id);
  return found == requests_.end() ? nullptr : &found->second;
}

std::vector<Origin> Requests::resolve(const CommandKey& key) {
  std::vector<Origin> origins;
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return origins;
  const std::vector<std::uint64_t> ids = found->second;
  for (const std::uint64_t id : ids) origins.push_back(take(id)->origin);
  return origins;
}

std::vector<Origin> Requests::resolve_proposed(const CommandKey& key) {
  std::vector<Origin> origins;
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return origins;
  const std::vector<std::uint64_t> ids = found->second;
  for (const std::uint64_t id : ids) {
    if (requests_.at(id).stage == Stage::proposed) origins.push_back(take(id)->origin);
  }
  return origins;
}

std::optional<Requests::Request> Requests::take(std::uint64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return std::nullopt;
  Request request = std::move(found->second);
  requests_.erase(found);
  forget(id, request);
  return request;
}

void Requests::forget(std::uint64_t id, const Request& request) {
  bytes_ -= request.command.size();
  if (request.stage == Stage::queued) queued_bytes_ -= request.command.size();
  if (const auto* remote = std::get_if<RemoteOrigin>(&request.origin)) remote_.erase(*remote);
  by_expiry_.erase({request.expires, id});
  const auto twins = by_key_.find(request.key);
  std::erase(twins->second, id);
  if (twins->second.empty()) by_key_.erase(twins);
}

std::vector<Requests::Request> Requests::take_expired(Instant now) {
  std::vector<Request> expired;
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
    auto request = take(by_expiry_.begin()->second);
    invariant(request.has_value(), "every expiry belongs to a request");
    expired.push_back(std::move(*request));
  }
  return expired;
}

void Requests::describe(std::vector<QueuedItem>& items, std::size_t count_max) const {
  for (const auto& [id, request] : requests_) {
    if (items.size() >= count_max) return;
    QueuedItem item;
    switch (request.stage) {
      case Stage::waiting:
        item.stage = QueuedItem::Stage::waiting;
        break;
      case Stage::forwarded:
        item.stage = QueuedItem::Stage::forwarded;
        break;
      case Stage::queued:
        item.stage = QueuedItem::Stage::queued;
        break;
      case Stage::proposed:
        item.stage = QueuedItem::Stage::in_flight;
        break;
    }
    item.session = request.key.session;
    item.sequence = request.key.sequence;
    if (const auto command = kv::parse_command(request.command.view())) {
      item.what = std::string(kv::to_string(command->kind)) + " " + printable(command->key) + " (" +
                  std::to_string(command->value.size()) + " octets)";
    }
    items.push_back(std::move(item));
  }
}

void Requests::hash_into(StateHasher& hasher) const {
  // The limits are those of the settings. The three tables beside the requests find them by key,
  // origin and expiry, and follow from them: ids rise, so twins stand in the order of their ids.
  const auto& [limits, next_id, requests, by_key, remote, by_expiry, queue, queued_bytes, bytes] =
      *this;
  hasher.add(next_id, requests.size(), queue, queued_bytes, bytes);
  for (const auto& [id, request] : requests) {
    const auto& [origin, command, key, expires, stage, was_proposed, sends, sent_to, sent_at,
                 hops] = request;
    hasher.add(id, command, key.session, key.sequence, expires, stage, was_proposed, sends, hops);
    if (const auto* peer = std::get_if<RemoteOrigin>(&origin)) {
      hasher.add(true, peer->node, peer->id);
    } else {
      hasher.add(false, std::get<RequestKey>(origin));
    }
    // What was sent matters while an answer to it may come.
    if (stage == Stage::forwarded) hasher.add(sent_to, sent_at);
  }
}

}  // namespace paxledger::engine
