// A number that means one thing.
//
// StrongId<Tag, Rep> wraps an integer so that a slot cannot be passed where a round is expected.
// There are no implicit conversions in either direction; value() leaves the type on purpose.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>

namespace paxledger {

template <class Tag, std::unsigned_integral Rep>
class StrongId {
 public:
  using rep = Rep;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  [[nodiscard]] constexpr Rep value() const { return value_; }
  [[nodiscard]] constexpr StrongId next() const { return StrongId(value_ + 1); }
  [[nodiscard]] constexpr StrongId plus(Rep count) const { return StrongId(value_ + count); }

  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  Rep value_ = 0;
};

}  // namespace paxledger

template <class Tag, std::unsigned_integral Rep>
struct std::hash<paxledger::StrongId<Tag, Rep>> {
  std::size_t operator()(const paxledger::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
