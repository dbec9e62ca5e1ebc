#include "engine/place_index.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>

#include "base/prng.hpp"

namespace paxledger::engine {
namespace {

// Things are numbers here, and stand in the place of their own number.
PlaceIndex::Place look_up(const PlaceIndex& index, std::uint64_t hash, PlaceIndex::Place wanted) {
  return index.find(hash, [&](PlaceIndex::Place place) { return place == wanted; });
}

TEST(PlaceIndex, FindsWhatWasAddedAndNotRemoved) {
  // Few hashes, so that most of what is added stands far from the cell of its hash.
  for (const std::uint64_t hashes : {3u, 40u, 100'000u}) {
    Prng prng(Seed{hashes});
    PlaceIndex index;
    std::map<PlaceIndex::Place, std::uint64_t> plain;
    for (int round = 0; round < 30'000; ++round) {
      const auto place = static_cast<PlaceIndex::Place>(prng.below(round < 15'000 ? 200 : 20));
      const auto found = plain.find(place);
      if (found == plain.end()) {
        const std::uint64_t hash = prng.below(hashes);
        ASSERT_EQ(look_up(index, hash, place), PlaceIndex::kNowhere);
        index.add(hash, place);
        plain[place] = hash;
      } else {
        ASSERT_EQ(look_up(index, found->second, place), place);
        index.remove(found->second, place);
        plain.erase(found);
      }
      const auto asked = static_cast<PlaceIndex::Place>(prng.below(200));
      if (plain.contains(asked)) {
        ASSERT_EQ(look_up(index, plain[asked], asked), asked);
      }
    }
    for (const auto& [place, hash] : plain) ASSERT_EQ(look_up(index, hash, place), place);
  }
}

TEST(PlaceIndex, PutsAnotherPlaceWhereOneStood) {
  PlaceIndex index;
  index.add(7, 1);
  index.add(7, 2);
  index.replace(7, 1, 3);
  EXPECT_EQ(look_up(index, 7, 1), PlaceIndex::kNowhere);
  EXPECT_EQ(look_up(index, 7, 2), 2u);
  EXPECT_EQ(look_up(index, 7, 3), 3u);
}

}  // namespace
}  // namespace paxledger::engine
