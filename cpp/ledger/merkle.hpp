// Merkle trees as RFC 6962 §2.1 defines them, with proofs that an entry stands in a tree
// (inclusion) and that one tree is the beginning of another (consistency).
//
//   leaf(entry)  = SHA-256(0x00 entry)
//   node(l, r)   = SHA-256(0x01 l r)
//   root()       = SHA-256()
//   root(d)      = leaf(d)
//   root(d[0:n]) = node(root(d[0:k]), root(d[k:n]))   k: the largest power of two below n
//
// A proof is the list of digests that RFC 6962 §2.1.1 (PATH) or §2.1.2 (PROOF) gives, in that
// order. Verifying follows RFC 9162 §2.1.3.2 and §2.1.4.2, and takes sizes and indexes from the
// caller: a proof says nothing about a tree size that was not checked elsewhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace paxledger::ledger {

using MerkleProof = std::vector<Digest>;

[[nodiscard]] Digest merkle_leaf(std::string_view entry);
[[nodiscard]] Digest merkle_node(const Digest& left, const Digest& right);

// A tree that grows at its right end and remembers only what its root needs: the roots of its
// perfect subtrees, one for each bit set in size(). Appending costs O(1) hashes on average, the
// root O(log size).
class MerkleFrontier {
 public:
  void append(const Digest& leaf);
  [[nodiscard]] Digest root() const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  std::array<Digest, 64> subtrees_;  // the largest first; popcount(size_) of them count
  std::uint64_t size_ = 0;
};

// The root over leaves (results of merkle_leaf).
[[nodiscard]] Digest merkle_root(std::span<const Digest> leaves);

// Proves that leaves[index] stands in the tree over leaves. Precondition: index < leaves.size().
[[nodiscard]] MerkleProof inclusion_proof(std::span<const Digest> leaves, std::size_t index);

// Whether `proof` shows that `leaf` is number `index` of the tree of `size` leaves under `root`.
// Any input is allowed; what cannot be true is false.
[[nodiscard]] bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                                    std::span<const Digest> proof, const Digest& root);

// Proves that the tree over the first `old_size` leaves is the beginning of the tree over leaves.
// Precondition: old_size <= leaves.size(). The proof from nothing, or of a tree to itself, is
// empty.
[[nodiscard]] MerkleProof consistency_proof(std::span<const Digest> leaves, std::size_t old_size);

// Whether `proof` shows that the tree of `old_size` leaves under `old_root` is the beginning of
// the tree of `new_size` leaves under `new_root`. Any input is allowed.
[[nodiscard]] bool verify_consistency(std::uint64_t old_size, const Digest& old_root,
                                      std::uint64_t new_size, const Digest& new_root,
                                      std::span<const Digest> proof);

}  // namespace paxledger::ledger
