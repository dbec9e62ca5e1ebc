#include "kv/entries.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/prng.hpp"

namespace paxledger::kv {
namespace {

void write(Entries& entries, const std::string& key, std::uint64_t revision) {
  entries.at(key) = {SharedBytes::copy_of("value of " + key), Revision(revision)};
}

TEST(Entries, BehaveLikeASortedMapWithFewKeysAndWithMany) {
  Prng prng(Seed{11});
  Entries entries;
  std::map<std::string, std::uint64_t> plain;
  for (std::uint64_t round = 1; round <= 200'000; ++round) {
    // The keys grow in number and become fewer again.
    const std::uint64_t keys = round < 150'000 ? 1 + round / 10 : 500;
    const std::string key = "key " + std::to_string(prng.below(keys));
    if (prng.chance(1, round < 100'000 ? 5 : 2)) {
      ASSERT_EQ(entries.remove(key), plain.erase(key) == 1) << key;
    } else {
      write(entries, key, round);
      plain[key] = round;
    }
    ASSERT_EQ(entries.size(), plain.size());
    const std::string asked = "key " + std::to_string(prng.below(keys));
    const Entry* entry = entries.find(asked);
    const auto found = plain.find(asked);
    ASSERT_EQ(entry != nullptr, found != plain.end()) << asked;
    if (entry != nullptr) {
      ASSERT_EQ(entry->revision, Revision(found->second));
      ASSERT_EQ(entry->value.view(), "value of " + asked);
    }
  }
  auto expected = plain.begin();
  for (const auto& [key, entry] : entries.in_order()) {
    ASSERT_EQ(key, expected->first);
    ++expected;
  }
}

TEST(Entries, FindKeysThatWereChosenToFallIntoOneBucket) {
  std::vector<std::string> keys;
  for (std::uint64_t number = 0; keys.size() < 2 * Entries::kIndexedFrom; ++number) {
    std::string key = std::to_string(number);
    if (KeyIndex<Entries::Map::value_type>::hash_of(key) % 1024 == 0)
      keys.push_back(std::move(key));
  }
  Entries entries;
  for (std::size_t i = 0; i < keys.size(); ++i) write(entries, keys[i], i + 1);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_NE(entries.find(keys[i]), nullptr);
    EXPECT_EQ(entries.find(keys[i])->revision, Revision(i + 1));
    write(entries, keys[i], i + 2);
    EXPECT_EQ(entries.find(keys[i])->revision, Revision(i + 2));
  }
  EXPECT_EQ(entries.size(), keys.size());
  for (const auto& key : keys) {
    EXPECT_TRUE(entries.remove(key));
    EXPECT_EQ(entries.find(key), nullptr);
    EXPECT_FALSE(entries.remove(key));
  }
  EXPECT_EQ(entries.size(), 0u);
}

TEST(Entries, ACopyGoesItsOwnWay) {
  Entries original;
  for (std::uint64_t i = 0; i < 1000; ++i) write(original, std::to_string(i), 1);
  Entries copy(original);
  write(copy, "7", 2);
  copy.remove("8");
  write(original, "9", 3);
  EXPECT_EQ(original.find("7")->revision, Revision(1));
  EXPECT_NE(original.find("8"), nullptr);
  EXPECT_EQ(copy.find("7")->revision, Revision(2));
  EXPECT_EQ(copy.find("8"), nullptr);
  EXPECT_EQ(copy.find("9")->revision, Revision(1));
  EXPECT_EQ(copy.find("10")->value.view().data(), original.find("10")->value.view().data())
      << "copies share the octets of values";
}

}  // namespace
}  // namespace paxledger::kv
