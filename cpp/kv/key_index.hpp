// Finds the entry of a key in a step or two, where a sorted map takes one for each doubling of the
// number of keys, and each of those a miss of the processor's cache.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace paxledger::kv {

// A hash table of pointers to the elements of a map, whose `first` is a key and which stay where
// they are. It is a shortcut beside that map, not a substitute: a bucket has a fixed number of
// places, and an element that finds none is left out. So keys that somebody chose to fall into one
// bucket cost no more than the map does, and only the map tells that a key is not there.
//
// The table grows by one bucket at a time (linear hashing), so no insertion waits for all keys to
// be moved. Nothing depends on its order. Not copyable: a copy of the map has other elements.
//
// Invariants:
//  1. Every pointer in it was inserted and not erased since, and stands in the bucket of its hash.
//  2. It takes about 21 octets for each key, and no fewer than 4 KiB.
template <class Element>
class KeyIndex {
 public:
  KeyIndex() { chunks_.push_back(std::make_unique<Chunk>()); }

  // Null if it is not known here.
  [[nodiscard]] Element* find(std::string_view key) const {
    const std::uint64_t hash = hash_of(key);
    const Bucket& bucket = at(place_of(hash));
    for (std::size_t i = 0; i < bucket.count; ++i) {
      if (bucket.tags[i] == tag_of(hash) && bucket.elements[i]->first == key) {
        return bucket.elements[i];
      }
    }
    return nullptr;
  }

  static std::uint64_t hash_of(std::string_view key) {
    std::uint64_t hash = mix(key.size());
    while (key.size() > sizeof(std::uint64_t)) {
      hash = mix(hash ^ word_of(key.substr(0, sizeof(std::uint64_t))));
      key.remove_prefix(sizeof(std::uint64_t));
    }
    return mix(hash ^ word_of(key));
  }

  // Starts to bring into the cache what guess() and find() read.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&at(place_of(hash))); }
  // What find() will probably find for a key of this hash, without a look at the element itself.
  [[nodiscard]] const Element* guess(std::uint64_t hash) const {
    const Bucket& bucket = at(place_of(hash));
    for (std::size_t i = 0; i < bucket.count; ++i) {
      if (bucket.tags[i] == tag_of(hash)) return bucket.elements[i];
    }
    return nullptr;
  }

  // Precondition: no element with its key is in the map beside it.
  void insert(Element& element) {
    if (++size_ > (base_ + split_) * kLoad) split();
    offer(element);
  }

  // There may be a place by now. Precondition: it was inserted, and find() does not find it.
  void offer(Element& element) {
    const std::uint64_t hash = hash_of(element.first);
    add(at(place_of(hash)), element, hash);
  }

  // Precondition: it was inserted, and is still where it was.
  void erase(const Element& element) {
    --size_;
    Bucket& bucket = at(place_of(hash_of(element.first)));
    for (std::size_t i = 0; i < bucket.count; ++i) {
      if (bucket.elements[i] != &element) continue;
      --bucket.count;
      bucket.elements[i] = bucket.elements[bucket.count];
      bucket.tags[i] = bucket.tags[bucket.count];
      return;
    }
  }

 private:
  static constexpr std::size_t kPlaces = 7;
  // Elements for each bucket, on average. Those that find no place are a few in a hundred then.
  static constexpr std::size_t kLoad = 3;
  static constexpr std::size_t kChunkBuckets = 64;

  // One line of the cache.
  struct alignas(64) Bucket {
    std::array<Element*, kPlaces> elements;
    std::array<std::uint8_t, kPlaces> tags;  // of their hashes
    std::uint8_t count = 0;
  };
  using Chunk = std::array<Bucket, kChunkBuckets>;

  static std::uint64_t word_of(std::string_view octets) {
    std::uint64_t word = 0;
    if (!octets.empty()) std::memcpy(&word, octets.data(), octets.size());
    return word;
  }
  // A multiplication carries bits upwards, a rotation brings them down again.
  static std::uint64_t mix(std::uint64_t word) {
    word *= 0x9e3779b97f4a7c15;
    return std::rotl(word ^ (word >> 32), 29) * 0xbf58476d1ce4e5b9;
  }
  static std::uint8_t tag_of(std::uint64_t hash) { return static_cast<std::uint8_t>(hash >> 56); }

  [[nodiscard]] std::size_t place_of(std::uint64_t hash) const {
    const std::size_t place = hash & (base_ - 1);
    return place < split_ ? hash & (2 * base_ - 1) : place;
  }
  [[nodiscard]] Bucket& at(std::size_t place) const {
    return (*chunks_[place / kChunkBuckets])[place % kChunkBuckets];
  }
  static void add(Bucket& bucket, Element& element, std::uint64_t hash) {
    if (bucket.count == kPlaces) return;
    bucket.elements[bucket.count] = &element;
    bucket.tags[bucket.count] = tag_of(hash);
    ++bucket.count;
  }

  // Shares what the next bucket in turn holds with a new one.
  void split() {
    const std::size_t fresh = base_ + split_;
    if (fresh / kChunkBuckets == chunks_.size()) chunks_.push_back(std::make_unique<Chunk>());
    Bucket& old = at(split_);
    const Bucket before = std::exchange(old, Bucket());
    for (std::size_t i = 0; i < before.count; ++i) {
      const std::uint64_t hash = hash_of(before.elements[i]->first);
      add((hash & base_) == 0 ? old : at(fresh), *before.elements[i], hash);
    }
    if (++split_ == base_) {
      base_ *= 2;
      split_ = 0;
    }
  }

  // There are base_ + split_ buckets. Those before split_, and as many at the end, go by one more
  // bit of the hash than the others.
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::size_t base_ = kChunkBuckets;
  std::size_t split_ = 0;
  std::size_t size_ = 0;  // of the map beside it
};

}  // namespace paxledger::kv
