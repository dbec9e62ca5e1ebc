#include "ledger/merkle.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/sha256.hpp"

namespace paxledger::ledger {
namespace {

using namespace std::string_literals;
using Leaves = std::span<const Digest>;

// RFC 6962 §2.1, word for word, as slow as it reads. What the module does is held against this.
namespace dumb {

std::size_t largest_power_of_two_below(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

Digest root(Leaves d) {
  if (d.empty()) return sha256({});
  if (d.size() == 1) return d[0];
  const std::size_t k = largest_power_of_two_below(d.size());
  return sha256({"\x01", root(d.first(k)).view(), root(d.subspan(k)).view()});
}

MerkleProof path(std::size_t m, Leaves d) {
  if (d.size() == 1) return {};
  const std::size_t k = largest_power_of_two_below(d.size());
  MerkleProof proof = m < k ? path(m, d.first(k)) : path(m - k, d.subspan(k));
  proof.push_back(m < k ? root(d.subspan(k)) : root(d.first(k)));
  return proof;
}

MerkleProof subproof(std::size_t m, Leaves d, bool whole) {
  if (m == d.size()) return whole ? MerkleProof{} : MerkleProof{root(d)};
  const std::size_t k = largest_power_of_two_below(d.size());
  MerkleProof proof =
      m <= k ? subproof(m, d.first(k), whole) : subproof(m - k, d.subspan(k), false);
  proof.push_back(m <= k ? root(d.subspan(k)) : root(d.first(k)));
  return proof;
}

}  // namespace dumb

std::vector<Digest> some_leaves(std::size_t count) {
  std::vector<Digest> leaves;
  for (std::size_t i = 0; i < count; ++i)
    leaves.push_back(merkle_leaf("entry " + std::to_string(i)));
  return leaves;
}

constexpr std::size_t kTreesUpTo = 40;

// The tree that the test suites of Certificate Transparency use, its entries and its roots.
const std::vector<std::string> kKnownEntries = {
    "",
    "\x00"s,
    "\x10",
    "\x20\x21",
    "\x30\x31",
    "\x40\x41\x42\x43",
    "\x50\x51\x52\x53\x54\x55\x56\x57",
    "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"};
const std::vector<std::string> kKnownRoots = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

TEST(Merkle, GivesTheKnownRootsOfCertificateTransparency) {
  MerkleFrontier tree;
  EXPECT_EQ(tree.root().hex(), kKnownRoots[0]);
  for (std::size_t i = 0; i < kKnownEntries.size(); ++i) {
    tree.append(merkle_leaf(kKnownEntries[i]));
    EXPECT_EQ(tree.root().hex(), kKnownRoots[i + 1]) << i + 1 << " leaves";
  }
}

TEST(Merkle, FollowsTheDefinitionForEverySize) {
  for (std::size_t size = 0; size <= kTreesUpTo; ++size) {
    const auto leaves = some_leaves(size);
    EXPECT_EQ(merkle_root(leaves), dumb::root(leaves)) << size << " leaves";
  }
}

TEST(Merkle, AFrontierKnowsItsRootAtEverySize) {
  const auto leaves = some_leaves(300);
  MerkleFrontier frontier;
  for (std::size_t size = 0; size < leaves.size(); ++size) {
    ASSERT_EQ(frontier.size(), size);
    ASSERT_EQ(frontier.root(), dumb::root(Leaves(leaves).first(size))) << size << " leaves";
    frontier.append(leaves[size]);
  }
}

TEST(Merkle, ALeafCannotPassForANode) {
  const Digest left = merkle_leaf("l");
  const Digest right = merkle_leaf("r");
  const std::string children = std::string(left.view()) + std::string(right.view());
  EXPECT_NE(merkle_leaf(children), merkle_node(left, right));
}

TEST(InclusionProof, IsThatOfTheRfcAndVerifiesForEveryLeafOfEverySize) {
  for (std::size_t size = 1; size <= kTreesUpTo; ++size) {
    const auto leaves = some_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t index = 0; index < size; ++index) {
      const MerkleProof proof = inclusion_proof(leaves, index);
      ASSERT_EQ(proof, dumb::path(index, leaves)) << index << " of " << size;
      ASSERT_TRUE(verify_inclusion(leaves[index], index, size, proof, root))
          << index << " of " << size;
    }
  }
}

TEST(InclusionProof, IsRefusedForAnotherLeafIndexSizeOrRoot) {
  for (std::size_t size = 2; size <= 20; ++size) {
    const auto leaves = some_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t index = 0; index < size; ++index) {
      const MerkleProof proof = inclusion_proof(leaves, index);
      EXPECT_FALSE(verify_inclusion(merkle_leaf("other"), index, size, proof, root));
      EXPECT_FALSE(verify_inclusion(leaves[index], index, size, proof, merkle_leaf("other")));
      for (std::size_t other = 0; other <= size + 1; ++other) {
        if (other == index) continue;
        EXPECT_FALSE(verify_inclusion(leaves[index], other, size, proof, root))
            << "leaf " << index << " of " << size << " passes as leaf " << other;
      }
      EXPECT_FALSE(verify_inclusion(leaves[index], index, 0, proof, root));
    }
  }
}

TEST(InclusionProof, IsRefusedIfAnythingOfItIsChangedAddedOrLeftOut) {
  for (std::size_t size = 2; size <= 20; ++size) {
    const auto leaves = some_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t index = 0; index < size; ++index) {
      const MerkleProof proof = inclusion_proof(leaves, index);
      for (std::size_t part = 0; part < proof.size(); ++part) {
        MerkleProof changed = proof;
        changed[part].octets[part] ^= 1;
        EXPECT_FALSE(verify_inclusion(leaves[index], index, size, changed, root));
        MerkleProof shorter = proof;
        shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(part));
        EXPECT_FALSE(verify_inclusion(leaves[index], index, size, shorter, root));
      }
      MerkleProof longer = proof;
      longer.push_back(root);
      EXPECT_FALSE(verify_inclusion(leaves[index], index, size, longer, root));
    }
  }
}

