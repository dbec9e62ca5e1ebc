#include "ledger/merkle.hpp"

#include <bit>

#include "base/invariant.hpp"
#include "ledger/sha256.hpp"

namespace paxledger::ledger {
namespace {

constexpr std::string_view kLeafDomain("\x00", 1);
constexpr std::string_view kNodeDomain("\x01", 1);

Digest root_of_nothing() {
  return sha256({});
}

// The number of leaves left of the root's split. Precondition: count >= 2.
std::size_t split_of(std::size_t count) {
  return std::bit_floor(count - 1);
}

bool is_odd(std::uint64_t number) {
  return (number & 1) == 1;
}

}  // namespace

Digest merkle_leaf(std::string_view entry) {
  return sha256({kLeafDomain, entry});
}

Digest merkle_node(const Digest& left, const Digest& right) {
  return sha256({kNodeDomain, left.view(), right.view()});
}

void MerkleFrontier::append(const Digest& leaf) {
  // Like a carry in a binary counter: two perfect subtrees of one height become one of the next.
  auto top = static_cast<std::size_t>(std::popcount(size_));
  Digest carried = leaf;
  for (std::uint64_t rest = size_; is_odd(rest); rest >>= 1) {
    carried = merkle_node(subtrees_[--top], carried);
  }
  subtrees_[top] = carried;
  ++size_;
}

Digest MerkleFrontier::root() const {
  if (size_ == 0) return root_of_nothing();
  auto left = static_cast<std::size_t>(std::popcount(size_)) - 1;
  Digest root = subtrees_[left];
  while (left > 0) root = merkle_node(subtrees_[--left], root);
  return root;
}

Digest merkle_root(std::span<const Digest> leaves) {
  MerkleFrontier frontier;
  for (const Digest& leaf : leaves) frontier.append(leaf);
  return frontier.root();
}

MerkleProof inclusion_proof(std::span<const Digest> leaves, std::size_t index) {
  invariant(index < leaves.size(), "an inclusion proof is about a leaf of the tree");
  // PATH of RFC 6962 §2.1.1, from the root down; the RFC lists it from the leaf up.
  MerkleProof downwards;
  while (leaves.size() > 1) {
    const std::size_t split = split_of(leaves.size());
    if (index < split) {
      downwards.push_back(merkle_root(leaves.subspan(split)));
      leaves = leaves.first(split);
    } else {
      downwards.push_back(merkle_root(leaves.first(split)));
      leaves = leaves.subspan(split);
      index -= split;
    }
  }
  return {downwards.rbegin(), downwards.rend()};
}

bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                      std::span<const Digest> proof, const Digest& root) {
  if (index >= size) return false;
  std::uint64_t node = index;     // position of the subtree that `hash` stands for
  std::uint64_t last = size - 1;  // position of the last subtree of that height
  Digest hash = leaf;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;  // the proof is longer than the path
    if (is_odd(node) || node == last) {
      hash = merkle_node(sibling, hash);
      // A subtree at the right edge without a sibling is its own parent: climb until it has one.
      while (!is_odd(node) && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = merkle_node(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

MerkleProof consistency_proof(std::span<const Digest> leaves, std::size_t old_size) {
  invariant(old_size <= leaves.size(), "a tree does not shrink");
  if (old_size == 0 || old_size == leaves.size()) return {};
  // SUBPROOF of RFC 6962 §2.1.2, from the root down. `whole`: the old tree's root is still the
  // root of the part in hand, so the verifier knows it and it is not sent.
  MerkleProof downwards;
  bool whole = true;
  while (old_size != leaves.size()) {
    const std::size_t split = split_of(leaves.size());
    if (old_size <= split) {
      downwards.push_back(merkle_root(leaves.subspan(split)));
      leaves = leaves.first(split);
    } else {
      downwards.push_back(merkle_root(leaves.first(split)));
      leaves = leaves.subspan(split);
      old_size -= split;
      whole = false;
    }
  }
  if (!whole) downwards.push_back(merkle_root(leaves));
  return {downwards.rbegin(), downwards.rend()};
}

bool verify_consistency(std::uint64_t old_size, const Digest& old_root, std::uint64_t new_size,
                        const Digest& new_root, std::span<const Digest> proof) {
  if (old_size > new_size) return false;
  if (old_size == new_size) return proof.empty() && old_root == new_root;
  if (old_size == 0) return proof.empty() && old_root == root_of_nothing();

  std::uint64_t node = old_size - 1;
  std::uint64_t last = new_size - 1;
  while (is_odd(node)) {
    node >>= 1;
    last >>= 1;
  }
  // A perfect old tree is itself the first subtree, so the proof leaves it out.
  Digest old_hash = old_root;
  if (!std::has_single_bit(old_size)) {
    if (proof.empty()) return false;
    old_hash = proof.front();
    proof = proof.subspan(1);
  }
  Digest new_hash = old_hash;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if (is_odd(node) || node == last) {
      old_hash = merkle_node(sibling, old_hash);
      new_hash = merkle_node(sibling, new_hash);
      while (!is_odd(node) && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = merkle_node(new_hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && new_hash == new_root;
}

}  // namespace paxledger::ledger
