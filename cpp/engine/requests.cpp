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

std::uint64_t Requests::hash_of(std::uint64_t word, std::uint64_t other) const {
  // The finalizer of SplitMix64, twice.
  const auto scramble = [](std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  return scramble(scramble(word ^ salt_) + other);
}

std::uint64_t Requests::hash_of(const CommandKey& key) const {
  return hash_of(key.session.value(), key.sequence.value());
}

std::uint64_t Requests::hash_of(const RemoteOrigin& origin) const {
  return hash_of(origin.id, origin.node.value());
}

Requests::Place Requests::find_place(std::uint64_t id) const {
  return by_id_.find(hash_of(id), [&](Place place) { return slots_[place].id == id; });
}

Requests::Place Requests::find_first(const CommandKey& key) const {
  return by_key_.find(hash_of(key), [&](Place place) { return slots_[place].request.key == key; });
}

bool Requests::knows(const RemoteOrigin& origin) const {
  return remote_.find(hash_of(origin), [&](Place place) {
    const auto* remote = std::get_if<RemoteOrigin>(&slots_[place].request.origin);
    return remote != nullptr && *remote == origin;
  }) != kNowhere;
}

std::uint64_t Requests::admit(Origin origin, SharedBytes command, CommandKey key, Instant expires,
                              std::uint8_t hops) {
  const std::uint64_t id = next_id_++;
  if (free_.empty()) {
    free_.push_back(static_cast<Place>(slots_.size()));
    slots_.emplace_back();
  }
  const Place place = free_.back();
  free_.pop_back();
  by_id_.add(hash_of(id), place);
  by_expiry_.add({expires, id, place});
  if (const auto* remote = std::get_if<RemoteOrigin>(&origin)) {
    remote_.add(hash_of(*remote), place);
  }
  bytes_ += command.size();
  Slot& slot = slots_[place];
  slot.id = id;
  slot.is_taken = true;
  slot.request = {};
  slot.request.origin = origin;
  slot.request.command = std::move(command);
  slot.request.key = key;
  slot.request.expires = expires;
  slot.request.hops = hops;
  const std::uint64_t key_hash = hash_of(key);
  const Place first =
      by_key_.find(key_hash, [&](Place other) { return slots_[other].request.key == key; });
  if (first == kNowhere) {
    by_key_.add(key_hash, place);
    slot.twin_before = slot.twin_after = place;
  } else {
    slot.twin_before = slots_[first].twin_before;
    slot.twin_after = first;
    slots_[slot.twin_before].twin_after = place;
    slots_[first].twin_before = place;
  }
  return id;
}

void Requests::enqueue(std::uint64_t id) {
  enqueue_at(find_place(id));
}

void Requests::enqueue_at(Place place) {
  Slot& slot = slots_[place];
  Request& request = slot.request;
  if (request.stage == Stage::queued || request.stage == Stage::proposed) return;
  request.stage = Stage::queued;
  for (Place twin = slot.twin_after; twin != place; twin = slots_[twin].twin_after) {
    const Request& other = slots_[twin].request;
    if (other.stage != Stage::queued && other.stage != Stage::proposed) continue;
    request.stage = other.stage;
    request.was_proposed = request.was_proposed || other.stage == Stage::proposed;
    break;
  }
  // Of twins in the queue, whichever lives longer takes the place.
  if (request.stage == Stage::proposed) return;
  queue_.push_back(slot.id);
  queued_bytes_ += request.command.size();
}

std::vector<SharedBytes> Requests::cut_batch(std::size_t bytes_max, std::size_t count_max) {
  std::vector<SharedBytes> batch;
  batch.reserve(std::min(queue_.size(), count_max));
  std::size_t bytes = 0;
  while (!queue_.empty() && batch.size() < count_max) {
    const Place place = find_place(queue_.front());
    // The request may have ended, or a twin of it may have been cut before it.
    if (place == kNowhere || slots_[place].request.stage != Stage::queued) {
      queue_.pop_front();
      continue;
    }
    const SharedBytes& command = slots_[place].request.command;
    if (!batch.empty() && bytes + command.size() > bytes_max) break;
    bytes += command.size();
    batch.push_back(command);
    queue_.pop_front();
    Place twin = place;
    do {
      Request& request = slots_[twin].request;
      if (request.stage == Stage::queued) {
        request.stage = Stage::proposed;
        request.was_proposed = true;
        queued_bytes_ -= request.command.size();
      }
      twin = slots_[twin].twin_after;
    } while (twin != place);
  }
  return batch;
}

std::vector<Requests::Place> Requests::in_order() const {
  std::vector<Place> places;
  places.reserve(size());
  for (Place place = 0; place < slots_.size(); ++place) {
    if (slots_[place].is_taken) places.push_back(place);
  }
  std::sort(places.begin(), places.end(),
            [&](Place a, Place b) { return slots_[a].id < slots_[b].id; });
  return places;
}

void Requests::on_leadership_lost() {
  for (auto& slot : slots_) {
    auto& stage = slot.request.stage;
    if (stage == Stage::queued || stage == Stage::proposed) stage = Stage::waiting;
  }
  queue_.clear();
  queued_bytes_ = 0;
}

void Requests::on_leadership_won() {
  for (const Place place : in_order()) enqueue_at(place);
}

std::vector<std::uint64_t> Requests::to_be_sent(Instant before) const {
  std::vector<std::uint64_t> ids;
  for (const Slot& slot : slots_) {
    const Request& request = slot.request;
    if (!slot.is_taken) continue;
    if (request.stage == Stage::waiting ||
        (request.stage == Stage::forwarded && request.sent_at <= before)) {
      ids.push_back(slot.id);
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

void Requests::mark_forwarded(std::uint64_t id, NodeId to, Instant now) {
  auto& request = at(id);
  request.stage = Stage::forwarded;
  request.sends += 1;
  request.sent_to = to;
  request.sent_at = now;
}

void Requests::mark_refused(std::uint64_t id, NodeId by) {
  auto& request = at(id);
  if (request.stage != Stage::forwarded || request.sent_to != by) return;
  request.stage = Stage::waiting;
  // With one send out and that one refused, nothing can have come of it.
  if (request.sends == 1) request.sends = 0;
}

const Requests::Request* Requests::find(std::uint64_t id) const {
  const Place place = find_place(id);
  return place == kNowhere ? nullptr : &slots_[place].request;
}

std::optional<Requests::Request> Requests::take(std::uint64_t id) {
  const Place place = find_place(id);
  if (place == kNowhere) return std::nullopt;
  return end(place);
}

Requests::Request Requests::end(Place place) {
  Slot& slot = slots_[place];
  const bool is_first = slot.twin_after != place && find_first(slot.request.key) == place;
  Request request = std::move(slot.request);
  bytes_ -= request.command.size();
  if (request.stage == Stage::queued) queued_bytes_ -= request.command.size();
  by_id_.remove(hash_of(slot.id), place);
  by_expiry_.remove(place);
  if (const auto* remote = std::get_if<RemoteOrigin>(&request.origin)) {
    remote_.remove(hash_of(*remote), place);
  }
  if (slot.twin_after == place) {
    by_key_.remove(hash_of(request.key), place);
  } else {
    slots_[slot.twin_before].twin_after = slot.twin_after;
    slots_[slot.twin_after].twin_before = slot.twin_before;
    if (is_first) by_key_.replace(hash_of(request.key), place, slot.twin_after);
  }
  slot.request.stage = Stage::waiting;
  slot.is_taken = false;
  free_.push_back(place);
  return request;
}

std::vector<Requests::Request> Requests::take_expired(Instant now) {
  std::vector<Request> expired;
  while (!by_expiry_.empty() && by_expiry_.front().expires <= now) {
    expired.push_back(end(by_expiry_.front().place));
  }
  return expired;
}

void Requests::describe(std::vector<QueuedItem>& items, std::size_t count_max) const {
  for (const Place place : in_order()) {
    const Request& request = slots_[place].request;
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
  // The limits are those of the settings. In which slots the requests stand, and the tables that
  // find them there, make no difference: ids rise, so twins stand in the order of their ids.
  const auto& [limits, next_id, salt, slots, free, by_id, by_key, remote, by_expiry, queue,
               queued_bytes, bytes] = *this;
  hasher.add(next_id, size(), queue, queued_bytes, bytes);
  for (const Place place : in_order()) {
    const auto& [id, request, twin_before, twin_after, is_taken] = slots[place];
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
