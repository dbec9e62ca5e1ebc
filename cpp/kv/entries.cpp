#include "kv/entries.hpp"

namespace paxledger::kv {

Entries::Entries(const Entries& other) : map_(other.map_) {
  if (other.index_) build_index();
}

void Entries::build_index() {
  index_ = std::make_unique<KeyIndex<Map::value_type>>();
  for (auto& element : map_) index_->insert(element);
}

const Entry* Entries::find(std::string_view key) const {
  if (index_) {
    if (const auto* element = index_->find(key)) return &element->second;
  }
  const auto found = map_.find(key);
  return found == map_.end() ? nullptr : &found->second;
}

Entry& Entries::at(std::string_view key) {
  if (index_) {
    if (auto* element = index_->find(key)) return element->second;
  }
  const auto place = map_.lower_bound(key);
  if (place != map_.end() && place->first == key) {
    if (index_) index_->offer(*place);
    return place->second;
  }
  auto& element = *map_.emplace_hint(place, std::string(key), Entry{});
  if (index_) {
    index_->insert(element);
  } else if (map_.size() >= kIndexedFrom) {
    build_index();
  }
  return element.second;
}

bool Entries::remove(std::string_view key) {
  const auto found = map_.find(key);
  if (found == map_.end()) return false;
  if (index_) index_->erase(*found);
  map_.erase(found);
  return true;
}

std::uint64_t Entries::foresee_place(std::string_view key) const {
  if (!index_) return 0;
  const std::uint64_t hash = index_->hash_of(key);
  index_->prefetch(hash);
  return hash;
}

void Entries::foresee_element(std::uint64_t hash) const {
  const auto* element = index_ ? index_->guess(hash) : nullptr;
  if (element == nullptr) return;
  __builtin_prefetch(&element->first);
  __builtin_prefetch(&element->second.revision);
}

void Entries::foresee_value(std::uint64_t hash) const {
  const auto* element = index_ ? index_->guess(hash) : nullptr;
  if (element == nullptr || element->second.value.empty()) return;
  // The octets of a value stand behind the count of its owners, which is what is read.
  __builtin_prefetch(element->second.value.view().data() - 1);
}

}  // namespace paxledger::kv
