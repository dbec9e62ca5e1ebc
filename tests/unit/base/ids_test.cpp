#include "base/ids.hpp"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

namespace paxledger {
namespace {

TEST(StrongId, DoesNotConvertByItself) {
  static_assert(!std::is_convertible_v<std::uint64_t, Slot>);
  static_assert(!std::is_convertible_v<Slot, std::uint64_t>);
  static_assert(!std::is_constructible_v<Slot, Round>);
  static_assert(!std::is_assignable_v<Slot&, Height>);
}

TEST(StrongId, CountsAndCompares) {
  EXPECT_EQ(Slot(4).next(), Slot(5));
  EXPECT_EQ(Slot(4).plus(3), Slot(7));
  EXPECT_LT(Slot(4), Slot(5));
}

TEST(StrongId, CanBeAKeyOfAHashTable) {
  const std::unordered_set<SessionId> sessions{SessionId(1), SessionId(1), SessionId(2)};
  EXPECT_EQ(sessions.size(), 2u);
}

TEST(Height, IsTheNumberOfTheSlot) {
  EXPECT_EQ(height_of(Slot(9)), Height(9));
  EXPECT_EQ(slot_of(Height(9)), Slot(9));
}

}  // namespace
}  // namespace paxledger
