#include "kv/session_results.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::kv {
namespace {

constexpr std::uint64_t kPlacesMin = 4;
static_assert(std::has_single_bit(kSessionWindow), "the ring's capacity is a power of two");

}  // namespace

void SessionResults::acknowledge(Sequence sequence) {
  if (sequence <= acknowledged_) return;
  const std::uint64_t passed = sequence.value() - acknowledged_.value();
  const std::uint64_t steps = std::min<std::uint64_t>(passed, ring_.size());
  for (std::uint64_t step = 1; step <= steps; ++step) {
    Place& place = ring_[place_of(acknowledged_.plus(step))];
    if (place.sequence <= sequence) place = Place{};
  }
  acknowledged_ = sequence;
}

const CommandResult* SessionResults::find(Sequence sequence) const {
  if (ring_.empty() || !fits(sequence)) return nullptr;
  const Place& place = ring_[place_of(sequence)];
  return place.sequence == sequence ? &place.result : nullptr;
}

void SessionResults::keep(Sequence sequence, CommandResult result) {
  invariant(fits(sequence), "a result is kept within the session's window");
  grow_to_hold(sequence.value() - acknowledged_.value());
  Place& place = ring_[place_of(sequence)];
  invariant(place.sequence == Sequence(0), "one result per sequence");
  place.sequence = sequence;
  place.result = std::move(result);
}

void SessionResults::grow_to_hold(std::uint64_t span) {
  if (span <= ring_.size()) return;
  std::vector<Place> old(std::max(kPlacesMin, std::bit_ceil(span)));
  old.swap(ring_);
  for (Place& place : old) {
    if (place.sequence != Sequence(0)) ring_[place_of(place.sequence)] = std::move(place);
  }
}

}  // namespace paxledger::kv
