#include "engine/reads.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::engine {

namespace {

void hash_into(StateHasher& hasher, const Lookup& lookup) {
  const auto& [key] = lookup;
  hasher.add(key);
}
void hash_into(StateHasher& hasher, const Scan& scan) {
  const auto& [prefix, after, count_max, bytes_max] = scan;
  hasher.add(prefix, after, count_max, bytes_max);
}
void hash_into(StateHasher& hasher, const ClientRead& read) {
  const auto& [request, consistency, what, deadline] = read;
  hasher.add(request, consistency, what.index(), deadline);
  std::visit([&](const auto& wanted) { hash_into(hasher, wanted); }, what);
}
void hash_into(StateHasher& hasher, const RemoteOrigin& origin) {
  const auto& [node, id] = origin;
  hasher.add(node, id);
}
void hash_all(StateHasher& hasher, const std::vector<Reader>& readers) {
  hasher.add(readers.size());
  for (const auto& [who, expires, hops] : readers) {
    hasher.add(who.index(), expires, hops);
    std::visit([&](const auto& reader) { hash_into(hasher, reader); }, who);
  }
}

}  // namespace

void Reads::add(Reader reader) {
  // What was answered since is forgotten here at the latest, if nobody is left.
  no_expiry_before_ = std::min(next_expiry(), reader.expires);
  waiting_.push_back(std::move(reader));
}

Reads::Round& Reads::begin(Instant now) {
  invariant(can_begin(), "a round of reads begins when none is under way and somebody waits");
  Round round;
  round.id = next_round_++;
  round.sent_at = now;
  round.readers.swap(waiting_);
  for (const auto& reader : round.readers) round.hops = std::max(round.hops, reader.hops);
  return round_.emplace(std::move(round));
}

Reads::Round& Reads::begin_probe(Slot index, Instant now) {
  Round& round = begin(now);
  round.is_probe = true;
  round.index = index;
  return round;
}

Reads::Round& Reads::begin_question(NodeId asked, Instant now) {
  Round& round = begin(now);
  round.asked = asked;
  return round;
}

bool Reads::on_ack(std::uint64_t id, NodeId from, Generation generation,
                   const paxos::Membership& membership, const paxos::GenerationTable& generations) {
  if (!round_ || !round_->is_probe || round_->id != id) return false;
  round_->votes.add(from, generation);
  return round_->votes.is_quorum(membership, generations);
}

std::vector<RemoteOrigin> Reads::finish_round(Slot index) {
  std::vector<RemoteOrigin> remote;
  for (auto& reader : round_->readers) {
    if (const auto* origin = std::get_if<RemoteOrigin>(&reader.who)) {
      remote.push_back(*origin);
    } else {
      indexed_[index].push_back(std::move(reader));
      ++indexed_count_;
    }
  }
  round_.reset();
  return remote;
}

void Reads::abandon_round() {
  if (!round_) return;
  waiting_.insert(waiting_.begin(), std::make_move_iterator(round_->readers.begin()),
                  std::make_move_iterator(round_->readers.end()));
  round_.reset();
}

std::vector<ClientRead> Reads::take_ready(Slot applied) {
  std::vector<ClientRead> ready;
  while (!indexed_.empty() && indexed_.begin()->first <= applied) {
    for (auto& reader : indexed_.begin()->second) {
      ready.push_back(std::move(std::get<ClientRead>(reader.who)));
    }
    indexed_count_ -= indexed_.begin()->second.size();
    indexed_.erase(indexed_.begin());
  }
  return ready;
}

std::vector<Reader> Reads::take_expired(Instant now) {
  std::vector<Reader> expired;
  if (next_expiry() > now) return expired;
  no_expiry_before_ = Instant::never();
  const auto is_over = [&](Reader& reader) {
    if (reader.expires > now) {
      no_expiry_before_ = std::min(no_expiry_before_, reader.expires);
      return false;
    }
    expired.push_back(std::move(reader));
    return true;
  };
  std::erase_if(waiting_, is_over);
  if (round_) std::erase_if(round_->readers, is_over);
  for (auto entry = indexed_.begin(); entry != indexed_.end();) {
    indexed_count_ -= std::erase_if(entry->second, is_over);
    entry = entry->second.empty() ? indexed_.erase(entry) : std::next(entry);
  }
  return expired;
}

void Reads::describe(std::vector<QueuedItem>& items, std::size_t count_max) const {
  const auto describe_reader = [&](const Reader& reader) {
    const auto* read = std::get_if<ClientRead>(&reader.who);
    if (read == nullptr || items.size() >= count_max) return;
    QueuedItem item;
    item.stage = QueuedItem::Stage::read;
    if (const auto* lookup = std::get_if<Lookup>(&read->what)) {
      item.what = "get " + printable(lookup->key.view());
    } else {
      item.what = "scan " + printable(std::get<Scan>(read->what).prefix.view());
    }
    items.push_back(std::move(item));
  };
  for (const auto& reader : waiting_) describe_reader(reader);
  if (round_) std::for_each(round_->readers.begin(), round_->readers.end(), describe_reader);
  for (const auto& [index, readers] : indexed_) {
    std::for_each(readers.begin(), readers.end(), describe_reader);
  }
}

void Reads::hash_into(StateHasher& hasher) const {
  // The limits are those of the settings, and the count is that of what is indexed.
  const auto& [limits, next_round, waiting, round, indexed, indexed_count, no_expiry_before] =
      *this;
  hasher.add(next_round, round.has_value(), indexed.size(), next_expiry());
  hash_all(hasher, waiting);
  for (const auto& [slot, readers] : indexed) {
    hasher.add(slot);
    hash_all(hasher, readers);
  }
  if (!round) return;
  const auto& [id, is_probe, asked, index, sent_at, votes, readers, hops] = *round;
  hasher.add(id, is_probe, asked, index, sent_at, votes, hops);
  hash_all(hasher, readers);
}

}  // namespace paxledger::engine