TEST(InclusionProof, AnInnerNodeIsNoLeafOfATreeOfAnotherSize) {
  // The root of four leaves, told to be the only leaf of a tree of one: a proof says nothing
  // about the size, so the size has to be known. Under the true size it fails.
  const auto leaves = some_leaves(4);
  const Digest root = merkle_root(leaves);
  EXPECT_TRUE(verify_inclusion(root, 0, 1, {}, root));
  EXPECT_FALSE(verify_inclusion(root, 0, 4, {}, root));
}

TEST(InclusionProof, SurvivesTheLargestSizes) {
  const MerkleProof proof(64);
  EXPECT_FALSE(verify_inclusion({}, UINT64_MAX - 1, UINT64_MAX, proof, {}));
  EXPECT_FALSE(verify_inclusion({}, 0, UINT64_MAX, MerkleProof(1000), {}));
  EXPECT_FALSE(verify_inclusion({}, UINT64_MAX, UINT64_MAX, proof, {}));
}

TEST(ConsistencyProof, IsThatOfTheRfcAndVerifiesForEveryPairOfSizes) {
  for (std::size_t size = 1; size <= kTreesUpTo; ++size) {
    const auto leaves = some_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t old_size = 1; old_size <= size; ++old_size) {
      const Digest old_root = merkle_root(Leaves(leaves).first(old_size));
      const MerkleProof proof = consistency_proof(leaves, old_size);
      ASSERT_EQ(proof, dumb::subproof(old_size, leaves, true)) << old_size << " to " << size;
      ASSERT_TRUE(verify_consistency(old_size, old_root, size, root, proof))
          << old_size << " to " << size;
    }
  }
}

TEST(ConsistencyProof, FromNothingIsEmptyAndHoldsForTheEmptyTreeOnly) {
  const auto leaves = some_leaves(5);
  const Digest root = merkle_root(leaves);
  EXPECT_TRUE(consistency_proof(leaves, 0).empty());
  EXPECT_TRUE(verify_consistency(0, sha256({}), 5, root, {}));
  EXPECT_FALSE(verify_consistency(0, merkle_leaf("x"), 5, root, {}));
  EXPECT_FALSE(verify_consistency(0, sha256({}), 5, root, MerkleProof(1)));
}

TEST(ConsistencyProof, IsRefusedForARewrittenHistory) {
  for (std::size_t size = 2; size <= 20; ++size) {
    const auto leaves = some_leaves(size);
    for (std::size_t old_size = 1; old_size < size; ++old_size) {
      const Digest old_root = merkle_root(Leaves(leaves).first(old_size));
      for (std::size_t changed = 0; changed < old_size; ++changed) {
        auto rewritten = leaves;
        rewritten[changed] = merkle_leaf("another entry");
        const MerkleProof proof = consistency_proof(rewritten, old_size);
        EXPECT_FALSE(verify_consistency(old_size, old_root, size, merkle_root(rewritten), proof))
            << "leaf " << changed << " rewritten between " << old_size << " and " << size;
      }
    }
  }
}

TEST(ConsistencyProof, IsRefusedIfAnythingOfItIsChangedAddedOrLeftOut) {
  for (std::size_t size = 2; size <= 20; ++size) {
    const auto leaves = some_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t old_size = 1; old_size < size; ++old_size) {
      const Digest old_root = merkle_root(Leaves(leaves).first(old_size));
      const MerkleProof proof = consistency_proof(leaves, old_size);
      for (std::size_t part = 0; part < proof.size(); ++part) {
        MerkleProof changed = proof;
        changed[part].octets[0] ^= 0x80;
        EXPECT_FALSE(verify_consistency(old_size, old_root, size, root, changed));
        MerkleProof shorter = proof;
        shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(part));
        EXPECT_FALSE(verify_consistency(old_size, old_root, size, root, shorter));
      }
      MerkleProof longer = proof;
      longer.push_back(root);
      EXPECT_FALSE(verify_consistency(old_size, old_root, size, root, longer));
      EXPECT_FALSE(verify_consistency(size, root, old_size, old_root, proof)) << "trees shrink";
    }
  }
}

TEST(ConsistencyProof, SurvivesTheLargestSizes) {
  EXPECT_FALSE(verify_consistency(UINT64_MAX - 1, {}, UINT64_MAX, {}, MerkleProof(64)));
  EXPECT_FALSE(verify_consistency(1, {}, UINT64_MAX, {}, MerkleProof(1000)));
  EXPECT_FALSE(verify_consistency(std::uint64_t{1} << 63, {}, UINT64_MAX, {}, {}));
  EXPECT_FALSE(verify_consistency(3, {}, 5, {}, {}));
}

}  // namespace
}  // namespace paxledger::ledger
