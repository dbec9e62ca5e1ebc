#include "kv/session_results.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::kv {

namespace {

// A table of so many places is never worth a smaller one, nor is one of which a quarter is taken.
constexpr std::size_t kRoomSmall = kResultsLight;
constexpr std::size_t kRoomForEach = 4;
constexpr std::size_t kRoomFirst = 4;
static_assert(std::has_single_bit(kSessionWindow) && std::has_single_bit(kRoomFirst));

}  // namespace

const SessionResults::Kept* SessionResults::look_up(Sequence sequence) const {
  if (table_.empty()) return nullptr;
  const Kept* places = table_.data();
  const std::size_t mask = table_.size() - 1;
  for (std::size_t step = 0; step <= reach_; ++step) {
    const Kept& kept = places[(sequence.value() + step) & mask];
    if (kept.sequence == sequence) return &kept;
  }
  return nullptr;
}

void SessionResults::place(const Kept& kept) {
  Kept* places = table_.data();
  const std::size_t mask = table_.size() - 1;
  std::size_t step = 0;
  const auto at = [&]() -> Kept& { return places[(kept.sequence.value() + step) & mask]; };
  for (; at().sequence > acknowledged_; ++step) {
    invariant(at().sequence != kept.sequence, "one result per sequence");
    invariant(step < mask, "a table of results has a free place");
  }
  at() = kept;
  reach_ = std::max(reach_, step);
}

void SessionResults::resize(std::size_t places) {
  const auto before = std::exchange(table_, std::vector<Kept>(places));
  reach_ = 0;
  for (const Kept& kept : before) {
    if (kept.sequence > acknowledged_) place(kept);
  }
}

void SessionResults::acknowledge(Sequence sequence) {
  if (sequence <= acknowledged_) return;
  const Sequence before = std::exchange(acknowledged_, sequence);
  if (count_ == 0) return;
  const std::uint64_t distance = sequence.value() - before.value();
  // Whichever looks at fewer places: the lookup of each sequence, or all that there are.
  if (distance < table_.size() / (reach_ + 1)) {
    for (std::uint64_t i = 1; i <= distance; ++i) {
      if (look_up(Sequence(before.value() + i)) != nullptr) --count_;
    }
  } else {
    for (const Kept& kept : table_) {
      if (kept.sequence > before && kept.sequence <= sequence) --count_;
    }
  }
  if (table_.size() > kRoomSmall && table_.size() > kRoomForEach * count_) {
    resize(std::max(kRoomSmall, std::bit_ceil(2 * count_)));
  } else if (count_ == 0) {
    reach_ = 0;
  }
}

std::optional<CommandResult> SessionResults::find(Sequence sequence) const {
  const Kept* kept = sequence > acknowledged_ ? look_up(sequence) : nullptr;
  if (kept == nullptr) return std::nullopt;
  return CommandResult{kept->code, kept->revision, {}};
}

void SessionResults::keep(Sequence sequence, const CommandResult& result) {
  invariant(fits(sequence), "a result is kept within the session's window");
  invariant(result.value.empty(), "no value is kept for a session");
  // With no reach there is one place to look at, which place() does.
  invariant(reach_ == 0 || look_up(sequence) == nullptr, "one result per sequence");
  // An eighth stays free, so that a search ends soon whatever the sequences are.
  if (count_ >= table_.size() - table_.size() / 8 && table_.size() < kSessionWindow) {
    resize(std::max(kRoomFirst, 2 * table_.size()));
  }
  place({sequence, result.revision, result.code});
  ++count_;
}

void SessionResults::hash_into(StateHasher& hasher) const {
  // In the order of sequences. What was forgotten, and where each stands, makes no difference.
  const auto& [acknowledged, table, count, reach] = *this;
  hasher.add(acknowledged, count);
  std::size_t left = count;
  for (std::uint64_t after = 1; left > 0; ++after) {
    const Kept* kept = look_up(Sequence(acknowledged.value() + after));
    if (kept == nullptr) continue;
    const auto& [sequence, revision, code] = *kept;
    hasher.add(sequence, code, revision);
    --left;
  }
}

}  // namespace paxledger::kv
