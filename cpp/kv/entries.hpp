// The keys of the state machine, in order, with what was written last under each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "kv/key_index.hpp"

namespace paxledger::kv {

struct Entry {
  SharedBytes value;
  Revision revision;  // of the command that wrote it
};

// Not thread-safe. Copies share the octets of values, which never change, and nothing else.
//
// Invariant: index_ is there if and only if there have been kIndexedFrom keys or more, and it was
// told of every one of them. It follows from the map.
class Entries {
 public:
  using Map = std::map<std::string, Entry, std::less<>>;
  // With fewer keys the map is as fast, and an index would be most of what a copy takes.
  static constexpr std::size_t kIndexedFrom = 256;

  Entries() = default;
  Entries(const Entries& other);
  Entries& operator=(const Entries&) = delete;

  // Null if the key is not there. Valid until the key is removed.
  [[nodiscard]] const Entry* find(std::string_view key) const;
  // The key's entry, which is new and empty if it was not there.
  Entry& at(std::string_view key);
  // False if the key was not there.
  bool remove(std::string_view key);

  // at() and find() wait for memory three times: for a place in the index, for the element that it
  // names, and for the value that a new one replaces. Whoever knows keys ahead of their turn may
  // call these, in this order and with other work in between, so that nobody waits.
  [[nodiscard]] std::uint64_t foresee_place(std::string_view key) const;  // gives the hash
  void foresee_element(std::uint64_t hash) const;
  void foresee_value(std::uint64_t hash) const;

  // For walking them in order.
  [[nodiscard]] const Map& in_order() const { return map_; }
  [[nodiscard]] std::size_t size() const { return map_.size(); }

 private:
  void build_index();

  Map map_;
  std::unique_ptr<KeyIndex<Map::value_type>> index_;
};

}  // namespace paxledger::kv
