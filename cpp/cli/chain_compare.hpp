// Which of several chains tell the same history, and where the others part from it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace paxledger::cli {

// A chain that is whole in itself up to `height`. Hashes are hexadecimal texts.
struct ComparedChain {
  std::size_t name = 0;  // the caller's, returned in the answer
  Height height;         // 0: no block yet, which agrees with every chain
  std::string head;      // the hash of its block at `height`
  // The hash of its block at a height from 1 to `height`.
  std::function<Result<std::string>(Height)> hash_at;
};

// Chains of one history: each of them is a beginning of the first, which is the longest.
//
// A chain that ends before two histories part is the beginning of both and stands in both; such a
// one is `shared` and says nothing for either.
struct History {
  std::vector<std::size_t> names;   // longest first
  std::vector<std::size_t> shared;  // those of `names` that stand in other histories too
  // Where it parts from the first history, and the two hashes there. For the first one: where the
  // second one parts from it, if there is one.
  Height parts_at;
  std::string hash;
  std::string other_hash;
};

struct Comparison {
  std::vector<History> histories;  // the one with most chains of its own first
  // Chains that could not be read on the way, which are left out.
  std::vector<std::pair<std::size_t, Error>> unread;
};

// Every two chains are compared at the greatest height that both have. As a hash binds all blocks
// before it, it is enough to compare each chain with the longest of every history found so far.
[[nodiscard]] Comparison compare_chains(std::vector<ComparedChain> chains);

}  // namespace paxledger::cli
